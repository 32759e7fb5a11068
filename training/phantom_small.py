"""A chest of ellipsoids and spheres, made in a blink: unit tests take everything from it.

Anatomy lies in LPS millimetres around the origin, so every grid sees the same patient: x to the
left, y to the back, z to the head. The grid is centred on the origin.
"""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt

from models.findings import Attenuation, LungLabel, Side
from models.volume import AIR_HU, Volume
from training.phantom_truth import Phantom, PlantedNodule

Array = npt.NDArray[np.float32]

# HU of the materials: typical CT numbers of the tissue at 120 kV.
_OUTSIDE_HU, _WALL_HU, _LUNG_HU, _AIRWAY_HU = -1000.0, 30.0, -860.0, -990.0
# Ellipsoids as (centre x y z, semi-axes x y z) in mm: 2.4 L per lung, inside a wall 20 mm thick or more.
_WALL = ((0.0, 0.0, 0.0), (165.0, 125.0, 1e6))
_LUNGS = {
    LungLabel.RIGHT: ((-75.0, 5.0, 0.0), (58.0, 85.0, 115.0)),
    LungLabel.LEFT: ((75.0, 5.0, 0.0), (58.0, 85.0, 115.0)),
}
_TRACHEA_XY_MM, _TRACHEA_RADIUS_MM, _TRACHEA_FROM_Z_MM = (0.0, 15.0), 9.0, 30.0
_SUBVOXEL_MM = 0.4  # largest step of the supersampling grid of a nodule


def sphere(
    center_lps_mm: tuple[float, float, float],
    diameter_mm: float,
    hu: float,
    attenuation: Attenuation = Attenuation.SOLID,
) -> PlantedNodule:
    """Describe a homogeneous sphere; the sign of x tells its side."""
    side = Side.LEFT if center_lps_mm[0] > 0 else Side.RIGHT
    return PlantedNodule(center_lps_mm, diameter_mm, pi / 6 * diameter_mm**3, attenuation, hu, side)


SPHERES = (
    sphere((-75.0, 10.0, 45.0), 12.0, 40.0),
    sphere((80.0, -20.0, 20.0), 20.0, 40.0),
    sphere((60.0, 40.0, -50.0), 9.0, 30.0),
    sphere((-90.0, -10.0, -30.0), 16.0, -600.0, Attenuation.GROUND_GLASS),
    sphere((-60.0, 45.0, -5.0), 10.0, 400.0, Attenuation.CALCIFIED),
)


def small_phantom(
    nodules: tuple[PlantedNodule, ...] = SPHERES,
    shape: tuple[int, int, int] = (60, 160, 160),
    spacing_kji_mm: tuple[float, float, float] = (5.0, 2.2, 2.2),
    flip_kji: tuple[bool, bool, bool] = (False, False, False),
    noise_sd_hu: float = 20.0,
    seed: int = 0,
) -> Phantom:
    """Make a chest wall, two lungs, a trachea and spheres on the grid asked for.

    Parameters
    ----------
    nodules
        Homogeneous spheres (see ``sphere``), each wholly inside the grid.
    shape, spacing_kji_mm
        Slices, rows, columns, and the distance of their centres in mm.
    flip_kji
        Axes that run against LPS; unflipped, k runs to the head, j to the back, i to the left.
    noise_sd_hu, seed
        White Gaussian noise.

    Returns
    -------
    Volume, labels and the nodules as given.
    """
    volume_affine = _centred_affine(shape, spacing_kji_mm, flip_kji)
    frame = Volume(np.zeros(shape, np.int16), volume_affine)
    hu, labels = _body(frame)
    for nodule in nodules:
        _plant(hu, frame, nodule)
    hu += np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) * noise_sd_hu
    return Phantom(Volume(_stored(hu), volume_affine), labels, nodules)


def _centred_affine(
    shape: tuple[int, int, int], spacing_kji_mm: tuple[float, float, float], flip_kji: tuple[bool, bool, bool]
) -> npt.NDArray[np.float64]:
    """(4, 4) from (k, j, i, 1) to LPS mm; axis k along z, j along y, i along x, signs as flipped."""
    affine = np.zeros((4, 4))
    for column, row in enumerate((2, 1, 0)):
        affine[row, column] = spacing_kji_mm[column] * (-1 if flip_kji[column] else 1)
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    affine[3, 3] = 1
    return affine


