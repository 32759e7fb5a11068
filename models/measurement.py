"""Measuring one nodule: diameters on its largest axial slice, volume, HU, attenuation type, and how sure they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.calipers import axes_of, outline_of
from models.components import Mask, box_of, dilated, eroded
from models.findings import Attenuation, Caliper, Candidate, Lungs, NoduleMeasurement
from models.nodule_mask import (
    PARTIAL_VOLUME_MM,
    Growth,
    Index,
    Patch,
    grow,
    grow_at,
    rim,
    weighted_volume_mm3,
)
from models.place import inside_index
from models.resampling import Grid, interpolated, refined_grid
from models.uncertainty import uncertainty_of
from models.volume import Volume

# A nodule whose core stays below this is ground glass: vessels show through it. Between -300 and -160 HU
# is where readers and software put the line (Scholten 2015, doi:10.1007/s00330-014-3427-z).
SOLID_ABOVE_HU = -300.0
# Ground glass around a solid core: at least this share of the whole, and mostly below SOLID_ABOVE_HU.
GROUND_GLASS_SHARE, GROUND_GLASS_PURITY = 0.3, 0.75
EDGE_MM = 1.5
GROUND_GLASS_HU = 140.0  # above the lung: the surface of a ground glass nodule of -600 HU in lung of -850 HU
# Visible calcification: 200 HU was the lower bound in Siegelman 1986 (doi:10.1148/radiology.160.2.3726107: 164 HU
# on one scanner); enhancing tissue stays below. "Most of the core" stands for diffuse or central calcification.
CALCIFIED_ABOVE_HU = 200.0

FINEST_MM, COARSEST_MM = 0.4, 1.25
VOXELS_PER_RADIUS = 12.0
ROOM_MM = 9.0
LARGEST_REACH_MM = 60.0


def measure_nodule(volume: Volume, lungs: Lungs, candidate: Candidate) -> NoduleMeasurement:
    """Segment and measure the nodule around a candidate; at least the candidate's own voxel.

    The axes lie on the axial slice of the nodule's largest area; the mask is on the volume's grid.
    """
    grid, patch = _patch(volume, lungs, candidate)
    growth = grow(patch)
    whole = _with_ground_glass(patch, growth, volume.spacing_kji_mm[0])
    extent = growth if whole is None else whole
    fitted, level_hu = _fitted(patch, extent, uniform=whole is None)
    long_axis, short_axis = _calipers(patch, fitted, rim(patch, extent), level_hu, grid, volume)
    mask, offset = _native(fitted, grid, candidate, volume)
    values = volume.hu[_box(mask, offset)][mask].astype(np.float64)
    kind, core = _attenuation(patch, growth, whole, grid, volume)
    mean_mm = (long_axis.length_mm + short_axis.length_mm) / 2
    center = grid.to_base(np.argwhere(fitted).mean(axis=0))
    return NoduleMeasurement(
        mask=mask,
        mask_offset_kji=offset,
        center_kji=(float(center[0]), float(center[1]), float(center[2])),
        long_axis=long_axis,
        short_axis=short_axis,
        mean_diameter_mm=mean_mm,
        volume_mm3=float(fitted.sum() * np.prod(patch.spacing)),
        mean_hu=float(values.mean()),
        sd_hu=float(values.std()),
        attenuation=kind,
        solid_diameter_mm=core[0] if core else None,
        solid_volume_mm3=core[1] if core else None,
        uncertainty=uncertainty_of(mean_mm, volume.spacing_kji_mm[0]),
    )


def _patch(volume: Volume, lungs: Lungs, candidate: Candidate) -> tuple[Grid, Patch]:
    """Cut the candidate out on a finer grid that keeps the volume's slices."""
    radius_mm = max(candidate.diameter_mm / 2, 1.5)
    reach_mm = min(2 * radius_mm + ROOM_MM, LARGEST_REACH_MM)
    center = inside_index(candidate.center_kji, volume.shape)
    box = tuple(
        slice(max(0, c - int(reach_mm / step) - 1), min(size, c + int(reach_mm / step) + 2))
        for c, step, size in zip(center, volume.spacing_kji_mm, volume.shape, strict=True)
    )
    step_mm = float(np.clip(radius_mm / VOXELS_PER_RADIUS, FINEST_MM, COARSEST_MM))
    grid = refined_grid(volume, (box[0], box[1], box[2]), step_mm)
    spacing = tuple(s * w for s, w in zip(grid.step_kji, volume.spacing_kji_mm, strict=True))
    seed = tuple(int(x) for x in np.rint(grid.from_base(candidate.center_kji)))
    seed = tuple(min(max(x, 0), size - 1) for x, size in zip(seed, grid.shape, strict=True))
    hu = interpolated(volume.hu, grid, order=3)
    lung = interpolated(lungs.labels > 0, grid, order=1) > 0.5
    return grid, Patch(hu, lung, (spacing[0], spacing[1], spacing[2]), (seed[0], seed[1], seed[2]), radius_mm)


def _with_ground_glass(patch: Patch, core: Growth, slice_mm: float) -> Growth | None:
    """Grow the ground glass around a solid core; None when there is none worth the name.

    The blurred edge of a solid nodule looks like ground glass and is left out: ``EDGE_MM`` in the slice, and
    as much more across slices as these are thicker.
    """
    if core.core_hu <= SOLID_ABOVE_HU:
        return None
    wider = Patch(patch.hu, patch.lung, patch.spacing, core.center, max(patch.radius_mm, 1.2 * core.inscribed_mm))
    whole = grow_at(wider, core.center, core.lung_hu + GROUND_GLASS_HU, core.core_hu)
    halo = whole.mask & ~dilated(
        core.mask, EDGE_MM, (patch.spacing[0] * min(1.0, EDGE_MM / slice_mm), *patch.spacing[1:])
    )
    pure = float((patch.hu[halo] < SOLID_ABOVE_HU).mean()) if halo.any() else 0.0
    share = halo.sum() / whole.mask.sum()
    return whole if share >= GROUND_GLASS_SHARE and pure >= GROUND_GLASS_PURITY else None


