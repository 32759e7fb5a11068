"""Which series of a study is analysed, and why the others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from node.series.rules import SelectionRules
from node.series.selection import SeriesSummary, may_win, outranks, refusal, select

RULES = SelectionRules()
CHEST = SeriesSummary(
    series_instance_uid="1.2.1",
    modality="CT",
    is_ct=True,
    slice_count=300,
    image_types=(("ORIGINAL", "PRIMARY", "AXIAL"),),
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


def of_type(*image_type: str) -> SeriesSummary:
    return another(image_types=(image_type,))


REFUSED = {
    "not CT": (another(is_ct=False, modality="RTDOSE"), "modality RTDOSE"),
    "for processing": (another(is_ct=False, is_for_processing=True), "For Processing"),
    "localizer": (of_type("ORIGINAL", "PRIMARY", "LOCALIZER"), "Image Type holds LOCALIZER"),
    "scout of a vendor": (of_type("ORIGINAL", "PRIMARY", "SCOUT"), "Image Type holds SCOUT"),
    "screen save": (of_type("DERIVED", "SECONDARY", "SCREEN SAVE"), "Image Type holds SCREEN SAVE"),
    "dose page": (of_type("DERIVED", "SECONDARY", "OTHER", "DOSE_INFO"), "Image Type holds DOSE INFO"),
    "protocol page": (of_type("ORIGINAL", "SECONDARY", "OTHER", "CT_SOM5 PROT"), "Image Type holds SOM5 PROT"),
    "two kinds of page": (
        another(image_types=(("DERIVED", "SECONDARY", "SCREEN SAVE"), ("ORIGINAL", "PRIMARY", "LOCALIZER"))),
        "Image Type holds SCREEN SAVE",
    ),
    "too few slices": (another(slice_count=7), "7 slices, at least 8"),
}


@pytest.mark.parametrize(("one", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_can_be_no_chest_ct_is_ruled_out_with_its_reason(one: SeriesSummary, reason: str) -> None:
    said = refusal(one, RULES)
    assert said is not None
    assert reason in said
    assert "\n" not in said


TRIED = {
    "a low dose chest": CHEST,
    "nothing said": another(series_description="", body_part_examined="", image_types=()),
    "a page among slices": another(
        image_types=(("ORIGINAL", "PRIMARY", "AXIAL"), ("DERIVED", "SECONDARY", "SCREEN SAVE"))
    ),
    "low dose in Image Type": of_type("ORIGINAL", "PRIMARY", "AXIAL", "LOW_DOSE"),
    "secondary": of_type("DERIVED", "SECONDARY", "AXIAL"),
    "reformat by its type": of_type("DERIVED", "SECONDARY", "MPR", "CT_SOM5 MPR"),
    "projection by its type": of_type("DERIVED", "PRIMARY", "CSA MIP"),
    "coronal by its description": another(series_description="Thorax_COR-3mm"),
    "AIDR 3D": another(series_description="Body 1.0 CE AIDR 3D STD"),
    "bolus timing": another(series_description="PreMonitoring"),
    "sagittal by its geometry": another(tilt_degrees=90.0),
    "far apart": another(slice_distance_mm=15.0),
    "a head": another(body_part_examined="HEAD", series_description="Routine 1.0"),
    "an abdomen by its description": another(body_part_examined="", series_description="Abdomen 3.0"),
    "slices that make no volume": another(obstacle=("SLICE_GAP", "a slice is missing")),
}


@pytest.mark.parametrize("one", TRIED.values(), ids=TRIED)
def test_words_alone_rule_nothing_out(one: SeriesSummary) -> None:
    assert refusal(one, RULES) is None
    selection = select([one], RULES)
    assert (selection.chosen, selection.candidates) == (one.series_instance_uid, (one.series_instance_uid,))


@pytest.mark.parametrize(
    ("one", "remark"),
    [
        (TRIED["a head"], "Body Part Examined names another part of the body than the chest"),
        (TRIED["an abdomen by its description"], "Series Description names another part of the body"),
        (
            another(body_part_examined="", series_description="", protocol_name="CCT Kopf"),
            "Protocol Name names another",
        ),
        (TRIED["bolus timing"], "Series Description speaks of bolus tracking"),
        (TRIED["projection by its type"], "Image Type speaks of a scout, page or projection"),
        (another(patient_position="HFP"), "Patient Position speaks of a patient who lies prone"),
        (TRIED["secondary"], "Image Type says SECONDARY"),
    ],
)
def test_what_speaks_against_a_series_that_is_tried_is_remarked(one: SeriesSummary, remark: str) -> None:
    (said,) = select([one], RULES).remarks[one.series_instance_uid]
    assert remark in said
    assert said.endswith("the pixels were looked at all the same")


def test_nothing_is_remarked_of_a_plain_chest() -> None:
    assert select([CHEST], RULES).remarks == {"1.2.1": ()}


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
    "original before derived": (CHEST, of_type("DERIVED", "PRIMARY", "AXIAL"), "this one is derived"),
    "whole before a series with a gap, however thin": (
        replace(CHEST, resolution_mm=5.0),
        another(obstacle=("SLICE_GAP", "a slice is missing at 12 mm")),
        "this one makes no volume (SLICE_GAP: a slice is missing at 12 mm)",
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
    short, scout = (
        another(slice_count=5),
        replace(of_type("ORIGINAL", "PRIMARY", "LOCALIZER"), series_instance_uid="1.2.1"),
    )
    dose = another(series_instance_uid="1.2.3", is_ct=False, modality="SR", slice_count=0)
    selection = select([short, scout, dose], RULES)
    assert selection.chosen is None
    assert selection.nearest == scout.series_instance_uid
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


def test_a_series_that_is_ruled_out_or_behind_by_its_words_outranks_nothing() -> None:
    thick = replace(CHEST, resolution_mm=5.0)
    assert not outranks(another(slice_count=7, resolution_mm=0.5), thick, RULES)
    assert not outranks(another(series_description="MPR", resolution_mm=0.5), thick, RULES)


def test_a_better_phase_alone_is_not_analysed_again() -> None:
    assert not outranks(another(series_description="4D 0%"), replace(CHEST, series_description="4D 50%"), RULES)


ARRIVING = {
    "an equal": (another(slice_count=1, resolution_mm=None, thickness_mm=1.0, obstacle=("TOO_FEW_SLICES", "")), True),
    "a thinner one of which few slices are here": (
        another(slice_count=3, slice_distance_mm=7.0, resolution_mm=7.0, thickness_mm=0.6),
        True,
    ),
    "a localizer": (of_type("ORIGINAL", "PRIMARY", "LOCALIZER"), False),
    "a thicker one": (another(slice_count=1, thickness_mm=5.0, resolution_mm=5.0), False),
    "a coronal reformat": (another(series_description="Thorax cor", slice_count=2, thickness_mm=1.0), False),
    "an abdomen": (another(series_description="Abdomen", slice_count=2, thickness_mm=1.0), False),
    "a worse kernel": (another(convolution_kernel="Bl57d", slice_count=2, thickness_mm=1.0), False),
}


@pytest.mark.parametrize(("one", "waited"), ARRIVING.values(), ids=ARRIVING)
def test_a_series_that_is_arriving_is_waited_for_if_it_may_be_no_worse(one: SeriesSummary, waited: bool) -> None:
    assert may_win(one, CHEST, RULES) is waited
    assert may_win(one, None, RULES) is (refusal(replace(one, slice_count=8), RULES) is None)


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


def test_a_settings_file_of_before_still_rules_out_what_it_names() -> None:
    values = {"excluded_image_types": ["MPR", "SECONDARY"], "excluded_descriptions": [r"\b(mpr|3d)\b"]}
    rules = TypeAdapter(SelectionRules).validate_python(values)
    assert "MPR" in (refusal(of_type("DERIVED", "PRIMARY", "CT_SOM5 MPR"), rules) or "")
    assert "excluded pattern" in (refusal(another(series_description="Lung 3D"), rules) or "")


@pytest.mark.parametrize(
    "values",
    [
        {"excluded_descriptions": ["(mpr"]},
        {"preferences": [{"name": "x", "reason": "y", "words": ["(x"]}]},
        {"pictures": [{"name": "x", "reason": "y", "words": ["x"], "where": ["patient_name"]}]},
        {"min_slices": 0},
        {"slice_classes_mm": [3.0, 1.5]},
        {"max_tilt_degrees": 120},
    ],
)
def test_rules_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"regular expression|positive|ascend|none of"):
        TypeAdapter(SelectionRules).validate_python(values)
