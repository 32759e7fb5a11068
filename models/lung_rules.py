"""The lungs by rules: threshold, shape and place; right and left apart; vessels and nodules filled in.

The order of the rules and their numbers are those of the published Tianchi system "Yiyuan" (Gaussian per
slice, -600 HU, 30 mm2, eccentricity 0.99, 0.68 to 8.2 l, the distance rule with its two later fixes). The
distance is the least one of a slice, from the middle of the body instead of the image, so that a patient who lies off
centre is treated alike. Good for aerated lungs; consolidation and effusion are not recognised as lung.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.airways import central_airways
from models.body import LUNG_BELOW_HU, Scene, smoothed, unreached_by_outside_air
from models.components import Mask, Regions, Spacing, box_of, distance_to, eccentricities, regions_of
from models.findings import AnalysisRefused
from models.lung_filling import COSTAL_CLOSING_MM, filled_lung, nearest_of, to_half_level

SMALLEST_REGION_MM2 = 30.0
LARGEST_ECCENTRICITY = 0.99
LUNG_VOLUME_ML = (680.0, 8200.0)
LARGE_SLICE_MM2, LARGE_SLICE_DISTANCE_MM = 6000.0, 62.0
RELAXED_SLICE_MM2, RELAXED_DISTANCE_MM = 1500.0, 92.0  # fix 1: lungs of very different size
SECOND_LUNG_ML = 150.0  # with one lung found, a smaller one on the other side is still a lung
# Gas in bowel, stomach or a box is near -1000 HU throughout; emphysematous lung keeps a median above this.
GAS_MEDIAN_HU = -972.0
TOUCHING_MM = 14.0  # the deepest erosion tried to part lungs that touch
LARGE_PART = 0.12  # a part smaller than this share of the other is no lung


@dataclass(frozen=True, eq=False)
class RuledLungs:
    """What the rules say of a scene: masks (K, J, I) of its grid, and notes for the report."""

    right: Mask
    left: Mask
    airways: Mask
    notes: tuple[str, ...]


def lung_air_area_mm2(slice_hu: npt.NDArray[np.int16], spacing_ji_mm: tuple[float, float]) -> float:
    """Measure the lung-like air inside the body on one axial slice.

    Outside air, small or line-shaped regions and plain gas (trachea, bowel) do not count.

    Parameters
    ----------
    slice_hu
        (J, I) int16 HU.
    spacing_ji_mm
        Distance between rows and between columns.

    Returns
    -------
    Area in mm2, 0.0 when there is none.
    """
    spacing = (1.0, *spacing_ji_mm)
    smooth = smoothed(slice_hu[None].astype(np.float32), spacing)
    inside = unreached_by_outside_air(smooth)
    regions = _plausible_regions(inside & (smooth < LUNG_BELOW_HU), spacing)
    return float(regions.sizes[~plain_gas(regions, smooth)].sum() * spacing[1] * spacing[2])


def _plausible_regions(air: Mask, spacing: Spacing) -> Regions:
    """Keep the in-slice regions that are neither small nor line-shaped."""
    regions = regions_of(air, in_slice=True)
    area = regions.sizes * spacing[1] * spacing[2]
    fits = (area >= SMALLEST_REGION_MM2) & (eccentricities(regions, spacing) <= LARGEST_ECCENTRICITY)
    fits[0] = False
    return Regions(np.where(fits[regions.labels], regions.labels, 0).astype(np.int32), np.where(fits, regions.sizes, 0))


def plain_gas(regions: Regions, smooth_hu: npt.NDArray[np.float32]) -> Mask:
    """Tell for each region (n + 1,) whether most of it is too dark for lung."""
    dark = regions.sum_of((smooth_hu < GAS_MEDIAN_HU).astype(np.float32))
    return np.asarray(dark > 0.5 * regions.sizes)


def lung_air(scene: Scene) -> Mask:
    """Apply the rules of size, shape and place; the aerated lungs, perhaps with the trachea."""
    air = _plausible_regions(scene.inside & (scene.smooth_hu < LUNG_BELOW_HU), scene.spacing).labels > 0
    regions = regions_of(air)
    volume_ml = regions.sizes * float(np.prod(scene.spacing)) / 1000
    gas = plain_gas(regions, scene.smooth_hu)
    large = (volume_ml >= LUNG_VOLUME_ML[0]) & (volume_ml <= LUNG_VOLUME_ML[1]) & ~gas
    chosen = large & _central(regions, scene, large)
    if not chosen.any():
        raise AnalysisRefused("NO_LUNGS", _no_lungs_message(volume_ml, gas, large))
    beside = ~gas & (volume_ml >= SECOND_LUNG_ML) & (volume_ml < LUNG_VOLUME_ML[0])
    chosen |= beside & _central(regions, scene, beside)
    two_largest = np.argsort(np.where(chosen, regions.sizes, 0))[-2:]  # fix 2: two, not one
    keep = np.zeros_like(chosen)
    keep[two_largest] = chosen[two_largest]
    return regions.where(keep)


def _central(regions: Regions, scene: Scene, candidates: Mask) -> Mask:
    """Apply the distance rule: a lung comes near the middle of the body on its large slices."""
    central = np.zeros_like(candidates)
    for label in np.flatnonzero(candidates):
        area, distance = _nearness(regions.labels == label, scene)
        strict, relaxed = area > LARGE_SLICE_MM2, area > RELAXED_SLICE_MM2
        near = strict.any() and distance[strict].mean() <= LARGE_SLICE_DISTANCE_MM
        central[label] = near or (relaxed.any() and distance[relaxed].mean() <= RELAXED_DISTANCE_MM)
    return central


def _nearness(mask: Mask, scene: Scene) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give, per slice, the mask's area in mm2 and its least distance in mm to the middle of the body."""
    area = mask.sum(axis=(1, 2)) * scene.spacing[1] * scene.spacing[2]
    distance = np.full(len(mask), np.inf)
    for k in np.flatnonzero(area):
        points = np.argwhere(mask[k]) * np.asarray(scene.spacing[1:])
        distance[k] = np.linalg.norm(points - scene.body_ji_mm[k], axis=1).min()
    return area, distance


