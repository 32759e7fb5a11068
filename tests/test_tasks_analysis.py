"""An analysis that succeeds, crashes, is refused, or is made again after a late slice."""

from __future__ import annotations

import pytest

from node.series.states import SeriesState
from tests.tasks_rig import CRASH, START, Node, analysed, at, ct_slice, node_with_ledger, result, slices

node = pytest.fixture(node_with_ledger)


def test_a_late_slice_makes_a_new_analysis_that_names_its_predecessor(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed(), analysed(results=[result("9.2")])]
    node.analyse(at(2))
    node.receive([ct_slice("1.1", 40)], at(30), "a2")
    node.complete(at(91))
    node.analyse(at(92))
    first, second = node.jobs
    assert len(second["files"]) == len(first["files"]) + 1
    assert first["source_digest"] != second["source_digest"]
    assert first["predecessor"] is None
    assert second["predecessor"]["sop_instance_uid"] == "9.1"


def test_a_crash_is_tried_again_and_then_succeeds(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [CRASH, analysed()]
    node.analyse(at(2))
    assert node.series("1.1").state is SeriesState.READY
    assert not node.analyse(at(3)), "it must wait before it is tried again"
    node.analyse(at(40))
    assert node.series("1.1").state is SeriesState.ANALYSED


def test_a_series_that_crashes_every_time_ends_failed_with_a_notice(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    notice = analysed(code="ANALYSIS_FAILED", reason="the analysis process ended with signal 11")
    node.answers = [CRASH, CRASH, CRASH, notice]
    for attempt in range(4):
        node.analyse(at(100 * (attempt + 1)))
    assert node.series("1.1").state is SeriesState.FAILED
    assert node.jobs[-1]["refusal"][0] == "ANALYSIS_FAILED"
    assert len(node.ledger.deliveries.due("pacs", at(1000))) == 1


def test_a_node_killed_in_every_attempt_gives_up_as_well(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    for _ in range(3):
        node.ledger.series.begin_attempt("1.1")  # as if killed right after
    node.answers = [analysed(code="ANALYSIS_FAILED", reason="interrupted")]
    node.analyse(at(2))
    node.analyse(at(3))
    assert node.jobs[0]["refusal"][0] == "ANALYSIS_FAILED"
    assert node.series("1.1").state is SeriesState.FAILED


def test_without_notices_a_refused_series_sends_nothing(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed(code="SLICE_GAP", reason="a gap")]
    node.analyse(at(2), notices=False)
    assert node.series("1.1").state is SeriesState.REFUSED
    assert node.ledger.deliveries.due("pacs", at(10)) == ()


def test_an_analysis_made_again_knows_the_nodules_of_the_last_report_also_past_a_notice(node: Node) -> None:
    nodule = {"tracking_uid": "2.25.4711", "center_lps_mm": [1.0, 2.0, 3.0], "mean_diameter_mm": 8.0}
    notice = analysed(code="SLICE_GAP", reason="a gap", report={"nodules": None}, results=[result("9.2")])
    node.answers = [analysed(report={"nodules": [nodule]}), notice, analysed(results=[result("9.3")])]
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.analyse(at(2))
    for again, late in enumerate((40, 41), start=1):
        node.receive([ct_slice("1.1", late)], at(100 * again), f"a{late}")
        node.complete(at(100 * again + 61))
        node.analyse(at(100 * again + 62))
    first, second, third = node.jobs
    assert first["tracked"] == []
    assert second["tracked"] == third["tracked"]
    assert (third["tracked"][0]["tracking_uid"], third["tracked"][0]["diameter_mm"]) == ("2.25.4711", 8.0)
