"""Bright blobs in three dimensions: where all three curvatures of the smoothed image are negative.

The blobness is s^2 * l1^2 / |l3| of the Hessian's eigenvalues (|l1| the smallest), which is large for a ball,
small for a tube (l1 near 0) and smaller for a sheet: the vessel suppression of Li, Sone and Doi
(Med Phys 2003, doi:10.1118/1.1581411).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from models.resampling import along_axis

# Standard deviations of the Gaussian, mm, on the 1 mm grid and on its 2 mm half. A ball answers most at
# s = r / sqrt(3): these are diameters of 3.5 to 33 mm.
# Vessels answer at the fine scales, by hundreds: each scale has its own number of places, so that
# large faint nodules are not crowded out.
FINE_SCALES_MM = {1.0: 60, 1.5: 60, 2.1: 60}
COARSE_SCALES_MM = {3.0: 50, 4.2: 40, 6.0: 30, 9.0: 15}
DIAMETER_PER_SCALE = 2 * math.sqrt(3.0)
_TRUNCATE = 3.0  # standard deviations after which the Gaussian is cut
_ACCURACY = 1e-12


@dataclass(frozen=True, eq=False)
class Peaks:
    """Local maxima of blobness.

    Parameters
    ----------
    positions
        (N, 3) float64 voxel indices on the 1 mm grid.
    blobness
        (N,) in units of the image.
    scales_mm
        (N,) standard deviation at which each was found.
    ratios
        (N, 2) l1 / l3 and l2 / l3, 1 for a ball.
    """

    positions: torch.Tensor
    blobness: torch.Tensor
    scales_mm: torch.Tensor
    ratios: torch.Tensor


def blob_peaks(image: torch.Tensor, inside: torch.Tensor, least: float) -> Peaks:
    """Find the strongest local maxima of blobness over all scales.

    Parameters
    ----------
    image
        (K, J, I) float32 on a 1 mm grid.
    inside
        (K, J, I) bool: where a peak may lie.
    least
        Blobness under which a peak is left out.

    Returns
    -------
    Peaks on the CPU, by falling blobness; peaks of different scales may lie on the same blob.
    """
    found = [_peaks_at(image, inside, scale, 1, least, most) for scale, most in FINE_SCALES_MM.items()]
    half = functional.avg_pool3d(image[None, None], 2, ceil_mode=True, count_include_pad=False)[0, 0]
    half_inside = functional.max_pool3d(inside[None, None].float(), 2, ceil_mode=True)[0, 0] > 0
    found += [_peaks_at(half, half_inside, scale, 2, least, most) for scale, most in COARSE_SCALES_MM.items()]
    return _sorted(found)


def _sorted(found: list[Peaks]) -> Peaks:
    """Join the peaks of all scales by falling blobness."""
    order = torch.argsort(torch.cat([p.blobness for p in found]), descending=True, stable=True)
    return Peaks(
        torch.cat([p.positions for p in found])[order].cpu(),
        torch.cat([p.blobness for p in found])[order].cpu(),
        torch.cat([p.scales_mm for p in found])[order].cpu(),
        torch.cat([p.ratios for p in found])[order].cpu(),
    )


def eigenvalues(hessian: torch.Tensor) -> torch.Tensor:
    """Give the eigenvalues of symmetric 3x3 matrices in closed form.

    Parameters
    ----------
    hessian
        (N, 6): kk, jj, ii, kj, ki, ji.

    Returns
    -------
    (N, 3) by falling value.

    References
    ----------
    Smith 1961, doi:10.1145/355578.366316
    """
    a, b, c, d, e, f = hessian.double().unbind(1)
    mean = (a + b + c) / 3
    spread = ((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2 + 2 * (d * d + e * e + f * f)) / 6
    radius = torch.sqrt(spread.clamp(min=_ACCURACY**2))
    x, y, z = (a - mean) / radius, (b - mean) / radius, (c - mean) / radius
    d, e, f = d / radius, e / radius, f / radius
    half_det = (x * (y * z - f * f) - d * (d * z - f * e) + e * (d * f - y * e)) / 2
    angle = torch.acos(half_det.clamp(-1, 1)) / 3
    first = mean + 2 * radius * torch.cos(angle)
    third = mean + 2 * radius * torch.cos(angle + 2 * math.pi / 3)
    return torch.stack((first, 3 * mean - first - third, third), dim=1)


def gaussian(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth a (K, J, I) image with a Gaussian of ``sigma`` voxels; the border is repeated."""
    for axis in range(3):
        image = along_axis(image, axis, _gaussian_matrix(image.shape[axis], sigma).to(image.device))
    return image


