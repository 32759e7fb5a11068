"""A smooth opinion beside the trees: kernel ridge regression on normal scores of the measurements.

Trees cut where a kernel bends; together they order nodules better than either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
REACH = 0.3  # exp(-REACH * mean squared distance): chosen by hand on measurements
RIDGE = 3.0
_LEVELS = 400  # quantiles kept of each measurement


@dataclass(frozen=True, eq=False)
class KernelScorer:
    """The nodules that were learned from, and their weights.

    Parameters
    ----------
    quantiles
        (Q, F) rising, of each measurement.
    rows
        (N, F) normal scores.
    weights
        (N,).
    """

    quantiles: Floats
    rows: Floats
    weights: Floats

    def scores(self, measurements: Floats) -> Floats:
        """Score measurements (M, F): (M,), about -1 for benign and 1 for suspicious."""
        return np.asarray(kernel(normal_scores(measurements, self.quantiles), self.rows) @ self.weights)


def fit_kernel(measurements: Floats, labels: npt.NDArray[np.bool_]) -> KernelScorer:
    """Fit measurements (N, F) to labels (N,)."""
    quantiles = np.quantile(measurements, (np.arange(_LEVELS) + 0.5) / _LEVELS, axis=0)
    rows = normal_scores(measurements, quantiles)
    weights = np.linalg.solve(kernel(rows, rows) + RIDGE * np.eye(len(rows)), np.where(labels, 1.0, -1.0))
    return KernelScorer(quantiles, rows, np.asarray(weights, dtype=np.float64))


def normal_scores(measurements: Floats, quantiles: Floats) -> Floats:
    """Give each measurement (M, F) the normal deviate of its rank among the quantiles; ties share their middle."""
    ranks = [
        (np.searchsorted(levels, values, "left") + np.searchsorted(levels, values, "right")) / 2
        for values, levels in zip(measurements.T, quantiles.T, strict=True)
    ]
    shares = np.clip(np.stack(ranks, axis=1), 0.5, len(quantiles) - 0.5) / len(quantiles)
    return np.asarray(ndtri(shares), dtype=np.float64)


def kernel(first: Floats, second: Floats) -> Floats:
    """Give the Gaussian kernel (M, N) of rows (M, F) and (N, F)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.asarray(np.exp(-REACH * np.maximum(squares, 0) / first.shape[1]))
