"""Sybil's calibrator: per year, the mean of monotonous curves over a straight line.

References
----------
Mikhael 2023, doi:10.1200/JCO.22.01345; the JSON file in the published archive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.published.sybil_network import YEARS, calibrator_name
from models.weights import WeightsError

_HEAD = 5  # numbers before the curve of a packed calibrator: slope, intercept, low, high, points
_LARGEST = float(np.finfo(np.float64).max)  # stands for "no limit", so that every stored number is finite


@dataclass(frozen=True, eq=False)
class Curve:
    """One calibrator: p -> interpolation of (x, y) at clip(slope * p + intercept, low, high)."""

    slope: float
    intercept: float
    low: float
    high: float
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]

    def __call__(self, probability: float) -> float:
        """Calibrate one probability."""
        place = np.clip(self.slope * probability + self.intercept, self.low, self.high)
        return float(np.interp(place, self.x, self.y))


def calibrated(probabilities: Sequence[float], curves: Sequence[Sequence[Curve]]) -> tuple[float, ...]:
    """Calibrate the probability of each year: the mean of that year's curves."""
    return tuple(
        float(np.mean([curve(p) for curve in of_year])) for p, of_year in zip(probabilities, curves, strict=True)
    )


def packed(calibrators: Any, name: str) -> dict[str, torch.Tensor]:
    """Turn the published JSON into one float64 tensor per year.

    Parameters
    ----------
    calibrators
        ``{"Year1": [{"coef", "intercept", "x0", "y0", "x_min", "x_max"}, ...], ..., "Year6": [...]}``.
    name
        How to name the file in an error.

    Raises
    ------
    WeightsError
        A year or a number is missing.
    """
    try:
        return {calibrator_name(year): _packed_year(calibrators[f"Year{year}"]) for year in range(1, YEARS + 1)}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{name}: not Sybil's calibrator ({type(error).__name__}: {error})") from None


def unpacked(tensors: Mapping[str, torch.Tensor]) -> tuple[tuple[Curve, ...], ...]:
    """Give the curves of the years 1 to 6 from their tensors.

    Raises
    ------
    WeightsError
        A tensor does not hold whole curves.
    """
    return tuple(_unpacked_year(tensors[calibrator_name(year)].numpy(), year) for year in range(1, YEARS + 1))


def _packed_year(curves: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    if not curves:
        raise ValueError("a year without a curve")
    return torch.from_numpy(np.concatenate([_numbers(curve) for curve in curves]))


def _numbers(curve: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    x, y = (np.asarray(curve[key], dtype=np.float64).ravel() for key in ("x0", "y0"))
    slope, intercept = (np.asarray(curve[key], dtype=np.float64).ravel() for key in ("coef", "intercept"))
    if not (x.size == y.size > 0 and slope.size == intercept.size == 1 and np.all(np.diff(x) >= 0)):
        raise ValueError("a curve needs one slope, one intercept and points with rising x")
    limits = np.clip([float(curve["x_min"]), float(curve["x_max"])], -_LARGEST, _LARGEST)
    return np.concatenate([slope, intercept, limits, [x.size], x, y])


def _unpacked_year(numbers: npt.NDArray[np.float64], year: int) -> tuple[Curve, ...]:
    curves = []
    while numbers.size:
        points = int(numbers[_HEAD - 1]) if numbers.size > _HEAD else 0
        end = _HEAD + 2 * points
        if points < 1 or numbers.size < end:
            raise WeightsError(f"{calibrator_name(year)}: cut off; import the weights again")
        slope, intercept, low, high = map(float, numbers[: _HEAD - 1])
        curves.append(
            Curve(slope, intercept, low, high, numbers[_HEAD : _HEAD + points], numbers[_HEAD + points : end])
        )
        numbers = numbers[end:]
    return tuple(curves)
