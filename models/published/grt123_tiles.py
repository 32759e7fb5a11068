"""Tiles of grt123's image, one at a time, and the map put together from what the network says of each.

A tile is a cube of 144 mm with 32 mm of its surroundings; the map keeps the middle. Numbers: lfz/DSB2017, SplitComb.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import torch

from models.published.grt123_image import OUTSIDE
from models.published.grt123_network import ANCHORS_MM, STRIDE

SIDE = 144
SURROUNDINGS = 32
MIDDLE_GREY, GREY_SCALE = 128.0, 128.0


class Tiles:
    """The tiles of one image.

    Parameters
    ----------
    grey
        (Z, Y, X) uint8. It is continued with ``OUTSIDE`` to whole cells of four voxels, and beyond by its last voxels.
    device
        Where the tiles are cut; the map is put together on the CPU.
    side, surroundings
        In voxels, multiples of 16.
    """

    def __init__(
        self, grey: npt.NDArray[np.uint8], device: torch.device, side: int = SIDE, surroundings: int = SURROUNDINGS
    ) -> None:
        room = [(0, -n % STRIDE) for n in grey.shape]
        self._grey = torch.from_numpy(np.pad(grey, room, constant_values=OUTSIDE)).to(device)
        self._side, self._around = side, surroundings
        self._cells = [n // STRIDE for n in self._grey.shape]
        self._counts = [-(-n // side) for n in self._grey.shape]
        self._starts = list(product(*(range(0, n * side, side) for n in self._counts)))

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give one tile (1, D, D, D), grey values -1 to 1, and its place (3, D/4, D/4, D/4), -0.5 to 0.5."""
        start, length = self._starts[number], self._side + 2 * self._around
        tile = self._grey
        for axis in range(3):
            held = _held(start[axis] - self._around, length, tile.shape[axis])
            tile = tile.index_select(axis, held.to(tile.device))
        axes = []
        for axis in range(3):
            line = torch.linspace(-0.5, 0.5, self._cells[axis], dtype=torch.float64).float()
            first = (start[axis] - self._around) // STRIDE
            axes.append(line[_held(first, length // STRIDE, len(line))])
        place = torch.stack(torch.meshgrid(*axes, indexing="ij")).to(tile.device)
        return (tile.float()[None] - MIDDLE_GREY) / GREY_SCALE, place

    def empty_map(self) -> torch.Tensor:
        """Give room for the map: (z, y, x, 3, 5) float32 of whole tiles."""
        cells = [n * self._side // STRIDE for n in self._counts]
        return torch.zeros((*cells, len(ANCHORS_MM), 5))

    def put(self, into: torch.Tensor, number: int, output: torch.Tensor) -> None:
        """Put the middle of one tile's output (D/4, D/4, D/4, 3, 5) into the map."""
        low, side = self._around // STRIDE, self._side // STRIDE
        z, y, x = (slice(n // STRIDE, n // STRIDE + side) for n in self._starts[number])
        middle = slice(low, low + side)
        into[z, y, x] = output[middle, middle, middle].to(into.device)


def _held(start: int, length: int, size: int) -> torch.Tensor:
    """Give the indices from ``start`` on, held at the first and last voxel."""
    return torch.arange(start, start + length).clamp(0, size - 1)
