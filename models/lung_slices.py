"""Slices as lungmask's networks want them: clipped, cropped to the body, 256 x 256; and labels back on the slices.

``lungmask.utils.preprocess`` and ``reshape_mask`` restated: the same boxes, pixels and labels, whole stacks handled
at once. Interpolated CT numbers are rounded to whole HU, as theirs are. Sides below 64 pixels are outside the contract.

References
----------
Hofmanninger 2020, doi:10.1186/s41747-020-00173-2; https://github.com/JoHof/lungmask
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask, regions_of

NETWORK_SIZE = 256  # rows and columns that the networks see
LOWEST_HU, HIGHEST_HU = -1024, 600
_BODY_SIZE, _BODY_ABOVE_HU, _BODY_STEPS = 128, -500, 2
_Value = TypeVar("_Value", bound=np.generic)
_IN_SLICE_DIAGONAL = ndimage.generate_binary_structure(3, 3) & np.array([False, True, False])[:, None, None]


@dataclass(frozen=True, eq=False)
class NetworkSlices:
    """What the networks see of a stack.

    Parameters
    ----------
    hu
        (K, 256, 256) int16, clipped to -1024..600 HU.
    boxes
        (K, 4) first row, first column, row after the last, column after the last of the crop.
    shape
        Rows and columns of the slices.
    """

    hu: npt.NDArray[np.int16]
    boxes: npt.NDArray[np.intp]
    shape: tuple[int, int]


def network_slices(hu: npt.NDArray[np.int16]) -> NetworkSlices:
    """Clip, crop and resize axial slices.

    Parameters
    ----------
    hu
        (K, J, I) int16 HU; rows run to the patient's back, columns to the patient's left, slices to the head.
    """
    boxes = body_boxes(hu)
    pictures = np.empty((len(hu), NETWORK_SIZE, NETWORK_SIZE), np.int16)
    for picture, section, (top, left, bottom, right) in zip(pictures, hu, boxes, strict=True):
        picture[:] = _resized(section[top:bottom, left:right])
    return NetworkSlices(pictures, boxes, (hu.shape[1], hu.shape[2]))


def network_input(hu: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale clipped HU (K, 256, 256) to 0..1, (K, 1, 256, 256)."""
    return ((hu[:, None].astype(np.float32) - LOWEST_HU) / (HIGHEST_HU - LOWEST_HU)).astype(np.float32)


def on_slices(labels: npt.NDArray[np.uint8], seen: NetworkSlices) -> npt.NDArray[np.uint8]:
    """Bring labels (K, 256, 256) of the network back to the slices, (K, J, I); background outside the boxes."""
    full = np.zeros((len(labels), *seen.shape), np.uint8)
    for target, source, (top, left, bottom, right) in zip(full, labels, seen.boxes, strict=True):
        target[top:bottom, left:right] = _enlarged(_enlarged(source, bottom - top, 0), right - left, 1)
    return full


def body_boxes(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.intp]:
    """Box the largest body section of every slice, (K, 4); the whole slice where there is none."""
    _, rows, columns = hu.shape
    row_places, column_places = nearest_places(rows, _BODY_SIZE), nearest_places(columns, _BODY_SIZE)
    body = _largest_sections(hu[:, row_places[:, None], column_places] > _BODY_ABOVE_HU)
    row_span = _spans(_enlarged(np.asarray(body.any(axis=2)), rows, 1))
    column_span = _spans(_enlarged(np.asarray(body.any(axis=1)), columns, 1))
    return np.stack([row_span[0], column_span[0], row_span[1], column_span[1]], axis=1)


def _largest_sections(tissue: Mask) -> Mask:
    """Close, fill and open each slice (K, j, i); keep its largest section."""
    closed = _eroded(_dilated(tissue))
    background = _diagonal_regions(~closed)
    body = closed | _not_at_border(background)
    for _ in range(_BODY_STEPS):
        body = _eroded(body)
    regions = regions_of(body, in_slice=True)
    keep = np.zeros(len(regions.sizes), dtype=bool)
    for section in regions.labels:
        present = np.bincount(section.ravel())
        present[0] = 0
        keep[int(present.argmax())] = True
    body = regions.where(keep)
    for _ in range(_BODY_STEPS):
        body = _dilated(body)
    return body


