"""Sizes, rounding, doubling times and growth; every figure is one that a person could check by hand."""

from __future__ import annotations

import math

import pytest

from models.growth import sphere_volume_mm3, to_tenth_mm, to_whole_mm, to_whole_mm3
from models.risk import (
    Course,
    Size,
    course_of,
    diameter_doubling_time_days,
    mean_diameter_mm,
    volume_doubling_time_days,
)
from tests.risk_terms import GROWING, SLOW, STABLE


@pytest.mark.parametrize(
    ("diameter_mm", "volume_mm3"),
    [(1.5, 1.77), (4, 33.51), (6, 113.10), (8, 268.08), (10, 523.60), (15, 1767.15), (30, 14137.17)],
)
def test_a_sphere_has_the_volume_of_the_table(diameter_mm: float, volume_mm3: float) -> None:
    assert sphere_volume_mm3(diameter_mm) == pytest.approx(volume_mm3, abs=0.005)


def test_lengths_round_half_up_as_a_person_does() -> None:
    assert to_tenth_mm(5.95) == 6.0
    assert to_tenth_mm(5.9499) == 5.9
    assert to_whole_mm(5.5) == 6
    assert to_whole_mm(5.4) == 5
    assert to_whole_mm3(112.5) == 113


def test_each_axis_is_rounded_before_the_mean() -> None:
    assert mean_diameter_mm(7.04, 5.04) == 6.0
    assert mean_diameter_mm(6.0, 5.9) == 6.0  # 5.95


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        to_tenth_mm(math.nan)


@pytest.mark.parametrize(
    ("earlier", "later", "days", "expected"),
    [
        (100, 200, 90, 90.00),
        (200, 250, 90, 279.57),
        (113.1, 268.1, 90, 72.28),
        (300, 270, 180, -1184.19),
        (150, 180, 365, 1387.65),
    ],
)
def test_volume_doubling_time(earlier: float, later: float, days: float, expected: float) -> None:
    assert volume_doubling_time_days(earlier, later, days) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("earlier", "later", "days", "expected"),
    [(6, 8, 90, 72.28), (8, 9.5, 365, 490.73), (10, 12.6, 400, 399.89), (5, 6, 180, 228.11)],
)
def test_doubling_time_from_diameters(earlier: float, later: float, days: float, expected: float) -> None:
    assert diameter_doubling_time_days(earlier, later, days) == pytest.approx(expected, abs=0.005)


def test_the_doubling_time_of_an_unchanged_volume_is_undefined() -> None:
    with pytest.raises(ValueError, match="undefined"):
        volume_doubling_time_days(100, 100, 90)


@pytest.mark.parametrize(
    ("before", "now", "months", "course"),
    [(6.0, 7.5, 12, STABLE), (6.0, 7.6, 12, GROWING), (6.0, 7.6, 24, SLOW), (8.0, 6.0, 6, STABLE)],
)
def test_growth_is_more_than_one_and_a_half_mm_within_a_year(
    before: float, now: float, months: float, course: Course
) -> None:
    assert course_of(Size(before), Size(now), months) is course
