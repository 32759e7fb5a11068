"""Where in the lung a nodule lies: side, third, lobe, distance to the pleura."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask
from models.findings import LOBE_LABELS, Lobe, LungLabel, Lungs, NoduleMeasurement, Side, Third
from models.volume import Volume

Index = tuple[int, int, int]
PLEURA_REACH_MM = 60.0  # the pleura is looked for so far around a nodule; farther is given as this
_PLEURA_STEP_MM = 1.5  # grid on which the distance is measured


def side_of(center_kji: tuple[float, float, float], lungs: Lungs, volume: Volume) -> Side:
    """Tell in which lung a point lies, or which lung is nearer.

    Raises
    ------
    ValueError
        If there is no lung at all.
    """
    voxel = inside_index(center_kji, volume.shape)
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


def lobe_of(measured: NoduleMeasurement, lungs: Lungs) -> Lobe | None:
    """Give the lobe that holds most of the nodule; None without lobe labels, or where none of it lies in a lobe."""
    if lungs.lobes is None:
        return None
    box = _box(measured.mask_offset_kji, measured.mask.shape)
    counts = np.bincount(lungs.lobes[box][measured.mask], minlength=len(LOBE_LABELS) + 1)[1:]
    return LOBE_LABELS[int(counts.argmax()) + 1] if counts.any() else None


def pleura_distance_mm(measured: NoduleMeasurement, lungs: Lungs, volume: Volume) -> float:
    """Measure from the nodule's surface to the nearest surface of its lung, the mediastinal side included.

    Returns
    -------
    Millimetres, to about ``_PLEURA_STEP_MM``; 0 where the nodule reaches the surface; at most ``PLEURA_REACH_MM``.
    """
    spacing = np.asarray(volume.spacing_kji_mm)
    offset, size = np.asarray(measured.mask_offset_kji), np.asarray(measured.mask.shape)
    reach = np.ceil(PLEURA_REACH_MM / spacing).astype(int)
    low, high = np.maximum(offset - reach, 0), np.minimum(offset + size + reach, volume.shape)
    strides = np.maximum(1, (_PLEURA_STEP_MM / spacing).astype(int))
    box = tuple(slice(int(a), int(b), int(s)) for a, b, s in zip(low, high, strides, strict=True))
    nodule = np.zeros(tuple(high - low), dtype=bool)
    nodule[_box(tuple(offset - low), measured.mask.shape)] = measured.mask
    coarse = nodule[tuple(slice(None, None, int(s)) for s in strides)]
    middle = (np.asarray(measured.center_kji) - low) / strides
    coarse[inside_index((middle[0], middle[1], middle[2]), coarse.shape)] = True  # a small one may fall between
    lung = lungs.labels[box] == _own_label(measured, lungs)
    apart = ndimage.distance_transform_edt(lung | coarse, sampling=strides * spacing)
    if (lung | coarse).all():
        return PLEURA_REACH_MM
    step = float(np.max(strides * spacing))
    return float(min(max(apart[coarse].min() - step, 0.0), PLEURA_REACH_MM))


def inside_index(center_kji: tuple[float, float, float], shape: Index) -> Index:
    """Give the voxel of a volume of ``shape`` that is nearest to a fractional index."""
    k, j, i = (min(max(round(x), 0), size - 1) for x, size in zip(center_kji, shape, strict=True))
    return k, j, i


def _own_label(measured: NoduleMeasurement, lungs: Lungs) -> int:
    """Give the lung label of most of the nodule's voxels."""
    box = _box(measured.mask_offset_kji, measured.mask.shape)
    counts = np.bincount(lungs.labels[box][measured.mask], minlength=3)[1:]
    return int(counts.argmax()) + 1


def _box(offset: npt.ArrayLike, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(int(o), int(o) + n) for o, n in zip(np.asarray(offset), shape, strict=True))


def _distance(voxel: Index, mask: Mask, volume: Volume) -> float:
    """Give the distance in mm from a voxel to the nearest voxel of a mask; infinite when it is empty."""
    points = np.argwhere(mask)
    if len(points) == 0:
        return float("inf")
    return float(np.linalg.norm((points - voxel) * np.asarray(volume.spacing_kji_mm), axis=1).min())
