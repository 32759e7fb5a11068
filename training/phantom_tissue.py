"""Tissues of the procedural chest painted slab by slab: distances on a coarse grid, edges on the fine one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
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


_CLOTH_HU, _CLOTH_MM, _CLOTH_AWAY_MM = -780.0, 0.7, 6.0  # cloth with the air in it, its half thickness, its folds
_HOLE_HU, _HOLE_EDGE = -965.0, 0.25  # emphysema, and how wide its edge is over the SD of the texture
_DEPENDENT_MM, _DEPENDENT_Y_MM = 9.0, 35.0  # depth from the pleura of dense dependent lung, and where it begins


class Look(NamedTuple):
    """How tissue differs from the standard: see ``Patient`` and ``Scanner``."""

    contrast_hu: float = 0.0
    emphysema: float = 0.0
    dependent_hu: float = 0.0
    clothed: bool = False
    couch_mm: float = 0.0
    fat_mm: float = 0.0
    breasts: float = 1.0


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


def paint(
    grid: Grid, rng: np.random.Generator, look: Look, device: str = "cpu"
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Paint all soft tissue, flat bones and the table.

    Returns
    -------
    HU (K, J, I) int16 without noise, and lung labels (K, J, I) uint8.
    """
    hu = np.empty(grid.shape, np.int16)
    labels = np.zeros(grid.shape, np.uint8)
    textures = Textures(*(_lattice(grid, grain, rng, device) for grain in (5.0, 14.0)))
    slabs = [slice(k, min(k + _SLAB, grid.shape[0])) for k in range(0, grid.shape[0], _SLAB)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        painting = pool.map(lambda s: _slab(grid, s, textures, look), slabs)
        for slab, (painted, lungs) in zip(slabs, painting, strict=True):
            hu[slab], labels[slab] = painted, lungs
    return hu, labels


def _slab(
    grid: Grid, slab: slice, textures: Textures, look: Look
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """HU int16 and labels uint8 of some slices, (K, J, I)."""
    step = 2 if grid.spacing_kji_mm[1] < 2 * _COARSE_MM and grid.shape[1] % 2 == 0 else 1
    device = textures.fine.knots.device
    p = _coarse_points(grid, slab, step, device)
    air = torch.full((slab.stop - slab.start, *grid.shape[1:]), AIR_OUTSIDE_HU, device=device)
    canvas = Canvas(air, step, grid.spacing_kji_mm[1])
    wall, heart, vessels = anatomy.cavity(p), anatomy.heart(p), anatomy.great_vessels(p)
    blood = Layer(join(heart, vessels), _BLOOD_HU + look.contrast_hu)
    for layer in (*_soft(p, wall, textures, look), blood, *_bony(p, wall)):
        canvas.add(layer)
    labels = torch.zeros(canvas.hu.shape, dtype=torch.uint8, device=device)
    middle = anatomy.mediastinum(p, heart, vessels)
    for side, label in ((Side.RIGHT, LungLabel.RIGHT), (Side.LEFT, LungLabel.LEFT)):
        lung = anatomy.lung(p, side, wall, middle)
        canvas.add(Layer(lung - _PLEURA_MM, _PLEURA_HU))
        box, fraction = canvas.add(Layer(lung, _parenchyma(p, lung, textures, look)))
        labels[box][fraction >= 0.5] = int(label)
    return canvas.hu.round_().to(torch.int16).cpu().numpy(), labels.cpu().numpy()


def _coarse_points(grid: Grid, slab: slice, step: int, device: torch.device) -> Points:
    """Centres of blocks of ``step`` x ``step`` pixels: x (1, 1, i), y (1, j, 1), z (K, 1, 1)."""
    x = torch.from_numpy(grid.axis_mm(2).reshape(-1, step).mean(axis=1))
    y = torch.from_numpy(grid.axis_mm(1).reshape(-1, step).mean(axis=1))
    z = torch.from_numpy(grid.axis_mm(0)[slab])
    return Points(*(axis.to(device) for axis in (x[None, None, :], y[None, :, None], z[:, None, None])))


def _soft(p: Points, wall: Tensor, textures: Textures, look: Look) -> Iterator[Layer]:
    """Table and soft tissue from the outside to the inside; each replaces what lies under it."""
    shell, foam = anatomy.table(p.at(0, look.couch_mm))
    skin = anatomy.body(p, look.breasts) - look.fat_mm
    yield Layer(shell.expand_as(skin), _SHELL_HU)
    yield Layer(foam.expand_as(skin), _FOAM_HU)
    streaks = textures.coarse.at(p, skin.shape)
    if look.clothed:
        away = skin - _CLOTH_AWAY_MM * (1 + streaks.clamp(-1, 2))
        yield Layer(away.abs() - _CLOTH_MM, _CLOTH_HU)
    yield Layer(skin, _SKIN_HU)
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


def _parenchyma(p: Points, lung: Tensor, textures: Textures, look: Look) -> Tensor:
    """HU of the lung itself: denser to the back, slightly uneven, and diseased as told."""
    fine, coarse = textures.fine.at(p, lung.shape), textures.coarse.at(p, lung.shape)
    sheet = _FISSURE_HU * torch.exp(-((anatomy.fissure(p) / _FISSURE_MM) ** 2))
    hu = LUNG_HU + _GRAVITY_HU_PER_MM * p.y + _LUNG_TEXTURE_HU * (0.6 * fine + 0.8 * coarse) + sheet
    if look.dependent_hu > 0:
        low = torch.sigmoid((p.y - _DEPENDENT_Y_MM) / 10)
        hu = hu + look.dependent_hu * low * torch.exp(lung.clamp(max=0) / _DEPENDENT_MM)
    if look.emphysema > 0:
        field = (fine + coarse) / 2**0.5
        hole = torch.sigmoid((field - NormalDist().inv_cdf(1 - look.emphysema)) / _HOLE_EDGE)
        hu = hu + hole * (_HOLE_HU - hu)
    return hu


def _lattice(grid: Grid, grain_mm: float, rng: np.random.Generator, device: str) -> Texture:
    """Draw the knots of a texture over the whole grid and one knot beyond."""
    extent = np.asarray(grid.shape) * grid.spacing_kji_mm
    knots = rng.standard_normal(tuple(np.ceil(extent / grain_mm).astype(int) + 2), dtype=np.float32)
    return Texture(torch.from_numpy(knots).to(device), grid.origin_lps_mm[2], grain_mm)
