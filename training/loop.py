"""The one training loop: seeded epochs, figures, early stopping, checkpoints to go on from, curves.

A task says what a batch, a loss and a validation figure are (``Task``); ``train`` does the rest. Each epoch draws its
randomness from the seed and its own number, so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.curves import write_curves
from training.errors import TrainingError

Batch = TypeVar("Batch")
CHECKPOINT_FILE = "checkpoint.safetensors"
_SEED_STRIDE = 100_003  # a prime: epochs of neighbouring seeds do not share their randomness


@dataclass(frozen=True)
class RunSettings:
    """What every run has.

    Parameters
    ----------
    epochs
        At most so many.
    patience
        Epochs without a better ``monitor`` after which the run ends.
    monitor
        Key of the validation figures that chooses the best weights.
    larger_is_better
        Direction of ``monitor``.
    writes
        False in all but the first of several processes: they train, but write nothing.
    """

    epochs: int
    patience: int
    seed: int
    monitor: str
    larger_is_better: bool
    writes: bool = True


class Task(Protocol[Batch]):
    """What is trained. Batches are on the device that ``loss`` works on, or ``loss`` brings them there."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None

    def batches(self, epoch: int) -> Iterable[Batch]:
        """Give the training batches of an epoch; its randomness comes from torch's generator, seeded for it."""
        ...

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Give the loss to be minimised and the number of images in the batch; the model is in training mode."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Measure on the validation data; the model is in evaluation mode, gradients are off."""
        ...


@dataclass(frozen=True)
class Trained:
    """The best weights of a run and its figures, one row an epoch: epoch, loss, images_per_s, and those of validate."""

    weights: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best: dict[str, float]


def train(task: Task[Any], settings: RunSettings, identity: Mapping[str, Any], folder: Path) -> Trained:
    """Train until the epochs are over or nothing improves; go on from a checkpoint in ``folder`` if there is one.

    Parameters
    ----------
    identity
        Settings and data fingerprint (``fingerprint`` of training.datasets), JSON values; kept in the checkpoint.
    folder
        Gets ``checkpoint.safetensors``, ``history.csv`` and ``curves.png``.

    Raises
    ------
    TrainingError
        No epoch is asked for, the loss is not a number, no batch came, or the checkpoint is that of another run.
    """
    if settings.epochs < 1:
        raise TrainingError(f"epochs is {settings.epochs}: at least one epoch is needed")
    identity = {**identity, "run": {k: v for k, v in asdict(settings).items() if k not in ("epochs", "writes")}}
    folder.mkdir(parents=True, exist_ok=True)
    state = _resumed(task, folder / CHECKPOINT_FILE, identity)
    images: int | None = None
    while state.epoch < settings.epochs and not _is_over(state.history, settings):
        torch.manual_seed(settings.seed * _SEED_STRIDE + state.epoch)
        row, images = _one_epoch(task, state.epoch, settings, images)
        _refuse_spoiled(task.model, state.epoch)
        state.history.append(row)
        state.epoch += 1
        if _best_row(state.history, settings) is row:
            state.best = _copied(task.model.state_dict())
        _keep(task, state, settings, folder)
    return Trained(state.best, state.history, _best_row(state.history, settings))


def joined_history(runs: Sequence[Trained]) -> Iterator[dict[str, float]]:
    """Join the courses of several runs to one, with the number of the ``run`` in each row; epochs are counted on.

    A single run stays as it is.
    """
    before = 0
    for number, trained in enumerate(runs, start=1):
        told = {"run": float(number)} if len(runs) > 1 else {}
        yield from ({**row, "epoch": row["epoch"] + before, **told} for row in trained.history)
        before += len(trained.history)


def _resumed(task: Task[Any], path: Path, identity: dict[str, Any]) -> Checkpoint:
    """Start afresh, or go on from a checkpoint of the same run."""
    if not path.exists():
        return Checkpoint(0, {}, {}, {}, {}, [], identity)
    state = load_checkpoint(path)
    if state.identity != identity:
        differing = sorted(k for k in {*state.identity, *identity} if state.identity.get(k) != identity.get(k))
        raise TrainingError(f"{path}: from a run with another {', '.join(differing)}; choose an empty folder")
    task.model.load_state_dict(state.model)
    task.optimizer.load_state_dict(state.optimizer)
    if task.scheduler is not None:
        task.scheduler.load_state_dict(state.scheduler)
    return state


def _one_epoch(
    task: Task[Any], epoch: int, settings: RunSettings, expected: int | None
) -> tuple[dict[str, float], int]:
    """Train and validate; give the figures and the number of images, which the next epoch's bar expects."""
    task.model.train()
    began = time.perf_counter()
    loss, images = _pass_over(task, epoch, settings, expected)
    images_per_s = images / max(time.perf_counter() - began, 1e-9)
    if task.scheduler is not None:
        task.scheduler.step()
    task.model.eval()
    with torch.no_grad():
        figures = dict(task.validate())
    if settings.monitor not in figures:
        raise TrainingError(f"validation gave no {settings.monitor}; it gave {', '.join(figures) or 'nothing'}")
    return {"epoch": float(epoch + 1), "loss": loss, "images_per_s": images_per_s, **figures}, images


def _pass_over(task: Task[Any], epoch: int, settings: RunSettings, expected: int | None) -> tuple[float, int]:
    """Train on all batches of an epoch; give the mean loss and the number of images."""
    total, images = 0.0, 0
    began = time.perf_counter()
    with _progress(settings) as progress:
        bar = progress.add_task(f"epoch {epoch + 1}/{settings.epochs}", total=expected, rate="")
        for batch in task.batches(epoch):
            loss, count = task.loss(batch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} in epoch {epoch + 1}; try a smaller learning rate")
            task.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            task.optimizer.step()
            total, images = total + value * count, images + count
            rate = f"{images / (time.perf_counter() - began):.0f} images/s, loss {total / images:.4f}"
            progress.update(bar, advance=count, rate=rate)
    if not images:
        raise TrainingError("not one training batch: is the data set empty?")
    return total / images, images


def _refuse_spoiled(model: torch.nn.Module, epoch: int) -> None:
    """Refuse weights that the last step of an epoch has spoiled, before they are kept."""
    if not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        raise TrainingError(f"weights are no numbers after epoch {epoch + 1}; try a smaller learning rate")


def _progress(settings: RunSettings) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    return Progress(*columns, TimeRemainingColumn(), disable=not settings.writes)


def _is_over(history: list[dict[str, float]], settings: RunSettings) -> bool:
    """Tell whether the best epoch lies ``patience`` epochs back."""
    return bool(history) and history[-1]["epoch"] - _best_row(history, settings)["epoch"] >= settings.patience


def _best_row(history: list[dict[str, float]], settings: RunSettings) -> dict[str, float]:
    """Give the row of the best figure, the first of equals; one that is not a number is never the best."""
    sign = 1.0 if settings.larger_is_better else -1.0

    def merit(row: dict[str, float]) -> float:
        value = row[settings.monitor]
        return sign * value if math.isfinite(value) else -math.inf

    return max(history, key=merit)


def _keep(task: Task[Any], state: Checkpoint, settings: RunSettings, folder: Path) -> None:
    """Write the checkpoint and the curves."""
    if not settings.writes:
        return
    state.model = task.model.state_dict()
    state.optimizer = task.optimizer.state_dict()
    state.scheduler = task.scheduler.state_dict() if task.scheduler is not None else {}
    save_checkpoint(state, folder / CHECKPOINT_FILE)
    write_curves(state.history, folder)


def _copied(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
