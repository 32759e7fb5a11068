"""Logistic regression with a ridge, for calibrations of a few numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]


def fit_logistic(
    rows: Floats, labels: Floats, weights: Floats | None = None, ridge: float = 0.0
) -> tuple[Floats, float]:
    """Fit the probability of label 1 as a logistic function of the rows.

    Parameters
    ----------
    rows
        (N, F), of about unit spread: the ridge treats all columns alike.
    labels
        (N,) 0 or 1.
    weights
        (N,) of the cases, all alike when absent.
    ridge
        Half the penalty on the sum of squared coefficients; the intercept is free.

    Returns
    -------
    Coefficients (F,) and intercept.
    """
    share = np.ones(len(labels)) if weights is None else weights

    def loss(parameters: Floats) -> tuple[float, Floats]:
        logits = rows @ parameters[:-1] + parameters[-1]
        value = float(share @ (np.logaddexp(0, logits) - labels * logits)) + ridge * float(
            parameters[:-1] @ parameters[:-1]
        )
        slope = share * (1 / (1 + np.exp(-np.clip(logits, -500, 500))) - labels)
        gradient = np.append(rows.T @ slope + 2 * ridge * parameters[:-1], slope.sum())
        return value, gradient

    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x[:-1], dtype=np.float64), float(found.x[-1])
