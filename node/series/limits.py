"""What a series may be that is taken for a chest CT, each number once, with unit and reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlacementLimits:
    """Bounds of where the slices of a chest CT stand.

    Parameters
    ----------
    min_slices
        A lung of 200 mm has 17 slices even at the largest slice distance; with fewer than 8 no
        view holds enough of a chest to be read.
    pixel_spacing_mm, slice_distance_mm
        Smallest and largest distance between pixels and between slices of a CT.
    max_tilt_degrees
        Largest angle between the normal of the slices and the patient's z; gantries tilt by up to 30.
    """

    min_slices: int = 8
    pixel_spacing_mm: tuple[float, float] = (0.1, 3.0)
    slice_distance_mm: tuple[float, float] = (0.1, 12.0)
    max_tilt_degrees: float = 45.0


DEFAULT_PLACEMENT = PlacementLimits()
