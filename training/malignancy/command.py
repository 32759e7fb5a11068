"""``python -m training malignancy``: trains, measures and exports the malignancy model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console

from models.malignancy_network import SCORES
from models.weights import Card, Figure, sha256_of
from training.devices import device_of
from training.loop import RunSettings, joined_history
from training.malignancy.networks import Pair, Plan, joined, strangers_scores, train_networks, weights_of, without
from training.malignancy.scorer import baseline_logits, fit_scorer, measurements_of, nested_logits
from training.malignancy.shipping import About, Product, figures_of, report, ship
from training.malignancy.task import Hyperparameters
from training.malignancy.triplets import Triplets, folds_of, read_triplets

Floats = npt.NDArray[np.float64]


def command(
    data: Annotated[Path, typer.Argument(help="lidc-nodule-triplets.npz.")],
    out: Annotated[Path, typer.Argument(help="Folder for checkpoints, curves, weights, cards and report.html.")],
    epochs: Annotated[int, typer.Option(min=1)] = 40,
    folds: Annotated[int, typer.Option(min=3, help="Parts of the patients; a network for every pair of them.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Networks for each pair; their scores are averaged.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    width: Annotated[int, typer.Option(min=4, help="Channels of the first stage of a network.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs without a better loss that end a network; none unless given."),
    ] = None,
) -> None:
    """Train the model of how suspicious radiologists find a nodule; a run that was killed goes on."""
    run = RunSettings(epochs, patience=patience or epochs, seed=seed, monitor="validation_loss", larger_is_better=False)
    plan = Plan(run, Hyperparameters(width=width), folds, device_of(device), repeats)
    card = train_malignancy(data, out, plan)
    for figure in card.figures:
        limits = "" if figure.low is None else f" (95 % {figure.low} to {figure.high})"
        Console(stderr=True).print(f"{figure.name}: {figure.value}{limits}", highlight=False)


@dataclass(frozen=True, eq=False)
class Known:
    """All that the scorer learns from: cases, their folds, measurements (N, F) and strangers' scores."""

    triplets: Triplets
    folds: npt.NDArray[np.int64]
    measurements: Floats
    scores: dict[Pair, Floats]


def train_malignancy(data: Path, out: Path, plan: Plan) -> Card:
    """Train the networks and the scorer, measure them by patient-wise cross-validation and write both.

    Raises
    ------
    TrainingError
        The data are unfit, the folder holds another run, or the loss is not a number.
    """
    triplets = read_triplets(data)
    fingerprint = sha256_of(data)
    trained = train_networks(triplets, plan, fingerprint, out)
    folds = folds_of(triplets.patients, plan.folds, plan.run.seed)
    ready = {pair: joined(weights_of(several), plan.chosen.width).to(plan.device) for pair, several in trained.items()}
    known = Known(triplets, folds, measurements_of(triplets), strangers_scores(ready, triplets, folds))
    source = (
        f"python -m training malignancy, {plan.folds} folds, {plan.repeats} networks a pair, "
        f"{plan.run.epochs} epochs, seed {plan.run.seed}, data sha256 {fingerprint[:12]}"
    )
    networks = [one for several in trained.values() for one in several]
    model, figures = measured(known)
    report(model, figures, triplets, About(source, tuple(joined_history(networks))), out / "report.html")
    rows = np.column_stack((known.measurements, without(known.scores, folds)))[triplets.decided]
    scorer = fit_scorer(rows, triplets.suspicious[triplets.decided], folds[triplets.decided], plan.run.seed)
    network = joined(weights_of(networks), plan.chosen.width)
    return ship(Product(scorer, network, plan.chosen.width, _described(triplets), source, figures), out)


def _described(triplets: Triplets) -> str:
    patients = len(np.unique(triplets.patients))
    return f"{len(triplets)} LIDC-IDRI nodules of {patients} patients, rated by up to four radiologists; no pathology"


def measured(known: Known) -> tuple[Floats, tuple[Figure, ...]]:
    """Cross-validate; give the model's logits (N,), NaN where undecided, and the figures."""
    model = nested_logits(known.measurements, known.scores, known.triplets, known.folds)
    networks = without(known.scores, known.folds)[:, SCORES.index("network_suspicious")]
    logits = {
        "networks and measurements": model,
        "networks alone": networks,
        **baseline_logits(known.measurements, known.triplets, known.folds),
    }
    return model, figures_of(logits, known.triplets, known.folds)
