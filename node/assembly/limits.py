"""What the assembly accepts, each number once, with unit and reason."""

from __future__ import annotations

from dataclasses import dataclass

from node.errors import TooLarge
from node.series.limits import DEFAULT_PLACEMENT, PlacementLimits

_BYTES_PER_VOXEL = 2  # int16


@dataclass(frozen=True)
class AssemblyLimits:
    """Bounds of a series that is taken for a chest CT.

    Parameters
    ----------
    placement
        Where slices may stand.
    max_bytes
        Of the volume, as int16. What is larger is read thinned out (``thinning``). There is no bound on the
        number of slices or voxels beside it; the node sets it from the memory of the machine.
    """

    placement: PlacementLimits = DEFAULT_PLACEMENT
    max_bytes: int = 4_000_000_000


DEFAULT_LIMITS = AssemblyLimits()


def thinning(
    shape: tuple[int, int, int], spacing_kji_mm: tuple[float, float, float], limits: AssemblyLimits
) -> tuple[int, int]:
    """Say which slices and pixels are left out so that a volume fits into ``limits.max_bytes``.

    What is finest is halved first, so that the voxels that stay are as even as they can be.

    Parameters
    ----------
    shape
        Number of slices, rows and columns.
    spacing_kji_mm
        Distance between slices, rows and columns.

    Returns
    -------
    (slice_step, pixel_step): every n-th slice, and every n-th row and column is kept; (1, 1) if all fits.

    Raises
    ------
    TooLarge
        Even at the largest distances that can be a chest CT it does not fit.
    """
    slice_step, pixel_step = 1, 1
    slice_mm, pixel_mm = spacing_kji_mm[0], max(spacing_kji_mm[1:])
    while volume_bytes(shape, slice_step, pixel_step) > limits.max_bytes:
        next_slice_mm, next_pixel_mm = slice_mm * slice_step * 2, pixel_mm * pixel_step * 2
        may_thin_slices = next_slice_mm <= limits.placement.slice_distance_mm[1] and (
            -(-shape[0] // (slice_step * 2)) >= limits.placement.min_slices
        )
        may_thin_pixels = next_pixel_mm <= limits.placement.pixel_spacing_mm[1]
        if not may_thin_slices and not may_thin_pixels:
            raise TooLarge(
                f"{shape[0]} slices of {shape[1]} x {shape[2]} do not fit into {limits.max_bytes / 1e9:.2g} GB "
                "(analysis.volume_limit_gb), however thinned out"
            )
        if may_thin_slices and (next_slice_mm <= next_pixel_mm or not may_thin_pixels):
            slice_step *= 2
        else:
            pixel_step *= 2
    return slice_step, pixel_step


def volume_bytes(shape: tuple[int, int, int], slice_step: int = 1, pixel_step: int = 1) -> int:
    """Give the size of a volume, thinned out, in bytes."""
    slices, rows, columns = shape
    return -(-slices // slice_step) * -(-rows // pixel_step) * -(-columns // pixel_step) * _BYTES_PER_VOXEL
