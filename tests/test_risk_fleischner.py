"""Fleischner 2017: the worked examples of the guideline, and whom it is not for."""

from __future__ import annotations

import pytest

from models.risk import fleischner_2017, fleischner_applies
from tests.risk_terms import GROUND, PART, SOLID


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ((SOLID, 5.4, False, False), "no routine follow-up"),
        ((SOLID, 5.5, False, False), "CT at 6-12 months, then consider CT at 18-24 months"),
        ((SOLID, 7, False, True), "CT at 6-12 months, then CT at 18-24 months"),
        ((SOLID, 8.4, False, False), "CT at 6-12 months, then consider CT at 18-24 months"),
        ((SOLID, 8.5, False, False), "consider CT at 3 months, PET/CT or tissue sampling"),
        ((SOLID, 9, False, False), "consider CT at 3 months, PET/CT or tissue sampling"),
        ((SOLID, 9, False, True), "consider CT at 3 months, PET/CT or tissue sampling"),
        ((SOLID, 5, False, True), "optional CT at 12 months"),
        ((SOLID, 7, True, True), "CT at 3-6 months, then CT at 18-24 months"),
        ((SOLID, 7, True, False), "CT at 3-6 months, then consider CT at 18-24 months"),
        ((GROUND, 5, False), "no routine follow-up"),
        ((GROUND, 7, False), "CT at 6-12 months to confirm, then every 2 years until 5 years"),
        ((PART, 12, False, None, 7), "CT at 3-6 months to confirm; highly suspicious"),
        ((GROUND, 5, True), "CT at 3-6 months; if stable, consider CT at 2 and 4 years"),
        ((PART, 7, True, None, 3), "CT at 3-6 months, then by the most suspicious nodule"),
    ],
)
def test_fleischner_worked_example(question: tuple, answer: str) -> None:
    assert fleischner_2017(*question).recommendation == answer


def test_a_part_solid_nodule_with_a_small_solid_component_is_followed_yearly() -> None:
    advice = fleischner_2017(PART, 12, multiple=False, solid_diameter_mm=5.0)
    assert "each year for 5 years" in (advice.recommendation or "")


def test_fleischner_reads_volumes_of_solid_nodules() -> None:
    advice = fleischner_2017(SOLID, 5, multiple=False, high_risk=False, volume_mm3=251)
    assert ">8 mm" in advice.basis


def test_fleischner_is_undetermined_where_the_unknown_risk_matters() -> None:
    assert fleischner_2017(SOLID, 7, multiple=False).recommendation is None
    assert fleischner_2017(SOLID, 9, multiple=False).recommendation is not None


def test_an_unmeasured_solid_component_leaves_fleischner_undetermined() -> None:
    assert fleischner_2017(PART, 12, multiple=False).recommendation is None


def test_fleischner_is_not_for_the_young_or_for_screening() -> None:
    assert fleischner_applies(34, False, False, False) is False
    assert fleischner_applies(60, True, None, None) is False
    assert fleischner_applies(60, False, False, None) is None
    assert fleischner_applies(35, False, False, False) is True
