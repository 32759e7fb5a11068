"""When a series is ready, which one of a study, and why the others are not."""

from __future__ import annotations

from typing import Any

import pytest

from node.series.instances import InstanceHeader
from node.series.selection import NO_SUITABLE_SERIES
from node.series.states import SeriesState
from tests.tasks_rig import SR, START, Node, analysed, at, ct_slice, node_with_ledger, slices

node = pytest.fixture(node_with_ledger)


def test_a_whole_series_is_ready_at_once_when_its_association_is_released(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.open_associations = {"a1"}
    node.complete(at(1))
    assert node.series("1.1").state is SeriesState.RECEIVING
    node.open_associations = set()
    node.complete(at(2))
    assert node.series("1.1").state is SeriesState.READY
    assert "without gap" in (node.series("1.1").completeness or "")


def test_a_series_without_its_middle_slice_waits_for_quiet(node: Node) -> None:
    node.receive([one for one in slices("1.1") if one.instance_number != 20][:20] + slices("1.1")[21:], START)
    node.complete(at(59))
    assert node.series("1.1").state is SeriesState.RECEIVING
    node.complete(at(60))
    assert node.series("1.1").state is SeriesState.READY


@pytest.mark.parametrize("seen", [True, None], ids=["lungs are cut", "nobody could look"])
def test_a_series_that_may_go_on_waits_for_quiet(node: Node, seen: bool | None) -> None:
    node.ends_cut_lungs = seen
    node.receive(slices("1.1"), START)
    node.complete(at(59))
    assert node.series("1.1").state is SeriesState.RECEIVING
    node.complete(at(60))
    assert node.series("1.1").state is SeriesState.READY


def test_the_thinner_series_of_a_study_is_analysed_and_the_other_has_a_reason(node: Node) -> None:
    thick = [ct_slice("1.1", n, image_position_patient=(0.0, 0.0, 5.0 * n), slice_thickness_mm=5.0) for n in range(40)]
    node.receive(thick, START)
    node.receive(slices("1.2", series_number=4), START)
    node.complete(at(1))
    assert node.series("1.2").state is SeriesState.READY
    assert node.series("1.1").state is SeriesState.SKIPPED
    assert "series 4 is preferred" in (node.series("1.1").reason or "")


def test_a_localizer_that_is_still_waiting_holds_nothing_up(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.receive([ct_slice("1.2", 0, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))], START)
    node.complete(at(1))
    assert node.series("1.1").state is SeriesState.READY
    node.complete(at(61))
    assert node.series("1.2").state is SeriesState.SKIPPED
    assert "LOCALIZER" in (node.series("1.2").reason or "")


def test_a_structured_report_in_the_study_disturbs_nothing(node: Node) -> None:
    node.receive([InstanceHeader("1.3.1", SR, "1.3", "1.2", modality="SR")], START)
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    assert node.series("1.1").state is SeriesState.READY


def test_a_study_without_a_suitable_series_gets_a_notice(node: Node) -> None:
    node.receive(slices("1.1", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), START)
    node.complete(at(61))
    record = node.series("1.1")
    assert (record.state, record.refusal_code) == (SeriesState.READY, NO_SUITABLE_SERIES)
    node.answers = [analysed(code=NO_SUITABLE_SERIES, reason="a reason")]
    node.analyse(at(62))
    assert node.jobs[0]["refusal"] == [NO_SUITABLE_SERIES, record.reason] or node.jobs[0]["refusal"] == (
        NO_SUITABLE_SERIES,
        record.reason,
    )
    assert node.series("1.1").state is SeriesState.REFUSED
    assert len(node.ledger.deliveries.due("pacs", at(65))) == 1


def test_a_head_alone_is_looked_at_and_the_report_says_what_its_header_names(node: Node) -> None:
    node.receive(slices("1.1", body_part_examined="HEAD"), START)
    node.complete(at(61))
    assert (node.series("1.1").state, node.series("1.1").refusal_code) == (SeriesState.READY, None)
    node.answers = [analysed()]
    node.analyse(at(62))
    (note,) = node.jobs[0]["notes"]
    assert note.startswith("Body Part Examined names another part of the body than the chest")


@pytest.mark.parametrize(
    "attributes",
    [
        {"body_part_examined": "ABDOMEN"},
        {"series_description": "Thorax cor"},
        {"slice_thickness_mm": 5.0},
        {"image_type": ("DERIVED", "SECONDARY", "MPR")},
        {"convolution_kernel": "B70f"},
    ],
    ids=str,
)
def test_a_series_that_could_not_be_chosen_is_not_waited_for(node: Node, attributes: dict[str, Any]) -> None:
    node.receive(slices("1.1", convolution_kernel="B40f"), START)
    node.receive(slices("1.2", 3, **attributes), at(1), "a2")
    node.open_associations = {"a2"}
    node.complete(at(2))
    assert node.series("1.1").state is SeriesState.READY


def test_a_series_that_may_be_better_is_waited_for(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.receive(slices("1.2", 3, slice_thickness_mm=1.0), at(1), "a2")
    node.open_associations = {"a2"}
    node.complete(at(2))
    assert node.series("1.1").state is SeriesState.RECEIVING


def test_a_study_of_reports_alone_gets_no_notice(node: Node) -> None:
    node.receive([InstanceHeader("1.3.1", SR, "1.3", "1.2", modality="SR")], START)
    node.complete(at(61))
    assert node.series("1.3").state is SeriesState.SKIPPED


def test_a_better_series_that_comes_later_is_analysed_too_and_a_worse_one_is_not(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    thin = [ct_slice("1.2", n, image_position_patient=(0.0, 0.0, 1.0 * n), slice_thickness_mm=1.0) for n in range(100)]
    thick = [ct_slice("1.3", n, image_position_patient=(0.0, 0.0, 5.0 * n), slice_thickness_mm=5.0) for n in range(40)]
    node.receive(thin, at(10))
    node.receive(thick, at(10))
    node.complete(at(11))
    assert node.series("1.2").state is SeriesState.READY
    assert node.series("1.3").state is SeriesState.SKIPPED
