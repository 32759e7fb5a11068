"""LightGBM and a kernel on measurements, stacked with the networks, calibrated; and their honest evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from models.boosters import raw_scores
from models.malignancy import Stacking
from models.malignancy_features import PLAIN_FEATURES, SIZE_FEATURES, feature_names, features_of
from models.malignancy_kernel import KernelScorer, fit_kernel
from models.malignancy_network import SCORES
from training.logistic import fit_logistic
from training.malignancy.networks import Pair, without
from training.malignancy.triplets import Triplets

Floats = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Chosen by hand on measurements alone, before any network was trained.
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
ROUNDS, ROUNDS_OF_SIZE = 250, 60


@dataclass(frozen=True, eq=False)
class Scorer:
    """LightGBM and the kernel, and how their scores are joined with that of the networks."""

    booster: lightgbm.Booster
    kernel: KernelScorer
    stacking: Stacking

    def logits(self, rows: Floats) -> Floats:
        """Score rows (N, measurements and networks' scores)."""
        measured, networks = np.split(rows, [-len(SCORES)], axis=1)
        weights = self.stacking
        joined = weights.booster * raw_scores(self.booster, measured) + weights.network * networks[:, 0]
        return np.asarray(joined + weights.kernel * self.kernel.scores(measured) + weights.intercept)


def measurements_of(triplets: Triplets) -> Floats:
    """Measure all nodules: (N, F) in the order of ``feature_names``."""
    return np.array([list(features_of(case).values()) for case in triplets.cases], dtype=np.float64)


def fit_scorer(rows: Floats, labels: Bools, folds: Folds, seed: int) -> Scorer:
    """Train on all rows; stack and calibrate on the scores of those that are left out fold by fold."""
    measured, networks = np.split(rows, [-len(SCORES)], axis=1)
    stacked = np.column_stack((np.zeros(len(rows)), networks[:, 0], np.zeros(len(rows))))
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        stacked[outside, 0] = raw_scores(_boosted(measured[inside], labels[inside], seed), measured[outside])
        stacked[outside, 2] = fit_kernel(measured[inside], labels[inside]).scores(measured[outside])
    (booster, network, kernel), intercept = fit_logistic(stacked, labels.astype(np.float64), ridge=1.0)
    stacking = Stacking(float(booster), float(network), float(kernel), float(intercept))
    return Scorer(_boosted(measured, labels, seed), fit_kernel(measured, labels), stacking)


def nested_logits(measurements: Floats, scores: Mapping[Pair, Floats], triplets: Triplets, folds: Folds) -> Floats:
    """Score every decided nodule by a scorer and by networks that saw no nodule of its fold; others get NaN.

    For the fold that is tested, the stacking learns from scores of networks that saw neither the tested fold nor
    the nodule's own; so nothing of the tested fold, and no network's memory of a nodule, reaches it.
    """
    result = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        rows = np.column_stack((measurements, without(scores, folds, also=int(fold))))
        inside, tested = triplets.decided & (folds != fold), triplets.decided & (folds == fold)
        scorer = fit_scorer(rows[inside], triplets.suspicious[inside], folds[inside], seed=int(fold))
        result[tested] = scorer.logits(rows[tested])
    return result


def baseline_logits(measurements: Floats, triplets: Triplets, folds: Folds) -> dict[str, Floats]:
    """Score by size alone and by fifteen plain measurements, with the same folds: what the model has to beat."""
    return {
        "size alone, LightGBM": _left_out(measurements, SIZE_FEATURES, ROUNDS_OF_SIZE, triplets, folds),
        "15 plain measurements, LightGBM": _left_out(measurements, PLAIN_FEATURES, ROUNDS, triplets, folds),
        f"all {measurements.shape[1]} measurements, LightGBM": _left_out(
            measurements, feature_names(), ROUNDS, triplets, folds
        ),
    }


def _left_out(rows: Floats, names: Sequence[str], rounds: int, triplets: Triplets, folds: Folds) -> Floats:
    chosen = rows[:, [feature_names().index(name) for name in names]]
    result = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        inside, tested = triplets.decided & (folds != fold), triplets.decided & (folds == fold)
        booster = _boosted(chosen[inside], triplets.suspicious[inside], int(fold), rounds, names)
        result[tested] = raw_scores(booster, chosen[tested])
    return result


def _boosted(
    rows: Floats, labels: Bools, seed: int, rounds: int = ROUNDS, names: Sequence[str] | None = None
) -> lightgbm.Booster:
    data = lightgbm.Dataset(rows, labels.astype(np.float64), feature_name=list(names or feature_names()))
    return lightgbm.train({**PARAMETERS, "seed": seed}, data, rounds)
