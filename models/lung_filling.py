"""Closing a lung's mask: vessels, and nodules on the pleura, belong to the lung; the heart does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask, Spacing, closed, distance_to, regions_of

VESSEL_CLOSING_MM = 8.0  # ball radius; hilar vessels up to this half width are filled everywhere
# Disc radius on the outer (costal) side of each axial slice: a nodule on the chest wall leaves a notch
# that a disc of this radius cannot enter, while the chest wall itself is flatter than the disc.
COSTAL_CLOSING_MM = 24.0
# A dark ring around something in one slice: a nodule on a pleura that leaves no 3D hole is up to here, the
# top of the diaphragm's dome soon grows larger.
LARGEST_HOLE_MM2 = 1200.0
# The half level between lung (-850 HU) and soft tissue (40 HU); the -600 HU threshold lies inside of it.
EDGE_HU = -400.0
EDGE_REACH_MM = 2.5
SPINE_HALF_WIDTH_MM = 30.0  # vertebral body and descending aorta bulge into the lung and stay out


def filled_lung(
    air: Mask,
    allowed: Mask,
    midplane_mm: npt.NDArray[np.floating],
    from_middle_mm: npt.NDArray[np.floating],
    spacing: Spacing,
) -> Mask:
    """Fill vessels, nodules and pleural notches of one lung.

    Parameters
    ----------
    air
        (K, J, I) the aerated lung, with at least one slice and ``COSTAL_CLOSING_MM`` of room in the array
        on its free sides.
    allowed
        (K, J, I) voxels that may be filled: the body without the other lung and the airways.
    midplane_mm
        (K, J, I) distance from the body's midplane, positive on this lung's side.
    from_middle_mm
        (K, J, I) distance from the middle of the body in the same slice.
    spacing
        mm along k, j and i.
    """
    lung = closed(air, VESSEL_CLOSING_MM, spacing) | _small_holes(air, spacing)
    notches = closed(lung, COSTAL_CLOSING_MM, spacing, in_slice=True)
    lung |= notches & costal_side(lung, from_middle_mm, midplane_mm)
    lung &= allowed | air
    return np.asarray(ndimage.binary_fill_holes(lung))


def to_half_level(air: Mask, smooth_hu: npt.NDArray[np.float32], spacing: Spacing) -> Mask:
    """Move the border of the thresholded lung outwards to the half level of its edge."""
    reach = [int(EDGE_REACH_MM / step) for step in spacing[1:]]
    j, i = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    disc = np.hypot(j * spacing[1], i * spacing[2]) <= EDGE_REACH_MM
    near = ndimage.binary_dilation(air, disc[None])  # one or two voxels wide: cheaper than a distance map
    return np.asarray(air | (near & (smooth_hu < EDGE_HU)))


def _small_holes(air: Mask, spacing: Spacing) -> Mask:
    """Give the holes of each slice that are not larger than ``LARGEST_HOLE_MM2``."""
    holes = np.stack([ndimage.binary_fill_holes(section) for section in air]) & ~air
    regions = regions_of(holes, in_slice=True)
    return regions.where(regions.sizes * spacing[1] * spacing[2] <= LARGEST_HOLE_MM2)


def costal_side(lung: Mask, from_middle_mm: npt.NDArray[np.floating], midplane_mm: npt.NDArray[np.floating]) -> Mask:
    """Mark, in each axial slice, what lies further from the middle of the body than the lung does on average."""
    area = lung.sum(axis=(1, 2))
    average = np.where(lung, from_middle_mm, 0).sum(axis=(1, 2)) / np.maximum(area, 1)
    beyond = (from_middle_mm > average[:, None, None]) & (area > 0)[:, None, None]
    return np.asarray(beyond & (midplane_mm > SPINE_HALF_WIDTH_MM))


def nearest_of(first: Mask, second: Mask, whole: Mask, spacing: Spacing) -> tuple[Mask, Mask]:
    """Share ``whole`` between two cores: every voxel goes to the core that is nearer."""
    nearer = distance_to(first, spacing) <= distance_to(second, spacing)
    return whole & nearer, whole & ~nearer
