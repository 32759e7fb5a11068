"""Long axis, and the longest line perpendicular to it, of a closed outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage import measure

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Axes:
    """Two perpendicular lines across an outline; (2, 2) arrays of ends (j, i) in mm."""

    long_mm: Points
    short_mm: Points

    @property
    def lengths_mm(self) -> tuple[float, float]:
        """Lengths of the long and of the short axis."""
        return _length(self.long_mm), _length(self.short_mm)


def outline_of(field: npt.NDArray[np.float32], level: float, spacing_ji_mm: tuple[float, float]) -> Points:
    """Give the longest outline of a 2D field at a level, between pixels.

    Returns
    -------
    (N, 2) points (j, i) in mm from the first pixel's centre; (0, 2) when the field nowhere crosses the level.
    """
    padded = np.pad(field, 1, constant_values=min(float(field.min()), level - 1.0))
    outlines = measure.find_contours(padded, level)
    if not outlines:
        return np.zeros((0, 2))
    longest = max(outlines, key=len)
    return np.asarray((longest - 1.0) * np.asarray(spacing_ji_mm))


def axes_of(outline: Points, least_mm: float) -> Axes:
    """Measure an outline: its greatest width, and the greatest chord perpendicular to that.

    Parameters
    ----------
    outline
        (N, 2) points in mm, N at least 1.
    least_mm
        No axis is given shorter than this: a nodule of one pixel is one pixel wide.
    """
    long_mm = _widest(outline)
    if _length(long_mm) < least_mm:
        return _cross(outline.mean(axis=0), least_mm)
    along = (long_mm[1] - long_mm[0]) / _length(long_mm)
    across = np.array([-along[1], along[0]])
    short_mm = _longest_chord(outline, along, across)
    if _length(short_mm) < least_mm:
        middle = short_mm.mean(axis=0)
        short_mm = np.stack((middle - across * least_mm / 2, middle + across * least_mm / 2))
    return Axes(long_mm, short_mm)


def _widest(outline: Points) -> Points:
    """Give the two points of the outline that lie farthest apart."""
    apart = np.linalg.norm(outline[:, None] - outline[None], axis=2)
    first, second = np.unravel_index(int(apart.argmax()), apart.shape)
    return outline[[first, second]]


def _longest_chord(outline: Points, along: Points, across: Points) -> Points:
    """Give the longest line in the direction ``across`` between two crossings of the closed outline."""
    u, v = outline @ along, outline @ across
    best = np.stack((outline[0], outline[0]))
    for position in np.unique(u):
        crossings = _crossings(u, v, position)
        if len(crossings) > 1 and crossings.max() - crossings.min() > _length(best):
            best = position * along + np.outer([crossings.min(), crossings.max()], across)
    return best


def _crossings(u: Points, v: Points, position: float) -> Points:
    """Interpolate ``v`` where the closed polygon (u, v) crosses ``u == position``."""
    next_u, next_v = np.roll(u, -1), np.roll(v, -1)
    crosses = (np.minimum(u, next_u) <= position) & (np.maximum(u, next_u) >= position)
    width = np.where(next_u == u, 1.0, next_u - u)
    share = np.where(next_u == u, 0.0, (position - u) / width)
    return np.asarray((v + share * (next_v - v))[crosses])


def _cross(middle: Points, width_mm: float) -> Axes:
    """Give two axes of the least length through a point."""
    rows, columns = np.array([width_mm / 2, 0.0]), np.array([0.0, width_mm / 2])
    return Axes(np.stack((middle - rows, middle + rows)), np.stack((middle - columns, middle + columns)))


def _length(line: Points) -> float:
    """Give the length of a line (2, 2)."""
    return float(np.linalg.norm(line[1] - line[0]))
