"""VGG16 whose features stay as they are, with a new head that is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from models.published.imagenet import load_imagenet
from models.weights import Card, WeightsError, fill, load_tensors, read_card, save_weights
from training.transfer.folders import plain_transforms

ARCHITECTURE = "vgg16-transfer-head"
_HIDDEN, _DROPOUT = 256, 0.2


@dataclass(frozen=True)
class Origin:
    """Where the frozen features come from.

    Parameters
    ----------
    sha256
        Of imported or trained weights; empty for random ones.
    seed
        Of the random ones.
    source
        What the weights were trained on, in the words of their card.
    """

    sha256: str
    seed: int
    source: str = "ImageNet"

    def __str__(self) -> str:
        if not self.sha256:
            return f"random weights (seed {self.seed})"
        return f"weights {self.sha256[:12]} ({self.source})"


def transfer_network(classes: int, card_path: Path | None, seed: int) -> tuple[nn.Module, Origin]:
    """Build VGG16, freeze all of it, and put a new last layer on: Linear, ReLU, Dropout, Linear, LogSoftmax.

    With four classes 1,049,860 of 135,310,404 parameters are trained.

    Parameters
    ----------
    card_path
        Card of imported ImageNet weights; None for random ones.

    Returns
    -------
    The network, (N, 3, 224, 224) to log-probabilities (N, classes), and where its features come from.
    """
    network = load_imagenet("vgg16", card_path, seed)
    for parameter in network.parameters():
        parameter.requires_grad = False
    head_of(network)[-1] = nn.Sequential(
        nn.Linear(4096, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, classes), nn.LogSoftmax(dim=1)
    )
    card = read_card(card_path) if card_path is not None else None
    return network, Origin(card.sha256, seed, card.training_data) if card else Origin("", seed)


def head_of(network: nn.Module) -> nn.Sequential:
    """Give the classifier, whose last layer is the one that is replaced."""
    classifier = network.classifier
    if not isinstance(classifier, nn.Sequential):
        raise TypeError("VGG16 has a classifier of several layers")
    return classifier


def new_layers(network: nn.Module) -> nn.Module:
    """Give the part that is trained."""
    return head_of(network)[-1]


def parameters_of(network: nn.Module) -> tuple[int, int]:
    """Count all parameters and those that are trained."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(count for count, _ in counts), sum(count for count, trained in counts if trained)


def predict(network: nn.Module, images: Sequence[Image.Image], k: int) -> tuple[Tensor, Tensor]:
    """Give the ``k`` most probable classes of each image.

    Returns
    -------
    Probabilities, falling, and labels, (N, k) each.
    """
    transform, device = plain_transforms(), next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        batch = torch.stack([transform(image) for image in images]).to(device)
        probabilities, labels = network(batch).exp().topk(k, dim=1)
    return probabilities.cpu(), labels.cpu()


def save_head(tensors: dict[str, Tensor], card: Card, classes: Sequence[str], origin: Origin, folder: Path) -> Card:
    """Write the trained layers with a card that keeps the classes and where the frozen features come from."""
    class_to_idx = {name: number for number, name in enumerate(classes)}
    settings: dict[str, Any] = {"class_to_idx": class_to_idx, "features": asdict(origin)}
    described = Card(**{**card.__dict__, "settings": {**card.settings, **settings}})
    return save_weights(tensors, described, folder)


def load_trained(card_path: Path, imagenet: Path | None) -> tuple[nn.Module, tuple[str, ...]]:
    """Build the network that a card describes.

    Parameters
    ----------
    imagenet
        Card of the ImageNet weights, needed when the head was trained on them.

    Returns
    -------
    The network in evaluation mode, and its classes in the order of their labels.

    Raises
    ------
    WeightsError
        The files are damaged, or the frozen features are not those that the head was trained on.
    """
    card, tensors = load_tensors(card_path)
    try:
        classes = tuple(sorted(card.settings["class_to_idx"], key=card.settings["class_to_idx"].__getitem__))
        origin = Origin(**card.settings["features"])
    except (KeyError, TypeError, AttributeError):
        raise WeightsError(f"{card_path}: is no card of a transfer head; train one with `transfer`") from None
    if origin.sha256 and (imagenet is None or read_card(imagenet).sha256 != origin.sha256):
        raise WeightsError(f"{card_path}: was trained on {origin}; name their card with --imagenet")
    network, _ = transfer_network(len(classes), imagenet if origin.sha256 else None, origin.seed)
    fill(new_layers(network), tensors, card.name)
    return network.eval(), classes
