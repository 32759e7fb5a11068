"""Which series of a study is analysed, and why the others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from node.series.rules import SelectionRules
from node.series.selection import SeriesSummary, outranks, refusal, select

RULES = SelectionRules()
CHEST = SeriesSummary(
    series_instance_uid="1.2.1",
    modality="CT",
    is_ct=True,
    slice_count=300,
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    tilt_degrees=0.0,
    slice_distance_mm=1.0,
    resolution_mm=1.0,
    extent_mm=299.0,
    convolution_kernel="Br40d",
    series_description="Thorax 1.0 Br40",
    body_part_examined="CHEST",
    series_number=2,
)


def another(**changes: object) -> SeriesSummary:
    return replace(CHEST, **{"series_instance_uid": "1.2.2", "series_number": 3} | changes)  # type: ignore[arg-type]


def loser_reason(best: SeriesSummary, other: SeriesSummary) -> str:
    """Select among two in both orders; the same one must win, and the other one gets a reason."""
    for order in ([best, other], [other, best]):
        selection = select(order, RULES)
        assert selection.chosen == best.series_instance_uid
        assert set(selection.reasons) == {other.series_instance_uid}
    return selection.reasons[other.series_instance_uid]


REFUSED = {
    "not CT": (another(is_ct=False, modality="RTDOSE"), "modality RTDOSE"),
    "localizer": (another(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "Image Type holds LOCALIZER"),
    "reformat by its type": (
        another(image_type=("DERIVED", "SECONDARY", "MPR", "CT_SOM5 MPR")),
        "Image Type holds MPR",
    ),
    "a word inside a value": (another(image_type=("DERIVED", "PRIMARY", "CSA MIP")), "Image Type holds MIP"),
    "coronal by its description": (another(series_description="Thorax_COR-3mm"), "Series Description fits"),
    "scout": (another(series_description="SCOUT"), "Series Description fits"),
    "topogram": (another(series_description="Topogram  0.6  T20f"), "Series Description fits"),
    "dose page": (another(series_description="Dose Report"), "Series Description fits"),
    "patient protocol": (another(series_description="Patient Protocol"), "Series Description fits"),
    "screen save": (another(series_description="Screen Save"), "Series Description fits"),
    "thick MIP": (another(series_description="CHEST MIP 8mm"), "Series Description fits"),
    "bolus timing": (another(series_description="PreMonitoring"), "Series Description fits"),
    "too few slices": (another(slice_count=7), "7 slices, at least 8"),
    "sagittal by its geometry": (another(tilt_degrees=90.0), "tilted by 90 degrees, at most 45"),
    "far apart": (another(slice_distance_mm=15.0), "slices 15.0 mm apart, at most 12 mm"),
    "a head": (another(body_part_examined="HEAD", series_description="Cerebrum"), "Body Part Examined is HEAD"),
    "an abdomen by its description": (
        another(body_part_examined="", series_description="Abdomen 3.0"),
        "Series Description names another part",
    ),
}


@pytest.mark.parametrize(("one", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_can_be_no_chest_ct_is_ruled_out_with_its_reason(one: SeriesSummary, reason: str) -> None:
    said = refusal(one, RULES)
    assert said is not None
    assert reason in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "one",
    [
        another(series_description="LOW DOSE CHEST"),
        another(series_description="Thorax CORONARY included"),
        another(body_part_examined="", series_description=""),
        another(body_part_examined="ABDOMEN", series_description="Chest Abdomen Pelvis"),
        another(body_part_examined="CHEST_TO_PELVIS"),
        another(image_type=()),
        another(tilt_degrees=25.0),
        another(tilt_degrees=None),
        another(slice_distance_mm=8.0, resolution_mm=8.0, slice_count=30),
    ],
    ids=lambda one: f"{one.series_description}/{one.body_part_examined}/{one.tilt_degrees}",
)
def test_what_may_be_a_chest_ct_is_not_ruled_out(one: SeriesSummary) -> None:
    assert refusal(one, RULES) is None


PREFERRED = {
    "thinner": (CHEST, another(resolution_mm=5.0, slice_distance_mm=5.0), "1.00 mm slices, 5.00 mm here"),
    "thin and sharp before thick and medium": (
        another(convolution_kernel="Br60f"),
        replace(CHEST, resolution_mm=5.0),
        "1.00 mm slices, 5.00 mm here",
    ),
    "medium kernel before sharp within a class": (
        replace(CHEST, resolution_mm=1.25),
        another(convolution_kernel="Bl57d"),
        "kernel Br40d is better for measuring than Bl57d",
    ),
    "soft before sharp": (
        replace(CHEST, convolution_kernel="SOFT"),
        another(convolution_kernel="LUNG"),
        "kernel SOFT",
    ),
    "sharp before unknown": (
        replace(CHEST, convolution_kernel="LUNG"),
        another(convolution_kernel="WHATEVER"),
        "kernel LUNG",
    ),
    "original before derived": (CHEST, another(image_type=("DERIVED", "PRIMARY", "AXIAL")), "this one is derived"),
    "whole before a series with a gap, however thin": (
        replace(CHEST, resolution_mm=5.0),
        another(gap_count=1),
        "1 gaps and 0 duplicate slices",
    ),
    "chest before unnamed": (CHEST, another(body_part_examined="", series_description=""), "says chest"),
    "longer scan": (CHEST, another(extent_mm=200.0), "over 299 mm, here 1.00 mm over 200 mm"),
    "a little thinner": (CHEST, another(resolution_mm=1.25), "1.00 mm slices"),
    "alike: the lower number": (CHEST, another(), "alike"),
}


@pytest.mark.parametrize(("best", "other", "reason"), PREFERRED.values(), ids=PREFERRED)
def test_the_better_series_is_chosen_and_the_other_says_why_not(
    best: SeriesSummary, other: SeriesSummary, reason: str
) -> None:
    said = loser_reason(best, other)
    assert reason in said
    assert said.startswith(f"series {best.series_number} is preferred")


@pytest.mark.parametrize(
    ("kernel", "group"),
    [
        *[
            (kernel, 0)
            for kernel in ("STANDARD", "Standard", "CHEST", "B30f", "B40f", "I40f\\3", "Br44d", "B", "C", "FC08")
        ],
        *[(kernel, 1) for kernel in ("SOFT", "B19f", "B20f", "A")],
        *[(kernel, 2) for kernel in ("LUNG", "BONEPLUS", "B70f", "B60s", "Bl57d", "L", "YA", "FC51", "EDGE")],
        *[(kernel, 3) for kernel in ("", "WHATEVER")],
    ],
)
def test_kernels_of_the_vendors_stand_in_their_group(kernel: str, group: int) -> None:
    assert RULES.kernel_group(kernel) == group


def test_nothing_suitable_names_the_nearest_series_for_the_notice() -> None:
    short, head = another(slice_count=5), replace(CHEST, body_part_examined="HEAD", series_description="")
    dose = another(series_instance_uid="1.2.3", is_ct=False, modality="SR", slice_count=0)
    selection = select([short, head, dose], RULES)
    assert selection.chosen is None
    assert selection.nearest == head.series_instance_uid
    assert set(selection.reasons) == {"1.2.1", "1.2.2", "1.2.3"}


def test_a_study_without_ct_has_no_nearest_series() -> None:
    selection = select([another(is_ct=False, modality="MR")], RULES)
    assert (selection.chosen, selection.nearest) == (None, None)


def test_the_nodes_own_results_are_never_analysed() -> None:
    selection = select([CHEST], RULES, own_series={CHEST.series_instance_uid})
    assert (selection.chosen, selection.nearest) == (None, None)
    assert selection.reasons == {"1.2.1": "a result of this node"}


def test_a_thinner_series_that_comes_later_is_analysed_as_well() -> None:
    thick = another(resolution_mm=5.0)
    assert outranks(CHEST, thick, RULES)
    assert not outranks(thick, CHEST, RULES)


def test_a_series_that_is_merely_alike_is_not_analysed_again() -> None:
    assert not outranks(another(), CHEST, RULES)
    assert not outranks(replace(CHEST, series_instance_uid="1.2.0", series_number=1), another(), RULES)
    assert not outranks(another(resolution_mm=0.8), CHEST, RULES)


def test_a_series_that_is_ruled_out_outranks_nothing() -> None:
    assert not outranks(another(series_description="MPR", resolution_mm=0.5), replace(CHEST, resolution_mm=5.0), RULES)


def test_a_site_can_change_the_rules() -> None:
    sharp_first = SelectionRules(kernel_groups=((r"B7\d.*",), (r"B4\d.*",)))
    pair = [replace(CHEST, convolution_kernel="B40f"), another(convolution_kernel="B70f")]
    assert select(pair, RULES).chosen == "1.2.1"
    assert select(pair, sharp_first).chosen == "1.2.2"


def test_rules_come_out_of_plain_settings() -> None:
    values = {"min_slices": 20, "kernel_groups": [["LUNG"], ["STANDARD"]], "excluded_descriptions": ["old"]}
    rules = TypeAdapter(SelectionRules).validate_python(values)
    assert rules.kernel_groups == (("LUNG",), ("STANDARD",))
    assert (rules.min_slices, rules.max_slice_distance_mm) == (20, 12.0)


@pytest.mark.parametrize(
    "values",
    [
        {"excluded_descriptions": ["(mpr"]},
        {"min_slices": 0},
        {"slice_classes_mm": [3.0, 1.5]},
        {"max_tilt_degrees": 120},
    ],
)
def test_rules_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"regular expression|positive|ascend"):
        TypeAdapter(SelectionRules).validate_python(values)
