"""Vessels and airways: trees that fill each lung from its hilum, thinner at every fork."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.findings import Side
from training import phantom_anatomy as anatomy
from training.phantom_raster import Tube, points_of

Place = npt.NDArray[np.float64]

HILA = {Side.RIGHT: np.array([-34.0, 8.0, -16.0]), Side.LEFT: np.array([36.0, 10.0, -8.0])}
_CARINA = np.array([0.0, 15.0, 9.0])
_VEIN_ROOT_SHIFT = np.array([0.0, -10.0, -18.0])  # veins reach the left atrium below and before the arteries, mm
_LEAF_RADIUS_MM = 0.45
_MURRAY = 2.6  # radius^2.6 is kept at a fork; Murray's 3 for laminar flow, less in large vessels
_SUBPLEURAL_MM = 5.0  # vessels that one can see end this far from the pleura
_BRONCHUS_MIN_MM = 1.2  # thinner airways are not resolved
_BRONCHUS_TO_ARTERY = 0.72  # lumen of a bronchus over its artery
_FORK = 0.42  # where a branch forks, as a share of the way to the middle of what it supplies


class Branch(NamedTuple):
    """One curved branch between two forks: its points (N, 3) LPS mm, and radius in mm."""

    points: Place
    radius: float


def vessel_trees(side: Side, leaves: int, rng: np.random.Generator) -> tuple[list[Branch], list[Branch]]:
    """Grow arteries and veins of one lung, each with ``leaves`` ends."""
    arteries = _tree(HILA[side], scattered(side, leaves, rng), rng)
    veins = _tree(HILA[side] + _VEIN_ROOT_SHIFT, scattered(side, leaves, rng), rng)
    return arteries, veins


def airways(arteries: dict[Side, list[Branch]]) -> list[Tube]:
    """Lumens of trachea, main bronchi and the bronchi that run along the larger arteries."""
    tubes = _trachea()
    for side, branches in arteries.items():
        outward = np.array([0.0, 1.0, 0.0])
        for branch in branches:
            lumen = branch.radius * _BRONCHUS_TO_ARTERY
            if lumen >= _BRONCHUS_MIN_MM:
                beside = branch.points + outward * (branch.radius + lumen + 1.2)
                tubes += tubes_of(Branch(beside, min(lumen, 4.2)))
        tubes.append(Tube(_CARINA, HILA[side] + outward * 8, 6.8, 4.6))
    return tubes


def _trachea() -> list[Tube]:
    places = [np.array([0.0, y, z]) for z, y in ((150.0, 0.0), (110.0, 2.0), (70.0, 7.0), (35.0, 12.0), (10.0, 15.0))]
    return [Tube(upper, lower, 8.2, 8.2) for upper, lower in pairwise(places)]


def tubes_of(branch: Branch) -> list[Tube]:
    """Cut a branch into straight tubes."""
    return [Tube(a, b, branch.radius, branch.radius) for a, b in pairwise(branch.points)]


def scattered(side: Side, count: int, rng: np.random.Generator) -> Place:
    """(count, 3) points evenly scattered in one lung, away from the pleura."""
    sign = -1.0 if side is Side.RIGHT else 1.0
    found: list[Place] = []
    while sum(map(len, found)) < count:
        tries = rng.uniform([5, -95, -165], [140, 95, 105], (4 * count, 3)) * [sign, 1.0, 1.0]
        depth = anatomy.lung_at(points_of(tries), side).numpy()
        found.append(tries[depth < -_SUBPLEURAL_MM])
    return np.concatenate(found)[:count]


def _tree(root: Place, ends: Place, rng: np.random.Generator) -> list[Branch]:
    """Split the ends in two again and again across their longest extent; grow a branch to each half."""
    branches: list[Branch] = []
    pending = [(root, ends, np.zeros(3))]
    while pending:
        start, supplied, direction = pending.pop()
        middle = supplied.mean(axis=0)
        fork = middle if len(supplied) == 1 else start + _FORK * (middle - start)
        points = _curved(start, fork, direction, rng)
        branches.append(Branch(points, _LEAF_RADIUS_MM * len(supplied) ** (1 / _MURRAY)))
        if len(supplied) > 1:
            heading = points[-1] - points[-2]
            pending += [(fork, half, heading) for half in _halves(supplied, rng)]
    return branches


def _halves(ends: Place, rng: np.random.Generator) -> tuple[Place, Place]:
    """Split across the longest extent, unevenly, as lungs do."""
    _, _, axes = np.linalg.svd(ends - ends.mean(axis=0), full_matrices=False)
    order = np.argsort(ends @ axes[0])
    cut = int(np.clip(round(len(ends) * rng.uniform(0.35, 0.65)), 1, len(ends) - 1))
    return ends[order[:cut]], ends[order[cut:]]


def _curved(start: Place, end: Place, heading: Place, rng: np.random.Generator) -> Place:
    """Leave along the parent's heading and bend towards the end: a quadratic Bezier curve, (N, 3)."""
    length = float(np.linalg.norm(end - start))
    norm = float(np.linalg.norm(heading))
    ahead = heading / norm * length * 0.35 if norm > 0 else np.zeros(3)
    control = (start + end) / 2 + ahead / 2 + rng.normal(0, 0.05 * length, 3)
    t = np.linspace(0, 1, max(2, round(length / 7) + 1))[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)
