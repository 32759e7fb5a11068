"""Crops of scans: around nodules, mined places or anywhere in the lungs; turned, scaled, mirrored, with noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.candidate_network import STEP_MM
from models.proposals import HU_RANGE, network_input
from training.proposals.scan import GREYS, WorkedScan, hu_of

Floats = npt.NDArray[np.float64]

_AIR_GREY = 0
_TILT_RAD = 0.17  # +-10 degrees out of the plane, as published; in the plane any angle
_SCALES = (0.8, 1.25)
_SHIFT_HU, _GAIN, _NOISE_HU = 30.0, 0.06, 30.0
_INTERPOLATED = 0.5  # share of the crops that are turned by any angle; the others only by right angles


@dataclass(frozen=True, eq=False)
class Places:
    """Where the crops of one scan are centred, by level of mining.

    Parameters
    ----------
    nodules
        (N,) how often each nodule is chosen, relative.
    negatives
        (M, 3) voxels of mined false marks; empty in the first level.
    negative_weights
        (M,) how often each is chosen, relative.
    """

    nodules: Floats
    negatives: Floats
    negative_weights: Floats


class Shares(NamedTuple):
    """Shares of the crops: around a nodule, around a mined false mark; the rest anywhere in the lungs."""

    nodule: float
    mined: float


class Crop(NamedTuple):
    """(2, side, side, side) float32 as ``network_input`` makes it, and (N, 4) nodules in the crop's voxels."""

    image: torch.Tensor
    nodules: torch.Tensor


class _Turn(NamedTuple):
    """From the crop to the scan: ``center + matrix @ (voxel - middle)``; the scale is that of the matrix."""

    center: Floats
    matrix: Floats
    scale: float


def first_places(scan: WorkedScan) -> Places:
    """Give the places of the first level: every nodule alike, nothing mined."""
    return Places(np.ones(len(scan.nodules)), np.zeros((0, 3)), np.zeros(0))


def random_crop(scan: WorkedScan, places: Places, shares: Shares, side: int, rng: np.random.Generator) -> Crop:
    """Cut a cube out of a scan at a random place and augment it."""
    center = _center(scan, places, shares, side, rng)
    turn = _turn(center, rng)
    grey, inside = _resampled(scan, turn, side) if not _is_lattice(turn) else _taken(scan, turn, side)
    hu = _disturbed(hu_of(grey), rng)
    return Crop(network_input(hu, inside), _in_crop(scan.nodules, turn, side))


def _center(scan: WorkedScan, places: Places, shares: Shares, side: int, rng: np.random.Generator) -> Floats:
    """Choose the middle of the crop: what it was chosen for lies anywhere in its inner part."""
    kind = rng.random()
    shift = rng.uniform(-0.5, 0.5, 3) * max(side - 12, 0)
    if kind < shares.nodule and len(scan.nodules):
        chosen = rng.choice(len(scan.nodules), p=places.nodules / places.nodules.sum())
        return np.asarray(scan.nodules[chosen, :3] + shift)
    if kind < shares.nodule + shares.mined and len(places.negatives):
        chosen = rng.choice(len(places.negatives), p=places.negative_weights / places.negative_weights.sum())
        return np.asarray(places.negatives[chosen] + shift)
    return _anywhere(scan.inside, rng)


