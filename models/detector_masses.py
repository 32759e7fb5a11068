"""Masses: thick soft tissue in the notches of a lung's outline, where no blob filter and no crop of 35 mm reaches.

A mass on the chest wall or the mediastinum lies outside the segmented lung. Each axial slice of a lung is closed with
a disc that only large bodies keep out; soft tissue in what this fills, with room for a large ball, may be a mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.components import Mask, Regions, box_of, closed, dilated, distance_to, opened, regions_of
from models.findings import LungLabel, Lungs
from models.resampling import Grid, isotropic_grid, sampled
from models.volume import Volume

STEP_MM = 2.5
CLOSING_MM = 30.0  # disc radius: the heart and the diaphragm are flatter than this, a mass of up to 60 mm is not
ROOM_MM = 36.0  # in the slice around the lung, for the closing
SOLID_ABOVE_HU = -250.0
OPENING_MM = 8.0  # vessels of the hilum are thinner
LEAST_INSCRIBED_MM = 11.0  # radius of the largest ball inside; a round mass of 25 mm has 12
BONE_HU = 250.0  # mean of a rib or a vertebral body in the notch
LARGEST_ELONGATION = 3.0  # largest over smallest standard deviation
SHELL_MM = 5.0
LEAST_AERATED = 0.15  # share of the shell around it that is lung


@dataclass(frozen=True)
class Mass:
    """A body that may be a mass: its deepest point, and the diameter of the ball of equal volume."""

    center_kji: tuple[float, float, float]
    diameter_mm: float


def masses(volume: Volume, lungs: Lungs, device: torch.device) -> list[Mass]:
    """Find the large soft bodies in and beside both lungs; without a lung there are none."""
    found = []
    for label in (LungLabel.RIGHT, LungLabel.LEFT):
        mask = lungs.labels == label
        if mask.any():
            found += _beside(volume, mask, device)
    return found


def _beside(volume: Volume, mask: Mask, device: torch.device) -> list[Mass]:
    in_slice = [int(np.ceil(ROOM_MM / step)) for step in volume.spacing_kji_mm[1:]]
    grid = isotropic_grid(volume, box_of(mask, (0, in_slice[0], in_slice[1])), STEP_MM)
    hu = sampled(volume.hu, grid, device).cpu().numpy()
    lung = (sampled(mask, grid, device) > 0.5).cpu().numpy()
    spacing = (STEP_MM, STEP_MM, STEP_MM)
    within = closed(lung, CLOSING_MM, spacing, in_slice=True)
    regions = regions_of(opened(within & (hu > SOLID_ABOVE_HU), OPENING_MM, spacing))
    return [_mass(body, grid) for body in (regions.labels == n for n in _large(regions)) if _is_plausible(body, hu)]


def _large(regions: Regions) -> npt.NDArray[np.intp]:
    """Give the labels that can hold the least ball."""
    return np.flatnonzero(regions.sizes * STEP_MM**3 >= 4 / 3 * np.pi * LEAST_INSCRIBED_MM**3)


def _is_plausible(body: Mask, hu: npt.NDArray[np.float32]) -> bool:
    """Tell a thick, compact, soft body that borders on lung from bone, vessels and wall."""
    spacing = (STEP_MM, STEP_MM, STEP_MM)
    deviations = np.sqrt(np.linalg.eigvalsh(np.cov(np.argwhere(body).T)))
    if hu[body].mean() > BONE_HU or deviations[-1] > LARGEST_ELONGATION * deviations[0]:
        return False
    if distance_to(~body, spacing).max() < LEAST_INSCRIBED_MM:
        return False
    shell = dilated(body, SHELL_MM, spacing) & ~body
    return bool((hu[shell] < -500.0).mean() >= LEAST_AERATED)


def _mass(body: Mask, grid: Grid) -> Mass:
    depth = distance_to(~body, (STEP_MM, STEP_MM, STEP_MM))
    k, j, i = grid.to_base(np.unravel_index(int(depth.argmax()), body.shape))
    return Mass((float(k), float(j), float(i)), float((6 / np.pi * body.sum() * STEP_MM**3) ** (1 / 3)))
