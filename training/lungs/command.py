"""``python -m training lungs``: makes slices, trains the compact lung network, writes weights, card and report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from models.components import Mask
from models.unet import UNet, UNetSettings
from models.weights import Card, save_weights, sha256_of
from training.datasets import fingerprint
from training.devices import device_of
from training.errors import TrainingError
from training.held import hold
from training.loop import RunSettings, Trained, train
from training.lungs.reporting import figures_of, report
from training.lungs.slices import Slices, generated, labelled_by_rules, load_slices, save_slices
from training.lungs.task import LungRun, LungTask, answered

NAME, VERSION = "lungs", "1"
HELD_OUT = 5  # every fifth generated scan is not trained on
FIRST_REAL_SCAN = 1000
SLICE_STEP_MM = 5.0  # lungs change slowly from slice to slice
_INPUT = (
    "axial slices to LPS, -1024..600 HU, cropped to the body, 256 x 256, (HU + 1024) / 1624, (N, 1, 256, 256); "
    "answers background, right, left"
)


@dataclass(frozen=True)
class Plan:
    """What is trained on what, where."""

    network: UNetSettings
    run: LungRun
    scans: int
    real: tuple[Path, ...]
    seed: int
    device: torch.device
    matrices: tuple[int, ...] = (256, 320, 384)
    real_source: str = "real series"


def command(
    out: Annotated[Path, typer.Argument(help="Folder for slices, checkpoint, curves, weights and card.")],
    real: Annotated[list[Path] | None, typer.Option(help="Folder of real chest CT, labelled by the rules.")] = None,
    real_source: Annotated[str, typer.Option(help="Their collection and licence, for the card.")] = "real series",
    scans: Annotated[int, typer.Option(min=HELD_OUT, help="Generated chests; every fifth is held out.")] = 40,
    epochs: Annotated[int, typer.Option(min=1)] = 24,
    steps: Annotated[int, typer.Option(min=1, help="Batches of eight slices an epoch.")] = 100,
    width: Annotated[int, typer.Option(min=1, max=6, help="2 ** width filters in the first layer.")] = 3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
    bf16: Annotated[bool, typer.Option(help="Compute in bfloat16; fast where the processor has it.")] = False,
) -> None:
    """Train the compact lung network on generated chests and real series."""
    run = LungRun(epochs=epochs, coarse_epochs=epochs * 2 // 5, steps=steps, bf16=bf16)
    network = UNetSettings(width_exponent=width)
    plan = Plan(network, run, scans, tuple(real or ()), seed, device_of(device), real_source=real_source)
    for figure in train_lungs(out, plan).figures:
        text = f"{figure.name} {figure.value} (95 % {figure.low} to {figure.high}), {figure.data}"
        Console(stderr=True).print(text, highlight=False)


def train_lungs(out: Path, plan: Plan) -> Card:
    """Make the slices if they are not there, train, measure on the held-out scans and write.

    Raises
    ------
    TrainingError
        A series cannot be read, the folder holds another run, or the loss is not a number.
    """
    real = fingerprint(plan.real) if plan.real else None
    hold(out / "slices.json", {"scans": plan.scans, "seed": plan.seed, "matrices": list(plan.matrices), "real": real})
    path = out / "slices.npz"
    if not path.exists():
        save_slices(_made(plan), path)
    slices = load_slices(path)
    held = ~slices.real & (slices.scan % HELD_OUT == HELD_OUT - 1)
    if held.all() or not held.any():
        raise TrainingError(f"{path}: {HELD_OUT} generated scans or more are needed to train and to judge")
    torch.manual_seed(plan.seed)
    task = LungTask(plan.network, plan.run, slices.where(~held), slices.where(held), plan.device)
    settings = RunSettings(plan.run.epochs, plan.run.epochs, plan.seed, monitor="dice", larger_is_better=True)
    known_by = sha256_of(path)
    identity = {"data": known_by, "run": asdict(plan.run), "network": asdict(plan.network)}
    trained = train(task, settings, identity, out)
    return _shipped(trained, slices, held, plan, out, f"data sha256 {known_by[:12]}")


def _made(plan: Plan) -> Iterator[Slices]:
    with Console(stderr=True).status("making slices") as status:
        for number, part in enumerate(generated(plan.scans, plan.seed, plan.matrices, str(plan.device))):
            status.update(f"made {number + 1} of {plan.scans} chests")
            yield part
        yield from labelled_by_rules(plan.real, FIRST_REAL_SCAN)


def _shipped(trained: Trained, slices: Slices, held: Mask, plan: Plan, out: Path, data: str) -> Card:
    """Round the weights to 16 bits, measure them, write them with their card and the report."""
    rounded = {name: t.half().float() if t.is_floating_point() else t for name, t in trained.weights.items()}
    network = UNet(plan.network).to(plan.device).eval()
    network.load_state_dict(rounded)
    judged = slices.where(held)
    answers = answered(network, judged.hu, plan.device)
    card = Card(
        name=NAME,
        version=VERSION,
        file=f"{NAME}.safetensors",
        sha256="",
        architecture="models.unet.UNet",
        input_contract=_INPUT,
        training_data=_training_data(slices, held, plan.real_source),
        licence="Apache-2.0; real series, if any, under the licences of their collections",
        source=f"python -m training lungs, {plan.run.epochs} epochs, seed {plan.seed}, {data}",
        settings={**asdict(plan.network), "slice_step_mm": SLICE_STEP_MM},
        figures=figures_of(judged, answers),
    )
    tensors = {name: t.half() if t.is_floating_point() else t for name, t in rounded.items()}
    saved = save_weights(tensors, card, out)
    report(saved, tuple(trained.history), judged, answers, out / "report.html")
    return saved


def _training_data(slices: Slices, held: Mask, source: str) -> str:
    """Say what was learnt from."""
    learnt = slices.where(~held)
    real, made = (len(np.unique(learnt.scan[kind])) for kind in (learnt.real, ~learnt.real))
    text = f"{made} generated chests of one anatomy, their slices bent, mirrored and diseased at random"
    return f"{text}; {real} of {source} with labels by the rules (pseudo-labels, not drawn)" if real else text