def _no_lungs_message(volume_ml: npt.NDArray[np.float64], gas: Mask, large: Mask) -> str:
    """Say with numbers why there are no lungs."""
    lung_like = float(np.where(gas, 0, volume_ml).max(initial=0.0))
    if large.any():
        return f"no lungs: air of {lung_like:.0f} ml lies away from the middle of the body"
    if gas.any() and volume_ml[gas].max() >= LUNG_VOLUME_ML[0]:
        return f"no lungs: {volume_ml[gas].max():.0f} ml of plain gas (median below {GAS_MEDIAN_HU:.0f} HU) is not lung"
    low, high = LUNG_VOLUME_ML
    return f"no lungs: the largest lung-like region has {lung_like:.0f} ml, {low:.0f} to {high:.0f} ml are needed"


def margin_of(spacing: Spacing) -> tuple[int, int, int]:
    """Give the room in voxels that the widest closing needs in the slice."""
    room = [int(np.ceil(1.2 * COSTAL_CLOSING_MM / step)) + 1 for step in spacing]
    return room[0], room[1], room[2]


def ruled_lungs(scene: Scene, air: Mask) -> RuledLungs:
    """Take the airways out, part right from left, fill each."""
    airways = central_airways(scene.smooth_hu, scene.inside, scene.spacing, np.abs(scene.leftward_mm))
    edged = to_half_level(air & ~airways, scene.smooth_hu, scene.spacing) & scene.inside & ~airways
    if not edged.any():
        raise AnalysisRefused("NO_LUNGS", "no lungs: all air in the chest is that of trachea and bronchi")
    right, left, notes = _parted_in_box(edged, scene)
    body = scene.inside & ~airways
    full_right = _filled(right, body & ~left, scene, -scene.leftward_mm)
    full_left = _filled(left, body & ~full_right, scene, scene.leftward_mm)
    return RuledLungs(full_right, full_left & ~full_right, airways, notes)


def _filled(air: Mask, allowed: Mask, scene: Scene, midplane_mm: npt.NDArray[np.float64]) -> Mask:
    """Fill one lung inside its own box, which is much smaller than the box of both."""
    full = np.zeros_like(air)
    if air.any():
        box = box_of(air, margin_of(scene.spacing))
        midplane = np.broadcast_to(midplane_mm, air.shape)[box]
        full[box] = filled_lung(air[box], allowed[box], midplane, scene.from_middle_mm(box), scene.spacing)
    return full


def _parted_in_box(air: Mask, scene: Scene) -> tuple[Mask, Mask, tuple[str, ...]]:
    """Part the lungs in their own box, which has no room around them."""
    right, left = np.zeros_like(air), np.zeros_like(air)
    box = box_of(air, (0, 0, 0))
    right[box], left[box], notes = _parted(air[box], scene.crop(box))
    return right, left, notes


def _parted(air: Mask, scene: Scene) -> tuple[Mask, Mask, tuple[str, ...]]:
    """Part the lungs: two regions as they are, or two cores left by an erosion, or the midplane."""
    depth_mm: npt.NDArray[np.float32] | None = None
    for radius_mm in np.arange(0.0, TOUCHING_MM + 1, 2.0):
        if radius_mm and depth_mm is None:
            depth_mm = distance_to(~air, scene.spacing)
        cores = _two_cores(air if depth_mm is None else depth_mm > radius_mm, scene)
        if cores is not None:
            right, left = cores if radius_mm == 0 else nearest_of(*cores, air, scene.spacing)
            return right, left, ()
    return _by_midplane(air, scene)


def _two_cores(mask: Mask, scene: Scene) -> tuple[Mask, Mask] | None:
    """Give (right, left) when the two largest regions are lungs that lie side by side."""
    regions = regions_of(mask)
    if len(regions.sizes) < 3:
        return None
    first, second = np.argsort(regions.sizes)[-1:-3:-1]
    if regions.sizes[second] < LARGE_PART * regions.sizes[first]:
        return None
    leftward = regions.sum_of(np.broadcast_to(scene.leftward_mm, mask.shape)) / np.maximum(regions.sizes, 1)
    if abs(leftward[first] - leftward[second]) < 60.0:  # mm; centres of two lungs are 110 to 170 mm apart
        return None
    right, left = sorted((first, second), key=lambda label: float(leftward[label]))
    return regions.labels == right, regions.labels == left


def _by_midplane(air: Mask, scene: Scene) -> tuple[Mask, Mask, tuple[str, ...]]:
    """Part by the body's midplane; what lies almost wholly on one side is one lung."""
    leftward = np.broadcast_to(scene.leftward_mm, air.shape)
    right, left = air & (leftward < 0), air & (leftward >= 0)
    share = right.sum() / max(1, air.sum())
    if min(share, 1 - share) >= LARGE_PART:
        return right, left, ("the lungs touch and were parted at the middle of the body",)
    none = np.zeros_like(air)
    whole = regions_of(air).largest()
    return (whole, none, ()) if share > 0.5 else (none, whole, ())