def _fitted(patch: Patch, growth: Growth, uniform: bool) -> tuple[Mask, float]:
    """Give the mask that holds the partial-volume weighted volume, and the level of its surface."""
    if not uniform:
        return growth.mask, growth.level_hu
    count = round(weighted_volume_mm3(patch, growth) / float(np.prod(patch.spacing)))
    region = rim(patch, growth)
    count = int(np.clip(count, 0.8 * growth.mask.sum(), region.sum()))
    level = float(np.partition(patch.hu[region], -count)[-count]) if count else growth.level_hu
    mask = region & (patch.hu >= level)
    mask[growth.center] = True
    return mask, level


def _calipers(
    patch: Patch, mask: Mask, region: Mask, level_hu: float, grid: Grid, volume: Volume
) -> tuple[Caliper, Caliper]:
    """Measure both axes on the volume's slice where the nodule is largest, between pixels."""
    per_slice = round(1 / grid.step_kji[0])
    area = mask[::per_slice].sum(axis=(1, 2))
    plane = int(area.argmax()) * per_slice if area.any() else int(mask.sum(axis=(1, 2)).argmax())
    spacing = (patch.spacing[1], patch.spacing[2])
    # Around the mask the field stays as it is, so that the outline is drawn between pixels; cut vessels and wall go.
    field = np.where(region[plane], patch.hu[plane], np.minimum(patch.hu[plane], level_hu - 500))
    field = np.where(mask[plane], np.maximum(field, level_hu), np.minimum(field, level_hu - 1))
    outline = outline_of(field.astype(np.float32), level_hu, spacing)
    if len(outline) == 0:
        outline = np.argwhere(mask[plane]).astype(np.float64) * np.asarray(spacing)
    axes = axes_of(outline, least_mm=min(volume.spacing_kji_mm[1:]))
    first, second = (_caliper(line, plane, grid, patch) for line in (axes.long_mm, axes.short_mm))
    return first, second


def _caliper(line_mm: npt.NDArray[np.float64], plane: int, grid: Grid, patch: Patch) -> Caliper:
    """Bring a line on a plane of the patch to the volume's indices."""
    ends = np.column_stack((np.full(2, plane), line_mm / np.asarray(patch.spacing[1:])))
    start, end = grid.to_base(ends)
    length_mm = float(np.linalg.norm(line_mm[1] - line_mm[0]))
    return Caliper((start[0], start[1], start[2]), (end[0], end[1], end[2]), length_mm)


def _native(mask: Mask, grid: Grid, candidate: Candidate, volume: Volume) -> tuple[Mask, Index]:
    """Bring a mask of the patch to the volume's grid, cut to its box; at least the candidate's voxel."""
    strides = [round(1 / step) for step in grid.step_kji]
    coarse = mask[:: strides[0], :: strides[1], :: strides[2]]
    if not coarse.any():
        return np.ones((1, 1, 1), dtype=bool), inside_index(candidate.center_kji, volume.shape)
    box = box_of(coarse, (0, 0, 0))
    k, j, i = (int(origin) + part.start for origin, part in zip(grid.origin_kji, box, strict=True))
    return np.ascontiguousarray(coarse[box]), (k, j, i)


def _attenuation(
    patch: Patch, growth: Growth, whole: Growth | None, grid: Grid, volume: Volume
) -> tuple[Attenuation, tuple[float, float] | None]:
    """Tell the attenuation type, and mean diameter (mm) and volume (mm3) of a part-solid nodule's solid core."""
    if whole is not None:
        core = _solid_core(patch, growth, whole)
        lines = _calipers(patch, core.mask, whole.mask, core.level_hu, grid, volume)
        mean_mm = (lines[0].length_mm + lines[1].length_mm) / 2
        return Attenuation.PART_SOLID, (mean_mm, float(core.mask.sum() * np.prod(patch.spacing)))
    if growth.core_hu <= SOLID_ABOVE_HU:
        return Attenuation.GROUND_GLASS, None
    inner = eroded(growth.mask, min(PARTIAL_VOLUME_MM, 0.4 * growth.inscribed_mm), patch.spacing)
    bright = patch.hu[inner] if inner.any() else patch.hu[growth.mask]
    calcified = (bright > CALCIFIED_ABOVE_HU).mean() > 0.5
    return (Attenuation.CALCIFIED if calcified else Attenuation.SOLID), None


def _solid_core(patch: Patch, growth: Growth, whole: Growth) -> Growth:
    """Grow the solid core at the half level between it and the ground glass around it, which is brighter than lung."""
    glass = whole.mask & ~dilated(growth.mask, EDGE_MM, patch.spacing)
    glass_hu = float(np.median(patch.hu[glass])) if glass.any() else growth.lung_hu
    middle = patch.from_mm(growth.center) <= max(0.5 * growth.inscribed_mm, max(patch.spacing[1:]))
    core_hu = float(np.median(patch.hu[middle]))
    core = grow_at(patch, growth.center, (core_hu + glass_hu) / 2, core_hu)
    return replace(core, mask=core.mask & whole.mask)


def _box(mask: Mask, offset: Index) -> tuple[slice, slice, slice]:
    """Give the volume's box that a cut-out mask covers."""
    k, j, i = (slice(start, start + size) for start, size in zip(offset, mask.shape, strict=True))
    return k, j, i
