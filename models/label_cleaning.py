"""Cleaning of label images as lungmask does it: specks go to their neighbours, one piece a label, no voids.

``lungmask.utils.postprocessing`` restated, with the same answers; work is confined to the box of each piece.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import label as connected
from skimage.morphology import area_closing

from models.components import Mask, box_of

Labels = npt.NDArray[np.uint8]
_SMALLEST_MERGED = 3  # voxels; smaller specks are dropped, not given to a neighbour
_SLICE_HOLE_PX = 64  # a single slice: smaller holes are filled


def cleaned(labels: Labels, spare: Collection[int] = ()) -> Labels:
    """Give specks to the neighbour with the longest common border, keep the largest piece of each label, fill voids.

    Parameters
    ----------
    labels
        (K, J, I) uint8, 0 is background.
    spare
        Labels that only serve to be given away: none of them is left.
    """
    if not labels.any():
        return np.zeros_like(labels)
    box = box_of(labels > 0, (2, 2, 2))
    pieces = _Pieces(labels[box], frozenset(spare))
    pieces.merge_specks()
    inner = pieces.labels()
    result = np.zeros_like(labels)
    for label in np.unique(inner[inner > 0]):
        whole = _filled(_largest(inner == label), single=len(labels) == 1)
        result[box][whole] = label
    return result


class _Pieces:
    """Connected pieces of equal label, while specks are given away."""

    def __init__(self, labels: Labels, spare: frozenset[int]) -> None:
        self._of = connected(labels)
        count = int(self._of.max())
        self._boxes = [None, *ndimage.find_objects(self._of)]
        self._areas = np.bincount(self._of.ravel(), minlength=count + 1)
        self._values = np.zeros(count + 1, np.uint8)
        self._values[self._of.ravel()] = labels.ravel()
        self._spare = spare
        self._order = 1 + np.argsort(self._areas[1:], kind="stable")
        self._largest = dict.fromkeys(map(int, np.unique(self._values)), 0)
        self._kept = np.zeros(count + 1, np.uint8)
        for piece in self._order:  # as theirs: of equally small pieces all but the first are dropped
            value = int(self._values[piece])
            if self._areas[piece] > self._largest[value]:
                self._largest[value] = int(self._areas[piece])
                self._kept[piece] = value

    def merge_specks(self) -> None:
        """Give every piece that is not the largest of its label to a neighbour, the smallest first."""
        for piece in self._order:
            value = int(self._values[piece])
            small = self._areas[piece] < self._largest[value] or value in self._spare
            if small and self._areas[piece] >= _SMALLEST_MERGED:
                self._give_away(int(piece))

    def labels(self) -> Labels:
        """Give what is left, spare labels taken out."""
        kept = np.where(np.isin(self._kept, list(self._spare)), 0, self._kept).astype(np.uint8)
        return np.asarray(kept[self._of])

    def _give_away(self, piece: int) -> None:
        box = _widened(self._boxes[piece], self._of.shape)
        part = self._of[box]
        own = part == piece
        around, counts = np.unique(part[ndimage.binary_dilation(own)], return_counts=True)
        open_to = [
            (count, -neighbour)
            for neighbour, count in zip(around.tolist(), counts.tolist(), strict=True)
            if neighbour not in (0, piece) and int(self._values[neighbour]) not in self._spare
        ]
        if not open_to:
            return
        taker = -max(open_to)[1]  # the lowest number of those with the longest border
        part[own] = taker
        taken, value = int(self._areas[piece]), int(self._values[taker])
        if self._areas[taker] == self._largest[value]:
            self._largest[value] += taken
        self._areas[taker] += taken
        self._boxes[taker] = _joined(self._boxes[taker], self._boxes[piece])


def _widened(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, shape, strict=True))


def _joined(first: tuple[slice, ...], second: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _largest(mask: Mask) -> Mask:
    """Keep the largest piece; pieces touch also by corners."""
    pieces = connected(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    return np.asarray(pieces == int(np.argsort(sizes)[-1]) + 1)


def _filled(mask: Mask, *, single: bool) -> Mask:
    """Fill what the background cannot reach through faces; in a single slice small holes alone."""
    if single:
        closed = area_closing(mask[0], area_threshold=_SLICE_HOLE_PX)
        return np.asarray(closed & ndimage.binary_fill_holes(mask[0]))[None]
    box = box_of(mask, (0, 0, 0))
    outside, _ = ndimage.label(~mask[box])
    enclosed = np.ones(int(outside.max()) + 1, dtype=bool)
    for axis in range(3):
        for end in (0, -1):
            enclosed[np.unique(np.take(outside, end, axis=axis))] = False
    enclosed[0] = False
    mask[box] |= enclosed[outside]
    return mask
