"""Tapered tubes drawn into a volume with their partial volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from training.phantom_shapes import Points

Array = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]

_SUBSLICE_MM = 1.25  # thicker slices are averaged from thinner ones, as a detector row does
_EDGE_MM = 0.9  # width of an edge in the plane: the point spread of a standard kernel


class Tube(NamedTuple):
    """A straight tapered tube with round ends: its two ends in LPS mm and the radii there, mm."""

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    start_radius: float
    end_radius: float

    def swollen(self, by_mm: float) -> Tube:
        """Give the same tube with another radius, 0.1 mm at least."""
        return self._replace(
            start_radius=max(self.start_radius + by_mm, 0.1), end_radius=max(self.end_radius + by_mm, 0.1)
        )


@dataclass(frozen=True)
class Grid:
    """An upright grid: k to the head, j to the back, i to the left.

    Parameters
    ----------
    origin_lps_mm
        Centre of voxel (0, 0, 0).
    """

    shape: tuple[int, int, int]
    spacing_kji_mm: tuple[float, float, float]
    origin_lps_mm: tuple[float, float, float]

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4) from (k, j, i, 1) to LPS mm."""
        affine = np.zeros((4, 4))
        affine[[2, 1, 0], [0, 1, 2]] = self.spacing_kji_mm
        affine[:3, 3] = self.origin_lps_mm
        affine[3, 3] = 1
        return affine

    def axis_mm(self, axis: int) -> Array:
        """LPS coordinates along axis 0 (k: z), 1 (j: y) or 2 (i: x) of the voxel centres."""
        return (self.origin_lps_mm[2 - axis] + self.spacing_kji_mm[axis] * np.arange(self.shape[axis])).astype(
            np.float32
        )

    def box(self, low_lps_mm: npt.NDArray[np.float64], high_lps_mm: npt.NDArray[np.float64]) -> Box:
        """Voxels whose centres lie between two corners, cut to the grid; a side may be empty."""
        origin, spacing = np.asarray(self.origin_lps_mm), np.asarray(self.spacing_kji_mm[::-1])
        low = np.ceil((low_lps_mm - origin) / spacing).astype(int)
        high = np.floor((high_lps_mm - origin) / spacing).astype(int) + 1
        k, j, i = (slice(max(low[a], 0), max(min(high[a], self.shape[2 - a]), 0)) for a in (2, 1, 0))
        return k, j, i


def raise_to(hu: npt.NDArray[np.int16], grid: Grid, tubes: Iterable[Tube], base_hu: float, tube_hu: float) -> None:
    """Draw tubes denser than their surroundings, in place; where tubes overlap the densest wins.

    Voxels that a tube fills in part are mixed from ``tube_hu`` and ``base_hu``, that of the surroundings.
    """
    for box, fraction in _drawn(grid, tubes):
        drawn = np.rint(base_hu + fraction * (tube_hu - base_hu)).astype(np.int16)
        np.maximum(hu[box], np.where(fraction > 0, drawn, hu[box]), out=hu[box])


def fill(hu: npt.NDArray[np.int16], grid: Grid, tubes: Iterable[Tube], tube_hu: float) -> None:
    """Replace what is inside the tubes, in place."""
    for box, fraction in _drawn(grid, tubes):
        hu[box] = np.rint(hu[box] + fraction * (tube_hu - hu[box])).astype(np.int16)


def _drawn(grid: Grid, tubes: Iterable[Tube]) -> Iterator[tuple[Box, Array]]:
    axes = (grid.axis_mm(0), grid.axis_mm(1), grid.axis_mm(2))
    for tube in tubes:
        reach = max(tube.start_radius, tube.end_radius) + _EDGE_MM
        margin = np.array([reach, reach, reach + grid.spacing_kji_mm[0] / 2])
        box = grid.box(np.minimum(tube.start, tube.end) - margin, np.maximum(tube.start, tube.end) + margin)
        if all(side.stop > side.start for side in box):
            yield box, _fraction(tube, axes[0][box[0]], axes[1][box[1]], axes[2][box[2]], grid.spacing_kji_mm)


def _fraction(tube: Tube, z: Array, y: Array, x: Array, spacing_kji_mm: tuple[float, float, float]) -> Array:
    """Share of each voxel (k, j, i) that the tube fills, 0 to 1."""
    count = ceil(spacing_kji_mm[0] / _SUBSLICE_MM)
    offsets = ((np.arange(count) + 0.5) / count - 0.5) * spacing_kji_mm[0]
    fine_z = (z[:, None] + offsets.astype(np.float32)).reshape(-1)
    distance, radius = _distance(tube, fine_z, y, x)
    edge = max(_EDGE_MM, spacing_kji_mm[1])
    share: Array = np.clip((radius - distance) / edge + 0.5, 0, 1)
    share *= _thin(min(tube.start_radius, tube.end_radius), edge)
    return np.asarray(share.reshape(len(z), count, len(y), len(x)).mean(axis=1), dtype=np.float32)


def _distance(tube: Tube, z: Array, y: Array, x: Array) -> tuple[Array, Array | float]:
    """Distance to the axis of the tube, and its radius there, both on the grid of z, y, x."""
    axis = (tube.end - tube.start).astype(np.float32)
    dx, dy, dz = (c - np.float32(s) for c, s in zip((x, y, z), tube.start, strict=True))
    along = (dz * axis[2])[:, None, None] + (dy * axis[1])[:, None] + dx * axis[0]
    squared = (dz**2)[:, None, None] + (dy**2)[:, None] + dx**2
    length2 = np.float32(max(float(axis @ axis), 1e-6))
    t = np.clip(along / length2, 0, 1)
    distance = np.sqrt(np.maximum(squared - t * (2 * along - t * length2), 0))
    return distance, tube.start_radius + t * np.float32(tube.end_radius - tube.start_radius)


def _thin(radius_mm: float, edge_mm: float) -> float:
    """Weaken a tube thinner than the edge, so that its cross-section keeps its area."""
    return min(1.0, pi * (radius_mm / edge_mm) ** 2 / (0.5 + radius_mm / edge_mm))


def points_of(places_lps_mm: npt.ArrayLike) -> Points:
    """Turn (N, 3) LPS mm into points for the signed distances."""
    columns = torch.from_numpy(np.ascontiguousarray(np.asarray(places_lps_mm, dtype=np.float32).T))
    return Points(columns[0], columns[1], columns[2])