def _gaussian_matrix(size: int, sigma: float) -> torch.Tensor:
    """Give the (size, size) matrix that smooths a line of voxels."""
    reach = max(1, math.ceil(_TRUNCATE * sigma))
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    columns = (torch.arange(size)[:, None] + offsets).clamp(0, size - 1)
    matrix = torch.zeros((size, size), dtype=torch.float64)
    return matrix.scatter_add_(1, columns, (kernel / kernel.sum()).expand(size, -1)).float()


def _peaks_at(image: torch.Tensor, inside: torch.Tensor, scale_mm: float, step: int, least: float, most: int) -> Peaks:
    """Find the peaks of one scale on a grid of ``step`` mm."""
    smooth = gaussian(image, scale_mm / step)
    blobness, ratios, where = _blobness(smooth, inside, scale_mm / step, least)
    strong = blobness >= least
    blobness, ratios, where = blobness[strong], ratios[strong], where[strong]
    keep = torch.nonzero(_is_highest(blobness, where, smooth.shape))[:, 0]
    rank = blobness * ratios[:, 0]  # roundness counts twice in the choice of places
    keep = keep[torch.argsort(rank[keep], descending=True, stable=True)[:most]]
    positions = where[keep].double() * step + (step - 1) / 2
    return Peaks(positions, blobness[keep], torch.full_like(blobness[keep], scale_mm), ratios[keep])


def _is_highest(blobness: torch.Tensor, where: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Tell which of the voxels ``where`` (N, 3), none on the border, reach no less than their 26 neighbours."""
    field = torch.zeros(shape, device=blobness.device)
    field[where.unbind(1)] = blobness
    flat = field.reshape(-1)
    steps = torch.tensor([shape[1] * shape[2], shape[2], 1], device=where.device)
    at = (where * steps).sum(dim=1)
    highest = torch.ones_like(blobness, dtype=torch.bool)
    for offset in itertools.product((-1, 0, 1), repeat=3):
        shift = sum(o * int(step) for o, step in zip(offset, steps, strict=True))
        highest &= flat[at + shift] <= blobness
    return highest


def _blobness(
    smooth: torch.Tensor, inside: torch.Tensor, sigma: float, least: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give blobness (N,), ratios (N, 2) and voxels (N, 3) where all curvatures are negative.

    Blobness is at most a third of the scaled, negated Laplacian, which is cheap: only voxels that can
    reach ``least`` are looked at.
    """
    laplacian = torch.full_like(smooth, 0.0)
    centre = smooth[1:-1, 1:-1, 1:-1]
    neighbours = (
        smooth[2:, 1:-1, 1:-1] + smooth[:-2, 1:-1, 1:-1] + smooth[1:-1, 2:, 1:-1]
        + smooth[1:-1, :-2, 1:-1] + smooth[1:-1, 1:-1, 2:] + smooth[1:-1, 1:-1, :-2]
    )  # fmt: skip
    laplacian[1:-1, 1:-1, 1:-1] = neighbours - 6 * centre
    where = torch.nonzero((laplacian * sigma**2 < -3 * least) & inside)
    values = eigenvalues(_hessian(smooth, where)) * sigma**2
    first, second, third = values.unbind(1)
    blob = torch.where(first < 0, first * first / (-third).clamp(min=_ACCURACY), torch.zeros_like(first))
    ratios = torch.stack((first, second), dim=1) / third.clamp(max=-_ACCURACY)[:, None]
    return blob.float(), ratios.float(), where


def _hessian(smooth: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Give second differences (N, 6) in the order of ``eigenvalues`` at voxels that are not on the border."""
    flat = smooth.reshape(-1)
    steps = torch.tensor([smooth.shape[1] * smooth.shape[2], smooth.shape[2], 1], device=smooth.device)
    at = (where * steps).sum(dim=1)
    columns = [flat[at + s] + flat[at - s] - 2 * flat[at] for s in steps]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        s, t = steps[first], steps[second]
        columns.append((flat[at + s + t] + flat[at - s - t] - flat[at + s - t] - flat[at - s + t]) / 4)
    return torch.stack(columns, dim=1)
