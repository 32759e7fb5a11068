"""``python -m training false-positives``: trains the false-positive stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from models.weights import Card, sha256_of
from training.devices import device_of
from training.false_positives.crops import Crops, read_crops
from training.false_positives.shipping import Run, joined, ship
from training.false_positives.task import FalsePositiveTask, Hyperparameters
from training.loop import RunSettings, Trained, joined_history, train

_SEEDS_APART = 1000  # members of neighbouring seeds do not share theirs


@dataclass(frozen=True)
class Plan:
    """How the stage is trained: ``half`` computes in bfloat16."""

    run: RunSettings
    chosen: Hyperparameters
    members: int
    device: torch.device
    half: bool = False


def command(
    data: Annotated[Path, typer.Argument(help="The .npz of candidate crops: images, is_nodule, split.")],
    out: Annotated[Path, typer.Argument(help="Folder for checkpoints, curves, weights and card; a run goes on there.")],
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    members: Annotated[int, typer.Option(min=1, help="Networks from different seeds that are averaged.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    width: Annotated[int, typer.Option(min=4, help="Channels of the first stage.")] = 32,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without a better AUC that end a run; none end it unless given.")
    ] = None,
    half: Annotated[bool, typer.Option(help="Compute in bfloat16; fast where the processor has it.")] = False,
) -> None:
    """Train the network that tells nodules from other candidates; writes false-positives.safetensors and its card."""
    run = RunSettings(epochs, patience=patience or epochs, seed=seed, monitor="auc", larger_is_better=True)
    plan = Plan(run, Hyperparameters(width=width), members, device_of(device), half)
    card = train_stage(data, out, plan)
    for figure in card.figures:
        text = f"{figure.name} {figure.value} (95 % {figure.low} to {figure.high}), {figure.data}"
        Console(stderr=True).print(text, highlight=False)


def train_stage(data: Path, out: Path, plan: Plan) -> Card:
    """Train all members one after the other, join, calibrate, measure and write.

    Raises
    ------
    TrainingError
        The data are unfit, the folder holds another run, or the loss is not a number.
    """
    crops = read_crops(data)
    fingerprint = sha256_of(data)
    trained = [_member(crops, out / f"member-{number}", plan, number, fingerprint) for number in range(plan.members)]
    settings = {"members": plan.members, "width": plan.chosen.width}
    half = " --half" if plan.half else ""
    source = (
        f"python -m training false-positives --epochs {plan.run.epochs} --members {plan.members} "
        f"--seed {plan.run.seed}{half}, on {plan.device.type}, data sha256 {fingerprint[:12]}"
    )
    network = joined([member.weights for member in trained], plan.chosen.width).to(plan.device)
    return ship(network, crops, settings, Run(source, tuple(joined_history(trained))), out)


def _member(crops: Mapping[str, Crops], folder: Path, plan: Plan, number: int, fingerprint: str) -> Trained:
    """Train one member from a seed of its own; its first weights come from that seed too."""
    run = replace(plan.run, seed=plan.run.seed * _SEEDS_APART + number)
    torch.manual_seed(run.seed)
    task = FalsePositiveTask(crops, plan.chosen, run.epochs, plan.device, plan.half)
    identity = {"data": fingerprint, "chosen": asdict(plan.chosen), "half": plan.half}
    return train(task, run, identity, folder)
