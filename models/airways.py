"""The trachea and the main bronchi: found so that they can be left out of the lungs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.components import Mask, Regions, Spacing, box_of, dilated, eccentricities, opened, regions_of

# Lumen of a trachea on an axial slice; coronal 13-27 mm and sagittal 13-27 mm in adults
# (Breatnach 1984, AJR 142:903), so 80 to 600 mm2 with room for partial volume and narrowing.
TRACHEA_AREA_MM2 = (60.0, 700.0)
TRACHEA_ECCENTRICITY = 0.88  # a sabre-sheath trachea is longer than that and is then not found, only kept
TRACHEA_OFF_MIDLINE_MM = 40.0
# The threshold falls until growing no longer leaks into the lung (explosion control, Mori 1996).
THRESHOLDS_HU = (-850.0, -880.0, -910.0, -940.0, -960.0, -980.0)
AIRWAYS_MAX_ML = 110.0  # trachea and bronchi that a 2 mm grid shows hold 30 to 90 ml
WALL_MM = 3.5  # a bronchial wall of 1 to 2 mm and the partial volume beside it
MAIN_BRONCHUS_RADIUS_MM = 2.5  # of the lumen below the threshold; thinner airways are lung


def central_airways(
    smooth_hu: npt.NDArray[np.float32], inside: Mask, spacing: Spacing, off_midline_mm: npt.NDArray[np.floating]
) -> Mask:
    """Find the lumen and wall of the trachea and main bronchi.

    Parameters
    ----------
    smooth_hu
        (K, J, I) slightly smoothed HU.
    inside
        (K, J, I) True for voxels that outside air does not reach.
    spacing
        mm along k, j and i.
    off_midline_mm
        Broadcastable to (K, J, I): distance from the body's sagittal midplane.

    Returns
    -------
    (K, J, I) bool; empty when no trachea is seen.
    """
    for threshold_hu in THRESHOLDS_HU:
        gas = inside & (smooth_hu < threshold_hu)
        tree = regions_of(gas)
        seeds = _trachea_sections(gas, spacing, off_midline_mm)
        lumen = tree.where(_tracheal(tree, seeds, spacing))
        if lumen.any():
            return _wide_with_wall(lumen, spacing)
    return np.zeros(smooth_hu.shape, dtype=bool)


def _wide_with_wall(lumen: Mask, spacing: Spacing) -> Mask:
    """Leave out thin airways and add the wall; works in the airways' own box."""
    k, j, i = (int(np.ceil(2 * WALL_MM / step)) for step in spacing)
    box = box_of(lumen, (k, j, i))
    airways = np.zeros_like(lumen)
    airways[box] = dilated(opened(lumen[box], MAIN_BRONCHUS_RADIUS_MM, spacing), WALL_MM, spacing)
    return airways


def _trachea_sections(gas: Mask, spacing: Spacing, off_midline_mm: npt.NDArray[np.floating]) -> Mask:
    """Give the round in-slice gas regions of a trachea's size near the midline."""
    sections = regions_of(gas, in_slice=True)
    area = sections.sizes * spacing[1] * spacing[2]
    right_size = (area >= TRACHEA_AREA_MM2[0]) & (area <= TRACHEA_AREA_MM2[1])
    candidates = Regions(np.where(right_size[sections.labels], sections.labels, 0).astype(np.int32), sections.sizes)
    offset = candidates.sum_of(np.broadcast_to(off_midline_mm, gas.shape)) / np.maximum(sections.sizes, 1)
    near = right_size & (offset <= TRACHEA_OFF_MIDLINE_MM)
    return sections.where(near & (eccentricities(candidates, spacing) <= TRACHEA_ECCENTRICITY))


def _tracheal(tree: Regions, seeds: Mask, spacing: Spacing) -> Mask:
    """Choose the 3D gas region with the most trachea-like slices, unless it has leaked into the lung."""
    seeded_slices = np.zeros(len(tree.sizes), dtype=np.int64)
    for seed, labels in zip(seeds, tree.labels, strict=True):
        seeded_slices[np.unique(labels[seed])] += 1
    seeded_slices[0] = 0
    volume_ml = tree.sizes * np.prod(spacing) / 1000
    best = int(seeded_slices.argmax())
    chosen = np.zeros(len(tree.sizes), dtype=bool)
    long_enough = seeded_slices[best] * spacing[0] >= 20.0  # mm of round sections; bowel loops are shorter
    chosen[best] = bool(long_enough and volume_ml[best] <= AIRWAYS_MAX_ML)
    return chosen
