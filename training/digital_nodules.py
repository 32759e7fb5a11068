"""Digital nodules: shapes of exactly known volume and axes, scanned on any grid, for judging measurements.

Each scene is one nodule in lung, alone, on the chest wall or on a vessel. The scanner is simple and its parameters
are known: voxels average what lies inside them (slice profile), a Gaussian blurs in the plane (kernel), and noise is
added, correlated in the plane as the kernel does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.calipers import axes_of, outline_of
from models.findings import LungLabel
from models.volume import Volume

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LUNG_HU, SOFT_HU = -850.0, 40.0
KERNEL_SIGMA_MM = 0.45  # in the plane: a standard kernel resolves about 1 mm (full width at half maximum)
ROOM_MM = 14.0  # lung around the nodule
FINEST_MM = 0.25  # largest step of the points that are averaged
WALL_RADIUS_MM = 90.0  # of the chest wall's curve
WALL_AT = 0.7  # distance of the wall from the nodule's centre, in radii
VESSEL_SHARE, VESSEL_MM = 0.3, (1.5, 5.0)  # vessel diameter: share of the nodule's, within these limits
VESSEL_AT = 0.9  # distance of the vessel's axis from the nodule's centre, in radii
LOBES = 0.16  # height of the lobes of a lobulated nodule, as a share of its radius
OVAL = (1.25, 1.0, 0.8)  # semi-axes of an ellipsoid, of equal volume to the sphere


class Shape(StrEnum):
    """Form of a digital nodule."""

    SPHERE = "sphere"
    ELLIPSOID = "ellipsoid"
    LOBULATED = "lobulated"


class Place(StrEnum):
    """What a digital nodule touches."""

    ISOLATED = "isolated"
    JUXTAPLEURAL = "juxtapleural"
    JUXTAVASCULAR = "juxtavascular"


@dataclass(frozen=True)
class DigitalNodule:
    """What is scanned; ``diameter_mm`` is that of the sphere of equal volume before a wall cuts it."""

    shape: Shape
    place: Place
    diameter_mm: float
    hu: float = SOFT_HU


@dataclass(frozen=True, eq=False)
class Scene:
    """One scanned nodule and its truth.

    Parameters
    ----------
    labels
        (K, J, I) uint8 lung labels on the volume's grid: all but the wall.
    center_kji
        Fractional index of the centre of the uncut shape.
    volume_mm3, mean_diameter_mm
        Of the part in the lung, from the shape itself: the mean of long and short axis on its largest axial plane.
    """

    volume: Volume
    labels: npt.NDArray[np.uint8]
    center_kji: tuple[float, float, float]
    volume_mm3: float
    mean_diameter_mm: float


def scanned(
    nodule: DigitalNodule, spacing_kji_mm: tuple[float, float, float], noise_sd_hu: float, rng: np.random.Generator
) -> Scene:
    """Scan one digital nodule; position within the voxel and orientation are drawn from ``rng``."""
    half = nodule.diameter_mm / 2 * max(OVAL) + ROOM_MM
    shape = np.asarray([int(2 * half / step) + 1 for step in spacing_kji_mm])
    center = shape // 2 + rng.uniform(-0.5, 0.5, 3)
    parts = np.asarray([max(1, int(np.ceil(step / FINEST_MM))) for step in spacing_kji_mm])
    axes = [
        ((np.arange(n * p) + 0.5) / p - 0.5 - c) * step
        for n, p, c, step in zip(shape, parts, center, spacing_kji_mm, strict=True)
    ]
    z, y, x = (axis.astype(np.float32) for axis in np.meshgrid(*axes, indexing="ij", sparse=True))
    own = _shaped(nodule, (z, y, x), rng)
    wall = _wall(nodule, (z, y, x))
    own &= ~wall
    tissue = np.where(wall | _vessel(nodule, (z, y, x), rng), np.float32(SOFT_HU), np.float32(LUNG_HU))
    tissue[own] = nodule.hu
    fine_k, fine_j, fine_i = (float(step / p) for step, p in zip(spacing_kji_mm, parts, strict=True))
    fine_mm = (fine_k, fine_j, fine_i)
    volume = _scan(tissue, parts, spacing_kji_mm, noise_sd_hu, rng)
    labels = np.where(_averaged(wall.astype(np.float32), parts) > 0.5, 0, LungLabel.LEFT).astype(np.uint8)
    k, j, i = map(float, center)
    return Scene(volume, labels, (k, j, i), float(own.sum() * np.prod(fine_mm)), _true_diameter(own, fine_mm))


def _shaped(nodule: DigitalNodule, zyx: tuple[Array, Array, Array], rng: np.random.Generator) -> Mask:
    """Give the fine mask of the uncut shape, turned at random."""
    points = np.stack(np.broadcast_arrays(*zyx), axis=-1)
    radius = nodule.diameter_mm / 2
    near = (np.abs(points) <= radius * (max(OVAL) + LOBES) + FINEST_MM).all(axis=-1)
    turned = points[near] @ _random_turn(rng).astype(np.float32)
    mask = np.zeros(points.shape[:3], dtype=bool)
    mask[near] = _inside(nodule.shape, turned / np.float32(radius), rng)
    return mask


def _inside(shape: Shape, points: Array, rng: np.random.Generator) -> Mask:
    """Tell which points (N, 3), in radii, lie inside the shape of unit radius."""
    if shape is Shape.ELLIPSOID:
        points = np.divide(points, np.asarray(OVAL, dtype=np.float32), dtype=np.float32)
    reach = np.linalg.norm(points, axis=1)
    if shape is not Shape.LOBULATED:
        return np.asarray(reach <= 1.0)
    directions = points / np.maximum(reach, 1e-6)[:, None]
    phase = rng.uniform(0, 2 * np.pi, 3)
    waves: Array = np.sin(4.0 * directions[:, 0] + phase[0]) * np.sin(4.0 * directions[:, 1] + phase[1])
    waves += 0.5 * np.sin(5.0 * directions[:, 2] + phase[2])
    return np.asarray(reach <= 1.0 + LOBES * waves)


def _random_turn(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Give an evenly distributed rotation matrix (3, 3): the QR decomposition of Gaussian numbers."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.diag(r)))


def _wall(nodule: DigitalNodule, zyx: tuple[Array, Array, Array]) -> Mask:
    """Give the chest wall: all outside a cylinder along z that passes ``WALL_AT`` radii from the nodule's centre."""
    z, y, x = zyx
    shape = np.broadcast_shapes(z.shape, y.shape, x.shape)
    if nodule.place is not Place.JUXTAPLEURAL:
        return np.zeros(shape, dtype=bool)
    middle = WALL_AT * nodule.diameter_mm / 2 - WALL_RADIUS_MM
    return np.broadcast_to((x - middle) ** 2 + y**2 > WALL_RADIUS_MM**2, shape).copy()


