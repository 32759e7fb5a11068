"""Fleischner Society 2017: what to do with a nodule found by chance (MacMahon et al., Radiology 2017;284:228).

Not for screening, people under 35 years, known cancer, or suppressed immunity: ask ``fleischner_applies``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from models.findings import Attenuation
from models.growth import to_whole_mm, to_whole_mm3

LEAST_AGE_YEARS = 35.0


class _Size(Enum):
    SMALL = "<6 mm (<100 mm3)"
    MEDIUM = "6-8 mm (100-250 mm3)"
    LARGE = ">8 mm (>250 mm3)"


@dataclass(frozen=True)
class FleischnerAdvice:
    """The recommendation, and the row of the table that it stands in.

    ``recommendation`` is None where the row depends on something that is not known; ``basis`` lists what
    it may be.
    """

    recommendation: str | None
    basis: str


_NONE = "no routine follow-up"
_SOLID_LARGE_SINGLE = "consider CT at 3 months, PET/CT or tissue sampling"
_SUBSOLID_MULTIPLE_LARGE = "CT at 3-6 months, then by the most suspicious nodule"

# (more than one nodule, high risk) -> size -> recommendation
_SOLID: Mapping[tuple[bool, bool], Mapping[_Size, str]] = MappingProxyType(
    {
        (False, False): {
            _Size.SMALL: _NONE,
            _Size.MEDIUM: "CT at 6-12 months, then consider CT at 18-24 months",
            _Size.LARGE: _SOLID_LARGE_SINGLE,
        },
        (False, True): {
            _Size.SMALL: "optional CT at 12 months",
            _Size.MEDIUM: "CT at 6-12 months, then CT at 18-24 months",
            _Size.LARGE: _SOLID_LARGE_SINGLE,
        },
        (True, False): {
            _Size.SMALL: _NONE,
            _Size.MEDIUM: "CT at 3-6 months, then consider CT at 18-24 months",
            _Size.LARGE: "CT at 3-6 months, then consider CT at 18-24 months",
        },
        (True, True): {
            _Size.SMALL: "optional CT at 12 months",
            _Size.MEDIUM: "CT at 3-6 months, then CT at 18-24 months",
            _Size.LARGE: "CT at 3-6 months, then CT at 18-24 months",
        },
    }
)


def fleischner_2017(
    attenuation: Attenuation,
    diameter_mm: float,
    multiple: bool,
    high_risk: bool | None = None,
    solid_diameter_mm: float | None = None,
    volume_mm3: float | None = None,
) -> FleischnerAdvice:
    """Give the recommendation for the most suspicious nodule.

    Parameters
    ----------
    attenuation
        A calcified nodule is read as solid; one of a benign pattern needs no recommendation at all.
    diameter_mm
        Mean of long and short axis on one slice; rounded to whole millimetres here.
    multiple
        More than one nodule.
    high_risk
        Of the patient; None if not known. Only solid nodules ask for it.
    solid_diameter_mm
        Largest diameter of the solid component of a part-solid nodule; None if not measured.
    volume_mm3
        Decides the size of a solid nodule instead of the diameter where it is given.
    """
    is_subsolid = attenuation in (Attenuation.GROUND_GLASS, Attenuation.PART_SOLID)
    size = _size_of(diameter_mm, None if is_subsolid else volume_mm3)
    row = f"{'multiple' if multiple else 'single'} {attenuation.value.replace('_', ' ')}"
    if not is_subsolid:
        return _solid(size, multiple, high_risk, row)
    if multiple:
        return FleischnerAdvice(_multiple_subsolid(size), f"{row}, {size.value}")
    if size is _Size.SMALL:
        return FleischnerAdvice(_NONE, f"{row}, <6 mm")
    if attenuation is Attenuation.GROUND_GLASS:
        return FleischnerAdvice("CT at 6-12 months to confirm, then every 2 years until 5 years", f"{row}, >=6 mm")
    return _single_part_solid(solid_diameter_mm, f"{row}, >=6 mm")


def fleischner_applies(
    age_years: float | None, screening: bool | None, known_cancer: bool | None, immunosuppressed: bool | None
) -> bool | None:
    """Tell whether the guideline is meant for this patient; None if what is known does not settle it."""
    is_young = None if age_years is None else age_years < LEAST_AGE_YEARS
    reasons_against = (is_young, screening, known_cancer, immunosuppressed)
    if any(reasons_against):
        return False
    return None if None in reasons_against else True


def _size_of(diameter_mm: float, volume_mm3: float | None) -> _Size:
    if volume_mm3 is not None:
        amount, small, large = to_whole_mm3(volume_mm3), 100, 250
    else:
        amount, small, large = to_whole_mm(diameter_mm), 6, 8
    if amount < small:
        return _Size.SMALL
    return _Size.LARGE if amount > large else _Size.MEDIUM


def _solid(size: _Size, multiple: bool, high_risk: bool | None, row: str) -> FleischnerAdvice:
    low, high = (_SOLID[multiple, risk][size] for risk in (False, True))
    basis = f"{row}, {size.value}"
    if high_risk is not None:
        return FleischnerAdvice(high if high_risk else low, f"{basis}, {'high' if high_risk else 'low'} risk")
    if low == high:
        return FleischnerAdvice(low, f"{basis}, at any risk")
    return FleischnerAdvice(None, f"{basis}, risk not known: {low} at low risk, {high} at high risk")


def _multiple_subsolid(size: _Size) -> str:
    if size is _Size.SMALL:
        return "CT at 3-6 months; if stable, consider CT at 2 and 4 years"
    return _SUBSOLID_MULTIPLE_LARGE


def _single_part_solid(solid_diameter_mm: float | None, row: str) -> FleischnerAdvice:
    small = "CT at 3-6 months; if unchanged and the solid component stays below 6 mm, CT each year for 5 years"
    large = "CT at 3-6 months to confirm; highly suspicious"
    if solid_diameter_mm is None:
        return FleischnerAdvice(None, f"{row}, solid component not measured: {small}; from 6 mm on: {large}")
    is_small = to_whole_mm(solid_diameter_mm) < 6
    return FleischnerAdvice(small if is_small else large, f"{row}, solid component {'<' if is_small else '>='}6 mm")
