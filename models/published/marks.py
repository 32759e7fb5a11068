"""From the boxes of a published detector to candidates: inside the lungs, one per place, by falling probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.findings import Candidate, Lungs
from models.nodules import one_per_place
from models.volume import Volume

# How far outside the lungs' mask the centre of a mark may lie: a nodule on the wall of which the mask cut off a part
# is kept, what lies deeper in the chest wall or the mediastinum is not.
REACH_MM = 5.0


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
    return one_per_place((mark for mark in marks if _near_lung(mark, lungs, volume)), volume)


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