def _body(frame: Volume) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Fill wall, lungs and trachea: HU (K, J, I) float32 and lung labels (K, J, I) uint8."""
    x, y, z = _axes_mm(frame)
    voxel_mm = min(frame.spacing_kji_mm)
    hu = np.full(frame.shape, _OUTSIDE_HU, np.float32)
    _blend(hu, _inside(x, y, z, _WALL, voxel_mm), _WALL_HU)
    labels = np.zeros(frame.shape, np.uint8)
    for label, lung in _LUNGS.items():
        fraction = _inside(x, y, z, lung, voxel_mm)
        _blend(hu, fraction, _LUNG_HU)
        labels[fraction >= 0.5] = label
    from_axis = np.hypot(x - _TRACHEA_XY_MM[0], y - _TRACHEA_XY_MM[1])
    trachea = np.clip((_TRACHEA_RADIUS_MM - from_axis) / voxel_mm + 0.5, 0, 1) * (z > _TRACHEA_FROM_Z_MM)
    _blend(hu, trachea.astype(np.float32), _AIRWAY_HU)
    return hu, labels


def _axes_mm(frame: Volume) -> tuple[Array, Array, Array]:
    """LPS x (1, 1, I), y (1, J, 1) and z (K, 1, 1) of the voxel centres, in mm."""
    slices, rows, columns = frame.shape
    affine = frame.affine.astype(np.float32)
    x = affine[0, 3] + affine[0, 2] * np.arange(columns, dtype=np.float32)
    y = affine[1, 3] + affine[1, 1] * np.arange(rows, dtype=np.float32)
    z = affine[2, 3] + affine[2, 0] * np.arange(slices, dtype=np.float32)
    return x[None, None, :], y[None, :, None], z[:, None, None]


def _inside(
    x: Array,
    y: Array,
    z: Array,
    ellipsoid: tuple[tuple[float, float, float], tuple[float, float, float]],
    voxel_mm: float,
) -> Array:
    """Tell how much of each voxel lies inside the ellipsoid, 0 to 1, with an edge one voxel wide."""
    (cx, cy, cz), (ax, ay, az) = ellipsoid
    radius = np.sqrt(((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2)
    fraction: Array = np.clip((1 - radius) * np.float32(min(ax, ay, az) / voxel_mm) + 0.5, 0, 1)
    return fraction


def _blend(hu: Array, fraction: Array, tissue_hu: float) -> None:
    """Put the share ``fraction`` of a tissue into every voxel, in place."""
    hu += fraction * (tissue_hu - hu)


def _plant(hu: Array, frame: Volume, nodule: PlantedNodule) -> None:
    """Blend a sphere in, its partial volumes counted on a finer grid; the whole sphere lies inside the grid."""
    center = frame.to_index(nodule.center_lps_mm)
    spacing = np.asarray(frame.spacing_kji_mm)
    reach = nodule.diameter_mm / 2 / spacing
    low, high = np.floor(center - reach).astype(int), np.ceil(center + reach).astype(int) + 1
    if (low < 0).any() or (high > frame.shape).any():
        raise ValueError(f"a sphere of {nodule.diameter_mm} mm at {nodule.center_lps_mm} leaves the grid")
    box = hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    _blend(box, _sphere_fraction(low, high, center, spacing, nodule.diameter_mm / 2), nodule.mean_hu)


def _sphere_fraction(
    low: npt.NDArray[np.int_],
    high: npt.NDArray[np.int_],
    center: npt.NDArray[np.float64],
    spacing: npt.NDArray[np.float64],
    radius_mm: float,
) -> Array:
    """Share of each voxel of the box that the sphere fills, (k, j, i) float32."""
    steps = np.ceil(spacing / _SUBVOXEL_MM).astype(int)
    squares = []
    for axis in range(3):
        count = (high[axis] - low[axis]) * steps[axis]
        index = low[axis] - 0.5 + (np.arange(count) + 0.5) / steps[axis]
        squares.append(((index - center[axis]) * spacing[axis]) ** 2)
    inside = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] <= radius_mm**2
    blocks = inside.reshape([n for a in range(3) for n in (high[a] - low[a], steps[a])])
    return np.asarray(blocks.mean(axis=(1, 3, 5)), dtype=np.float32)


def _stored(hu: Array) -> npt.NDArray[np.int16]:
    """Round to the 12-bit CT scale; AIR_HU itself is left to padding."""
    return np.clip(np.rint(hu), AIR_HU + 1, 3071).astype(np.int16)
