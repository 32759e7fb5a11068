"""Where to put a label: near its nodule, over none, over no other label, inside the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.results.drawing import Box, Point

Boxes = npt.NDArray[np.float64]  # (N, 4): left, top, right, bottom

_DIRECTIONS = 24
_GAPS = (1.0, 2.0, 3.2, 5.0, 8.0)  # distance of the label from its mark, in heights of the label


@dataclass(frozen=True)
class Mark:
    """A round thing that wants a label of ``width`` x ``height`` pixels; ``centre`` is x, y."""

    centre: Point
    radius: float
    width: float
    height: float

    @property
    def box(self) -> Box:
        """The square around the mark."""
        (x, y), r = self.centre, self.radius
        return x - r, y - r, x + r, y + r


@dataclass(frozen=True)
class Placed:
    """A label's box, and the leader line from the box to the rim of the mark."""

    box: Box
    leader: tuple[Point, Point]


def place_labels(marks: Sequence[Mark], size: tuple[int, int], taken: Iterable[Box] = ()) -> list[Placed]:
    """Find a place for every label, in the order given.

    ``size`` is width and height of the picture; the boxes in ``taken`` stay free. Where no place
    is free, the least bad one is used.
    """
    used = [*taken, *(mark.box for mark in marks)]
    placed: list[Placed] = []
    for number, mark in enumerate(marks):
        boxes = _candidates(mark)
        own = len(used) - len(placed) - len(marks) + number
        best = boxes[int(np.argmin(_costs(boxes, mark, size, np.array(used).reshape(-1, 4), own)))]
        left, top, right, bottom = (float(edge) for edge in best)
        used.append((left, top, right, bottom))
        (start,), (end,) = _leaders(best[None], mark)
        line = (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))
        placed.append(Placed((left, top, right, bottom), line))
    return placed


def _candidates(mark: Mark) -> Boxes:
    """(N, 4) boxes around the mark, nearest ring first, upper right first."""
    step = np.arange(_DIRECTIONS)
    angle = -np.pi / 4 + (step // 2 + step % 2) * np.where(step % 2, 1, -1) * 2 * np.pi / _DIRECTIONS
    reach = mark.radius + np.array(_GAPS)[:, None] * mark.height
    x = mark.centre[0] + np.cos(angle) * (reach + mark.width / 2)
    y = mark.centre[1] + np.sin(angle) * (reach + mark.height / 2)
    half_width, half_height = mark.width / 2, mark.height / 2
    return np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=-1).reshape(-1, 4)


def _costs(boxes: Boxes, mark: Mark, size: tuple[int, int], others: Boxes, own: int) -> npt.NDArray[np.float64]:
    """(N,) cost: area lost over ``others`` (row ``own`` is the mark's) or outside weighs far more than distance."""
    area = mark.width * mark.height
    visible = _overlaps(boxes, np.array([(2, 2, size[0] - 2, size[1] - 2)], dtype=np.float64))[:, 0]
    covered = _overlaps(boxes, others).sum(axis=1)
    starts, ends = _leaders(boxes, mark)
    middles = ((starts + ends) / 2)[:, None]
    foreign = np.delete(others, own, axis=0)
    crossed = ((foreign[:, :2] <= middles) & (middles <= foreign[:, 2:])).all(axis=-1).sum(axis=1)
    distance = np.hypot(*(starts - ends).T)
    return np.asarray(100 * (area - visible + covered) / area + 20 * crossed + distance / mark.height)


def _leaders(boxes: Boxes, mark: Mark) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N, 2) nearest point of each box, and (N, 2) point just outside the rim of the mark on the way to it."""
    centre = np.asarray(mark.centre)
    starts = np.clip(centre, boxes[:, :2], boxes[:, 2:])
    length = np.hypot(*(starts - centre).T)
    rim = np.minimum(mark.radius, length) / np.where(length == 0, 1, length)
    return starts, centre + (starts - centre) * rim[:, None]


def _overlaps(boxes: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """(N, M) area that each box shares with each other one."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.maximum(0, high - low).prod(axis=-1))
