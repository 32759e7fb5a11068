"""The body of a real nodule: its surface as a signed distance, so that it can be laid on any grid."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.findings import Attenuation
from models.volume import Volume
from training.planting_stacks import RealNodule

Array = npt.NDArray[np.float32]
Place = npt.NDArray[np.float64]
Box = tuple[slice, slice, slice]

EDGE_MM = 1.2  # over which a nodule fades into the lung outside its surface
_MARGIN_MM = 2.0  # at least this much beyond the mask, more than a nodule fades over
_PROBES = 40  # per axis, to measure the body on its own grid
_SUBVOXEL_MM = 0.6  # largest part of a voxel over which the nodule is averaged


@dataclass(frozen=True, eq=False)
class NoduleBody:
    """One real nodule ready to be laid into a volume.

    Parameters
    ----------
    hu
        (K, J, I) float32, estimated HU, slices repeated above and below the crop.
    depth_mm
        (K, J, I) float32, distance below the surface, negative outside.
    spacing_kji_mm
        Of this grid.
    center_kji
        (3,) centre of mass on this grid.
    diameter_mm
        Of the sphere of the volume within the surface.
    mean_hu
        Mean estimated HU within the mask.
    """

    hu: Array
    depth_mm: Array
    spacing_kji_mm: tuple[float, float, float]
    center_kji: Place
    diameter_mm: float
    mean_hu: float
    attenuation: Attenuation


class Posture(NamedTuple):
    """How a body lies in a volume.

    Attributes
    ----------
    center_kji
        (3,) indices of the volume where the body's centre of mass comes to lie.
    turn
        (3, 3) orthogonal, from the volume's axes k, j, i to those of the body.
    scale
        How much larger it is made.
    """

    center_kji: Place
    turn: Place
    scale: float


class Laid(NamedTuple):
    """A body on the voxels of a box: weight over the lung, weight times HU, and share within the surface."""

    box: Box
    weight: Array
    weighted_hu: Array
    share: Array


def body_of(nodule: RealNodule) -> NoduleBody:
    """Give a nodule its surface, and measure what that encloses."""
    pad = int(np.ceil(_MARGIN_MM / nodule.spacing_kji_mm[0])) + 1
    mask = np.pad(nodule.mask, ((pad, pad), (0, 0), (0, 0)))
    hu = np.pad(nodule.hu, ((pad, pad), (0, 0), (0, 0)), mode="edge")
    within, beyond = (
        ndimage.distance_transform_edt(part, sampling=nodule.spacing_kji_mm).astype(np.float32)
        for part in (mask, ~mask)
    )
    depth = within - beyond
    center, diameter = _measured(mask, depth, nodule.spacing_kji_mm)
    return NoduleBody(hu, depth, nodule.spacing_kji_mm, center, diameter, nodule.mean_hu, nodule.attenuation)


def laid(volume: Volume, body: NoduleBody, posture: Posture) -> Laid:
    """Lay a body on the grid of a volume, averaged over each voxel it touches."""
    box = _box(volume, body, posture)
    steps = [int(np.ceil(spacing / _SUBVOXEL_MM)) for spacing in volume.spacing_kji_mm]
    own = _own_indices(volume, box, steps, body, posture)
    depth = ndimage.map_coordinates(body.depth_mm, own, order=1, mode="nearest") * posture.scale
    hu = ndimage.map_coordinates(body.hu, own, order=1, mode="nearest")
    weight = np.clip(1 + depth / EDGE_MM, 0, 1)
    fields = (weight, weight * hu, (depth > 0).astype(np.float32))
    return Laid(box, *(_block_means(field, steps) for field in fields))


def _measured(
    mask: npt.NDArray[np.bool_], depth: Array, spacing_kji_mm: tuple[float, float, float]
) -> tuple[Place, float]:
    """Centre of mass (k, j, i) and diameter in mm of what the interpolated surface encloses."""
    touched = np.argwhere(mask)
    low, high = touched.min(axis=0) - 1.0, touched.max(axis=0) + 1.0
    steps = (high - low) / _PROBES
    axes = [low[a] + (np.arange(_PROBES) + 0.5) * steps[a] for a in range(3)]
    probes = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    inside = ndimage.map_coordinates(depth, probes, order=1, mode="nearest") > 0
    volume = float(inside.sum() * np.prod(steps) * np.prod(spacing_kji_mm))
    return probes[:, inside].mean(axis=1), (6 * volume / pi) ** (1 / 3)


def _box(volume: Volume, body: NoduleBody, posture: Posture) -> Box:
    """Voxels that the body may touch, cut to the volume."""
    farthest = body.depth_mm > -EDGE_MM / posture.scale
    away = (np.argwhere(farthest) - body.center_kji) * body.spacing_kji_mm * posture.scale
    away = away @ posture.turn
    spacing = np.asarray(volume.spacing_kji_mm)
    room = np.asarray(body.spacing_kji_mm) @ np.abs(posture.turn) * posture.scale / spacing + 1
    low = np.floor(posture.center_kji + away.min(axis=0) / spacing - room).astype(int)
    high = np.ceil(posture.center_kji + away.max(axis=0) / spacing + room).astype(int) + 1
    k, j, i = (slice(max(int(low[a]), 0), min(int(high[a]), volume.shape[a])) for a in range(3))
    return k, j, i


def _own_indices(volume: Volume, box: Box, steps: list[int], body: NoduleBody, posture: Posture) -> Place:
    """(3, K*sk, J*sj, I*si): indices on the body's grid of the parts of every voxel of the box."""
    offsets = []
    for side, step, center, spacing in zip(box, steps, posture.center_kji, volume.spacing_kji_mm, strict=True):
        parts = ((np.arange(step) + 0.5) / step - 0.5)[None, :] + np.arange(side.start, side.stop)[:, None]
        offsets.append((parts.reshape(-1) - center) * spacing)
    away = np.stack(np.meshgrid(*offsets, indexing="ij"))
    per_mm = posture.turn / (np.asarray(body.spacing_kji_mm)[:, None] * posture.scale)
    return np.asarray(np.tensordot(per_mm, away, axes=1) + body.center_kji[:, None, None, None])


def _block_means(field: Array, steps: list[int]) -> Array:
    sizes = [size for a in range(3) for size in (field.shape[a] // steps[a], steps[a])]
    return np.asarray(field.reshape(sizes).mean(axis=(1, 3, 5)), dtype=np.float32)