def _vessel(nodule: DigitalNodule, zyx: tuple[Array, Array, Array], rng: np.random.Generator) -> Mask:
    """Give a straight vessel that runs along the nodule's surface in any direction."""
    z, y, x = zyx
    shape = np.broadcast_shapes(z.shape, y.shape, x.shape)
    if nodule.place is not Place.JUXTAVASCULAR:
        return np.zeros(shape, dtype=bool)
    turn = _random_turn(rng)
    radius = float(np.clip(VESSEL_SHARE * nodule.diameter_mm, *VESSEL_MM)) / 2
    away = VESSEL_AT * nodule.diameter_mm / 2
    first = z * turn[0, 0] + y * turn[1, 0] + x * turn[2, 0] - away
    second = z * turn[0, 1] + y * turn[1, 1] + x * turn[2, 1]
    return np.asarray(first**2 + second**2 <= radius**2)


def _averaged(fine: Array, parts: npt.NDArray[np.int64]) -> Array:
    """Average the fine points of each voxel."""
    k, j, i = (n // p for n, p in zip(fine.shape, parts, strict=True))
    return np.asarray(fine.reshape(k, parts[0], j, parts[1], i, parts[2]).mean(axis=(1, 3, 5)), dtype=np.float32)


def _scan(
    tissue: Array,
    parts: npt.NDArray[np.int64],
    spacing: tuple[float, float, float],
    noise_sd_hu: float,
    rng: np.random.Generator,
) -> Volume:
    """Average, blur and add noise of the wanted standard deviation."""
    sigma = (0.0, KERNEL_SIGMA_MM / spacing[1], KERNEL_SIGMA_MM / spacing[2])
    clean = ndimage.gaussian_filter(_averaged(tissue, parts), sigma)
    noise = ndimage.gaussian_filter(rng.normal(size=clean.shape), sigma)
    hu = np.rint(clean + noise * (noise_sd_hu / noise.std()))
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] = np.fliplr(np.diag(spacing[::-1]))  # k runs along z, j along y, i along x
    return Volume(hu.astype(np.int16), affine)


def _true_diameter(mask: Mask, fine_mm: tuple[float, float, float]) -> float:
    """Measure both axes on the largest axial plane of the fine mask."""
    plane = int(mask.sum(axis=(1, 2)).argmax())
    outline = outline_of(mask[plane].astype(np.float32), 0.5, (fine_mm[1], fine_mm[2]))
    return float(np.mean(axes_of(outline, least_mm=fine_mm[1]).lengths_mm))
