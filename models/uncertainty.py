"""How far a size may be off: half-widths of 95 % intervals from voxel size and slice distance.

The forms are what errors of a surface do: a shift of the surface changes a diameter by the same length everywhere,
and a volume by its share of the diameter; a slice as thick as the nodule leaves its height unknown. The constants
were fitted (0.95 quantiles) on 567 scans of digital nodules of known size (benchmarks/volumetry.py: 3 to 30 mm, three
shapes, alone, on the wall and on a vessel, slices 0.6 to 2.5 mm, noise 10 to 45 HU, pixels of 0.7 mm). They say
nothing of breathing, of another kernel or of a reader's choice of edge.
"""

from __future__ import annotations

from models.findings import Uncertainty

_SURFACE_MM, _SURFACE_SHARE = 0.45, 0.02  # of a diameter: a fixed part and a part of the diameter (wall, vessel)
_SLICE_SHARE = 0.2  # of the slice distance
_VOLUME_SURFACE_MM = 1.1  # three times a shift of the surface over the diameter
_VOLUME_SLICE = 1.2  # times the square of slice distance over diameter


def uncertainty_of(mean_diameter_mm: float, slice_mm: float) -> Uncertainty:
    """Give the half-widths of the 95 % intervals of mean diameter and volume.

    Parameters
    ----------
    mean_diameter_mm
        As measured, above 0.
    slice_mm
        Distance of the slices.
    """
    surface = _SURFACE_MM + _SURFACE_SHARE * mean_diameter_mm
    return Uncertainty(
        diameter_mm=float((surface**2 + (_SLICE_SHARE * slice_mm) ** 2) ** 0.5),
        volume_share=_VOLUME_SURFACE_MM / mean_diameter_mm + _VOLUME_SLICE * (slice_mm / mean_diameter_mm) ** 2,
    )
