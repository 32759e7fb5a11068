"""``python -m training backbone``: weights of ResNet or VGG16 made here, for whom ImageNet's are not at hand.

Systems 000 and 002 take features from networks of a thousand classes. The same network is trained on image folders; of
its thousand outputs only the first are used, so that ``--weights`` and ``--imagenet`` take it as they take ImageNet's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from models.published.imagenet import IMAGENET, bare_network
from models.weights import Card, Figure, save_weights
from training.datasets import fingerprint
from training.devices import device_of
from training.errors import TrainingError
from training.loop import RunSettings, Trained, train
from training.transfer.folders import Folders, described, folders_of, limited
from training.transfer.measuring import Tested, figures_of, report
from training.transfer.task import ImageTask, LoaderSettings


class FirstClasses(nn.Module):
    """A network of a thousand classes of which the first few are used.

    Parameters
    ----------
    network
        (N, 3, 224, 224) to logits (N, 1000).
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, images: Tensor) -> Tensor:
        """Give log-probabilities (N, C)."""
        return functional.log_softmax(self.network(images)[:, : self.classes].float(), dim=1)


def backbone(
    folder: Annotated[Path, typer.Argument(help="Image folders: train, val, test / CLASS / images.")],
    output: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on.")],
    network: Annotated[str, typer.Option(help=f"{', '.join(IMAGENET)}.")] = "resnet18",
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = 10,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss.")] = 5,
    batch: Annotated[int, typer.Option(min=2, help="Images at once.")] = 32,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read and augment images.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    bf16: Annotated[bool, typer.Option(help="Compute in bfloat16: faster, a little less exact.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Images of a class in a split, for a trial.")] = None,
) -> None:
    """Train all of ResNet or VGG16 on images, to take features from where ImageNet weights are not at hand."""
    if network not in IMAGENET:
        raise TrainingError(f"--network {network}: there are {', '.join(IMAGENET)}")
    folders = folders_of(folder) if limit is None else limited(folders_of(folder), limit)
    torch.manual_seed(seed)
    model = FirstClasses(bare_network(network), len(folders.classes))
    task = ImageTask((model, model), folder, folders, LoaderSettings(batch, workers, device_of(device), bf16))
    data = fingerprint(path for files in folders.files.values() for path, _ in files)
    identity = {"data": data, "network": network, "batch": batch, "bf16": bf16}
    trained = train(task, RunSettings(epochs, patience, seed, "val_loss", False), identity, output)
    model.load_state_dict(trained.weights)
    _written(network, Tested(folders, *task.on_test(), seed), trained, output)


def _written(network: str, tested: Tested, trained: Trained, output: Path) -> None:
    """Write the weights with their card, and the report."""
    folders = tested.folders
    figures = figures_of(tested, f"{len(tested.labels)} test images of {len(set(tested.patients))} patients")
    tensors = {name.removeprefix("network."): tensor for name, tensor in trained.weights.items()}
    card = save_weights(tensors, _card(network, folders, figures), output)
    about = (
        f"{network}, all of it trained on {card.training_data}, chosen by the loss on val. For features, where "
        "ImageNet weights are not at hand.",
    )
    report(tested, figures, trained.history, about, described(folders), output / "report.html")


def _card(network: str, folders: Folders, figures: tuple[Figure, ...]) -> Card:
    return Card(
        name=network,
        version="1",
        file=f"{network}.safetensors",
        sha256="",
        architecture=f"torchvision.{network}",
        input_contract="RGB, short side 256, centre 224 x 224, ImageNet mean and deviation",
        training_data=f"{len(folders.files['train'])} images of {', '.join(folders.classes)}, not ImageNet",
        licence="that of the training images",
        source="python -m training backbone",
        figures=figures,
    )
