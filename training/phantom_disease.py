"""What is wrong with a procedural chest beside nodules: strands, dense lung, thick pleura and lymph nodes.

None of it counts as a nodule: much of it looks like one to a detector, which is what it is for.
Emphysema and dependent density are painted with the tissue (see ``phantom_tissue``).
"""

from __future__ import annotations

from itertools import pairwise
from math import pi

import numpy as np
import numpy.typing as npt

from models.findings import Side
from training import phantom_anatomy as anatomy
from training.phantom_nodule_shape import NoduleShape, filled_fraction
from training.phantom_nodules import Ball
from training.phantom_raster import Grid, Tube, points_of, raise_to
from training.phantom_spec import Patient
from training.phantom_tissue import LUNG_HU
from training.phantom_trees import HILA, scattered

Place = npt.NDArray[np.float64]
Hu = npt.NDArray[np.int16]

_STRAND_MM, _STRAND_RADIUS_MM, _STRAND_HU = (6.0, 22.0), (0.4, 1.1), 20.0
_DENSE_RADIUS_MM, _DENSE_HU = (10.0, 24.0), (-550.0, 20.0)
_DENSE_PART_MM = 2.0  # its border needs no finer count
_AIRWAY_BELOW_HU = -935.0  # what is darker in dense lung is a bronchus and stays open
_PLAQUE_RADIUS_MM, _PLAQUE_MM, _PLAQUE_HU = (1.6, 3.2), (9.0, 26.0), (50.0, 300.0)
_NODE_RADIUS_MM, _NODE_HU, _FAT_HU = (2.5, 6.5), 45.0, -85.0
_NODE_SPREAD_MM = 9.0
# Where lymph nodes lie beside the hila: paratracheal on both sides, subcarinal, prevascular. LPS mm.
_STATIONS = np.array([[-16.0, 4.0, 38.0], [15.0, 12.0, 26.0], [2.0, 16.0, -12.0], [10.0, -28.0, 34.0]])


def add_nodes(hu: Hu, grid: Grid, patient: Patient, rng: np.random.Generator) -> None:
    """Draw lymph nodes, in place; the airways are drawn after them, so that they stay open."""
    raise_to(hu, grid, [_node(rng) for _ in range(patient.nodes)], _FAT_HU, _NODE_HU + 0.2 * patient.contrast_hu)


def add_to_lungs(
    hu: Hu, labels: npt.NDArray[np.uint8], grid: Grid, patient: Patient, rng: np.random.Generator
) -> tuple[Ball, ...]:
    """Draw strands, dense lung and plaques, in place; return the balls in which a nodule could not be told."""
    taken = tuple(_consolidate(hu, labels, grid, rng) for _ in range(patient.consolidations))
    strands = [tube for _ in range(patient.scars) for tube in _scar(rng)]
    raise_to(hu, grid, strands, LUNG_HU, _STRAND_HU)
    for _ in range(patient.plaques):
        _thicken(hu, grid, rng)
    return taken


def _consolidate(hu: Hu, labels: npt.NDArray[np.uint8], grid: Grid, rng: np.random.Generator) -> Ball:
    """Fill a ragged region of lung, its bronchi left open."""
    side = tuple(Side)[rng.integers(2)]
    center, radius = scattered(side, 1, rng)[0], rng.uniform(*_DENSE_RADIUS_MM)
    waves = np.column_stack([rng.normal(0, 4.0, (9, 3)), rng.uniform(0, 2 * pi, 9), rng.uniform(0.04, 0.12, 9)])
    shape = NoduleShape(center, radius, waves, side)
    box, fraction = filled_fraction(grid, shape, part_mm=_DENSE_PART_MM)
    before, dense = hu[box], rng.uniform(*_DENSE_HU)
    lung = (labels[box] > 0) & (before > _AIRWAY_BELOW_HU) & (before < dense)
    hu[box] = np.where(lung, np.rint(before + fraction * (dense - before)), before)
    return Ball(center, shape.reach_mm)


def _scar(rng: np.random.Generator) -> list[Tube]:
    """Some strands from one place, bent once each."""
    start = scattered(tuple(Side)[rng.integers(2)], 1, rng)[0]
    tubes = []
    for _ in range(rng.integers(1, 4)):
        heading = _unit(rng)
        bend = start + heading * rng.uniform(*_STRAND_MM)
        end = bend + (heading + 0.5 * _unit(rng)) * rng.uniform(*_STRAND_MM)
        radii = np.sort(rng.uniform(*_STRAND_RADIUS_MM, 3))[::-1]
        places = [(start, radii[0]), (bend, radii[1]), (end, radii[2])]
        tubes += [Tube(a, b, r, s) for (a, r), (b, s) in pairwise(places)]
    return tubes


def _thicken(hu: Hu, grid: Grid, rng: np.random.Generator) -> None:
    """Lay a plaque along the costal pleura."""
    edge = _pleura(tuple(Side)[rng.integers(2)], rng)
    first = edge[0]
    apart = np.linalg.norm(edge - first, axis=1)
    along = edge[np.abs(apart - rng.uniform(*_PLAQUE_MM)).argmin()]
    radius = rng.uniform(*_PLAQUE_RADIUS_MM)
    raise_to(hu, grid, [Tube(first, along, radius, radius)], LUNG_HU, rng.choice(_PLAQUE_HU))


def _pleura(side: Side, rng: np.random.Generator) -> Place:
    """(N, 3) places within a millimetre of the costal pleura of one lung."""
    sign = -1.0 if side is Side.RIGHT else 1.0
    tries = rng.uniform([20, -95, -120], [140, 95, 80], (20000, 3)) * [sign, 1.0, 1.0]
    places = points_of(tries)
    depth = anatomy.lung_at(places, side).abs().numpy()
    wall = anatomy.cavity(places).abs().numpy()
    return np.asarray(tries[(depth < 1.0) & (wall < 1.5)])


def _node(rng: np.random.Generator) -> Tube:
    """One oval lymph node at a hilum or in the mediastinum."""
    stations = np.concatenate([_STATIONS, np.array(list(HILA.values()))])
    center = stations[rng.integers(len(stations))] + rng.normal(0, _NODE_SPREAD_MM, 3)
    radius = rng.uniform(*_NODE_RADIUS_MM)
    half = _unit(rng) * radius * rng.uniform(0.1, 0.8)
    return Tube(center - half, center + half, radius, radius)


def _unit(rng: np.random.Generator) -> Place:
    direction = rng.normal(size=3)
    return np.asarray(direction / np.linalg.norm(direction))
