"""When the chosen series cannot be read the next best of its study is, and nothing ends in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from node.errors import LedgerError
from node.series.instances import InstanceHeader
from node.series.states import SeriesState
from tests.tasks_rig import CRASH, START, Node, analysed, at, ct_slice, node_with_ledger, result, slices

node = pytest.fixture(node_with_ledger)
RECEIVING, READY, SKIPPED = SeriesState.RECEIVING, SeriesState.READY, SeriesState.SKIPPED
ANALYSED, REFUSED, FAILED = SeriesState.ANALYSED, SeriesState.REFUSED, SeriesState.FAILED
LOCALIZER = ("ORIGINAL", "PRIMARY", "LOCALIZER")


def refused(code: str = "WRONG_RESCALE", **changes: Any) -> dict[str, Any]:
    """What the worker answers where no notice is wanted."""
    return {"code": code, "reason": f"a reason for {code}", "report": {}, "results": [], "wall_s": 1.0, **changes}


def notice(code: str = "WRONG_RESCALE", uid: str = "9.7") -> dict[str, Any]:
    return refused(code, results=[result(uid)])


def receive_study(node: Node) -> None:
    """Three series that rank 1.1, 1.2, 1.3."""
    for number, kernel in ((1, "B40f"), (2, "B20f"), (3, "B70f")):
        node.receive(slices(f"1.{number}", series_number=number, convolution_kernel=kernel), START)
    node.complete(at(1))


def states(node: Node) -> list[SeriesState]:
    """In the order of the UIDs: a late slice changes the order of arrival."""
    records = node.ledger.series.of_study("1.2")
    return [record.state for record in sorted(records, key=lambda record: record.series_instance_uid)]


def sent(node: Node) -> list[str]:
    return [delivery.sop_instance_uid for delivery in node.ledger.deliveries.due("pacs", at(99999))]


def test_the_next_best_is_analysed_and_the_first_keeps_its_reason_without_a_notice(node: Node) -> None:
    receive_study(node)
    node.answers = [refused(), analysed()]
    node.analyse(at(2))
    assert states(node) == [REFUSED, READY, SKIPPED]
    assert sent(node) == []
    node.analyse(at(3))
    assert states(node) == [REFUSED, ANALYSED, SKIPPED]
    assert node.series("1.1").reason == "a reason for WRONG_RESCALE"
    assert sent(node) == ["9.1"]
    assert not node.analyse(at(4)), "nothing is left to do"
    first, second = node.jobs
    assert (first["notice"], second["notice"]) == (False, False)
    assert list(second["notes"]) == [
        "read in the place of series 1 of the study, which could not be read (WRONG_RESCALE)"
    ]


def test_when_none_can_be_read_one_notice_is_made_on_the_best(node: Node) -> None:
    receive_study(node)
    node.answers = [refused("SLICE_GAP"), refused("NO_LUNGS"), refused("SPAN"), notice("SLICE_GAP")]
    for second in range(4):
        assert node.analyse(at(2 + second))
    assert states(node) == [REFUSED, REFUSED, REFUSED]
    assert node.jobs[3]["refusal"] == ("SLICE_GAP", "a reason for SLICE_GAP")
    assert (node.jobs[3]["notice"], node.jobs[3]["tried"]) == (True, 2)
    assert len(node.jobs[3]["files"]) == 40
    assert sent(node) == ["9.7"]
    assert not node.analyse(at(10)), "nobody is told twice"


def test_the_only_series_gets_its_notice_at_once(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [notice()]
    node.analyse(at(2))
    assert (node.jobs[0]["notice"], node.jobs[0]["tried"]) == (True, 0)
    assert sent(node) == ["9.7"]
    assert not node.analyse(at(3))


def test_without_notices_nothing_is_sent_and_nothing_is_tried_for_ever(node: Node) -> None:
    receive_study(node)
    node.answers = [refused(), refused(), refused(), notice()]
    for second in range(4):
        assert node.analyse(at(2 + second), notices=False)
    assert not node.analyse(at(9), notices=False)
    assert sent(node) == []


def test_a_series_that_crashes_every_time_hands_over(node: Node) -> None:
    receive_study(node)
    node.answers = [CRASH, CRASH, CRASH, analysed()]
    for attempt in range(4):
        node.analyse(at(100 * (attempt + 1)))
    assert states(node) == [FAILED, ANALYSED, SKIPPED]
    assert node.series("1.1").reason_code == "ANALYSIS_FAILED"
    assert sent(node) == ["9.1"]


def test_a_series_that_kills_the_node_every_time_hands_over(node: Node) -> None:
    receive_study(node)
    for _ in range(3):
        node.ledger.series.begin_attempt("1.1")  # as if killed right after
    node.answers = [analysed()]
    node.analyse(at(2))
    node.analyse(at(3))
    assert states(node) == [FAILED, ANALYSED, SKIPPED]


def test_an_error_that_nobody_foresaw_hands_over_too(node: Node) -> None:
    receive_study(node)
    node.ledger.series.fail(node.series("1.1"), "INTERNAL_ERROR", "unexpected KeyError; see the log", at(2))
    node.answers = [analysed()]
    assert node.analyse(at(3)), "the study is taken up"
    assert node.analyse(at(4))
    assert states(node) == [FAILED, ANALYSED, SKIPPED]


def test_an_error_that_nobody_foresaw_in_the_only_series_ends_in_a_notice_once(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.ledger.series.fail(node.series("1.1"), "INTERNAL_ERROR", "unexpected KeyError; see the log", at(2))
    node.answers = [notice("INTERNAL_ERROR")]
    assert node.analyse(at(3))
    assert node.analyse(at(4))
    assert node.series("1.1").state is FAILED
    assert sent(node) == ["9.7"]
    assert not node.analyse(at(5))


def test_a_notice_that_cannot_be_made_is_not_tried_for_ever(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    broken = {"error": "RESULT", "message": "not valid", "retry": False}
    node.answers = [broken, broken]
    assert node.analyse(at(2))
    assert node.analyse(at(3))
    assert not node.analyse(at(4))
    assert "no notice" in (node.series("1.1").reason or "")


def refused_while(node: Node, late: InstanceHeader) -> Callable[[], dict[str, Any]]:
    """A refusal during which a late slice arrives."""

    def answer() -> dict[str, Any]:
        node.receive([late], at(2), "a2")
        return refused()

    return answer


def test_a_late_slice_of_the_next_best_is_waited_for(node: Node) -> None:
    node.receive(slices("1.1", convolution_kernel="B40f"), START)
    node.receive(slices("1.2", convolution_kernel="B70f"), START)
    node.complete(at(1))
    late = ct_slice("1.2", 40, convolution_kernel="B70f")
    node.answers = [refused_while(node, late), analysed()]
    node.analyse(at(2))
    assert states(node) == [REFUSED, RECEIVING]
    assert not node.analyse(at(3)), "no notice while a candidate arrives"
    node.complete(at(63))
    assert node.analyse(at(64))
    assert states(node) == [REFUSED, ANALYSED]
    assert len(node.jobs[1]["files"]) == 41
    assert sent(node) == ["9.1"]


def test_a_late_slice_of_the_series_that_was_refused_opens_it_again(node: Node) -> None:
    receive_study(node)
    late = ct_slice("1.1", 40, series_number=1, convolution_kernel="B40f")
    node.answers = [refused_while(node, late), analysed()]
    node.analyse(at(2))
    assert states(node) == [RECEIVING, SKIPPED, SKIPPED]
    node.complete(at(63))
    node.analyse(at(64))
    assert states(node) == [ANALYSED, SKIPPED, SKIPPED]


def test_a_refusal_while_a_lesser_series_arrives_waits_for_it(node: Node) -> None:
    node.receive(slices("1.1", convolution_kernel="B40f"), START)
    node.receive(slices("1.2", 20, convolution_kernel="B70f"), START, "a2")
    node.open_associations = {"a2"}
    node.complete(at(1))
    node.answers = [refused(), analysed()]
    node.analyse(at(2))
    assert states(node) == [REFUSED, RECEIVING]
    assert not node.analyse(at(3))
    node.open_associations = set()
    node.complete(at(70))
    node.analyse(at(71))
    assert states(node) == [REFUSED, ANALYSED]


def test_a_series_that_arrives_and_turns_out_to_be_no_candidate_brings_the_notice(node: Node) -> None:
    node.receive(slices("1.1", convolution_kernel="B40f"), START)
    node.receive(slices("1.2", 3, convolution_kernel="B70f"), START, "a2")
    node.open_associations = {"a2"}
    node.complete(at(1))
    node.answers = [refused(), notice()]
    node.analyse(at(2))
    assert states(node) == [REFUSED, RECEIVING]
    node.complete(at(70))
    assert states(node) == [READY, SKIPPED]
    node.analyse(at(71))
    assert states(node) == [REFUSED, SKIPPED]
    assert sent(node) == ["9.7"]


def test_a_localizer_that_arrives_holds_no_notice_up_and_brings_no_second_one(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.receive(slices("1.2", 2, image_type=LOCALIZER), START, "a2")
    node.open_associations = {"a2"}
    node.complete(at(1))
    node.answers = [notice()]
    node.analyse(at(2))
    assert states(node) == [REFUSED, RECEIVING]
    node.complete(at(70))
    assert states(node) == [REFUSED, SKIPPED]
    assert not node.analyse(at(71))
    assert sent(node) == ["9.7"]


def test_a_series_that_comes_after_the_notice_is_tried_and_brings_no_second_notice(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [notice(), refused("NO_LUNGS")]
    node.analyse(at(2))
    node.receive(slices("1.2"), at(100), "a2")
    node.complete(at(101))
    node.analyse(at(102))
    assert not node.jobs[1]["notice"]
    assert states(node) == [REFUSED, REFUSED]
    assert not node.analyse(at(103))
    assert sent(node) == ["9.7"]


def test_a_better_series_that_comes_after_a_report_and_is_refused_brings_no_notice(node: Node) -> None:
    node.receive(slices("1.1", convolution_kernel="B70f"), START)
    node.complete(at(1))
    node.answers = [analysed(), refused()]
    node.analyse(at(2))
    node.receive(slices("1.2", convolution_kernel="B40f"), at(100), "a2")
    node.complete(at(101))
    node.analyse(at(102))
    assert states(node) == [ANALYSED, REFUSED]
    assert sent(node) == ["9.1"]


def test_localizers_and_reports_are_never_tried(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.receive(slices("1.2", 10, image_type=LOCALIZER), START)
    node.complete(at(61))
    node.answers = [notice()]
    node.analyse(at(62))
    assert node.jobs[0]["notice"]
    assert states(node) == [REFUSED, SKIPPED]


def test_a_skipped_series_can_be_analysed_by_hand(node: Node) -> None:
    receive_study(node)
    node.answers = [analysed(), analysed(results=[result("9.2")])]
    node.analyse(at(2))
    assert node.ledger.put_back("1.3", at(3)) == ["the series waits for its analysis again"]
    assert node.analyse(at(4))
    assert states(node) == [ANALYSED, SKIPPED, ANALYSED]
    assert len(node.jobs[1]["files"]) == 40
    assert node.jobs[1]["source_digest"]


def test_a_skipped_series_whose_files_are_gone_cannot_be_analysed_by_hand(node: Node) -> None:
    receive_study(node)
    node.ledger.series.mark_removed("1.3", at(2))
    with pytest.raises(LedgerError, match="removed after their retention time"):
        node.ledger.put_back("1.3", at(3))


def test_a_series_without_files_is_no_next_best(node: Node) -> None:
    node.receive(slices("1.1", convolution_kernel="B40f"), START)
    node.receive(slices("1.2", convolution_kernel="B70f"), START)
    node.complete(at(1))
    node.ledger.series.mark_removed("1.2", at(2))
    node.answers = [notice()]
    node.analyse(at(3))
    assert states(node) == [REFUSED, SKIPPED]
    assert sent(node) == ["9.7"]


def test_a_refused_series_that_is_tried_again_by_hand_gets_its_notice_again(node: Node) -> None:
    receive_study(node)
    node.answers = [refused(), refused(), refused(), notice(), notice()]
    for second in range(4):
        node.analyse(at(2 + second))
    node.ledger.put_back("1.1", at(10))
    assert node.analyse(at(11))
    assert (node.jobs[4]["notice"], node.jobs[4]["tried"]) == (True, 2)
    assert states(node) == [REFUSED, REFUSED, REFUSED]
    assert sent(node) == ["9.7"]


def test_refused_series_of_a_ledger_of_before_get_no_second_notice(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [notice()]
    node.analyse(at(2))
    with node.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE series SET refusal_code = NULL")
    assert not node.analyse(at(3))
    assert len(node.jobs) == 1