def _diagonal_regions(mask: Mask) -> npt.NDArray[np.int32]:
    """Label regions that touch in a slice also by corners, (K, j, i) int32."""
    labels, _ = ndimage.label(mask, structure=_IN_SLICE_DIAGONAL)
    return np.asarray(labels, dtype=np.int32)


def _not_at_border(labels: npt.NDArray[np.int32]) -> Mask:
    """Mark the regions that do not reach the border of their slice."""
    enclosed = np.ones(int(labels.max()) + 1, dtype=bool)
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        enclosed[np.unique(edge)] = False
    enclosed[0] = False
    return np.asarray(enclosed[labels])


def _dilated(mask: Mask) -> Mask:
    """Grow by one pixel up, down, left and right."""
    grown = mask.copy()
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    grown[:, :, 1:] |= mask[:, :, :-1]
    grown[:, :, :-1] |= mask[:, :, 1:]
    return grown


def _eroded(mask: Mask) -> Mask:
    """Shrink by one pixel; what lies beyond the border is not in the mask."""
    padded = np.pad(~mask, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    return ~_dilated(padded)[:, 1:-1, 1:-1]


def _spans(hit: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and one after the last hit of every row (K, n); 0 and n where nothing is hit."""
    size = hit.shape[1]
    some = hit.any(axis=1)
    first, after = hit.argmax(axis=1), size - hit[:, ::-1].argmax(axis=1)
    return np.where(some, first, 0), np.where(some, after, size)


def _places(source: int, target: int) -> npt.NDArray[np.float64]:
    """Give where ``target`` pixels lie on ``source`` pixels, both ends on both ends (``scipy.ndimage.zoom``)."""
    step = (source - 1) / (target - 1) if target > 1 else 1.0
    return np.asarray(step * np.arange(target), dtype=np.float64)


def nearest_places(source: int, target: int) -> npt.NDArray[np.intp]:
    """Give the nearest of ``source`` pixels to each of ``target`` pixels."""
    return np.clip(np.floor(_places(source, target) + 0.5).astype(np.intp), 0, source - 1)


def _enlarged(values: npt.NDArray[_Value], target: int, axis: int) -> npt.NDArray[_Value]:
    """Repeat the nearest values along an axis to ``target`` of them.

    For some sizes rounding puts the last place a trifle behind the last value, and scipy calls that outside: 0.
    """
    source = values.shape[axis]
    larger = np.take(values, nearest_places(source, target), axis=axis)
    if _places(source, target)[-1] > source - 1:
        larger[(slice(None),) * axis + (-1,)] = 0
    return larger


def _resized(picture: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Interpolate a picture linearly to 256 x 256, clipped, in whole HU.

    In double precision: a value is never closer than 1 / (2 * 255**2) to a half, so rounding is that of any order
    of the sums.
    """
    clipped = np.clip(picture, LOWEST_HU, HIGHEST_HU)
    low_row, row_share = _between(picture.shape[0])
    low_column, column_share = _between(picture.shape[1])
    rows = _mixed(clipped[low_row[0]], clipped[low_row[1]], row_share[:, None])
    values = _mixed(rows[:, low_column[0]], rows[:, low_column[1]], column_share)
    return np.rint(values).astype(np.int16)


def _mixed(
    first: npt.NDArray[np.generic], second: npt.NDArray[np.generic], share: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Go ``share`` of the way from first to second."""
    start = first.astype(np.float64)
    mixed: npt.NDArray[np.float64] = start + share * (second.astype(np.float64) - start)
    return mixed


def _between(size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Give the two pixels beside each of 256 places, (2, 256), and how far it lies from the first to the second."""
    places = np.minimum(_places(size, NETWORK_SIZE), size - 1)
    low = np.minimum(places.astype(np.intp), max(0, size - 2))
    return np.stack([low, np.minimum(low + 1, size - 1)]), places - low
