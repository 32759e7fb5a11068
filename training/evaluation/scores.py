"""Figures of scores, masks and volumes, with bootstrap intervals. Labels are 0 or 1, scores larger for 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

RESAMPLES = 2000
_PERCENTILES = (2.5, 97.5)
_CLIP = 1e-4  # a probability of exactly 0 or 1 that is wrong would make the log-loss infinite


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % limits."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted beside observed, (B,) for the bins that hold anything.

    Parameters
    ----------
    predicted, observed
        Mean probability and share of ones in a bin.
    counts
        Cases in a bin.
    """

    predicted: Floats
    observed: Floats
    counts: npt.NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of both, weighted by the counts."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.counts))


@dataclass(frozen=True)
class Volumetry:
    """Relative errors of measured volumes: mean, 95 % limits of agreement (1.96 SD) and median absolute error."""

    bias: float
    limit_low: float
    limit_high: float
    median_absolute: float
    count: int


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve: the share of pairs in the right order, ties half.

    Raises
    ------
    TrainingError
        A class is empty, or a score is not a number.
    """
    y, s = _checked(labels, scores)
    return _weighted_auc(y, _ranks(s), np.ones(len(y)))


def auc_interval(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """AUC with its bootstrap interval; whole ``groups`` (patients) are resampled when given.

    Resamples of one class only have no AUC and are drawn again.
    """
    y, s = _checked(labels, scores)
    group = np.arange(len(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    ranks = _ranks(s)
    values: list[float] = []
    while len(values) < resamples:
        weights = _drawn(int(group.max()) + 1, rng)[group].astype(np.float64)
        if 0 < weights @ y < weights.sum():
            values.append(_weighted_auc(y, ranks, weights))
    return Interval(_weighted_auc(y, ranks, np.ones(len(y))), *map(float, np.percentile(values, _PERCENTILES)))


def interval(
    statistic: Callable[[Indices], float],
    groups: npt.ArrayLike,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap any statistic of cases; ``statistic`` gets the indices of the cases that were drawn.

    Parameters
    ----------
    groups
        (N,) the group (patient) of each case; ``range(N)`` where every case stands for itself.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    if not len(group):
        raise TrainingError("no case: a figure of nothing means nothing")
    members = [np.flatnonzero(group == number) for number in range(int(group.max()) + 1)]
    values = [
        statistic(np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))]))
        for _ in range(resamples)
    ]
    return Interval(statistic(np.arange(len(group))), *map(float, np.percentile(values, _PERCENTILES)))


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """False-positive rate, true-positive rate and threshold, (P,) each, strictest first; the first marks nothing."""
    y, s = _checked(labels, scores)
    thresholds = np.unique(s)[::-1]
    taken = [np.searchsorted(np.sort(-s[y == kind]), -thresholds, side="right") / (y == kind).sum() for kind in (0, 1)]
    wrong, right = (np.concatenate([[0.0], share]) for share in taken)
    return wrong, right, np.concatenate([[np.inf], thresholds])


def calibration(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> Calibration:
    """Compare probabilities with what happened, in bins of equal width; empty bins are left out."""
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    _refuse_unequal(y, p)
    place = np.clip((p * bins).astype(np.intp), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    held = counts > 0
    predicted = np.bincount(place, p, bins)[held] / counts[held]
    observed = np.bincount(place, y, bins)[held] / counts[held]
    return Calibration(predicted, observed, counts[held])


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean negative log-likelihood of probabilities clipped to 1e-4 .. 1 - 1e-4."""
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    _refuse_unequal(y, p)
    p = np.clip(p, _CLIP, 1 - _CLIP)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def brier(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean squared error of probabilities."""
    y, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    _refuse_unequal(y, p)
    return float(np.mean((y - p) ** 2))


def dice(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Overlap of two masks of one shape, 0 to 1; two empty masks agree, so they give 1.

    Raises
    ------
    TrainingError
        The shapes differ.
    """
    if first.shape != second.shape:
        raise TrainingError(f"masks of shape {first.shape} and {second.shape} cannot be compared")
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2.0 * int(np.count_nonzero(first & second)) / total if total else 1.0


def confusion_matrix(truth: npt.ArrayLike, said: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """(classes, classes) counts: row is the truth, column what was said."""
    t, s = np.asarray(truth, dtype=np.intp), np.asarray(said, dtype=np.intp)
    _refuse_unequal(t, s)
    if min(t.min(), s.min()) < 0 or max(t.max(), s.max()) >= classes:
        raise TrainingError(f"a class is outside 0 to {classes - 1}")
    return np.bincount(t * classes + s, minlength=classes**2).reshape(classes, classes)


def volumetry(true_mm3: npt.ArrayLike, measured_mm3: npt.ArrayLike) -> Volumetry:
    """Compare volumes in mm3; errors are relative to the true volume.

    Raises
    ------
    TrainingError
        Fewer than two pairs, or a true volume that is not positive.
    """
    true, measured = np.asarray(true_mm3, dtype=np.float64), np.asarray(measured_mm3, dtype=np.float64)
    _refuse_unequal(true, measured)
    if len(true) < 2 or true.min() <= 0:
        raise TrainingError("volumetry needs two pairs or more, and true volumes above zero")
    error = measured / true - 1
    spread = 1.96 * float(error.std(ddof=1))  # Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8
    bias = float(error.mean())
    return Volumetry(bias, bias - spread, bias + spread, float(np.median(np.abs(error))), len(true))


def _checked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Floats]:
    y, s = np.asarray(labels).astype(np.int64), np.asarray(scores, dtype=np.float64)
    _refuse_unequal(y, s)
    if not 0 < int((y == 1).sum()) < len(y) or not np.isin(y, (0, 1)).all():
        raise TrainingError(f"{len(y)} cases, {int((y == 1).sum())} of them of class 1: both classes are needed")
    return y, s


def _refuse_unequal(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> None:
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise TrainingError(f"two equal lists of cases are needed, found shapes {first.shape} and {second.shape}")
    if not (np.isfinite(first.astype(np.float64)).all() and np.isfinite(second.astype(np.float64)).all()):
        raise TrainingError("a score is not a number")


def _ranks(scores: Floats) -> Indices:
    """Place of each score among the distinct ones; ties share it."""
    return np.unique(scores, return_inverse=True)[1]


def _drawn(count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """How often each of ``count`` is drawn in ``count`` draws with replacement."""
    return np.bincount(rng.integers(count, size=count), minlength=count)


def _weighted_auc(labels: npt.NDArray[np.int64], ranks: Indices, weights: Floats) -> float:
    ones, zeros = np.bincount(ranks, weights * labels), np.bincount(ranks, weights * (1 - labels))
    below = np.cumsum(zeros) - zeros / 2  # ties count half
    return float(ones @ below / (ones.sum() * zeros.sum()))
