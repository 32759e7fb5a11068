"""From the boxes of a published detector to candidates: inside the lungs, one per place, by falling probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.findings import Candidate, Lungs
from models.volume import Volume

# How far outside the lungs' mask the centre of a mark may lie: a nodule on the wall that the mask cut off is kept,
# spine and abdomen are not. 10 mm is the dilation that grt123 gives its own lung mask.
REACH_MM = 10.0


def candidates_of(
    centers_kji: npt.NDArray[np.float64],
    probabilities: Sequence[float],
    diameters_mm: Sequence[float],
    volume: Volume,
    lungs: Lungs,
) -> tuple[Candidate, ...]:
    """Keep the marks in or near the lungs, and of those on one place the most probable.

    Parameters
    ----------
    centers_kji
        (N, 3) fractional voxel indices.
    probabilities, diameters_mm
        N of each.
    volume, lungs
        On the same grid.

    Returns
    -------
    Candidates by falling probability.
    """
    marks = [
        Candidate((float(center[0]), float(center[1]), float(center[2])), float(probability), float(diameter))
        for center, probability, diameter in zip(centers_kji, probabilities, diameters_mm, strict=True)
    ]
    kept: list[Candidate] = []
    for mark in sorted(marks, key=lambda mark: -mark.probability):
        if _near_lung(mark, lungs, volume) and not any(_same_place(mark, other, volume) for other in kept):
            kept.append(mark)
    return tuple(kept)


def _near_lung(mark: Candidate, lungs: Lungs, volume: Volume) -> bool:
    """Tell whether a lung voxel lies within ``REACH_MM`` of the centre."""
    center, spacing = np.asarray(mark.center_kji), np.asarray(volume.spacing_kji_mm)
    shape = np.asarray(volume.shape)
    if (center < -0.5).any() or (center > shape - 0.5).any():
        return False
    low = np.maximum(np.ceil(center - REACH_MM / spacing), 0).astype(int)
    high = np.minimum(np.floor(center + REACH_MM / spacing) + 1, shape).astype(int)
    box = lungs.labels[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    away = (np.argwhere(box > 0) + low - center) * spacing
    return bool((np.linalg.norm(away, axis=1) <= REACH_MM).any())


def _same_place(mark: Candidate, better: Candidate, volume: Volume) -> bool:
    """Tell whether one centre lies inside the other's ball."""
    apart = (np.asarray(mark.center_kji) - np.asarray(better.center_kji)) * np.asarray(volume.spacing_kji_mm)
    return float(np.linalg.norm(apart)) < max(mark.diameter_mm, better.diameter_mm) / 2
