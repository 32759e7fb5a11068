"""Where to put a label: near its nodule, over none, over no other label, inside the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

from node.results.drawing import Box, Point

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
    used = list(taken)
    placed = []
    for mark in marks:
        others = used + [other.box for other in marks]
        box = min(_candidates(mark), key=lambda candidate: _cost(candidate, mark, size, others))
        used.append(box)
        placed.append(Placed(box, _leader(box, mark)))
    return placed


def _candidates(mark: Mark) -> Iterable[Box]:
    """Boxes around the mark, nearest ring first, upper right first."""
    for gap in _GAPS:
        reach = mark.radius + gap * mark.height
        for step in range(_DIRECTIONS):
            angle = -pi / 4 + (step // 2 + step % 2) * (1 if step % 2 else -1) * 2 * pi / _DIRECTIONS
            across, down = cos(angle), sin(angle)
            x = mark.centre[0] + across * (reach + mark.width / 2)
            y = mark.centre[1] + down * (reach + mark.height / 2)
            yield x - mark.width / 2, y - mark.height / 2, x + mark.width / 2, y + mark.height / 2


def _cost(box: Box, mark: Mark, size: tuple[int, int], others: Sequence[Box]) -> float:
    """Area that is lost over other boxes or outside the picture weighs far more than distance."""
    area = mark.width * mark.height
    visible = _overlap(box, (2, 2, size[0] - 2, size[1] - 2))
    covered = sum(_overlap(box, other) for other in others)
    start, end = _leader(box, mark)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    crossed = sum(_contains(other, middle) for other in others if other != mark.box)
    distance = hypot(start[0] - end[0], start[1] - end[1])
    return 100 * (area - visible + covered) / area + 20 * crossed + distance / mark.height


def _leader(box: Box, mark: Mark) -> tuple[Point, Point]:
    """From the nearest point of the box to just outside the rim of the mark."""
    x, y = mark.centre
    start = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    length = hypot(start[0] - x, start[1] - y) or 1.0
    rim = min(mark.radius, length)
    return start, (x + (start[0] - x) * rim / length, y + (start[1] - y) * rim / length)


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _contains(box: Box, point: Point) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
