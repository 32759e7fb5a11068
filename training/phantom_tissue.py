"""Tissues of the procedural chest painted slab by slab: distances on a coarse grid, edges on the fine one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from models.findings import LungLabel, Side
from training import phantom_anatomy as anatomy
from training import phantom_skeleton as skeleton
from training.phantom_raster import Box, Grid
from training.phantom_shapes import Points, join

# HU at 120 kV without contrast.
AIR_OUTSIDE_HU, LUNG_HU = -1000.0, -865.0
_SKIN_HU, _FAT_HU, _MUSCLE_HU, _MEDIASTINAL_FAT_HU = 15.0, -105.0, 50.0, -85.0
_BLOOD_HU, _LIVER_HU, _SPLEEN_HU, _STOMACH_HU = 42.0, 58.0, 48.0, 20.0
_CORTEX_HU, _MARROW_HU, _DISC_HU, _PLEURA_HU = 620.0, 190.0, 85.0, 30.0
_SHELL_HU, _FOAM_HU = -350.0, -930.0
_SKIN_MM, _CORTEX_MM, _PLEURA_MM = 1.8, 1.6, 1.2
_GRAVITY_HU_PER_MM = 0.35  # the lung is denser towards the back of a supine patient
_LUNG_TEXTURE_HU, _FAT_STREAK_HU = 16.0, 10.0  # SD of the structure within a tissue
_FISSURE_HU = 100.0  # rise in a fissure
_FAR_MM = 100.0  # a distance that is outside for sure
_FISSURE_MM = 0.9  # half thickness
_SLAB, _WORKERS = 8, 2  # slices painted at once, and slabs at the same time, to bound the memory
_EDGE_MM = 0.9  # width of an edge in the plane: the point spread of a standard kernel
_COARSE_MM = 0.55  # pixels below twice this are painted from every second one


class Layer(NamedTuple):
    """A tissue: its distance (K, j, i) in mm on the coarse grid and its HU, one or per coarse voxel."""

    distance: Tensor
    hu: float | Tensor


@dataclass(frozen=True, eq=False)
class Canvas:
    """Some slices being painted: HU (K, J, I), pixels per coarse voxel, and width of a pixel in mm."""

    hu: Tensor
    step: int
    pixel_mm: float

    def add(self, layer: Layer) -> tuple[Box, Tensor]:
        """Mix a tissue in; return the voxels it may touch and its share of each, 0 to 1."""
        edge_mm = max(_EDGE_MM, self.pixel_mm)
        rows, columns = self._touched(layer.distance, edge_mm)
        box = (slice(None), self._pixels(rows), self._pixels(columns))
        fraction = (0.5 - self._finer(layer.distance[:, rows, columns]) / edge_mm).clamp_(0, 1)
        tissue = layer.hu if isinstance(layer.hu, float) else self._finer(layer.hu[:, rows, columns])
        self.hu[box] += fraction * (tissue - self.hu[box])
        return box, fraction

    def _touched(self, distance: Tensor, edge_mm: float) -> tuple[slice, slice]:
        """Coarse rows and columns around the tissue, a voxel more on each side; empty where there is none."""
        near = (distance < edge_mm).any(dim=0)
        spans = []
        for other in (1, 0):
            index = near.any(dim=other).nonzero()
            spans.append(slice(max(int(index[0]) - 2, 0), int(index[-1]) + 3) if len(index) else slice(0, 0))
        return spans[0], spans[1]

    def _pixels(self, coarse: slice) -> slice:
        return slice(coarse.start * self.step, coarse.stop * self.step)

    def _finer(self, coarse: Tensor) -> Tensor:
        """Interpolate (K, j, i) to the pixels of the plane."""
        if self.step == 1 or coarse.numel() == 0:
            return coarse.clone()
        return interpolate(coarse[:, None], scale_factor=self.step, mode="bilinear", align_corners=False)[:, 0]


class Texture(NamedTuple):
    """Smooth noise of SD about 1, linear between knots ``grain_mm`` apart in z and about so in the plane."""

    knots: Tensor
    lowest_mm: float
    grain_mm: float

    def at(self, p: Points, shape: torch.Size) -> Tensor:
        """Interpolate to (K, j, i)."""
        height = (p.z.reshape(-1) - self.lowest_mm) / self.grain_mm
        below = height.floor().long()
        share = (height - below)[:, None, None]
        planes = self.knots[below] * (1 - share) + self.knots[below + 1] * share
        return 1.8 * interpolate(planes[:, None], size=shape[1:], mode="bilinear", align_corners=True)[:, 0]


class Textures(NamedTuple):
    """The two grains of which every tissue is woven."""

    fine: Texture
    coarse: Texture


def paint(grid: Grid, rng: np.random.Generator) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Paint all soft tissue, flat bones and the table.

    Returns
    -------
    HU (K, J, I) int16 without noise, and lung labels (K, J, I) uint8.
    """
    hu = np.empty(grid.shape, np.int16)
    labels = np.zeros(grid.shape, np.uint8)
    textures = Textures(*(_lattice(grid, grain, rng) for grain in (5.0, 14.0)))
    slabs = [slice(k, min(k + _SLAB, grid.shape[0])) for k in range(0, grid.shape[0], _SLAB)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        for slab, (painted, lungs) in zip(slabs, pool.map(lambda s: _slab(grid, s, textures), slabs), strict=True):
            hu[slab], labels[slab] = painted, lungs
    return hu, labels


def _slab(grid: Grid, slab: slice, textures: Textures) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """HU int16 and labels uint8 of some slices, (K, J, I)."""
    step = 2 if grid.spacing_kji_mm[1] < 2 * _COARSE_MM and grid.shape[1] % 2 == 0 else 1
    p = _coarse_points(grid, slab, step)
    canvas = Canvas(torch.full((slab.stop - slab.start, *grid.shape[1:]), AIR_OUTSIDE_HU), step, grid.spacing_kji_mm[1])
    wall, heart, vessels = anatomy.cavity(p), anatomy.heart(p), anatomy.great_vessels(p)
    blood = Layer(join(heart, vessels), _BLOOD_HU)
    for layer in (*_soft(p, wall, textures), blood, *_bony(p, wall)):
        canvas.add(layer)
    labels = torch.zeros(canvas.hu.shape, dtype=torch.uint8)
    middle = anatomy.mediastinum(p, heart, vessels)
    for side, label in ((Side.RIGHT, LungLabel.RIGHT), (Side.LEFT, LungLabel.LEFT)):
        lung = anatomy.lung(p, side, wall, middle)
        canvas.add(Layer(lung - _PLEURA_MM, _PLEURA_HU))
        box, fraction = canvas.add(Layer(lung, _parenchyma(p, lung.shape, textures)))
        labels[box][fraction >= 0.5] = int(label)
    return canvas.hu.round_().to(torch.int16).numpy(), labels.numpy()


def _coarse_points(grid: Grid, slab: slice, step: int) -> Points:
    """Centres of blocks of ``step`` x ``step`` pixels: x (1, 1, i), y (1, j, 1), z (K, 1, 1)."""
    x = torch.from_numpy(grid.axis_mm(2).reshape(-1, step).mean(axis=1))
    y = torch.from_numpy(grid.axis_mm(1).reshape(-1, step).mean(axis=1))
    z = torch.from_numpy(grid.axis_mm(0)[slab])
    return Points(x[None, None, :], y[None, :, None], z[:, None, None])


def _soft(p: Points, wall: Tensor, textures: Textures) -> Iterator[Layer]:
    """Table and soft tissue from the outside to the inside; each replaces what lies under it."""
    shell, foam = anatomy.table(p)
    skin = anatomy.body(p)
    yield Layer(shell.expand_as(skin), _SHELL_HU)
    yield Layer(foam.expand_as(skin), _FOAM_HU)
    yield Layer(skin, _SKIN_HU)
    streaks = textures.coarse.at(p, skin.shape)
    yield Layer(skin + _SKIN_MM, _FAT_HU + _FAT_STREAK_HU * streaks)
    flesh = torch.maximum(anatomy.muscle(p, wall), skin + 6)
    yield Layer(flesh + 1.8 * streaks, _MUSCLE_HU + 12 * streaks)
    yield Layer(wall + 1.5, _MEDIASTINAL_FAT_HU + 8 * streaks)
    yield from _abdominal(p, wall)


def _abdominal(p: Points, wall: Tensor) -> Iterator[Layer]:
    """Diaphragm and the organs under it, where the slab reaches them."""
    below = anatomy.abdomen(p)
    if float(below.min()) > 4:
        return
    rim = torch.maximum(below.abs() - 1.8, wall)
    yield Layer(rim, _MUSCLE_HU)
    yield Layer(anatomy.liver(p, wall, below), _LIVER_HU)
    yield Layer(anatomy.spleen(p, wall, below), _SPLEEN_HU)
    stomach = anatomy.stomach(p, wall, below)
    yield Layer(stomach, _STOMACH_HU)
    yield Layer(anatomy.stomach_gas(p, stomach), AIR_OUTSIDE_HU)


def _bony(p: Points, wall: Tensor) -> Iterator[Layer]:
    """Cortex first, then the marrow and discs within."""
    column = skeleton.vertebral_bodies(p)
    bone = join(column, skeleton.flat_bones(p, wall))
    yield Layer(bone, _CORTEX_HU)
    yield Layer(bone + _CORTEX_MM, _MARROW_HU)
    disc = torch.where(skeleton.is_disc(p.z), column, torch.full((), _FAR_MM))
    yield Layer(disc, _DISC_HU)


def _parenchyma(p: Points, shape: torch.Size, textures: Textures) -> Tensor:
    """HU of the lung itself: denser to the back, slightly uneven."""
    uneven = 0.6 * textures.fine.at(p, shape) + 0.8 * textures.coarse.at(p, shape)
    sheet = _FISSURE_HU * torch.exp(-((anatomy.fissure(p) / _FISSURE_MM) ** 2))
    return LUNG_HU + _GRAVITY_HU_PER_MM * p.y + _LUNG_TEXTURE_HU * uneven + sheet


def _lattice(grid: Grid, grain_mm: float, rng: np.random.Generator) -> Texture:
    """Draw the knots of a texture over the whole grid and one knot beyond."""
    extent = np.asarray(grid.shape) * grid.spacing_kji_mm
    knots = rng.standard_normal(tuple(np.ceil(extent / grain_mm).astype(int) + 2), dtype=np.float32)
    return Texture(torch.from_numpy(knots), grid.origin_lps_mm[2], grain_mm)
