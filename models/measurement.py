"""Measuring one nodule: diameters on its largest axial slice, volume, HU and attenuation type; where in the lung."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.calipers import axes_of, outline_of
from models.components import Mask, box_of, dilated, eroded
from models.findings import Attenuation, Caliper, Candidate, LungLabel, Lungs, NoduleMeasurement, Side, Third
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
from models.resampling import Grid, interpolated, refined_grid
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
    kind, solid_mm = _attenuation(patch, growth, whole, grid, volume)
    center = grid.to_base(np.argwhere(fitted).mean(axis=0))
    return NoduleMeasurement(
        mask=mask,
        mask_offset_kji=offset,
        center_kji=(float(center[0]), float(center[1]), float(center[2])),
        long_axis=long_axis,
        short_axis=short_axis,
        mean_diameter_mm=(long_axis.length_mm + short_axis.length_mm) / 2,
        volume_mm3=float(fitted.sum() * np.prod(patch.spacing)),
        mean_hu=float(values.mean()),
        sd_hu=float(values.std()),
        attenuation=kind,
        solid_diameter_mm=solid_mm,
    )


def side_of(center_kji: tuple[float, float, float], lungs: Lungs, volume: Volume) -> Side:
    """Tell in which lung a point lies, or which lung is nearer.

    Raises
    ------
    ValueError
        If there is no lung at all.
    """
    voxel = _inside(center_kji, volume.shape)
    label = int(lungs.labels[voxel])
    if label == LungLabel.BACKGROUND:
        near = {side: _distance(voxel, lungs.labels == side, volume) for side in (LungLabel.RIGHT, LungLabel.LEFT)}
        label = min(near, key=lambda side: near[side])
        if not np.isfinite(near[LungLabel(label)]):
            raise ValueError("a side needs a lung")
    return Side.RIGHT if label == LungLabel.RIGHT else Side.LEFT


def third_of(center_kji: tuple[float, float, float], lungs: Lungs, volume: Volume) -> Third:
    """Tell the craniocaudal third of the nodule's lung, along the patient's head-foot axis.

    The thirds have equal height between the lowest and the highest slice of that lung; they are not lobes.
    """
    side = LungLabel.RIGHT if side_of(center_kji, lungs, volume) is Side.RIGHT else LungLabel.LEFT
    axis = int(np.abs(volume.directions[2]).argmax())  # the index axis nearest to patient superior (LPS +z)
    other = tuple(a for a in range(3) if a != axis)
    extent = np.flatnonzero((lungs.labels == side).any(axis=other))
    height = (center_kji[axis] - extent[0]) / max(1, int(extent[-1] - extent[0]))
    if volume.directions[2, axis] < 0:
        height = 1 - height
    return Third.UPPER if height > 2 / 3 else Third.MIDDLE if height > 1 / 3 else Third.LOWER


def _patch(volume: Volume, lungs: Lungs, candidate: Candidate) -> tuple[Grid, Patch]:
    """Cut the candidate out on a finer grid that keeps the volume's slices."""
    radius_mm = max(candidate.diameter_mm / 2, 1.5)
    reach_mm = min(2 * radius_mm + ROOM_MM, LARGEST_REACH_MM)
    center = _inside(candidate.center_kji, volume.shape)
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
        return np.ones((1, 1, 1), dtype=bool), _inside(candidate.center_kji, volume.shape)
    box = box_of(coarse, (0, 0, 0))
    k, j, i = (int(origin) + part.start for origin, part in zip(grid.origin_kji, box, strict=True))
    return np.ascontiguousarray(coarse[box]), (k, j, i)


def _attenuation(
    patch: Patch, growth: Growth, whole: Growth | None, grid: Grid, volume: Volume
) -> tuple[Attenuation, float | None]:
    """Tell the attenuation type, and the mean diameter of the solid core of a part-solid nodule."""
    if whole is not None:
        solid, level_hu = _fitted(patch, growth, uniform=True)
        lines = _calipers(patch, solid, rim(patch, growth), level_hu, grid, volume)
        return Attenuation.PART_SOLID, (lines[0].length_mm + lines[1].length_mm) / 2
    if growth.core_hu <= SOLID_ABOVE_HU:
        return Attenuation.GROUND_GLASS, None
    inner = eroded(growth.mask, min(PARTIAL_VOLUME_MM, 0.4 * growth.inscribed_mm), patch.spacing)
    core = patch.hu[inner] if inner.any() else patch.hu[growth.mask]
    calcified = (core > CALCIFIED_ABOVE_HU).mean() > 0.5
    return (Attenuation.CALCIFIED if calcified else Attenuation.SOLID), None


def _box(mask: Mask, offset: Index) -> tuple[slice, slice, slice]:
    """Give the volume's box that a cut-out mask covers."""
    k, j, i = (slice(start, start + size) for start, size in zip(offset, mask.shape, strict=True))
    return k, j, i


def _inside(center_kji: tuple[float, float, float], shape: tuple[int, int, int]) -> Index:
    """Give the nearest voxel of the volume."""
    k, j, i = (min(max(round(x), 0), size - 1) for x, size in zip(center_kji, shape, strict=True))
    return k, j, i


def _distance(voxel: Index, mask: Mask, volume: Volume) -> float:
    """Give the distance in mm from a voxel to the nearest voxel of a mask; infinite when it is empty."""
    points = np.argwhere(mask)
    if len(points) == 0:
        return float("inf")
    return float(np.linalg.norm((points - voxel) * np.asarray(volume.spacing_kji_mm), axis=1).min())
