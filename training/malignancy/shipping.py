"""From scores to files: the figures, the two weight files with their cards, and the report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.malignancy import KERNEL_TENSORS
from models.malignancy_input import HU_PER_GREY, LOWEST_HU, PIXEL_MM, SIDE_PX
from models.malignancy_network import MalignancyNetwork
from models.weights import Card, Figure, place_weights, save_weights
from training.evaluation.report import EvaluationReport, Roc, WorstCase, figure_of, write_report
from training.evaluation.scores import (
    Indices,
    Interval,
    auc,
    auc_interval,
    brier,
    calibration,
    interval,
    roc_curve,
)
from training.malignancy.scorer import Scorer
from training.malignancy.triplets import Triplets

NAME, NETWORKS, VERSION = "malignancy", "malignancy-networks", "1"
Floats = npt.NDArray[np.float64]
_LICENCE = "CC BY 3.0 (LIDC-IDRI, doi:10.7937/K9/TCIA.2015.LO9QL9SX)"
_INPUT = (
    f"three axial slices of {SIDE_PX} x {SIDE_PX} pixels of about {PIXEL_MM} mm, the one of largest area and its "
    f"neighbours, 8 bit, {HU_PER_GREY:.0f} HU per grey level from {LOWEST_HU:.0f} HU, with the nodule's mask"
)
# The pixel of the training triplets is unknown, and their masks are drawn by radiologists, not by this product.
_CAVEAT = "pixels and masks of the data set; not measured on masks of this product"
_WORST = 12


def figures_of(logits: Mapping[str, Floats], triplets: Triplets, folds: npt.NDArray[np.int64]) -> tuple[Figure, ...]:
    """Measure left-out logits (N,), NaN where undecided, with 95 % bootstrap intervals over patients.

    Parameters
    ----------
    logits
        By name; the first is the model's, its calibration is measured too.
    folds
        (N,): the fold of each; the model's AUC is also given as the mean over them.
    """
    kept = triplets.decided
    labels, patients = triplets.suspicious[kept].astype(int), triplets.patients[kept]
    counts = f"{kept.sum()} nodules of {len(np.unique(patients))} patients ({labels.sum()} rated 4-5, the others 1-2)"
    data = f"LIDC triplets, {counts}, cross-validated by patient; {_CAVEAT}"
    rng = np.random.default_rng(0)
    areas = [
        figure_of(f"AUC, {name}", auc_interval(labels, values[kept], rng, patients), data)
        for name, values in logits.items()
    ]
    model = probabilities_of(next(iter(logits.values()))[kept])
    several = triplets.readers[kept] >= 3
    return (
        figure_of("AUC, mean of the folds", _mean_of_folds(labels, model, patients, folds[kept]), data),
        *areas,
        figure_of(
            "AUC of nodules that 3 or 4 readers marked",
            auc_interval(labels[several], model[several], rng, patients[several]),
            data,
        ),
        # no interval: resampling makes this error larger, so that its limits would not hold the figure itself
        Figure("expected calibration error", round(calibration(labels, model).error, 4), data),
        figure_of("Brier score", interval(lambda some: brier(labels[some], model[some]), patients, rng), data),
    )


@dataclass(frozen=True, eq=False)
class About:
    """The command that trained, and the course of all networks, one after the other."""

    source: str
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, eq=False)
class Product:
    """What is shipped: the scorer with its networks, what they were trained on and by what, and what was measured."""

    scorer: Scorer
    network: MalignancyNetwork
    width: int
    training_data: str
    source: str
    figures: tuple[Figure, ...]


def ship(product: Product, folder: Path) -> Card:
    """Write malignancy-networks.safetensors, malignancy.txt and their cards; the networks first."""
    tensors = {name: t.half() if t.is_floating_point() else t for name, t in product.network.state_dict().items()}
    kernel = product.scorer.kernel
    smooth = (torch.from_numpy(values).float() for values in (kernel.quantiles, kernel.rows, kernel.weights))
    tensors |= dict(zip(KERNEL_TENSORS, smooth, strict=True))
    networks = save_weights(tensors, _networks_card(product), folder)
    settings = {
        "networks": f"{NETWORKS}.json",
        "networks_sha256": networks.sha256,
        "members": len(product.network.members),
        "width": product.width,
        "stacking": asdict(product.scorer.stacking),
    }
    card = replace(
        _networks_card(product),
        name=NAME,
        file=f"{NAME}.txt",
        architecture="models.malignancy.MalignancyModel",
        settings=settings,
        figures=product.figures,
    )
    aside = folder / f".{card.file}.{os.getpid()}.part"
    product.scorer.booster.save_model(aside)
    return place_weights(aside, card, folder)


def report(logits: Floats, figures: tuple[Figure, ...], triplets: Triplets, run: About, path: Path) -> None:
    """Write the figures, the ROC and calibration curves and the nodules on which the model was most wrong."""
    kept = triplets.decided
    labels, model = triplets.suspicious[kept].astype(int), probabilities_of(logits[kept])
    wrong, right, _ = roc_curve(labels, model)
    area = auc_interval(labels, model, np.random.default_rng(0), triplets.patients[kept])
    about = (
        "Malignancy as radiologists rate it (LIDC-IDRI), not as pathology finds it. For demonstration and research, "
        "not for diagnosis.",
        f"Trained by {run.source}. Every nodule was scored by networks and by LightGBM that saw none of its patient.",
    )
    write_report(
        EvaluationReport(
            title="Malignancy",
            about=about,
            figures=figures,
            history=run.history,
            roc=Roc(wrong, right, area),
            calibration=calibration(labels, model),
            worst=_worst_cases(np.flatnonzero(kept), labels, model, triplets),
        ),
        path,
    )


def _mean_of_folds(
    labels: npt.NDArray[np.int_], model: Floats, patients: npt.NDArray[np.str_], folds: npt.NDArray[np.int64]
) -> Interval:
    """Give the mean of the folds' areas, with its bootstrap interval over patients."""

    def area(some: Indices) -> float:
        return auc(labels[some], model[some])

    def mean(some: Indices) -> float:
        # a resample may leave a small fold with one class, which has no area
        parts = (some[folds[some] == n] for n in np.unique(folds[some]))
        return float(np.mean([area(part) for part in parts if 0 < labels[part].sum() < len(part)]))

    return interval(mean, patients, np.random.default_rng(0))


def probabilities_of(logits: Floats) -> Floats:
    """Turn logits into probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))


def _worst_cases(
    cases: npt.NDArray[np.intp], labels: npt.NDArray[np.int_], model: Floats, triplets: Triplets
) -> tuple[WorstCase, ...]:
    order = np.argsort(-np.abs(model - labels))[:_WORST]
    return tuple(
        WorstCase(
            triplets.cases[cases[n]].grey[1].astype(np.uint8),
            f"rated {triplets.ratings[cases[n]]} by {triplets.readers[cases[n]]} readers, said {model[n]:.2f}",
        )
        for n in order
    )


def _networks_card(product: Product) -> Card:
    return Card(
        name=NETWORKS,
        version=VERSION,
        file=f"{NETWORKS}.safetensors",
        sha256="",
        architecture="models.malignancy_network.MalignancyNetwork",
        input_contract=_INPUT,
        training_data=product.training_data,
        licence=_LICENCE,
        source=product.source,
        settings={"members": len(product.network.members), "width": product.width},
    )
