"""Detection measured as LUNA16 does, on the toy vector of the rules and on their border cases."""

from __future__ import annotations

import numpy as np
import pytest

from training.errors import TrainingError
from training.evaluation.froc import Annotation, Froc, Mark, bootstrap, froc

SERIES = ("s1", "s2", "s3", "s4")
INCLUDED = (
    Annotation("s1", (0, 0, 0), 10),
    Annotation("s1", (50, 0, 0), 6),
    Annotation("s2", (0, 0, 0), 8),
    Annotation("s3", (10, 10, 10), 20),
)
EXCLUDED = (Annotation("s2", (40, 0, 0), -1), Annotation("s4", (0, 0, 0), 4))
MARKS = (
    Mark("s1", (1, 1, 1), 0.95),
    Mark("s1", (2, 0, 0), 0.90),
    Mark("s1", (53, 0, 0), 0.80),
    Mark("s1", (100, 0, 0), 0.70),
    Mark("s2", (0, 3.9, 0), 0.60),
    Mark("s2", (44, 0, 0), 0.99),
    Mark("s2", (-30, 0, 0), 0.85),
    Mark("s3", (10, 10, 19), 0.40),
    Mark("s3", (-50, 0, 0), 0.30),
    Mark("s4", (1, 0, 0), 0.97),
    Mark("s4", (60, 0, 0), 0.50),
)


@pytest.fixture
def toy() -> Froc:
    return froc(INCLUDED, EXCLUDED, MARKS, SERIES)


def test_toy_vector_counts(toy: Froc) -> None:
    counts = (toy.true_positives, toy.false_negatives, toy.false_positives, toy.ignored, toy.doubles)
    assert counts == (3, 1, 5, 2, 1)


