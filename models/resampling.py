"""Changing the grid: coarser for lungs, isotropic for blobs, finer for measuring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from models.volume import Volume

_CHUNK = 64  # slices converted to float at once, so that memory stays flat


@dataclass(frozen=True)
class Grid:
    """A regular grid laid over another one, in that one's indices.

    Parameters
    ----------
    origin_kji
        Index on the base grid of this grid's voxel (0, 0, 0); fractions allowed.
    step_kji
        Base voxels per voxel of this grid.
    shape
        Number of voxels.
    """

    origin_kji: tuple[float, float, float]
    step_kji: tuple[float, float, float]
    shape: tuple[int, int, int]

    def to_base(self, indices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map indices (..., 3) of this grid to indices of the base grid."""
        base = np.asarray(indices, dtype=np.float64) * np.asarray(self.step_kji) + np.asarray(self.origin_kji)
        return np.asarray(base)

    def from_base(self, indices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map indices (..., 3) of the base grid to indices of this grid."""
        offset = np.asarray(indices, dtype=np.float64) - np.asarray(self.origin_kji)
        return np.asarray(offset / np.asarray(self.step_kji))


def block_factors(spacing_kji_mm: tuple[float, float, float], target_mm: float) -> tuple[int, int, int]:
    """Give how many voxels to join along each axis to come near ``target_mm`` without passing 1.3 times it."""
    k, j, i = (max(1, int(1.3 * target_mm / spacing)) for spacing in spacing_kji_mm)
    return k, j, i


def block_mean(hu: npt.NDArray[np.int16], factors: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """Average blocks of voxels; an incomplete last block averages the voxels that it has.

    Parameters
    ----------
    hu
        (K, J, I) int16.
    factors
        Voxels joined along each axis.

    Returns
    -------
    (ceil(K / fk), ceil(J / fj), ceil(I / fi)) float32.
    """
    chunk = max(factors[0], _CHUNK // factors[0] * factors[0])
    parts = []
    for start in range(0, hu.shape[0], chunk):
        part = torch.from_numpy(np.ascontiguousarray(hu[start : start + chunk])).float()[None, None]
        kernel = [min(factor, size) for factor, size in zip(factors, part.shape[2:], strict=True)]  # the last is short
        parts.append(functional.avg_pool3d(part, kernel, ceil_mode=True, count_include_pad=False)[0, 0])
    return np.asarray(torch.cat(parts).numpy())


def unblocked(mask: npt.NDArray[np.bool_], factors: tuple[int, int, int], shape: tuple[int, int, int]) -> torch.Tensor:
    """Bring a mask made on joined blocks back to the full grid with a smooth border.

    Returns
    -------
    ``shape`` bool tensor: where the linearly interpolated mask is above one half.
    """
    if factors == (1, 1, 1):
        return torch.from_numpy(mask)
    full = torch.zeros(shape, dtype=torch.bool)
    soft = torch.from_numpy(mask).half().float()[None, None]
    if factors[0] > 1:
        soft = functional.interpolate(
            soft, scale_factor=(float(factors[0]), 1.0, 1.0), mode="trilinear", align_corners=False
        )
    for start in range(0, shape[0], _CHUNK):
        part = soft[0, :, start : start + _CHUNK].transpose(0, 1)
        fine = functional.interpolate(
            part, scale_factor=(float(factors[1]), float(factors[2])), mode="bilinear", align_corners=False
        )
        stop = min(start + _CHUNK, shape[0])
        full[start:stop] = fine[: stop - start, 0, : shape[1], : shape[2]] > 0.5
    return full


def isotropic_grid(volume: Volume, box: tuple[slice, slice, slice], step_mm: float) -> Grid:
    """Lay a grid of cubic voxels of ``step_mm`` over a box of the volume, first voxel centre on first voxel centre."""
    origin = tuple(float(side.start) for side in box)
    step = tuple(step_mm / spacing for spacing in volume.spacing_kji_mm)
    shape = tuple(max(1, int((side.stop - 1 - side.start) / width) + 1) for side, width in zip(box, step, strict=True))
    return Grid((origin[0], origin[1], origin[2]), (step[0], step[1], step[2]), (shape[0], shape[1], shape[2]))


def sampled(array: npt.NDArray[np.generic], grid: Grid, device: torch.device) -> torch.Tensor:
    """Sample an array of the base grid on ``grid`` by linear interpolation, axis after axis.

    Where the new step is wider than a voxel, the array is first averaged over the step, so that
    noise does not alias.

    Parameters
    ----------
    array
        (K, J, I) on the base grid, any real type.
    grid
        The grid to sample on.
    device
        Where the work is done and the result stays.

    Returns
    -------
    ``grid.shape`` float32 tensor on ``device``.
    """
    axes = list(zip(grid.origin_kji, grid.step_kji, grid.shape, strict=True))
    low = [max(0, int(np.floor(origin - step)) - 1) for origin, step, _ in axes]
    high = [int(np.ceil(origin + step * count)) + 2 for origin, step, count in axes]
    part = array[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    values = torch.from_numpy(np.ascontiguousarray(part)).to(device)
    for axis in (2, 1, 0):
        origin, step, count = axes[axis]
        matrix = _interpolation_matrix(values.shape[axis], origin - low[axis], step, count)
        values = along_axis(values.float(), axis, matrix.to(device))
    return values


def along_axis(values: torch.Tensor, axis: int, matrix: torch.Tensor) -> torch.Tensor:
    """Multiply every line of a (K, J, I) tensor along one axis with an (out, in) matrix.

    A matrix product is many times faster here than a one-dimensional convolution.
    """
    if axis == 2:
        return values @ matrix.T
    if axis == 1:
        return matrix @ values
    flat = matrix @ values.reshape(values.shape[0], -1)
    return flat.reshape(matrix.shape[0], *values.shape[1:])


def _interpolation_matrix(size: int, origin: float, step: float, count: int) -> torch.Tensor:
    """Give the (count, size) matrix of a tent as wide as the larger of voxel and step; rows sum to 1."""
    width = max(1.0, step)
    position = origin + step * torch.arange(count, dtype=torch.float64)
    matrix = (1 - (position[:, None] - torch.arange(size, dtype=torch.float64)).abs() / width).clamp(min=0)
    return (matrix / matrix.sum(dim=1, keepdim=True)).float()


def refined_grid(volume: Volume, box: tuple[slice, slice, slice], step_mm: float) -> Grid:
    """Lay a finer grid over a box so that every voxel centre of the volume is a voxel centre of the grid."""
    factor = [max(1, round(spacing / step_mm)) for spacing in volume.spacing_kji_mm]
    shape = [(side.stop - side.start - 1) * f + 1 for side, f in zip(box, factor, strict=True)]
    return Grid(
        (float(box[0].start), float(box[1].start), float(box[2].start)),
        (1 / factor[0], 1 / factor[1], 1 / factor[2]),
        (shape[0], shape[1], shape[2]),
    )


def interpolated(array: npt.NDArray[np.generic], grid: Grid, order: int) -> npt.NDArray[np.float32]:
    """Interpolate a small box of the base grid on a refined grid with splines of ``order``."""
    box = tuple(
        slice(int(o), int(o + s * (n - 1) + 1.5))
        for o, s, n in zip(grid.origin_kji, grid.step_kji, grid.shape, strict=True)
    )
    part = array[box].astype(np.float32)
    fine = ndimage.zoom(
        part, [n / size for n, size in zip(grid.shape, part.shape, strict=True)], order=order, mode="nearest"
    )
    return np.asarray(fine, dtype=np.float32)
