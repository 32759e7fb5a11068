"""LightGBM with the published parameters on patient vectors: one stratified split, five folds, predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from models.patient_risk import SURE, feature_names, probabilities
from training.errors import TrainingError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
# "Quick start" of Fierro, Xing and Wu for the Data Science Bowl 2017, as given to LGBMRegressor then; the names are
# those of the native interface. Its default of that time bagged every round (subsample_freq 1). ``nthread`` 24 is left
# to the machine: it does not change the result.
PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "metric": "l2",
    "max_depth": 50,
    "num_leaves": 21,
    "min_sum_hessian_in_leaf": 1,
    "learning_rate": 0.001,
    "bagging_fraction": 0.80,
    "bagging_freq": 1,
    "feature_fraction": 0.80,
    "seed": 42,
    "verbose": -1,
}
LOG_LOSS = {"objective": "binary", "metric": "binary_logloss"}  # the other loss that is tried
ROUNDS, PATIENCE = 5000, 300
TEST_SHARE, SPLIT_SEED = 0.20, 42
FOLDS, FOLD_SEED = 5, 2048


@dataclass(frozen=True, eq=False)
class Fit:
    """A model, the patients that it did not see, what it says of them, and the rounds until nothing improved."""

    booster: lightgbm.Booster
    unseen: Indices
    predictions: Floats
    rounds: int


def fit_split(vectors: Floats, labels: Floats, log_loss: bool = False) -> Fit:
    """Train on 80 % of the patients and stop early on the stratified 20 % that are kept apart."""
    unseen = stratified_folds(labels, round(1 / TEST_SHARE), SPLIT_SEED) == 0
    return _fit(vectors, labels, unseen, log_loss)


def fit_folds(vectors: Floats, labels: Floats, log_loss: bool = False) -> Iterator[Fit]:
    """Train a model for each of five stratified folds, which it does not see."""
    folds = stratified_folds(labels, FOLDS, FOLD_SEED)
    for fold in range(FOLDS):
        yield _fit(vectors, labels, folds == fold, log_loss)


def geometric_mean(predictions: list[Floats]) -> Floats:
    """Join the predictions of the folds, (N,) each, clipped so that no logarithm is infinite."""
    clipped = np.clip(np.stack(predictions), SURE, 1 - SURE)
    return np.asarray(np.exp(np.log(clipped).mean(axis=0)))


def stratified_folds(labels: Floats, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal the patients of each class out to folds in a seeded order.

    The members differ from those of scikit-learn's splitters with the same seed; shares and sizes are the same.

    Returns
    -------
    (N,) fold of each patient; the classes differ by at most one patient between folds.

    Raises
    ------
    TrainingError
        A class has fewer patients than there are folds.
    """
    rng = np.random.default_rng(seed)
    result = np.empty(len(labels), dtype=np.int64)
    dealt = 0
    for kind in (0.0, 1.0):
        members = np.flatnonzero(labels == kind)
        if len(members) < folds:
            raise TrainingError(f"{len(members)} patients of label {kind:.0f}; {folds} folds need at least {folds}")
        # The next class goes on where the last one ended, so that the folds are equally large.
        result[rng.permutation(members)] = (np.arange(len(members)) + dealt) % folds
        dealt += len(members)
    return result


def _fit(vectors: Floats, labels: Floats, unseen: npt.NDArray[np.bool_], log_loss: bool) -> Fit:
    parameters = {**PARAMETERS, **(LOG_LOSS if log_loss else {})}
    names = list(feature_names(vectors.shape[1]))
    seen_data = lightgbm.Dataset(vectors[~unseen], labels[~unseen], feature_name=names)
    unseen_data = lightgbm.Dataset(vectors[unseen], labels[unseen], reference=seen_data)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    booster = lightgbm.train(parameters, seen_data, ROUNDS, valid_sets=[unseen_data], callbacks=[stop])
    numbers = np.flatnonzero(unseen)
    return Fit(booster, numbers, probabilities(booster, vectors[numbers]), int(booster.best_iteration))