def test_toy_vector_curve(toy: Froc) -> None:
    assert toy.curve.fps.tolist() == [0, 0, 0.25, 0.5, 0.75, 0.75, 1, 1, 1.25]
    assert toy.curve.sensitivity.tolist() == [0, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    assert toy.curve.threshold.tolist() == [np.inf, 0.95, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]


def test_toy_vector_operating_points_and_cpm(toy: Froc) -> None:
    points = toy.sensitivity_at((0.125, 0.25, 0.5, 1, 2, 4, 8))
    assert points.tolist() == [0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75]
    assert toy.cpm == pytest.approx(0.535714, abs=5e-7)


def test_mark_at_exactly_the_radius_misses(toy: Froc) -> None:
    assert [place.center_mm for scan in toy.scans for place in scan.missed] == [(50, 0, 0)]
    assert (53, 0, 0) in [mark.center_mm for scan in toy.scans for mark in scan.false_marks]


def test_unknown_diameter_counts_as_ten_millimetres() -> None:
    excluded = (Annotation("s1", (0, 0, 0), -1),)
    included = (Annotation("s1", (90, 0, 0), 5),)
    inside, at_5_mm = (froc(included, excluded, [Mark("s1", (x, 0, 0), 0.5)], ["s1"]) for x in (4.99, 5.0))
    assert (inside.ignored, inside.false_positives) == (1, 0)
    assert (at_5_mm.ignored, at_5_mm.false_positives) == (0, 1)


def test_of_more_than_a_hundred_marks_those_tied_with_the_101st_are_lost() -> None:
    included = (Annotation("s1", (0, 0, 0), 10),)
    strong = [Mark("s1", (100.0 + n, 0, 0), 0.9) for n in range(60)]
    tied = [Mark("s1", (300.0 + n, 0, 0), 0.5) for n in range(60)]
    nodule = Mark("s1", (0, 0, 0), 0.5)
    assert froc(included, (), [*strong, *tied, nodule], ["s1"]).false_positives == 60
    assert froc(included, (), [*strong, *tied, nodule], ["s1"]).true_positives == 0
    hundred = froc(included, (), [*strong, *tied[:39], nodule], ["s1"])
    assert (hundred.false_positives, hundred.true_positives) == (99, 1)


def test_one_mark_on_two_overlapping_nodules_finds_both() -> None:
    included = (Annotation("s1", (0, 0, 0), 10), Annotation("s1", (2, 0, 0), 10))
    result = froc(included, (), [Mark("s1", (1, 0, 0), 0.5)], ["s1"])
    assert (result.true_positives, result.false_positives, result.doubles) == (2, 0, 0)


def test_mark_on_an_included_and_an_excluded_place_finds_the_included() -> None:
    place = Annotation("s1", (0, 0, 0), 10)
    result = froc([place], [place], [Mark("s1", (1, 0, 0), 0.5)], ["s1"])
    assert (result.true_positives, result.ignored) == (1, 0)


def test_missed_nodules_stay_in_the_denominator_at_every_threshold() -> None:
    included = (Annotation("s1", (0, 0, 0), 10), Annotation("s1", (50, 0, 0), 10))
    result = froc(included, (), [Mark("s1", (0, 0, 0), 0.5), Mark("s1", (90, 0, 0), 0.4)], ["s1"])
    assert result.curve.sensitivity.max() == 0.5


def test_detector_without_a_false_positive_has_a_flat_curve() -> None:
    result = froc(INCLUDED[:1], (), [Mark("s1", (0, 0, 0), 0.5)], ["s1"])
    assert result.cpm == 1.0


def test_detector_that_marks_nothing_finds_nothing() -> None:
    assert froc(INCLUDED, EXCLUDED, (), SERIES).cpm == 0.0


def test_scans_outside_the_list_are_left_out() -> None:
    result = froc(INCLUDED, EXCLUDED, MARKS, ["s1"])
    assert (result.nodules, result.true_positives, result.false_positives) == (2, 1, 2)


def test_bootstrap_takes_the_percentiles_by_the_index_rounded_down(toy: Froc) -> None:
    """Drawn here once more by hand: whole scans, sorted, elements 25 and 975 of 1000."""
    found = bootstrap(toy, np.random.default_rng(7))
    rng, at_one = np.random.default_rng(7), []
    while len(at_one) < 1000:
        drawn = [SERIES[index] for index in rng.integers(4, size=4)]
        renamed = [(name, f"copy{number}") for number, name in enumerate(drawn)]
        included = [
            Annotation(new, a.center_mm, a.diameter_mm) for old, new in renamed for a in INCLUDED if a.series == old
        ]
        if not included:
            continue
        excluded = [
            Annotation(new, a.center_mm, a.diameter_mm) for old, new in renamed for a in EXCLUDED if a.series == old
        ]
        marks = [Mark(new, m.center_mm, m.probability) for old, new in renamed for m in MARKS if m.series == old]
        at_one.append(froc(included, excluded, marks, [new for _, new in renamed]).sensitivity_at(found.fps[4000]))
    ordered = np.sort(at_one)
    assert found.low[4000] == ordered[25]
    assert found.high[4000] == ordered[975]
    assert found.mean[4000] == pytest.approx(ordered.mean())


def test_bootstrap_covers_an_eighth_to_eight_false_positives_and_brackets_the_cpm(toy: Froc) -> None:
    found = bootstrap(toy, np.random.default_rng(0), resamples=200)
    assert (len(found.fps), found.fps[0], found.fps[-1]) == (10_000, 0.125, 8.0)
    assert found.cpm_low < toy.cpm < found.cpm_high
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_same_seed_gives_the_same_interval(toy: Froc) -> None:
    first, second = (bootstrap(toy, np.random.default_rng(3), resamples=50) for _ in range(2))
    assert (first.cpm_low, first.cpm_high) == (second.cpm_low, second.cpm_high)


@pytest.mark.parametrize(
    ("included", "marks", "series", "word"),
    [
        ((), MARKS, SERIES, "no nodule"),
        (INCLUDED, MARKS, (), "no nodule"),
        (INCLUDED, MARKS, ("s1", "s1"), "twice"),
        (INCLUDED, (Mark("s1", (0, 0, 0), float("nan")),), SERIES, "not a number"),
    ],
)
def test_what_cannot_be_measured_is_an_error(
    included: tuple[Annotation, ...], marks: tuple[Mark, ...], series: tuple[str, ...], word: str
) -> None:
    with pytest.raises(TrainingError, match=word):
        froc(included, (), marks, series)
