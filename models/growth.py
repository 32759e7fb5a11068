"""Growth between two scans, and how sizes are rounded before a guideline is asked.

Rounding is half up on the decimal number, as a person does it: 5.95 mm is 6.0 mm, although its binary
value lies below.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

_SPHERE = math.pi / 6  # volume of a sphere of diameter 1


def to_tenth_mm(length_mm: float) -> float:
    """Round a length to 0.1 mm (Lung-RADS v2022)."""
    return _rounded(length_mm, "0.1")


def to_whole_mm(length_mm: float) -> int:
    """Round a length to whole millimetres (Fleischner 2017): 5.5 is 6."""
    return int(_rounded(length_mm, "1"))


def to_whole_mm3(volume_mm3: float) -> int:
    """Round a volume to whole cubic millimetres (Lung-RADS v2022)."""
    return int(_rounded(volume_mm3, "1"))


def mean_diameter_mm(long_axis_mm: float, short_axis_mm: float) -> float:
    """Give the Lung-RADS mean diameter: each axis to 0.1 mm, their mean to 0.1 mm."""
    axes = [Decimal(repr(to_tenth_mm(axis))) for axis in (long_axis_mm, short_axis_mm)]
    return float((sum(axes, Decimal(0)) / 2).quantize(Decimal("0.1"), ROUND_HALF_UP))


def sphere_volume_mm3(diameter_mm: float) -> float:
    """Give the volume of a sphere."""
    return _SPHERE * diameter_mm**3


def volume_doubling_time_days(earlier_mm3: float, later_mm3: float, days: float) -> float:
    """Give the volume doubling time; negative when the nodule shrinks.

    Raises
    ------
    ValueError
        If the volumes are equal, for which it is undefined, or a number is not above 0.
    """
    if not (min(earlier_mm3, later_mm3, days) > 0 and math.isfinite(earlier_mm3 + later_mm3 + days)):
        raise ValueError(f"volumes and days must be above 0, found {earlier_mm3}, {later_mm3} mm3 and {days} days")
    if earlier_mm3 == later_mm3:
        raise ValueError("the doubling time of an unchanged volume is undefined")
    return days * math.log(2) / math.log(later_mm3 / earlier_mm3)


def diameter_doubling_time_days(earlier_mm: float, later_mm: float, days: float) -> float:
    """Give the volume doubling time of a sphere from two diameters; errors as above."""
    return volume_doubling_time_days(sphere_volume_mm3(earlier_mm), sphere_volume_mm3(later_mm), days)


def _rounded(value: float, step: str) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"a size must be a number of 0 or more, found {value}")
    return float(Decimal(repr(float(value))).quantize(Decimal(step), ROUND_HALF_UP))
