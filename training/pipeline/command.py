"""``python -m training pipeline``, alone or under torchrun."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from models.weights import Card, Figure, save_weights
from training.evaluation.report import EvaluationReport, write_report
from training.loop import RunSettings, Trained, train
from training.pipeline.fashion import Images, fashion_mnist, generated
from training.pipeline.loading import LoadSettings
from training.pipeline.processes import joined
from training.pipeline.task import FashionTask

_HELD_OUT = 10  # every tenth image of train validates
_TEST_SHARE = 6  # generated: one test image for so many of train, as in Fashion-MNIST


@dataclass(frozen=True, eq=False)
class Splits:
    """The data and what they are called in the card."""

    train: Images
    val: Images
    test: Images
    name: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of pixels and labels."""
        total = sha256()
        for split in (self.train, self.val, self.test):
            total.update(split.pixels.tobytes() + split.labels.tobytes())
        return total.hexdigest()


def pipeline(
    folder: Annotated[Path | None, typer.Argument(help="Fashion-MNIST's idx files; none: images made here.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the run; an interrupted one goes on.")] = Path("pipeline"),
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss.")] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images of a step, over all processes.")] = 512,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Reading processes; 0: no overlap.")] = 2,
    prefetch: Annotated[int, typer.Option(min=1, help="Batches ready per worker.")] = 2,
    shuffle: Annotated[bool, typer.Option(help="Draw a new order each epoch.")] = True,
    repeat: Annotated[int, typer.Option(min=1, help="Passes over the data in one epoch.")] = 1,
    any_order: Annotated[bool, typer.Option(help="Take batches as they are ready: faster, not repeatable.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    made: Annotated[int, typer.Option(min=100, help="Images made when no folder is given.")] = 6000,
) -> None:
    """Train the small network of system 003; `torchrun --nproc-per-node N -m training pipeline` for N processes."""
    settings = LoadSettings(batch, workers, prefetch, shuffle, repeat, any_order)
    splits = splits_of(folder, made, seed)
    identity = {"data": splits.fingerprint, "loading": {"batch": batch, "shuffle": shuffle, "repeat": repeat}}
    with joined(device) as (share, own):
        task = FashionTask(splits.train, splits.val, settings, share, own, seed)
        run = RunSettings(epochs, patience, seed, "val_loss", False, writes=share.rank == 0)
        trained = train(task, run, identity, output)
        task.model.load_state_dict(trained.weights)
        figures = task.measured(splits.test)
        if share.rank == 0:
            _written(splits, trained, figures, output, f"{share.world} process(es) on {own.type}, {asdict(settings)}")


def splits_of(folder: Path | None, made: int, seed: int) -> Splits:
    """Read the data, or make them; every tenth image of train is for validation."""
    if folder is None:
        whole, test = generated(made, 2 * seed), generated(max(1, made // _TEST_SHARE), 2 * seed + 1)
        name = f"{made} striped images made here in place of Fashion-MNIST (seed {seed})"
    else:
        whole, test, name = fashion_mnist(folder, "train"), fashion_mnist(folder, "test"), "Fashion-MNIST"
    held = torch.arange(len(whole)).numpy() % _HELD_OUT == 0
    train_part, val_part = (Images(whole.pixels[chosen], whole.labels[chosen]) for chosen in (~held, held))
    return Splits(train_part, val_part, test, name)


def _written(splits: Splits, trained: Trained, figures: dict[str, float], output: Path, how: str) -> None:
    """Write weights, card and report."""
    data = f"{len(splits.test)} test images; {splits.name}"
    found = tuple(Figure(name, round(value, 4), data) for name, value in figures.items())
    card = Card(
        name="pipeline",
        version="1",
        file="pipeline.safetensors",
        sha256="",
        architecture="small network of system 003",
        input_contract="(N, 1, 28, 28), grey, 0 to 1",
        training_data=splits.name,
        licence="that of the images",
        source="python -m training pipeline",
        figures=found,
    )
    save_weights(trained.weights, card, output)
    rate = max(row["images_per_s"] for row in trained.history)
    about = (f"Trained on {splits.name}: {len(splits.train)} images; {how}.", f"Fastest epoch: {rate:.0f} images/s.")
    report = EvaluationReport("Input pipeline", about, found, history=tuple(trained.history))
    write_report(report, output / "report.html")
    said = ", ".join(f"{figure.name} {figure.value:.4f}" for figure in found)
    Console(stderr=True).print(
        f"test {said}; fastest epoch {rate:.0f} images/s; {output / 'report.html'}", highlight=False, soft_wrap=True
    )
