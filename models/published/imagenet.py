"""ResNet-152, ResNet-18 and VGG16 with ImageNet weights: features of images that no medical data taught.

References
----------
He 2016, doi:10.1109/CVPR.2016.90; Simonyan 2015, arXiv:1409.1556; layout and input contract of torchvision's
IMAGENET1K_V1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnet152, vgg16
from torchvision.transforms.v2 import functional

from models.weights import WeightsError, fill, load_tensors

RESIZE, CROP = 256, 224  # pixels, short side and side; the contract of the V1 weights (V2 resizes to 232)
MEAN = (0.485, 0.456, 0.406)  # of ImageNet, red, green, blue, on 0..1
STANDARD_DEVIATION = (0.229, 0.224, 0.225)

_BUILDERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"resnet152": resnet152, "resnet18": resnet18, "vgg16": vgg16}
)
IMAGENET = tuple(_BUILDERS)


def load_imagenet(name: str, card_path: Path | None, seed: int = 0) -> nn.Module:
    """Build a network for 1000 classes, in evaluation mode on the CPU.

    Parameters
    ----------
    name
        One of ``IMAGENET``.
    card_path
        Card of imported weights; None gives random weights, which the caller has to say.
    seed
        Of the random weights; the caller's random state is left as it was.

    Raises
    ------
    WeightsError
        There is no such network, or the weights are missing, damaged or another network's.
    """
    if card_path is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return bare_network(name).eval()
    card, tensors = load_tensors(card_path)
    with torch.device("meta"):
        network = bare_network(name)
    network.to_empty(device="cpu")
    fill(network, tensors, card.name)
    return network.eval()


def bare_network(name: str) -> nn.Module:
    """Build a network for 1000 classes with random weights.

    Raises
    ------
    WeightsError
        There is no such network.
    """
    if name not in _BUILDERS:
        raise WeightsError(f"{name}: no such network; there are {', '.join(IMAGENET)}")
    network: nn.Module = _BUILDERS[name](weights=None)
    return network


def penultimate(network: nn.Module) -> nn.Module:
    """Replace the last layer by nothing, in place: what comes out are the features that it would have classified.

    (N, 3, 224, 224) to (N, 2048) for ResNet-152, (N, 512) for ResNet-18, (N, 4096) for VGG16.
    """
    classifier = getattr(network, "classifier", None)
    if isinstance(getattr(network, "fc", None), nn.Linear):
        network.fc = nn.Identity()
    elif isinstance(classifier, nn.Sequential):
        classifier[-1] = nn.Identity()
    else:
        raise ValueError(f"{type(network).__name__} has no last layer of a known name")
    return network


def prepared(images: Tensor) -> Tensor:
    """Bring images to the input contract.

    Parameters
    ----------
    images
        (N, 3, H, W) float, red, green, blue, 0 to 1.

    Returns
    -------
    (N, 3, 224, 224) float.
    """
    resized = functional.resize(images, [RESIZE], antialias=True)
    cropped = functional.center_crop(resized, [CROP, CROP])
    result: Tensor = functional.normalize(cropped, list(MEAN), list(STANDARD_DEVIATION))
    return result
