"""The shape of a generated nodule: star-convex, bumpy, spiculated, cut by the pleura."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import numpy as np
import numpy.typing as npt

from models.findings import Side
from training import phantom_anatomy as anatomy
from training.phantom_raster import Grid, points_of

Place = npt.NDArray[np.float64]
Array = npt.NDArray[np.float32]

_SUBVOXEL_MM = 0.45
_TRUTH_STEP_MM, _TRUTH_STEPS, _DIRECTIONS = 0.3, 45, 4000  # a finer step than 1 in 45 of the reach adds nothing
_SMOOTH_BOUND = 1.36  # the sum of all bumps is a good bound up to here: five of usual height


@dataclass(frozen=True, eq=False)
class NoduleShape:
    """A star-convex body: a sphere whose radius varies smoothly with direction.

    Parameters
    ----------
    waves
        (M, 5): wave vector (3), phase, amplitude over the radius.
    pleura
        The side whose pleura cuts the nodule, or None where it lies free in the lung.
    spicules
        (S, 5): direction (3), height over the radius, SD of the angle in rad; or None.
    """

    center_lps_mm: Place
    radius_mm: float
    waves: Place
    pleura: Side | None
    spicules: Place | None = None

    def radii_mm(self, directions: Place) -> Place:
        """Distance of the surface from the centre along (N, 3) unit vectors."""
        phase = directions @ self.waves[:, :3].T + self.waves[:, 3]
        smooth = 1 + np.cos(phase) @ self.waves[:, 4]
        if self.spicules is not None:
            away = 2 - 2 * directions @ self.spicules[:, :3].T  # the squared angle, where it is small
            smooth = smooth + np.exp(-away / (2 * self.spicules[:, 4] ** 2)) @ self.spicules[:, 3]
        return np.asarray(self.radius_mm * smooth)

    def contains(self, places_lps_mm: Place, beyond_pleura_mm: float = 0.0) -> npt.NDArray[np.bool_]:
        """Tell which of (N, 3) places lie inside; the pleura cuts at itself or a little beyond."""
        away = places_lps_mm - self.center_lps_mm
        distance = np.linalg.norm(away, axis=1)
        inside = distance <= self.reach_mm
        inside[inside] = distance[inside] <= self.radii_mm(away[inside] / (distance[inside][:, None] + 1e-9))
        if self.pleura is not None and inside.any():
            inside[inside] = anatomy.lung_at(points_of(places_lps_mm[inside]), self.pleura).numpy() < beyond_pleura_mm
        return np.asarray(inside)

    @cached_property
    def reach_mm(self) -> float:
        """No point of the shape is farther from its centre."""
        bound = 1 + np.abs(self.waves[:, 4]).sum()
        if self.spicules is None and bound < _SMOOTH_BOUND:
            return float(self.radius_mm * bound)
        # All bumps and spicules never meet in one direction: look for the highest, and leave room beside it.
        return float(1.05 * self.radii_mm(_even_directions(_DIRECTIONS)).max())

    def measured(self) -> tuple[Place, float]:
        """Centre of mass (LPS mm) and volume (mm3): counted on a fine grid if cut, else integrated over directions."""
        if self.pleura is None:
            directions = _even_directions(_DIRECTIONS)
            radii = self.radii_mm(directions)
            moment = (radii[:, None] ** 4 / 4 * directions).mean(axis=0)
            return self.center_lps_mm + moment / (radii**3 / 3).mean(), float(4 * pi / 3 * (radii**3).mean())
        step = max(_TRUTH_STEP_MM, self.reach_mm / _TRUTH_STEPS)
        side = np.arange(-self.reach_mm, self.reach_mm + step, step)
        offsets = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = self.contains(self.center_lps_mm + offsets)
        return self.center_lps_mm + offsets[inside].mean(axis=0), float(inside.sum() * step**3)


def _even_directions(count: int) -> Place:
    """(count, 3) unit vectors evenly over the sphere: a Fibonacci lattice, weights all alike."""
    index = np.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, index * pi * (1 + 5**0.5)
    ring = np.sqrt(1 - z**2)
    return np.column_stack([ring * np.cos(turn), ring * np.sin(turn), z])


def filled_fraction(
    grid: Grid,
    shape: NoduleShape,
    beyond_pleura_mm: float = 0.0,
    margin_mm: float = 0.0,
    part_mm: float = _SUBVOXEL_MM,
) -> tuple[tuple[slice, slice, slice], Array]:
    """Count how much of each voxel a shape fills: the box of voxels, and 0 to 1 for each of them (k, j, i)."""
    reach = shape.reach_mm + margin_mm + np.asarray(grid.spacing_kji_mm[::-1])
    box = grid.box(shape.center_lps_mm - reach, shape.center_lps_mm + reach)
    steps = [int(np.ceil(spacing / part_mm)) for spacing in grid.spacing_kji_mm]
    z, y, x = (_finer(grid.axis_mm(a)[box[a]], grid.spacing_kji_mm[a], steps[a]) for a in range(3))
    places = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    inside = shape.contains(places.reshape(-1, 3), beyond_pleura_mm).reshape(places.shape[:3])
    sizes = [size for a in range(3) for size in (inside.shape[a] // steps[a], steps[a])]
    return box, inside.reshape(sizes).mean(axis=(1, 3, 5)).astype(np.float32)


def _finer(centres_mm: Array, spacing_mm: float, steps: int) -> Place:
    """Centres of ``steps`` parts of every voxel along one axis."""
    parts = ((np.arange(steps) + 0.5) / steps - 0.5) * spacing_mm
    return (centres_mm[:, None].astype(np.float64) + parts).reshape(-1)
