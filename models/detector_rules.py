"""Nodules by blobness and shape, without learned weights: the baseline, and a source of the joined detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.blobs import DIAMETER_PER_SCALE, Peaks, blob_peaks
from models.components import box_of
from models.findings import Candidate, LungLabel, Lungs
from models.nodule_features import Features, features_of, probability_of
from models.nodule_mask import LUNG_HU, Growth, Patch
from models.nodules import one_per_place
from models.resampling import Grid, isotropic_grid, sampled
from models.volume import Volume

# The operating point. On generated chests 0.50 and 0.55 find the same nodules and no other mark; the higher one
# spares marks on faint 3 to 5 mm spots in patients.
DEFAULT_THRESHOLD = 0.55
STEP_MM = 1.0
BOX_MARGIN_MM = 8.0
HU_RANGE = (-1000.0, 200.0)  # what contrast and bone add above soft tissue says nothing of shape
LEAST_BLOBNESS = 0.02
CANDIDATES_PER_LUNG = 200
PATCH_ROOM_MM = 10.0
PATCH_LARGEST_MM = 32.0


@dataclass(frozen=True, eq=False)
class Described:
    """A candidate with what its probability rests on; ``center_kji`` is on the volume's grid."""

    center_kji: tuple[float, float, float]
    diameter_mm: float
    features: Features


@dataclass(frozen=True)
class RuleDetector:
    """A ``models.nodules.Detector`` by rules; ``nodule_features.probability_of`` says what it is calibrated on.

    Parameters
    ----------
    device
        Where the filters run; the growing of single candidates runs on the CPU.
    """

    device: torch.device
    threshold: float = DEFAULT_THRESHOLD

    def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
        """Give all blobs by falling probability; centre and diameter are those of the shape that grows there."""
        candidates = (
            Candidate(described.center_kji, probability_of(described.features), described.diameter_mm)
            for described in describe_candidates(volume, lungs, self.device)
        )
        return one_per_place(candidates, volume)


def describe_candidates(volume: Volume, lungs: Lungs, device: torch.device) -> list[Described]:
    """Give every blob of both lungs with its features, whatever its probability: for fitting and mining."""
    described = []
    for label in (LungLabel.RIGHT, LungLabel.LEFT):
        mask = lungs.labels == label
        if mask.any():
            described += _in_one_lung(volume, mask, device)
    return described


def _in_one_lung(volume: Volume, mask: npt.NDArray[np.bool_], device: torch.device) -> list[Described]:
    """Filter one lung on the 1 mm grid and describe its peaks."""
    margin = tuple(int(np.ceil(BOX_MARGIN_MM / step)) for step in volume.spacing_kji_mm)
    grid = isotropic_grid(volume, box_of(mask, (margin[0], margin[1], margin[2])), STEP_MM)
    hu = sampled(volume.hu, grid, device)
    inside = sampled(mask, grid, device) > 0.5
    # What lies beyond the lung is painted as lung: a nodule on the wall then stands out like any other.
    image = torch.where(inside, hu.clamp(*HU_RANGE), torch.full_like(hu, LUNG_HU)) / 1000
    peaks = _apart(blob_peaks(image, inside, LEAST_BLOBNESS))
    hu_array, inside_array = hu.cpu().numpy(), inside.cpu().numpy()
    return [_described(n, peaks, hu_array, inside_array, grid) for n in range(len(peaks.blobness))]


def _apart(peaks: Peaks) -> Peaks:
    """Keep the strongest peak of those that lie on one blob."""
    positions, scales = peaks.positions.numpy(), peaks.scales_mm.numpy()
    kept: list[int] = []
    for n in range(len(positions)):
        reach_mm = DIAMETER_PER_SCALE / 2 * np.maximum(scales[kept], 1.5)
        if not (np.linalg.norm(positions[kept] - positions[n], axis=1) * STEP_MM < reach_mm).any():
            kept.append(n)
        if len(kept) == CANDIDATES_PER_LUNG:
            break
    return Peaks(peaks.positions[kept], peaks.blobness[kept], peaks.scales_mm[kept], peaks.ratios[kept])


def _described(
    n: int, peaks: Peaks, hu: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], grid: Grid
) -> Described:
    """Cut out one peak, grow it and describe it."""
    radius_mm = DIAMETER_PER_SCALE / 2 * float(peaks.scales_mm[n])
    seed = np.minimum(np.rint(peaks.positions[n].numpy()).astype(int), np.array(hu.shape) - 1)
    reach = int(min(2 * radius_mm + PATCH_ROOM_MM, PATCH_LARGEST_MM) / STEP_MM)
    low = np.maximum(seed - reach, 0)
    box = tuple(slice(int(a), int(s) + reach + 1) for a, s in zip(low, seed, strict=True))
    local = seed - low
    spacing = (STEP_MM, STEP_MM, STEP_MM)
    patch = Patch(hu[box], inside[box], spacing, (int(local[0]), int(local[1]), int(local[2])), radius_mm)
    features, growth = features_of(patch, float(peaks.blobness[n]), float(peaks.ratios[n, 0]))
    center, diameter_mm = _ball_of(growth)
    k, j, i = grid.to_base(center + low)
    return Described((float(k), float(j), float(i)), diameter_mm, features)


def _ball_of(growth: Growth) -> tuple[npt.NDArray[np.float64], float]:
    """Give the centre of mass of what has grown, and the diameter of the ball of equal volume."""
    points = np.argwhere(growth.mask)
    return points.mean(axis=0), float((6 / np.pi * len(points) * STEP_MM**3) ** (1 / 3))