def _anywhere(inside: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Choose a voxel of the lungs: by tries, because listing them all takes longer."""
    while True:
        voxel = rng.integers(0, inside.shape)
        if inside[tuple(voxel)]:
            return voxel.astype(np.float64)


def _turn(center: Floats, rng: np.random.Generator) -> _Turn:
    mirror = np.diag(rng.choice([-1.0, 1.0], 3))
    if rng.random() >= _INTERPOLATED:
        quarter = _rotation(0, rng.integers(4) * pi / 2)
        return _Turn(np.floor(center) + 0.5, np.rint(mirror @ quarter), 1.0)
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    tilt = _rotation(1, rng.uniform(-_TILT_RAD, _TILT_RAD)) @ _rotation(2, rng.uniform(-_TILT_RAD, _TILT_RAD))
    return _Turn(center, scale * (mirror @ tilt @ _rotation(0, rng.uniform(0, 2 * pi))), scale)


def _rotation(axis: int, angle: float) -> Floats:
    """(3, 3) about one of the axes k, j, i."""
    matrix = np.eye(3)
    first, second = (a for a in range(3) if a != axis)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _is_lattice(turn: _Turn) -> bool:
    return bool((turn.matrix == np.rint(turn.matrix)).all())


def _block(
    scan: WorkedScan, low: npt.NDArray[np.int64], size: npt.NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a box out of greys and lungs, (k, j, i) uint8 and bool; beyond the scan there is air and no lung."""
    grey = np.full(tuple(size), _AIR_GREY, np.uint8)
    inside = np.zeros(tuple(size), bool)
    first, last = np.maximum(low, 0), np.minimum(low + size, scan.grey.shape)
    if (first < last).all():
        source = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        target = tuple(slice(int(a), int(b)) for a, b in zip(first - low, last - low, strict=True))
        grey[target], inside[target] = scan.grey[source], scan.inside[source]
    return torch.from_numpy(grey), torch.from_numpy(inside)


def _taken(scan: WorkedScan, turn: _Turn, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Take a cube without interpolation: its axes swapped and mirrored."""
    low = np.asarray(turn.center + 0.5 - side / 2, dtype=np.int64)
    grey, inside = _block(scan, low, np.full(3, side))
    order = np.abs(turn.matrix).argmax(axis=0)  # scan axis along which each axis of the crop runs
    mirrored = [c for c in range(3) if turn.matrix[order[c], c] < 0]
    axes = [int(a) for a in order]
    return grey.permute(axes).flip(mirrored), inside.permute(axes).flip(mirrored)


def _resampled(scan: WorkedScan, turn: _Turn, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample a turned and scaled cube by linear interpolation."""
    reach = np.abs(turn.matrix).sum(axis=1) * side / 2 + 2
    low = np.floor(turn.center - reach).astype(np.int64)
    size = np.ceil(2 * reach).astype(np.int64) + 1
    grey, inside = _block(scan, low, size)
    offsets = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    at = torch.stack(torch.meshgrid(offsets, offsets, offsets, indexing="ij"), dim=-1)
    at = at @ torch.from_numpy(turn.matrix.T).float() + torch.from_numpy(turn.center - low).float()
    at = (at * 2 / torch.from_numpy(size - 1).float() - 1).flip(-1)  # grid_sample wants i, j, k in -1..1
    both = torch.stack((grey.float(), inside.float() * GREYS))[None]
    values = functional.grid_sample(both, at[None], align_corners=True)[0]
    return values[0], values[1] > GREYS / 2


def _disturbed(hu: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift and stretch the HU a little and add noise."""
    low, high = HU_RANGE
    sd = np.float32(rng.uniform(0, _NOISE_HU))
    noise = torch.from_numpy(rng.standard_normal(tuple(hu.shape), dtype=np.float32) * sd)
    stretched = (hu + 1000) * float(rng.uniform(1 - _GAIN, 1 + _GAIN)) - 1000
    return (stretched + noise + float(rng.uniform(-_SHIFT_HU, _SHIFT_HU))).clamp(low, high)


def _in_crop(nodules: npt.NDArray[np.float32], turn: _Turn, side: int) -> torch.Tensor:
    """Bring the nodules into the crop's voxels; those far outside are left out."""
    centers = (nodules[:, :3] - turn.center) @ np.linalg.inv(turn.matrix).T + (side - 1) / 2
    diameters = nodules[:, 3] / turn.scale
    reach = diameters[:, None] / STEP_MM
    near = ((centers > -reach) & (centers < side + reach)).all(axis=1)
    return torch.from_numpy(np.column_stack([centers, diameters])[near]).float()
