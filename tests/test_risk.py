"""The worked examples of the papers and guidelines; every figure is one that a person could check by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.findings import Attenuation, LungRads, LungRadsCategory, PatientFacts
from models.growth import sphere_volume_mm3, to_tenth_mm, to_whole_mm, to_whole_mm3
from models.risk import (
    Airway,
    BrockInputs,
    Course,
    ScreenedNodule,
    Size,
    assess_exam,
    assess_nodule,
    brock_2a,
    brock_2b,
    brock_range,
    course_of,
    diameter_doubling_time_days,
    fleischner_2017,
    fleischner_applies,
    mayo,
    mean_diameter_mm,
    volume_doubling_time_days,
)

SOLID, PART, GROUND, CALCIFIED = (
    Attenuation.SOLID,
    Attenuation.PART_SOLID,
    Attenuation.GROUND_GLASS,
    Attenuation.CALCIFIED,
)
BASELINE, NEW, GROWING, SLOW, STABLE = (
    Course.BASELINE,
    Course.NEW,
    Course.GROWING,
    Course.SLOWLY_GROWING,
    Course.STABLE,
)
C = LungRadsCategory

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


# --- sizes and growth


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


# --- Lung-RADS v2022


def nodule(
    attenuation: Attenuation, mm: float, course: Course = BASELINE, solid: float | None = None, **known: object
) -> ScreenedNodule:
    solid_size = None if solid is None else Size(solid)
    return ScreenedNodule(attenuation, Size(mm), course, solid_size, **known)  # type: ignore[arg-type]


WORKED = {
    "baseline solid 7.0": (nodule(SOLID, 7.0), C.PROBABLY_BENIGN),
    "baseline solid 10.0": (nodule(SOLID, 10.0), C.SUSPICIOUS_4A),
    "baseline solid 18.0": (nodule(SOLID, 18.0), C.SUSPICIOUS_4B),
    "baseline solid 18.0, spiculated": (nodule(SOLID, 18.0, spiculated=True), C.SUSPICIOUS_4X),
    "baseline solid 5.9": (nodule(SOLID, 5.9), C.BENIGN),
    "baseline solid 5.9, spiculated": (nodule(SOLID, 5.9, spiculated=True), C.BENIGN),
    "baseline solid 5.95 rounds to 6.0": (nodule(SOLID, 5.95), C.PROBABLY_BENIGN),
    "baseline solid 8.0": (nodule(SOLID, 8.0), C.SUSPICIOUS_4A),
    "baseline solid 15.0": (nodule(SOLID, 15.0), C.SUSPICIOUS_4B),
    "new solid 3.9": (nodule(SOLID, 3.9, NEW), C.BENIGN),
    "new solid 4.0": (nodule(SOLID, 4.0, NEW), C.PROBABLY_BENIGN),
    "new solid 6.0": (nodule(SOLID, 6.0, NEW), C.SUSPICIOUS_4A),
    "new solid 8.0": (nodule(SOLID, 8.0, NEW), C.SUSPICIOUS_4B),
    "growing solid 7.9": (nodule(SOLID, 7.9, GROWING), C.SUSPICIOUS_4A),
    "growing solid 8.0": (nodule(SOLID, 8.0, GROWING), C.SUSPICIOUS_4B),
    "part-solid 8 with 7.0 solid": (nodule(PART, 8.0, solid=7.0), C.SUSPICIOUS_4A),
    "part-solid 9 with 5 solid": (nodule(PART, 9.0, solid=5.0), C.PROBABLY_BENIGN),
    "part-solid 12 with 8.0 solid": (nodule(PART, 12.0, solid=8.0), C.SUSPICIOUS_4B),
    "part-solid 5.5": (nodule(PART, 5.5, solid=3.0), C.BENIGN),
    "part-solid 5.5, solid component unknown": (nodule(PART, 5.5), C.BENIGN),
    "new part-solid 5.0 with 2.0": (nodule(PART, 5.0, NEW, 2.0), C.PROBABLY_BENIGN),
    "new part-solid 7.0 with 3.0": (nodule(PART, 7.0, NEW, 3.0), C.SUSPICIOUS_4A),
    "new part-solid 7.0 with 4.0": (nodule(PART, 7.0, NEW, 4.0), C.SUSPICIOUS_4B),
    "new part-solid 5.0 with 4.5 takes the higher of two rows": (nodule(PART, 5.0, NEW, 4.5), C.SUSPICIOUS_4B),
    "growing part-solid, solid part growing to 3": (
        nodule(PART, 9.0, GROWING, 3.0, solid_component_grew=True),
        C.SUSPICIOUS_4A,
    ),
    "growing part-solid, solid part growing to 4": (
        nodule(PART, 9.0, GROWING, 4.0, solid_component_grew=True),
        C.SUSPICIOUS_4B,
    ),
    "ground glass 29.9": (nodule(GROUND, 29.9), C.BENIGN),
    "ground glass 30.0": (nodule(GROUND, 30.0), C.PROBABLY_BENIGN),
    "growing ground glass 20": (nodule(GROUND, 20.0, GROWING), C.BENIGN),
    "new ground glass 35": (nodule(GROUND, 35.0, NEW), C.PROBABLY_BENIGN),
    "stable ground glass 35": (nodule(GROUND, 35.0, STABLE), C.BENIGN),
    "slowly growing ground glass 35": (nodule(GROUND, 35.0, SLOW), C.BENIGN),
    "ground glass growing across 30": (nodule(GROUND, 31.0, GROWING, previous_size=Size(28.0)), C.PROBABLY_BENIGN),
    "segmental airway, baseline": (nodule(SOLID, 5.0, airway=Airway.SEGMENTAL), C.SUSPICIOUS_4A),
    "segmental airway, stable": (nodule(SOLID, 5.0, STABLE, airway=Airway.SEGMENTAL), C.SUSPICIOUS_4B),
    "segmental airway, growing": (nodule(SOLID, 5.0, GROWING, airway=Airway.SEGMENTAL), C.SUSPICIOUS_4B),
    "subsegmental airway, new": (nodule(SOLID, 9.0, NEW, airway=Airway.SUBSEGMENTAL), C.BENIGN),
    "a 3 that is stable at 6 months": (
        nodule(SOLID, 7.0, STABLE, previous_category=C.PROBABLY_BENIGN, months_since_previous=6),
        C.BENIGN,
    ),
    "a 3 that is stable at 3 months": (
        nodule(SOLID, 7.0, STABLE, previous_category=C.PROBABLY_BENIGN, months_since_previous=3),
        C.PROBABLY_BENIGN,
    ),
    "a 4A that is stable at 3 months": (
        nodule(SOLID, 9.0, STABLE, previous_category=C.SUSPICIOUS_4A, months_since_previous=3),
        C.PROBABLY_BENIGN,
    ),
    "a stable 2 that was stepped down before": (
        nodule(SOLID, 7.0, STABLE, previous_category=C.BENIGN, months_since_previous=12, previous_size=Size(7.0)),
        C.BENIGN,
    ),
    "not growing, but across a threshold": (
        nodule(SOLID, 6.2, STABLE, previous_category=C.BENIGN, months_since_previous=12, previous_size=Size(5.5)),
        C.PROBABLY_BENIGN,
    ),
    "popcorn-calcified 8": (nodule(CALCIFIED, 8.0, benign_calcification=True), C.NEGATIVE),
    "calcified 8 of no benign pattern": (nodule(CALCIFIED, 8.0, benign_calcification=False), C.SUSPICIOUS_4A),
    "juxtapleural smooth 9.9": (nodule(SOLID, 9.9, NEW, juxtapleural_smooth=True), C.BENIGN),
    "juxtapleural smooth 10.0": (nodule(SOLID, 10.0, juxtapleural_smooth=True), C.SUSPICIOUS_4A),
}


@pytest.mark.parametrize(("one", "category"), WORKED.values(), ids=WORKED)
def test_lung_rads_worked_example(one: ScreenedNodule, category: LungRadsCategory) -> None:
    found = assess_nodule(one)
    assert found.category is category, found.basis
    assert found.possible == ()


UNDETERMINED = {
    "new segmental airway nodule": (
        nodule(SOLID, 5.0, NEW, airway=Airway.SEGMENTAL),
        (C.SUSPICIOUS_4A, C.SUSPICIOUS_4B),
        "ambiguous",
    ),
    "part-solid grew, its solid component did not": (
        nodule(PART, 9.0, GROWING, 3.0, solid_component_grew=False),
        (C.PROBABLY_BENIGN, C.SUSPICIOUS_4A),
        "without growth of the solid component",
    ),
    "part-solid grew, of the solid component nothing is known": (
        nodule(PART, 9.0, GROWING, 3.0),
        (C.PROBABLY_BENIGN, C.SUSPICIOUS_4A),
        "not known",
    ),
    "small part-solid whose small solid component grew": (
        nodule(PART, 5.0, GROWING, 3.0, solid_component_grew=True),
        (C.BENIGN, C.SUSPICIOUS_4A),
        "no row",
    ),
    "part-solid 7 without a solid measurement": (
        nodule(PART, 7.0),
        (C.PROBABLY_BENIGN, C.SUSPICIOUS_4A),
        "not measured",
    ),
    "new part-solid 5 without a solid measurement": (
        nodule(PART, 5.0, NEW),
        (C.PROBABLY_BENIGN, C.SUSPICIOUS_4B),
        "not measured",
    ),
    "calcified 8, pattern not measured": (
        nodule(CALCIFIED, 8.0),
        (C.NEGATIVE, C.SUSPICIOUS_4A),
        "popcorn",
    ),
    "calcified 4, pattern not measured": (nodule(CALCIFIED, 4.0), (C.NEGATIVE, C.BENIGN), "pattern"),
    "slowly growing solid": (nodule(SOLID, 7.0, SLOW), (C.PROBABLY_BENIGN, C.SUSPICIOUS_4B), "slow growth"),
    "ground glass of 32 growing further": (
        nodule(GROUND, 36.0, GROWING, previous_size=Size(32.0)),
        (C.PROBABLY_BENIGN, C.SUSPICIOUS_4X),
        "doubled",
    ),
    "stable, category at the last screen unknown": (
        nodule(SOLID, 7.0, STABLE),
        (C.BENIGN, C.PROBABLY_BENIGN, C.SUSPICIOUS_4A),
        "not known",
    ),
}


@pytest.mark.parametrize(("one", "possible", "why"), UNDETERMINED.values(), ids=UNDETERMINED)
def test_lung_rads_is_undetermined_rather_than_guessed(
    one: ScreenedNodule, possible: tuple[LungRadsCategory, ...], why: str
) -> None:
    found = assess_nodule(one)
    assert found.category is None
    assert found.possible == possible
    assert why in found.basis
    assert found.basis.startswith(f"may be {possible[0]} or ")


def test_conflicting_rows_are_flagged_for_review() -> None:
    assert "please review" in assess_nodule(nodule(PART, 5.0, NEW, 4.5)).basis


@pytest.mark.parametrize(
    ("mm3", "category"),
    [
        (112.4, C.BENIGN),
        (113, C.PROBABLY_BENIGN),
        (267.4, C.PROBABLY_BENIGN),
        (268, C.SUSPICIOUS_4A),
        (1766.4, C.SUSPICIOUS_4A),
        (1767, C.SUSPICIOUS_4B),
    ],
)
def test_volume_thresholds_serve_where_no_diameter_is_known(mm3: float, category: LungRadsCategory) -> None:
    assert assess_nodule(ScreenedNodule(SOLID, Size(volume_mm3=mm3))).category is category


def test_the_diameter_decides_where_both_are_known() -> None:
    assert assess_nodule(ScreenedNodule(SOLID, Size(5.9, 300.0))).category is C.BENIGN


def test_an_exam_without_nodules_is_negative() -> None:
    assert assess_exam([]).category is C.NEGATIVE


def test_an_exam_is_its_most_suspicious_nodule() -> None:
    found = assess_exam(map(assess_nodule, [nodule(SOLID, 4.0), nodule(SOLID, 10.0), nodule(GROUND, 12.0)]))
    assert found.category is C.SUSPICIOUS_4A
    assert "10.0 mm" in found.basis


def test_an_exam_is_undetermined_while_a_calcified_nodule_may_lead() -> None:
    found = assess_exam(map(assess_nodule, [nodule(SOLID, 4.0), nodule(CALCIFIED, 8.0)]))
    assert found.category is None
    assert found.possible == (C.BENIGN, C.SUSPICIOUS_4A)
    assert "calcified 8.0 mm" in found.basis


def test_an_exam_is_determined_when_the_undetermined_nodule_cannot_lead() -> None:
    found = assess_exam(map(assess_nodule, [nodule(SOLID, 10.0), nodule(CALCIFIED, 5.0)]))
    assert found.category is C.SUSPICIOUS_4A
    assert "baseline solid 10.0 mm" in found.basis


def test_a_nodule_that_does_not_say_what_it_may_be_leaves_the_exam_undetermined() -> None:
    assert assess_exam([LungRads(None, "not assessed"), LungRads(C.BENIGN, "small")]).category is None


# --- Fleischner 2017


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
