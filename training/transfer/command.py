"""``python -m training transfer``, ``transfer-predict`` and ``triplets-to-folders``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from torch import nn

from models.weights import Card, Figure
from training.datasets import fingerprint
from training.devices import device_of
from training.loop import RunSettings, Trained, train
from training.page import Picture, Section, write_page
from training.transfer.errors_sheet import Said, sheet_png
from training.transfer.folders import Folders, described, folders_of, limited, opened
from training.transfer.measuring import Tested, figures_of, report
from training.transfer.network import (
    ARCHITECTURE,
    Origin,
    load_trained,
    new_layers,
    parameters_of,
    predict,
    save_head,
    transfer_network,
)
from training.transfer.nodules import write_folders
from training.transfer.task import ImageTask, LoaderSettings

CARD = "transfer-head.json"
_PUBLISHED = "System 002 on OCT2017 (four classes of retina, ImageNet features): about 79 % on validation at once."

ImagenetOption = Annotated[
    Path | None, typer.Option(help="Card of imported ImageNet weights of VGG16; default: random features.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]


def transfer(
    folder: Annotated[Path, typer.Argument(help="Image folders: train, val, test / CLASS / images (OCT2017).")],
    output: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on.")] = Path("transfer"),
    imagenet: ImagenetOption = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = 30,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss.")] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read and augment images.")] = 2,
    device: DeviceOption = "cpu",
    bf16: Annotated[bool, typer.Option(help="Compute in bfloat16: faster, a little less exact.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Images of a class in a split, for a trial.")] = None,
) -> None:
    """Train a new head on the frozen features of VGG16 (system 002), test it, and write its report."""
    folders = folders_of(folder) if limit is None else limited(folders_of(folder), limit)
    sections = described(folders)
    network, origin = transfer_network(len(folders.classes), imagenet, seed)
    loading = LoaderSettings(batch, workers, device_of(device), bf16)
    task = ImageTask((network, new_layers(network)), folder, folders, loading)
    data = fingerprint(path for files in folders.files.values() for path, _ in files)
    identity = {"data": data, "features": asdict(origin), "batch": batch, "bf16": bf16, "classes": folders.classes}
    _say(f"{len(folders.classes)} classes, features from {origin}; {_counted(network)}")
    trained = train(task, RunSettings(epochs, patience, seed, "val_loss", False), _plain(identity), output)
    task.model.load_state_dict(trained.weights)
    tested = Tested(folders, *task.on_test(), seed)
    _written(tested, trained, origin, output, sections)


def transfer_predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: Annotated[Path, typer.Option(help="Card of a trained head (transfer-head.json).")],
    output: Annotated[Path, typer.Option(help="HTML page with the images and their bars.")] = Path("predictions.html"),
    imagenet: ImagenetOption = None,
    topk: Annotated[int, typer.Option(min=1, help="Classes shown of each image.")] = 4,
) -> None:
    """Name the most probable classes of images."""
    network, classes = load_trained(model, imagenet)
    pictures = [opened(path) for path in images]
    probabilities, labels = predict(network, pictures, min(topk, len(classes)))
    cases = []
    for path, picture, p, names in zip(images, pictures, probabilities.tolist(), labels.tolist(), strict=True):
        said = tuple(classes[label] for label in names)
        cases.append(Said(picture, said, tuple(p)))
        print(path.name, *(f"{name} {value:.4f}" for name, value in zip(said, p, strict=True)))  # noqa: T201
    section = Section("Most probable classes", pictures=(Picture(sheet_png(cases), "In the order of the files."),))
    write_page(output, "Predictions", (), (section,))


def triplets_to_folders(
    triplets: Annotated[Path, typer.Argument(help="lidc-nodule-triplets.npz")],
    out: Annotated[Path, typer.Argument(help="Folder for train, val, test; made if absent.")],
) -> None:
    """Write LIDC nodules rated 1-2 and 4-5 as image folders, split by patient."""
    for name, count in sorted(write_folders(triplets, out).items()):
        print(f"{name}: {count}")  # noqa: T201


def _written(tested: Tested, trained: Trained, origin: Origin, output: Path, sections: tuple[Section, ...]) -> None:
    """Write the weights with their card, and the report."""
    folders = tested.folders
    data = f"{len(tested.labels)} test images of {len(set(tested.patients))} patients"
    figures = figures_of(tested, data)
    save_head(trained.weights, _card(folders, figures), folders.classes, origin, output)
    about = (
        f"Features of VGG16 from {origin}, frozen; the new head was trained on {len(folders.files['train'])} images "
        f"and chosen by the loss on {len(folders.files['val'])}, in epoch {trained.best['epoch']:.0f}.",
        _PUBLISHED,
    )
    report(tested, figures, trained.history, about, sections, output / "report.html")
    said = (f"{figure.name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" for figure in figures)
    _say(f"{'; '.join(said)}; {output / 'report.html'}")


def _card(folders: Folders, figures: tuple[Figure, ...]) -> Card:
    return Card(
        name="transfer-head",
        version="1",
        file="transfer-head.safetensors",
        sha256="",
        architecture=ARCHITECTURE,
        input_contract="RGB, short side 256, centre 224 x 224, ImageNet mean and deviation",
        training_data=f"{len(folders.files['train'])} images of the classes {', '.join(folders.classes)}",
        licence="that of the training images",
        source="python -m training transfer",
        figures=figures,
    )


def _counted(network: nn.Module) -> str:
    total, trained = parameters_of(network)
    return f"{trained:,} of {total:,} parameters are trained"


def _plain(identity: dict[str, object]) -> dict[str, object]:
    """Give what JSON gives back: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}


def _say(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, soft_wrap=True)
