"""The background tasks, driven with a chosen time: no thread, no sleep, and a worker that says what it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node.analysis.process import WorkerDied
from node.ledger.ledger import Ledger
from node.ledger.records import SeriesRecord
from node.reception.instance_store import InstanceStore
from node.series.instances import InstanceHeader
from node.series.selection import SelectionRules
from node.series.states import SeriesState
from node.tasks.analysing import AnalysisRules, AnalysisTask
from node.tasks.completing import NO_SUITABLE_SERIES, CompletionRules, CompletionTask
from node.tasks.retention import RetentionRules, RetentionTask
from node.tasks.runner import Runner

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.34"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ct_slice(series: str, number: int, **attributes: Any) -> InstanceHeader:
    values: dict[str, Any] = {
        "modality": "CT",
        "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
        "rows": 512,
        "columns": 512,
        "pixel_spacing_mm": (0.7, 0.7),
        "slice_thickness_mm": 2.5,
        "image_position_patient": (0.0, 0.0, 2.5 * number),
        "image_orientation_patient": AXIAL,
        "frame_of_reference_uid": "1.9",
        "body_part_examined": "CHEST",
    }
    return InstanceHeader(f"{series}.{number}", CT, series, "1.2", **{**values, **attributes})


@dataclass
class Node:
    """A ledger and the tasks around it."""

    ledger: Ledger
    folder: Path
    open_associations: set[str] = field(default_factory=set)
    ends_cut_lungs: bool | None = False
    answers: list[Any] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def receive(self, headers: Sequence[InstanceHeader], now: datetime, association: str = "a1") -> None:
        for header in headers:
            path = f"instances/{header.series_instance_uid}/{header.sop_instance_uid}.dcm"
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(b"DICM")
            self.ledger.instances.record_instance(
                header,
                sha256=header.sop_instance_uid,
                size=4,
                path=path,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                calling_ae_title="CT1",
                association_id=association,
                received_at=now,
            )

    def complete(self, now: datetime) -> None:
        rules = CompletionRules(self.folder, 60, 900, SelectionRules())
        CompletionTask(
            self.ledger, rules, lambda: self.open_associations, lambda _: self.ends_cut_lungs, lambda: None
        ).loop(now)

    def analyse(self, now: datetime, **changes: Any) -> bool:
        rules = AnalysisRules(
            **{
                "data_dir": self.folder,
                "software_version": "1",
                "station_name": "PULMONODE",
                "destinations": ("pacs",),
                "attempts": 3,
                "timeout_s": 10,
                "neighbours": 1,
                "captures": True,
                "notices": True,
                "page": False,
                "known_nodules": None,
                **changes,
            }
        )
        return AnalysisTask(self.ledger, self, rules, lambda: None).loop(now)

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Stand for the worker."""
        self.jobs.append(job)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def close(self) -> None:
        """Stand for the worker."""

    def series(self, uid: str) -> SeriesRecord:
        record = self.ledger.series.get(uid)
        assert record is not None
        return record


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield Node(ledger, tmp_path)
    ledger.close()


def slices(series: str, count: int = 40, **attributes: Any) -> list[InstanceHeader]:
    return [ct_slice(series, number, **attributes) for number in range(count)]


def result(uid: str = "9.1") -> dict[str, Any]:
    return {"sop_instance_uid": uid, "result_series_uid": "9", "sop_class_uid": SR, "kind": "SR", "name": "sr-01.dcm"}


def analysed(**changes: Any) -> dict[str, Any]:
    return {"code": None, "reason": None, "report": {}, "results": [result()], "wall_s": 2.0, **changes}


CRASH = WorkerDied("the analysis process ended with signal 11")


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
    node.receive(slices("1.1", body_part_examined="HEAD"), START)
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


def test_retention_removes_instances_and_delivered_results_when_their_time_is_over(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed()]
    node.analyse(at(2), destinations=())
    results = node.folder / "results" / "1.1" / "x"
    results.mkdir(parents=True)
    rules = RetentionRules(timedelta(days=7), timedelta(days=90))
    task = RetentionTask(node.ledger, InstanceStore(node.folder / "instances"), node.folder / "results", rules)
    task.loop(START + timedelta(days=6))
    assert (node.folder / "instances" / "1.1").exists()
    task.loop(START + timedelta(days=8))
    assert not (node.folder / "instances" / "1.1").exists()
    assert results.exists()
    task.loop(START + timedelta(days=91))
    assert not results.exists()


def test_retention_keeps_what_a_destination_has_not_got(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed()]
    node.analyse(at(2))
    results = node.folder / "results" / "1.1" / "x"
    results.mkdir(parents=True)
    rules = RetentionRules(timedelta(days=7), timedelta(days=90))
    RetentionTask(node.ledger, InstanceStore(node.folder / "instances"), node.folder / "results", rules).loop(
        START + timedelta(days=400)
    )
    assert results.exists()


class Failing:
    """A task whose first turn raises what nobody expected."""

    name = "failing"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.done = threading.Event()

    def initialize(self) -> None:
        self.seen.append("initialize")

    def loop(self, now: datetime) -> bool:
        self.seen.append("loop")
        if self.seen.count("loop") == 1:
            raise RuntimeError("unexpected")
        self.done.set()
        return False

    def failed(self, error: Exception, now: datetime) -> None:
        self.seen.append(f"failed {type(error).__name__}")

    def shutdown(self) -> None:
        self.seen.append("shutdown")


def test_the_runner_survives_an_unexpected_error_and_notes_it() -> None:
    task = Failing()
    runner = Runner(task)
    runner.start()
    while not task.done.wait(0.05):
        runner.wake()
    runner.stop()
    assert runner.join(10)
    assert task.seen[:4] == ["initialize", "loop", "failed RuntimeError", "loop"]
    assert task.seen[-1] == "shutdown"
