"""Nodules of the procedural chest: where they may lie, what shape they have, and how they are planted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.findings import Attenuation, Side
from training import phantom_anatomy as anatomy
from training.phantom_nodule_shape import NoduleShape, filled_fraction
from training.phantom_raster import Grid, points_of
from training.phantom_trees import Branch
from training.phantom_truth import PlantedNodule

Place = npt.NDArray[np.float64]


class Setting(StrEnum):
    """What a nodule touches."""

    ISOLATED = "isolated"
    JUXTAVASCULAR = "juxtavascular"
    JUXTAPLEURAL = "juxtapleural"


@dataclass(frozen=True)
class NoduleSpec:
    """What to plant.

    Parameters
    ----------
    diameter_mm
        Of the sphere of equal volume, before the pleura cuts a juxtapleural nodule.
    z_mm
        Lowest and highest z of the centre; the carina is at 0.
    core_diameter_mm
        Of the solid core of a part-solid nodule, else 0.
    hu
        Of the nodule, of the part around the core if part-solid; None takes the usual of its type.
    spicules
        Pointed strands that stand out of the surface.
    roughness
        Height of the bumps over the usual, 0 to 3.
    soft_mm
        SD of the blur of the surface; its volume stays.
    """

    diameter_mm: float
    attenuation: Attenuation
    setting: Setting
    side: Side
    z_mm: tuple[float, float]
    core_diameter_mm: float = 0.0
    hu: float | None = None
    spicules: int = 0
    roughness: float = 1.0
    soft_mm: float = 0.0


NODULES = (
    NoduleSpec(11.0, Attenuation.SOLID, Setting.ISOLATED, Side.RIGHT, (25, 60)),
    NoduleSpec(8.0, Attenuation.SOLID, Setting.JUXTAVASCULAR, Side.LEFT, (-100, -50)),
    NoduleSpec(17.0, Attenuation.SOLID, Setting.JUXTAPLEURAL, Side.LEFT, (10, 45)),
    NoduleSpec(22.0, Attenuation.PART_SOLID, Setting.ISOLATED, Side.RIGHT, (-85, -55), 9.0),
    NoduleSpec(14.0, Attenuation.GROUND_GLASS, Setting.ISOLATED, Side.LEFT, (-45, -10)),
    NoduleSpec(6.0, Attenuation.CALCIFIED, Setting.ISOLATED, Side.RIGHT, (-40, 5)),
)

# HU of each type at 120 kV without contrast; a diffuse calcification lies well above 200 HU.
_TYPE_HU = {
    Attenuation.SOLID: 35.0,
    Attenuation.PART_SOLID: -600.0,
    Attenuation.GROUND_GLASS: -620.0,
    Attenuation.CALCIFIED: 420.0,
}
_CORE_HU = 15.0
_SPREAD = 0.12  # diameters vary by this share from seed to seed
_APART_MM = 42.0  # between the centres of two nodules
_WAVES, _WAVE_AMPLITUDE = 5, 0.07  # bumps on the surface: number, and height over the radius
_SEAM_MM = 1.5
_TRIES, _ROUNDS = 5000, 4
_MEDIUM_MM = (1.0, 2.2)  # radii of the vessels that juxtavascular nodules touch
_SPICULE_HEIGHT, _SPICULE_WIDTH = (0.35, 0.9), (0.09, 0.2)  # over the radius; SD of the angle, rad


class Ball(NamedTuple):
    """A place that is taken: centre in LPS mm and radius in mm."""

    center_lps_mm: Place
    radius_mm: float


class Room(NamedTuple):
    """What a nodule keeps apart from: other nodules, by surfaces or (None) by centres, and other balls."""

    gap_mm: float | None = None
    taken: tuple[Ball, ...] = ()


def plant(
    hu: npt.NDArray[np.int16],
    grid: Grid,
    specs: tuple[NoduleSpec, ...],
    branches: dict[Side, list[Branch]],
    rng: np.random.Generator,
    room: Room,
) -> tuple[PlantedNodule, ...]:
    """Plant the nodules where there is room for them, in place, and tell the truth about each.

    Raises
    ------
    ValueError
        If there is no room for a nodule.
    """
    planted: list[PlantedNodule] = []
    for spec in specs:
        radius = spec.diameter_mm / 2 * rng.uniform(1 - _SPREAD, 1 + _SPREAD)
        center = _place(spec, radius, branches[spec.side], _kept(room, planted, radius), rng)
        shape = _shape(center, radius, spec, rng)
        planted.append(_drawn(hu, grid, spec, shape))
    return tuple(planted)


def _kept(room: Room, planted: list[PlantedNodule], radius: float) -> list[Ball]:
    """Balls in which no centre of a nodule of ``radius`` may lie."""
    gap = room.gap_mm
    nodules = [
        Ball(np.array(n.center_lps_mm), _APART_MM if gap is None else n.diameter_mm / 2 + radius + gap) for n in planted
    ]
    return nodules + [Ball(ball.center_lps_mm, ball.radius_mm + radius) for ball in room.taken]


def _drawn(hu: npt.NDArray[np.int16], grid: Grid, spec: NoduleSpec, shape: NoduleShape) -> PlantedNodule:
    """Blend one nodule in; vessels denser than ground glass stay visible within it."""
    center, volume = shape.measured()
    mean_hu = _TYPE_HU[spec.attenuation] if spec.hu is None else spec.hu
    _blend(hu, grid, shape, mean_hu, spec.soft_mm)
    if spec.core_diameter_mm > 0:
        core = NoduleShape(shape.center_lps_mm, spec.core_diameter_mm / 2, shape.waves, shape.pleura)
        _blend(hu, grid, core, _CORE_HU, spec.soft_mm)
        mean_hu += (_CORE_HU - mean_hu) * core.measured()[1] / volume
    x, y, z = (round(float(c), 3) for c in center)
    diameter = (6 * volume / pi) ** (1 / 3)
    return PlantedNodule((x, y, z), diameter, volume, spec.attenuation, mean_hu, spec.side)


def _blend(hu: npt.NDArray[np.int16], grid: Grid, shape: NoduleShape, tissue_hu: float, soft_mm: float) -> None:
    # Drawn a little into the wall, which is as dense: else the two blurred edges leave a dark seam.
    box, fraction = filled_fraction(grid, shape, _SEAM_MM, 3 * soft_mm)
    if soft_mm > 0:
        fraction = ndimage.gaussian_filter(fraction, soft_mm / np.asarray(grid.spacing_kji_mm), mode="constant")
    hu[box] = np.rint(hu[box] + fraction * np.maximum(tissue_hu - hu[box], 0)).astype(np.int16)


def _shape(center: Place, radius: float, spec: NoduleSpec, rng: np.random.Generator) -> NoduleShape:
    """Draw a bumpy surface and scale it, so that the volume uncut is that of the sphere of ``radius``."""
    waves = np.column_stack([
        rng.normal(0, 2.0, (_WAVES, 3)), rng.uniform(0, 2 * pi, _WAVES), rng.uniform(0.4, 1.0, _WAVES) * _WAVE_AMPLITUDE
    ])  # fmt: skip
    waves[:, 4] *= spec.roughness
    spicules = _spicules(spec.spicules, rng) if spec.spicules else None
    _, volume = NoduleShape(center, radius, waves, None, spicules).measured()
    scale = (pi / 6 * (2 * radius) ** 3 / volume) ** (1 / 3)
    pleura = spec.side if spec.setting is Setting.JUXTAPLEURAL else None
    return NoduleShape(center, radius * scale, waves, pleura, spicules)


def _spicules(count: int, rng: np.random.Generator) -> Place:
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.column_stack([directions, rng.uniform(*_SPICULE_HEIGHT, count), rng.uniform(*_SPICULE_WIDTH, count)])


def _place(
    spec: NoduleSpec, radius: float, branches: list[Branch], kept: list[Ball], rng: np.random.Generator
) -> Place:
    """Choose one of many random places that suit the setting and keep apart from what is already there."""
    for number in range(_ROUNDS):
        # Where the vessels of medium size have no room left, thinner ones are tried.
        thinnest = _MEDIUM_MM[0] if number == 0 else _MEDIUM_MM[0] / 2
        beside = spec.setting is Setting.JUXTAVASCULAR
        tries = _beside_vessels(branches, radius, thinnest, rng) if beside else _anywhere(spec, rng)
        fits = _suits(tries, spec, radius)
        for ball in kept:
            fits &= np.linalg.norm(tries - ball.center_lps_mm, axis=1) > ball.radius_mm
        if spec.setting is Setting.ISOLATED:
            fits[fits] = _clear_of(tries[fits], branches, radius)
        if fits.any():
            return np.asarray(tries[np.flatnonzero(fits)[0]])
    raise ValueError(f"no room for a {spec.setting} nodule of {2 * radius:.1f} mm in the {spec.side} lung")


def _anywhere(spec: NoduleSpec, rng: np.random.Generator) -> Place:
    sign = -1.0 if spec.side is Side.RIGHT else 1.0
    return rng.uniform([20, -90, spec.z_mm[0]], [140, 90, spec.z_mm[1]], (_TRIES, 3)) * [sign, 1.0, 1.0]


def _beside_vessels(branches: list[Branch], radius: float, thinnest: float, rng: np.random.Generator) -> Place:
    """(N, 3) centres of nodules that touch the flank of a vessel of medium size."""
    medium = [branch for branch in branches if thinnest <= branch.radius <= _MEDIUM_MM[1] and len(branch.points) > 2]
    centers = []
    for branch in medium:
        middle = len(branch.points) // 2
        along = branch.points[middle] - branch.points[middle - 1]
        across = np.cross(along, rng.normal(size=3))
        across /= np.linalg.norm(across)
        centers.append(branch.points[middle] + across * (radius + branch.radius - 0.8))
    return rng.permutation(np.array(centers).reshape(-1, 3))


def _suits(tries: Place, spec: NoduleSpec, radius: float) -> npt.NDArray[np.bool_]:
    """Tell which centres lie at the right depth below the pleura and at the right height."""
    places = points_of(tries)
    depth = -anatomy.lung_at(places, spec.side).numpy()
    within = (tries[:, 2] >= spec.z_mm[0]) & (tries[:, 2] <= spec.z_mm[1])
    if spec.setting is not Setting.JUXTAPLEURAL:
        return np.asarray(within & (depth > 1.25 * radius + 4.0))
    from_wall = -anatomy.cavity(places).numpy()
    costal = from_wall < depth + 1.0  # the nearest surface is the chest wall, not mediastinum or diaphragm
    return np.asarray(within & costal & (depth > 0.5 * radius) & (depth < 0.7 * radius))


def _clear_of(tries: Place, branches: list[Branch], radius: float) -> npt.NDArray[np.bool_]:
    """Tell which centres keep 2 mm of lung between the nodule and every vessel of more than 1 mm radius."""
    large = [branch for branch in branches if branch.radius > 1.0]
    axis = np.concatenate([branch.points for branch in large])
    radii = np.concatenate([np.full(len(branch.points), branch.radius) for branch in large])
    gaps = np.linalg.norm(tries[:, None] - axis, axis=2) - radii
    return np.asarray(gaps.min(axis=1) > 1.15 * radius + 2.0)
