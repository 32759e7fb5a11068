"""Where a nodule ends: at a level towards lung, by an opening towards vessels, at the lung's mask towards the wall.

The way of Kuhnigk et al. (IEEE TMI 2006, doi:10.1109/TMI.2006.871547): grow at a level between nodule and
lung, cut thin attachments by an opening adapted to the nodule's own thickness, give the rim back, and
correct the volume for partial volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask, Spacing, dilated, distance_to, eroded

Array = npt.NDArray[np.float32]
Index = tuple[int, int, int]

LUNG_HU = -850.0  # aerated lung at full inspiration, used where the patch holds none
AERATED_BELOW_HU = -600.0
LEAST_CONTRAST_HU = 120.0  # level above the lung under which noise and normal lung would be grown
OPENING_SHARE = 0.5  # of the nodule's inscribed radius: thinner attachments are vessels
RIM_MM = 0.5  # given back after the opening, which rounds a nodule's surface
REACH = 1.7  # growth ends this many radii from the centre: leaks into the hilum stay short
PARTIAL_VOLUME_MM = 1.6  # half width of the blurred edge that is weighted


@dataclass(frozen=True, eq=False)
class Patch:
    """A cut-out around a candidate.

    Parameters
    ----------
    hu, lung
        (k, j, i) HU and closed lung mask on the same grid.
    spacing
        mm along k, j and i.
    seed
        Voxel of the candidate's centre.
    radius_mm
        Rough radius of the candidate.
    """

    hu: Array
    lung: Mask
    spacing: Spacing
    seed: Index
    radius_mm: float

    def from_mm(self, center: Index) -> Array:
        """Give the distance in mm of every voxel from the voxel ``center``."""
        axes = (
            (np.arange(size) - middle) * step
            for size, middle, step in zip(self.hu.shape, center, self.spacing, strict=True)
        )
        k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.sqrt(k * k + j * j + i * i).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Growth:
    """What was grown in a patch.

    Parameters
    ----------
    mask
        The nodule without vessels and wall; never empty.
    attached
        All that hangs together with it at the level, vessels included.
    center
        Voxel farthest from the surface.
    inscribed_mm
        Radius of the largest ball inside.
    level_hu, core_hu, lung_hu
        Level of the surface, and what it lies between.
    """

    mask: Mask
    attached: Mask
    center: Index
    inscribed_mm: float
    level_hu: float
    core_hu: float
    lung_hu: float


def grow(patch: Patch) -> Growth:
    """Grow the nodule from the patch's seed at the half level between it and the lung around it."""
    lung_hu = lung_level(patch)
    seed = _brightest_near_seed(patch)
    near = patch.from_mm(seed) <= max(0.35 * patch.radius_mm, max(patch.spacing))
    core_hu = float(np.median(patch.hu[near]))
    return grow_at(patch, seed, max((core_hu + lung_hu) / 2, lung_hu + LEAST_CONTRAST_HU), core_hu)


def grow_at(patch: Patch, seed: Index, level_hu: float, core_hu: float) -> Growth:
    """Grow from ``seed`` at a given level."""
    bright = (patch.hu > level_hu) & patch.lung & (patch.from_mm(seed) <= REACH * patch.radius_mm + 6.0)
    attached = _connected(bright, seed)
    depth = distance_to(~attached, patch.spacing)
    reachable = np.where(patch.from_mm(seed) <= max(patch.radius_mm, 1.5), depth, 0)
    center = _index(reachable.argmax(), reachable.shape) if reachable.any() else seed
    inscribed = float(depth[center])
    limit = patch.from_mm(center) <= REACH * max(inscribed, patch.radius_mm) + 2.0
    mask = _without_vessels(attached & limit, center, OPENING_SHARE * inscribed, patch.spacing)
    return Growth(mask, attached, center, inscribed, level_hu, core_hu, lung_level(patch))


def weighted_volume_mm3(patch: Patch, growth: Growth) -> float:
    """Measure the volume of a uniform nodule by how much of each rim voxel is nodule.

    The half level of a small blurred ball lies inside its true surface; the sum of weights
    (HU - lung) / (core - lung) does not shrink by blurring.
    """
    weight = (patch.hu - growth.lung_hu) / max(growth.core_hu - growth.lung_hu, LEAST_CONTRAST_HU)
    inner = eroded(growth.mask, PARTIAL_VOLUME_MM, patch.spacing)
    weight = np.where(inner, 1.0, np.clip(weight, -0.5, 1.15))
    return float(weight[rim(patch, growth)].sum() * np.prod(patch.spacing))


def rim(patch: Patch, growth: Growth) -> Mask:
    """Give the nodule with its blurred edge, without the lung's wall and the vessels that were cut off."""
    cut_off = growth.attached & ~growth.mask
    others = dilated(cut_off, 0.5 * PARTIAL_VOLUME_MM, patch.spacing) if cut_off.any() else cut_off
    region = dilated(growth.mask, PARTIAL_VOLUME_MM, patch.spacing) & patch.lung
    return (region & ~others) | growth.mask


def lung_level(patch: Patch) -> float:
    """Give the median HU of the aerated lung around the candidate."""
    around = patch.hu[patch.lung & (patch.hu < AERATED_BELOW_HU)]
    return float(np.median(around)) if around.size >= 30 else LUNG_HU


def _brightest_near_seed(patch: Patch) -> Index:
    """Move the seed to the brightest place of the smoothed patch within half a radius."""
    sigma = [max(0.3 * patch.radius_mm, 0.5) / step for step in patch.spacing]
    smooth = ndimage.gaussian_filter(patch.hu, sigma, truncate=2.0)
    near = patch.lung & (patch.from_mm(patch.seed) <= max(0.6 * patch.radius_mm, 1.5))
    if not near.any():
        return patch.seed
    return _index(np.where(near, smooth, -np.inf).argmax(), smooth.shape)


def _connected(bright: Mask, seed: Index) -> Mask:
    """Give the region of ``bright`` that holds the seed; at least the seed itself."""
    single = np.zeros(bright.shape, dtype=bool)
    single[seed] = True
    if not bright[seed]:
        return single
    labels, _ = ndimage.label(bright)
    return np.asarray(labels == labels[seed])


def _without_vessels(attached: Mask, center: Index, opening_mm: float, spacing: Spacing) -> Mask:
    """Cut what an opening removes, keep the part with the centre, and give its rim back."""
    if opening_mm < min(spacing):
        return _connected(attached, center)
    kept = _connected(eroded(attached, opening_mm, spacing), center)
    return attached & dilated(kept, opening_mm + RIM_MM, spacing)


def _index(flat: np.intp | int, shape: tuple[int, ...]) -> Index:
    """Turn a flat index into (k, j, i)."""
    k, j, i = np.unravel_index(int(flat), shape)
    return int(k), int(j), int(i)
