"""What the assembly accepts, each number once, with unit and reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AssemblyLimits:
    """Bounds of a series that is taken for a chest CT.

    Parameters
    ----------
    min_slices
        A lung of 200 mm has 17 slices even at the largest slice distance; with fewer than 8 no
        view holds enough of a chest to be read.
    max_slices, max_voxels
        What the node is set to hold: 1.5e9 voxels are 3 GB of int16.
    pixel_spacing_mm, slice_distance_mm
        Smallest and largest distance between pixels and between slices of a CT.
    max_tilt_degrees
        Largest angle between the normal of the slices and the patient's z; gantries tilt by up to 30.
    """

    min_slices: int = 8
    max_slices: int = 4_000
    max_voxels: int = 1_500_000_000
    pixel_spacing_mm: tuple[float, float] = (0.1, 3.0)
    slice_distance_mm: tuple[float, float] = (0.1, 12.0)
    max_tilt_degrees: float = 45.0


DEFAULT_LIMITS = AssemblyLimits()
