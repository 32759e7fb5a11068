"""The ledger: what is written in one transaction, what a restart finds, what a late slice does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.errors import LedgerError
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryState, OutcomeRecord, Recipient, ResultRecord, SeriesRecord
from node.ledger.series import digest_of
from node.series.instances import InstanceHeader
from node.series.states import SeriesState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
SERIES = "1.2.3"
PACS = Recipient("pacs", frozenset({"SR"}))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger.open(url)
    yield opened
    opened.close()


def add_instance(ledger: Ledger, number: int, at: datetime = NOW, series: str = SERIES) -> None:
    header = InstanceHeader(
        f"{series}.{number}",
        CT,
        series,
        "1.2",
        modality="CT",
        rows=512,
        image_position_patient=(0.0, 0.0, 2.5 * number),
    )
    ledger.instances.record_instance(
        header,
        sha256=f"{number:064d}",
        size=10,
        path=f"instances/{series}/{number}.dcm",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="CT1",
        association_id="a1",
        received_at=at,
    )


def ready(ledger: Ledger, refusal: tuple[str, str] | None = None) -> SeriesRecord:
    """One instance, complete and chosen."""
    add_instance(ledger, 1)
    assert ledger.series.set_complete(SERIES, 1, "quiet for 60 s")
    record = ledger.series.get(SERIES)
    assert record is not None
    ledger.series.choose(record, digest_of([("a", "b")]), NOW, refusal)
    chosen = ledger.series.next_ready(NOW)
    assert chosen is not None
    return chosen


def outcome(uid: str = "9.1", state: SeriesState = SeriesState.ANALYSED) -> OutcomeRecord:
    result = ResultRecord(uid, "9", "1.2.840.10008.5.1.4.1.1.88.34", "SR", "results/sr.dcm")
    return OutcomeRecord(state, None, None, {"nodules": []}, (result,), "1", 1.5)


def state(ledger: Ledger) -> SeriesState:
    record = ledger.series.get(SERIES)
    assert record is not None
    return record.state


def test_an_instance_and_its_series_are_there_after_a_restart(ledger: Ledger, url: str) -> None:
    add_instance(ledger, 1)
    ledger.close()
    again = Ledger.open(url)
    assert again.instances.find_instance_digest(f"{SERIES}.1") == f"{1:064d}"
    assert again.instances.headers(SERIES)[0].image_position_patient == (0.0, 0.0, 2.5)
    assert [record.instance_count for record in again.series.receiving()] == [1]
    again.close()


def test_commits_are_durable_and_readers_do_not_wait(ledger: Ledger, url: str) -> None:
    with ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_the_same_uid_cannot_be_recorded_twice(ledger: Ledger) -> None:
    add_instance(ledger, 1)
    with pytest.raises(LedgerError, match="cannot be written"):
        add_instance(ledger, 1)
    record = ledger.series.get(SERIES)
    assert record is not None
    assert record.instance_count == 1


def test_a_slice_that_arrives_while_completeness_is_judged_keeps_the_series_open(ledger: Ledger) -> None:
    add_instance(ledger, 1)
    add_instance(ledger, 2)
    assert not ledger.series.set_complete(SERIES, 1, "judged on one slice")


def test_a_late_slice_opens_an_analysed_series_again(ledger: Ledger) -> None:
    record = ready(ledger)
    assert ledger.outcomes.record(record, outcome(), [PACS], NOW)
    add_instance(ledger, 2, NOW + timedelta(seconds=5))
    reopened = ledger.series.get(SERIES)
    assert reopened is not None
    assert (reopened.state, reopened.completeness, reopened.input_digest) == (SeriesState.RECEIVING, None, None)
    predecessor = ledger.outcomes.last_report(SERIES)
    assert predecessor is not None
    assert predecessor.sop_instance_uid == "9.1"


def test_an_outcome_of_fewer_slices_than_there_are_now_is_not_recorded(ledger: Ledger) -> None:
    record = ready(ledger)
    add_instance(ledger, 2)
    assert not ledger.outcomes.record(record, outcome(), [PACS], NOW)
    assert state(ledger) is SeriesState.RECEIVING
    assert ledger.deliveries.due("pacs", NOW) == ()


def test_a_series_is_delivered_when_every_destination_has_every_result(ledger: Ledger) -> None:
    ledger.outcomes.record(ready(ledger), outcome(), [PACS, Recipient("archive", frozenset({"SR"}))], NOW)
    (first,) = ledger.deliveries.due("pacs", NOW)
    ledger.deliveries.record_answer(first, DeliveryState.STORED, NOW, status=0, message="", next_attempt_at=None)
    assert state(ledger) is SeriesState.ANALYSED
    (second,) = ledger.deliveries.due("archive", NOW)
    ledger.deliveries.record_answer(second, DeliveryState.WARNING, NOW, status=0xB000, message="", next_attempt_at=None)
    assert state(ledger) is SeriesState.DELIVERED


def test_a_held_delivery_is_due_again_when_it_is_put_back(ledger: Ledger) -> None:
    ledger.outcomes.record(ready(ledger), outcome(), [PACS], NOW)
    (due,) = ledger.deliveries.due("pacs", NOW)
    ledger.deliveries.record_answer(due, DeliveryState.HELD, NOW, status=None, message="refused", next_attempt_at=None)
    assert ledger.deliveries.due("pacs", NOW) == ()
    assert ledger.deliveries.troubled()[0].message == "refused"
    assert ledger.put_back(due.sop_instance_uid, NOW) == ["deliveries due again: 1"]
    assert len(ledger.deliveries.due("pacs", NOW)) == 1


def test_everything_held_for_a_destination_is_due_again_by_its_name(ledger: Ledger) -> None:
    ledger.outcomes.record(ready(ledger), outcome(), [PACS], NOW)
    (due,) = ledger.deliveries.due("pacs", NOW)
    ledger.deliveries.record_answer(due, DeliveryState.HELD, NOW, status=None, message="", next_attempt_at=None)
    assert ledger.put_back("pacs", NOW) == ["deliveries due again: 1"]


def test_an_undelivered_older_result_never_arrives_after_a_newer_one(ledger: Ledger) -> None:
    notice = OutcomeRecord(SeriesState.REFUSED, "SLICE_GAP", "a gap", {}, outcome("8.1").results, "1", 1.0)
    ledger.outcomes.record(ready(ledger), notice, [PACS], NOW)
    add_instance(ledger, 2)
    ledger.series.set_complete(SERIES, 2, "quiet")
    record = ledger.series.get(SERIES)
    assert record is not None
    ledger.series.choose(record, digest_of([("a", "b"), ("c", "d")]), NOW)
    again = ledger.series.next_ready(NOW)
    assert again is not None
    ledger.outcomes.record(again, outcome("9.1"), [PACS], NOW)
    (due,) = ledger.deliveries.due("pacs", NOW)
    assert due.sop_instance_uid == "9.1"
    ledger.deliveries.record_answer(due, DeliveryState.STORED, NOW, status=0, message="", next_attempt_at=None)
    assert state(ledger) is SeriesState.DELIVERED
    assert ledger.put_back(SERIES, NOW) == []


def test_a_database_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="install the driver"):
        Ledger.open("oracle+oracledb://u@127.0.0.1/x")


def test_a_failed_series_waits_for_analysis_again_when_it_is_put_back(ledger: Ledger) -> None:
    record = ready(ledger)
    ledger.series.fail(record, "INTERNAL_ERROR", "a reason", NOW)
    assert ledger.put_back(SERIES, NOW)
    again = ledger.series.next_ready(NOW)
    assert again is not None
    assert (again.attempts, again.refusal_code, again.input_digest) == (0, None, record.input_digest)


def test_a_late_slice_during_a_failing_analysis_keeps_the_series_open(ledger: Ledger) -> None:
    record = ready(ledger)
    add_instance(ledger, 2)
    ledger.series.fail(record, "INTERNAL_ERROR", "a reason", NOW)
    assert state(ledger) is SeriesState.RECEIVING


def test_putting_back_what_is_not_broken_changes_nothing(ledger: Ledger) -> None:
    ready(ledger)
    assert ledger.put_back(SERIES, NOW) == []
    assert ledger.put_back("1.9.9", NOW) == []


def test_a_postponed_series_waits_its_time(ledger: Ledger) -> None:
    record = ready(ledger)
    assert ledger.series.begin_attempt(SERIES) == 1
    ledger.series.postpone(record, "X", "later", NOW + timedelta(seconds=30))
    assert ledger.series.next_ready(NOW) is None
    assert ledger.series.next_ready(NOW + timedelta(seconds=30)) is not None


def test_the_same_work_done_twice_adds_no_result(ledger: Ledger) -> None:
    record = ready(ledger)
    ledger.outcomes.record(record, outcome(), [PACS], NOW)
    ledger.series.all()
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE series SET state = 'READY'")
    assert ledger.outcomes.record(record, outcome(), [PACS], NOW)
    assert len(ledger.deliveries.due("pacs", NOW)) == 1


def test_removed_instances_are_new_when_they_are_sent_again(ledger: Ledger) -> None:
    ledger.outcomes.record(ready(ledger), outcome(), [], NOW)
    ledger.series.mark_removed(SERIES, NOW)
    assert ledger.instances.find_instance_digest(f"{SERIES}.1") is None
    add_instance(ledger, 1, NOW + timedelta(days=30))
    record = ledger.series.get(SERIES)
    assert record is not None
    assert (record.instance_count, record.files_removed_at) == (1, None)


def test_a_ledger_of_another_version_is_refused(ledger: Ledger, url: str, tmp_path: Path) -> None:
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(LedgerError, match="schema version 99"):
        Ledger.open(url)


def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is not a database, and it is long enough to be looked at" * 50)
    with pytest.raises(LedgerError, match=r"cannot open the ledger: .*database_url"):
        Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")


def test_naive_times_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        add_instance(ledger, 1, datetime(2026, 1, 1))
