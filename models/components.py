"""Connected regions and distances on masks: the small geometry that lungs, airways and nodules share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

IN_SLICE = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])[:, None, None]
_ISOLATED_MM = 1e5  # distance between slices that keeps a distance map inside each slice


@dataclass(frozen=True, eq=False)
class Regions:
    """Labelled regions of a mask.

    Parameters
    ----------
    labels
        (K, J, I) int32, 0 is background.
    sizes
        (n + 1,) voxels per label; the entry of the background is 0.
    """

    labels: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]

    def where(self, chosen: Mask) -> Mask:
        """Give the voxels of the labels for which ``chosen`` (n + 1,) holds; background never belongs."""
        keep = chosen.copy()
        keep[0] = False
        return np.asarray(keep[self.labels])

    def largest(self) -> Mask:
        """Give the mask of the largest region; empty when there is none."""
        chosen = np.zeros(len(self.sizes), dtype=bool)
        chosen[int(self.sizes.argmax())] = True
        return self.where(chosen)

    def sum_of(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Sum ``values`` (K, J, I) over every label, (n + 1,)."""
        inside = self.labels > 0
        return np.bincount(self.labels[inside], weights=values[inside], minlength=len(self.sizes)).astype(np.float64)


def regions_of(mask: Mask, in_slice: bool = False) -> Regions:
    """Label face-connected regions of a (K, J, I) mask; ``in_slice`` connects inside slices only."""
    labels, _ = ndimage.label(mask, structure=IN_SLICE if in_slice else None)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return Regions(labels.astype(np.int32, copy=False), sizes)


def eccentricities(regions: Regions, spacing: Spacing) -> npt.NDArray[np.float64]:
    """Give the eccentricity of the ellipse with the same second moments, per in-slice region, (n + 1,).

    0 is a circle, 1 a line. A pixel's own extent is part of the moments, so that a single pixel is round.
    """
    k, j, i = np.nonzero(regions.labels)
    label, count = regions.labels[k, j, i], np.maximum(regions.sizes, 1)
    y, x = j * spacing[1], i * spacing[2]

    def mean(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return np.bincount(label, weights=values, minlength=len(count)) / count

    mean_y, mean_x = mean(y), mean(x)
    yy = mean(y * y) - mean_y**2 + spacing[1] ** 2 / 12
    xx = mean(x * x) - mean_x**2 + spacing[2] ** 2 / 12
    xy = mean(x * y) - mean_x * mean_y
    root = np.sqrt((yy - xx) ** 2 / 4 + xy**2)
    major, minor = (yy + xx) / 2 + root, (yy + xx) / 2 - root
    return np.asarray(np.sqrt(np.clip(1 - minor / major, 0, 1)))


def distance_to(mask: Mask, spacing: Spacing, in_slice: bool = False) -> npt.NDArray[np.float32]:
    """Give the distance in mm of every voxel's centre to the nearest voxel centre of ``mask`` (K, J, I)."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((spacing[2], spacing[1], _ISOLATED_MM if in_slice else spacing[0]))
    away = SimpleITK.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    # Maurer's zero lies on the object's own border voxels: inside is negative, and counts as 0 here.
    return np.asarray(np.maximum(SimpleITK.GetArrayFromImage(away), 0), dtype=np.float32)


def dilated(mask: Mask, radius_mm: float, spacing: Spacing, in_slice: bool = False) -> Mask:
    """Grow a mask by a ball (by a disc in each slice when ``in_slice``)."""
    if not mask.any():
        return mask.copy()
    return np.asarray(distance_to(mask, spacing, in_slice) <= radius_mm)


def eroded(mask: Mask, radius_mm: float, spacing: Spacing, in_slice: bool = False) -> Mask:
    """Shrink a mask by a ball; what lies beyond the array counts as inside."""
    if mask.all():
        return mask.copy()
    return np.asarray(distance_to(~mask, spacing, in_slice) > radius_mm)


def closed(mask: Mask, radius_mm: float, spacing: Spacing, in_slice: bool = False) -> Mask:
    """Close a mask with a ball: fill what a ball of this radius cannot enter from outside.

    The array is not padded: keep it ``radius_mm`` away from the sides that must stay open.
    """
    grown = dilated(mask, radius_mm, spacing, in_slice)
    return eroded(grown, radius_mm, spacing, in_slice) | mask


def opened(mask: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """Open a mask with a ball: remove what is thinner than the ball."""
    return dilated(eroded(mask, radius_mm, spacing), radius_mm, spacing) & mask


def box_of(mask: Mask, margin: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Give the box of the set voxels plus a margin in voxels, inside the array.

    Raises
    ------
    ValueError
        If no voxel is set.
    """
    ranges = []
    for axis, extra in enumerate(margin):
        other = tuple(a for a in range(3) if a != axis)
        hits = np.flatnonzero(mask.any(axis=other))
        if hits.size == 0:
            raise ValueError("an empty mask has no box")
        ranges.append(slice(max(0, int(hits[0]) - extra), min(mask.shape[axis], int(hits[-1]) + 1 + extra)))
    return ranges[0], ranges[1], ranges[2]
