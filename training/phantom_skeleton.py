"""Bones of the procedural chest: ribs that follow the rib cage, spine, sternum, clavicles, scapulae."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.phantom_anatomy import (
    CAVITY_HALF_DEPTH,
    CAVITY_HALF_WIDTH,
    CAVITY_MIDDLE_Y,
    CAVITY_POWER,
    spine_y,
)
from training.phantom_raster import Tube
from training.phantom_shapes import Points, box, common, curve, ellipse, join

Place = npt.NDArray[np.float64]

_VERTEBRA_MM, _FIRST_VERTEBRA_MM, _VERTEBRAE = 22.5, 92.0, 14  # height, z of T1, T1 to L2
_RIB_OUTSIDE_MM = 5.5  # axis of a rib, outside the inner chest wall
_RIB_HALF_HEIGHT_MM = 2.4  # between the axes of the two tubes that make a rib, halved
_RIB_STEPS = 34
# Per rib: angle from the back where bone ends (rad), drop from back to front (mm).
_RIBS = (
    (2.35, 42), (2.45, 62), (2.45, 76), (2.45, 86), (2.42, 92), (2.38, 96),
    (2.30, 98), (2.15, 98), (1.95, 96), (1.75, 92), (1.35, 80), (1.05, 66),
)  # fmt: skip
# Where the cartilages of ribs 1 to 7 reach the sternum: z in mm, and the angle from the back (rad).
_STERNAL_ENDS_MM = (44.0, 16.0, -4.0, -26.0, -46.0, -64.0, -78.0)
_STERNAL_ANGLE = 2.98
_STERNUM_LOW_MM, _STERNUM_HIGH_MM, _MANUBRIUM_LOW_MM = -92.0, 50.0, 14.0


def flat_bones(p: Points, wall: Tensor) -> Tensor:
    """Sternum and scapulae; ``wall`` is the distance to the inner chest wall that they follow."""
    return join(_sternum(p), _scapulae(p, wall))


def vertebral_bodies(p: Points) -> Tensor:
    """Column of bodies and discs, waisted in the middle of each body."""
    waist = 1.4 * torch.cos(2 * torch.pi * (p.z - _FIRST_VERTEBRA_MM) / _VERTEBRA_MM)
    centred = p._replace(y=p.y - spine_y(p.z))
    canal = ellipse(centred.at(0, 24), 10, 9)
    return common(ellipse(centred, 16.5 - waist, 14.5 - waist, 2.3), -canal, 2)


def is_disc(z: Tensor) -> Tensor:
    """Tell which heights lie in a disc between two bodies."""
    phase = torch.remainder((z - _FIRST_VERTEBRA_MM) / _VERTEBRA_MM, 1.0)
    return (phase - 0.5).abs() < 0.1


def tubes() -> list[Tube]:
    """Bone that is drawn as tubes: ribs, arches of the vertebrae, clavicles, spines of the scapulae."""
    left = [*_ribs(), *_vertebral_arches(), *_shoulder()]
    return [tube for one in left for tube in (one, _mirrored(one))]


def cartilages() -> list[Tube]:
    """Costal cartilages of ribs 1 to 7, from the end of the bone along the chest wall to the sternum."""
    left = []
    for number, sternal_z in enumerate(_STERNAL_ENDS_MM):
        angles = np.linspace(_RIBS[number][0], _STERNAL_ANGLE, 8)
        z = np.linspace(_rib_height(number, angles[0]), sternal_z, 8)
        left += [Tube(start, end, 4.6, 4.6) for start, end in pairwise(_along_wall(angles, z))]
    return [tube for one in left for tube in (one, _mirrored(one))]


def _ribs() -> Iterator[Tube]:
    """Two tubes side by side per step, because a rib is taller than thick."""
    for number, (last, _) in enumerate(_RIBS):
        head = np.array([15.0, _y_of_spine(_rib_z(number)) + 13.0, _rib_z(number)])
        places = [head, *_rib_places(number, np.linspace(0.26, last, _RIB_STEPS))]
        height = np.array([0.0, 0.0, _RIB_HALF_HEIGHT_MM if number else _RIB_HALF_HEIGHT_MM / 2])
        for start, end in pairwise(places):
            yield Tube(start + height, end + height, 3.3, 3.3)
            yield Tube(start - height, end - height, 3.3, 3.3)


def _rib_z(number: int) -> float:
    return _FIRST_VERTEBRA_MM - _VERTEBRA_MM * number


def _rib_places(number: int, angles: Place) -> Place:
    """(N, 3) points on the axis of a left rib; angle 0 is the back, pi the front."""
    return _along_wall(angles, _rib_height(number, angles))


def _rib_height(number: int, angle: Place) -> Place:
    return np.asarray(_rib_z(number) - _RIBS[number][1] * (angle / np.pi) ** 1.25)


def _along_wall(angles: Place, z: Place) -> Place:
    """(N, 3) points just outside the left inner chest wall at angles and heights."""
    # Towards the apex the wall leans inwards, so that a rib needs more room beside it than above it.
    lean = (_at(CAVITY_HALF_WIDTH, z - 5) - _at(CAVITY_HALF_WIDTH, z + 5)) / 10
    outside = _RIB_OUTSIDE_MM * np.hypot(1, lean) + _RIB_HALF_HEIGHT_MM * np.abs(lean)
    a, b = _at(CAVITY_HALF_WIDTH, z) + outside, _at(CAVITY_HALF_DEPTH, z) + outside
    x, y = np.sin(angles), np.cos(angles)
    stretch = (np.abs(x) ** CAVITY_POWER + np.abs(y) ** CAVITY_POWER) ** (-1 / CAVITY_POWER)
    return np.column_stack([a * x * stretch, _at(CAVITY_MIDDLE_Y, z) + b * y * stretch, z])


def _vertebral_arches() -> Iterator[Tube]:
    """Pedicle, lamina, transverse and spinous process of the left half."""
    for number in range(-2, _VERTEBRAE):
        z = _rib_z(number)
        y = _y_of_spine(z)
        pedicle, lamina = np.array([11.5, y + 12, z + 2]), np.array([11.0, y + 28, z])
        yield Tube(pedicle, lamina, 3.6, 3.6)
        yield Tube(lamina, np.array([0.0, y + 37, z - 4]), 3.6, 3.2)
        yield Tube(lamina, np.array([33.0, y + 35, z + 3]), 4.4, 4.0)
        yield Tube(np.array([0.3, y + 37, z - 4]), np.array([0.3, y + 60, z - 18]), 3.0, 3.0)


def _shoulder() -> Iterator[Tube]:
    inner, bend, outer = np.array([16.0, -44.0, 58.0]), np.array([62.0, -34.0, 80.0]), np.array([122.0, 8.0, 106.0])
    yield Tube(inner, bend, 6.5, 5.0)
    yield Tube(bend, outer, 5.0, 5.5)
    yield Tube(np.array([78.0, 90.0, 62.0]), np.array([124.0, 60.0, 96.0]), 4.0, 6.0)
    yield Tube(np.array([124.0, 60.0, 96.0]), np.array([134.0, 26.0, 112.0]), 7.0, 8.0)
    yield Tube(np.array([136.0, 18.0, 116.0]), np.array([146.0, 8.0, 150.0]), 20.0, 16.0)


def _sternum(p: Points) -> Tensor:
    centred = p._replace(y=p.y - _sternum_y(p.z))
    blade = box(centred, 15.0, 5.5, _STERNUM_LOW_MM, _MANUBRIUM_LOW_MM - 2, 4.0)
    return join(blade, box(centred, 26.0, 6.5, _MANUBRIUM_LOW_MM, _STERNUM_HIGH_MM, 5.0))


def _scapulae(p: Points, wall: Tensor) -> Tensor:
    """Thin plates that lie on the ribs behind, between the heights of ribs 2 and 7."""
    across = p.x.abs()
    plate = (wall - 19).abs() - 2.0
    inner = 62 + (40 - p.z).clamp(min=0) * 0.12 - across
    outer = across - 118 + (20 - p.z).clamp(min=0) * 0.3
    return common(common(common(plate, common(inner, outer)), 24 - p.y), common(p.z - 78, -48 - p.z))


def _sternum_y(z: Tensor) -> Tensor:
    return curve(z, CAVITY_MIDDLE_Y) - curve(z, CAVITY_HALF_DEPTH) - 8.5


def _y_of_spine(z: float) -> float:
    return float(spine_y(torch.tensor([z]))[0])


def _at(knots: tuple[tuple[float, float], ...], z: Place) -> Place:
    return curve(torch.from_numpy(z), knots).numpy().astype(np.float64)


def _mirrored(tube: Tube) -> Tube:
    flip = np.array([-1.0, 1.0, 1.0])
    return tube._replace(start=tube.start * flip, end=tube.end * flip)
