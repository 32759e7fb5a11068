"""Lung-RADS v2022: the worked examples of the guideline, and where it leaves the category open."""

from __future__ import annotations

import pytest

from models.findings import Attenuation, LungRads, LungRadsCategory
from models.risk import Airway, Course, ScreenedNodule, Size, assess_exam, assess_nodule
from tests.risk_terms import BASELINE, CALCIFIED, GROUND, GROWING, NEW, PART, SLOW, SOLID, STABLE, C


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
