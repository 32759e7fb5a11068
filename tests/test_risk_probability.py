"""Brock and Mayo: the worked examples of the papers, and the range where inputs are unknown."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.findings import PatientFacts
from models.risk import BrockInputs, brock_2a, brock_2b, brock_2b_range, brock_range, mayo
from tests.risk_terms import CALCIFIED, GROUND, PART, SOLID

# age, female, family history, emphysema, diameter, type, upper lobe, count, spiculation, 2b, 2a
BROCK = {
    "A": (62, False, False, False, 10, SOLID, False, 4, False, 0.025098338800117814, 0.028960),
    "B": (62, False, False, False, 4, SOLID, False, 4, False, 0.001125, 0.001105),
    "C": (68, True, True, True, 15, PART, True, 1, True, 0.678875, 0.555640),
    "D": (55, False, False, True, 6, SOLID, True, 2, False, 0.013264, 0.015240),
    "E": (70, True, False, False, 8, GROUND, True, 1, False, 0.063757, 0.062134),
    "F": (75, False, True, True, 25, SOLID, True, 1, True, 0.723630, 0.643037),
    "G": (50, False, False, False, 5, SOLID, False, 8, False, 0.001408, 0.001404),
}
PERSON_C = PatientFacts(age_years=68, female=True, family_history=True, emphysema=True)


@pytest.mark.parametrize("vector", BROCK.values(), ids=BROCK)
def test_brock_gives_the_published_probabilities(vector: tuple) -> None:
    *inputs, expected_2b, expected_2a = vector
    assert brock_2b(BrockInputs(*inputs)) == pytest.approx(expected_2b, abs=5e-7)
    assert brock_2a(BrockInputs(*inputs)) == pytest.approx(expected_2a, abs=5e-7)


def test_brock_2b_agrees_with_its_uncentred_form() -> None:
    # PMC6717521 Table 2: intercept 0.2761 with age, size and count not centred.
    inputs = BrockInputs(60, True, False, True, 12, SOLID, True, 3)
    x = 0.2761 + 0.0287 * 60 + 0.6011 + 0.2953 - 5.3854 * (12 / 10) ** -0.5 + 0.6581 - 0.0824 * 3
    assert brock_2b(inputs) == pytest.approx(1 / (1 + math.exp(-x)), abs=2e-5)


def test_brock_2a_ignores_spiculation() -> None:
    inputs = BrockInputs(68, True, True, True, 15, PART, True, 1)
    assert brock_2a(replace(inputs, spiculation=True)) == brock_2a(inputs)


def test_a_calcified_nodule_counts_as_solid_in_brock() -> None:
    inputs = BrockInputs(68, True, True, True, 15, SOLID, True, 1)
    assert brock_2a(replace(inputs, attenuation=CALCIFIED)) == brock_2a(inputs)


def test_a_range_with_every_input_known_is_one_number() -> None:
    found = brock_range(PERSON_C, 15, PART, True, 1)
    assert found.low == found.high == pytest.approx(0.555640, abs=5e-7)
    assert found.unknown == ()


def test_unknown_family_history_and_emphysema_span_the_range_and_are_named() -> None:
    found = brock_range(PatientFacts(age_years=68, female=True), 15, PART, True, 1)
    assert found.unknown == ("family history", "emphysema")
    assert found.low == pytest.approx(brock_2a(BrockInputs(68, True, False, False, 15, PART, True, 1)))
    assert found.high == pytest.approx(0.555640, abs=5e-7)


def test_brock_2b_spans_spiculation_where_it_is_unknown() -> None:
    found = brock_2b_range(PERSON_C, 15, PART, True, 1)
    assert found.unknown == ("spiculation",)
    assert found.low == pytest.approx(brock_2b(BrockInputs(68, True, True, True, 15, PART, True, 1)))
    assert found.high == pytest.approx(0.678875, abs=5e-7)


def test_brock_2b_with_every_input_known_is_one_number() -> None:
    found = brock_2b_range(replace(PERSON_C, spiculation=True), 15, PART, True, 1)
    assert found.low == found.high == pytest.approx(0.678875, abs=5e-7)
    assert found.unknown == ()


def test_a_third_of_the_lung_is_no_lobe_so_both_lobes_span_the_range() -> None:
    found = brock_range(PERSON_C, 15, PART, None, 1)
    assert found.unknown == ("upper lobe",)
    assert found.low == pytest.approx(brock_2a(BrockInputs(68, True, True, True, 15, PART, False, 1)))
    assert found.high == pytest.approx(0.555640, abs=5e-7)


def test_an_unknown_age_spans_the_ages_of_the_cohort() -> None:
    found = brock_range(replace(PERSON_C, age_years=None), 15, PART, True, 1)
    ends = [brock_2a(BrockInputs(age, True, True, True, 15, PART, True, 1)) for age in (50, 75)]
    assert (found.low, found.high) == pytest.approx(tuple(ends))
    assert found.unknown == ("age",)


def test_nothing_known_of_the_patient_names_all_five_unknowns() -> None:
    found = brock_range(PatientFacts(), 8, SOLID, None, 2)
    assert found.unknown == ("age", "sex", "family history", "emphysema", "upper lobe")
    assert found.low < found.high


@pytest.mark.parametrize(("diameter_mm", "count"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (8.0, 0)])
def test_brock_refuses_a_size_or_count_that_cannot_be(diameter_mm: float, count: int) -> None:
    with pytest.raises(ValueError, match=r"diameter|nodule"):
        brock_range(PERSON_C, diameter_mm, SOLID, True, count)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ((60, True, False, 10, False, True), 0.163598),
        ((70, True, True, 20, True, True), 0.917798),
        ((45, False, False, 6, False, False), 0.013343),
    ],
)
def test_mayo_gives_the_published_probabilities(inputs: tuple, expected: float) -> None:
    assert mayo(*inputs) == pytest.approx(expected, abs=5e-7)
