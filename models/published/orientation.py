"""A volume with its axes the way a published network expects them, and plain linear sampling of boxes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment

from models.volume import Volume

RAS = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))  # axes towards right, anterior, superior, as unit vectors in LPS
SPL = ((0, 0, 1), (0, 1, 0), (1, 0, 0))  # superior, posterior, left: slices, rows, columns of a usual CT

Directions = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Oriented:
    """A volume seen along other axes; nothing is copied.

    Parameters
    ----------
    volume
        The volume itself.
    axes
        Which axis of the volume (0 is k) runs along each new axis.
    flipped
        Whether it runs against it.
    """

    volume: Volume
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along each new axis."""
        a, b, c = (self.volume.spacing_kji_mm[axis] for axis in self.axes)
        return a, b, c

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each new axis."""
        a, b, c = (self.volume.shape[axis] for axis in self.axes)
        return a, b, c

    def view(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """See an array (K, J, I) of the volume's grid along the new axes."""
        turned = array.transpose(self.axes)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]

    def to_volume(self, indices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map indices (N, 3) along the new axes to indices (N, 3) k, j, i of the volume; fractions allowed."""
        points = np.asarray(indices, dtype=np.float64).reshape(-1, 3)
        mapped = np.empty_like(points)
        for n, (axis, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            mapped[:, axis] = self.shape[n] - 1 - points[:, n] if flip else points[:, n]
        return mapped

    def from_volume(self, indices_kji: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map indices (N, 3) k, j, i of the volume to indices (N, 3) along the new axes."""
        points = np.asarray(indices_kji, dtype=np.float64).reshape(-1, 3)
        mapped = points[:, self.axes]
        last = np.asarray(self.shape) - 1
        return np.where(self.flipped, last - mapped, mapped)


def oriented(volume: Volume, directions: Directions) -> Oriented:
    """Turn a volume so that its axes lie closest to ``directions``, unit vectors in LPS; an oblique one stays so."""
    cosines = np.asarray(directions, dtype=np.float64) @ volume.directions
    _, axes = linear_sum_assignment(-np.abs(cosines))
    flipped = [bool(cosines[n, axis] < 0) for n, axis in enumerate(axes)]
    return Oriented(volume, (int(axes[0]), int(axes[1]), int(axes[2])), (flipped[0], flipped[1], flipped[2]))


def sampled_at(
    array: npt.NDArray[np.generic], positions: tuple[torch.Tensor, torch.Tensor, torch.Tensor], device: torch.device
) -> torch.Tensor:
    """Sample an array at a grid of positions by linear interpolation, without smoothing; the border is continued.

    Parameters
    ----------
    array
        (A, B, C), any real type; only the box that is needed is copied.
    positions
        Per axis (n,) float64 positions in voxels, ascending.
    device
        Where the work is done and the result stays.

    Returns
    -------
    (n_a, n_b, n_c) float32.
    """
    low = [min(n - 1, max(0, int(p[0].floor()))) for n, p in zip(array.shape, positions, strict=True)]
    high = [min(n, max(0, int(p[-1].floor())) + 2) for n, p in zip(array.shape, positions, strict=True)]
    part = np.ascontiguousarray(array[low[0] : high[0], low[1] : high[1], low[2] : high[2]])
    values = torch.from_numpy(part).to(device).float()
    for axis in (2, 1, 0):
        at = (positions[axis] - low[axis]).clamp(0, values.shape[axis] - 1)
        below = at.floor().long().clamp(max=max(0, values.shape[axis] - 2))
        above = (below + 1).clamp(max=values.shape[axis] - 1)
        weight = (at - below).float().to(device).view([-1 if a == axis else 1 for a in range(3)])
        first = values.index_select(axis, below.to(device))
        values = first.lerp_(values.index_select(axis, above.to(device)), weight)
    return values
