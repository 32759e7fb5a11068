"""A report in several forms: at any moment exactly one is due, or has arrived, or shows why none did."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from node.ledger.ladders import PlannedDelivery, planned
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryRecord, DeliveryState, OutcomeRecord, Recipient, ResultRecord, SeriesRecord
from node.ledger.schema import SCHEMA_VERSION, deliveries
from node.ledger.series import digest_of
from node.series.instances import InstanceHeader
from node.series.states import SeriesState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERIES = "1.2.3"
LADDER = ("SR", "SR-COMPREHENSIVE", "SR-TEXT")
PACS = Recipient("pacs", frozenset({*LADDER, "SEG"}), (LADDER, ("NOTICE", "NOTICE-TEXT")))
STORED, PENDING, RESERVE = DeliveryState.STORED, DeliveryState.PENDING, DeliveryState.RESERVE
NOT_TAKEN, NOT_NEEDED, REFUSED = DeliveryState.NOT_TAKEN, DeliveryState.NOT_NEEDED, DeliveryState.REFUSED
SUPERSEDED = DeliveryState.SUPERSEDED


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


def results(*kinds: str, run: str = "9") -> tuple[ResultRecord, ...]:
    return tuple(ResultRecord(f"{run}.{kind}", f"{run}.0", "1.2", kind, f"results/{run}/{kind}.dcm") for kind in kinds)


def record(ledger: Ledger, made: tuple[ResultRecord, ...], recipient: Recipient = PACS, instances: int = 1) -> None:
    """Receive that many instances of the series and record an analysis of them."""
    header = InstanceHeader(f"{SERIES}.{instances}", "1.2.840.10008.5.1.4.1.1.2", SERIES, "1.2")
    ledger.instances.record_instance(
        header,
        sha256=f"{instances:064d}",
        size=4,
        path=f"{instances}.dcm",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="CT1",
        association_id="a",
        received_at=NOW,
    )
    ledger.series.set_complete(SERIES, instances, "quiet")
    ledger.series.choose(series_of(ledger), digest_of([(str(instances), "")]), NOW)
    outcome = OutcomeRecord(SeriesState.ANALYSED, None, None, {}, made, "1", 1.0)
    assert ledger.outcomes.record(series_of(ledger), outcome, [recipient], NOW)


def series_of(ledger: Ledger) -> SeriesRecord:
    found = ledger.series.get(SERIES)
    assert found is not None
    return found


def due(ledger: Ledger) -> DeliveryRecord:
    """The one delivery that is due."""
    (delivery,) = ledger.deliveries.due("pacs", NOW)
    return delivery


def answer(ledger: Ledger, delivery: DeliveryRecord, state: DeliveryState) -> DeliveryState:
    return ledger.deliveries.record_answer(delivery, state, NOW, status=None, message="said", next_attempt_at=None)


def states(ledger: Ledger, run: str = "9") -> dict[str, DeliveryState]:
    with ledger.engine.connect() as connection:
        rows = connection.execute(select(deliveries.c.sop_instance_uid, deliveries.c.state)).all()
    return {uid.partition(".")[2]: DeliveryState(state) for uid, state in rows if uid.startswith(f"{run}.")}


def test_a_destination_gets_the_kinds_it_wants_and_no_other() -> None:
    rows = planned(PACS, results("SR-TEXT", "SC", "SEG", "SR"), {})
    assert rows == [
        PlannedDelivery("9.SEG", PENDING, None),
        PlannedDelivery("9.SR", PENDING, 0),
        PlannedDelivery("9.SR-TEXT", RESERVE, 2),
    ]


def test_a_form_that_could_not_be_made_leaves_the_next_one_due() -> None:
    rows = planned(PACS, results("SR-COMPREHENSIVE", "SR-TEXT"), {})
    assert [(row.state, row.rung) for row in rows] == [(PENDING, 1), (RESERVE, 2)]


@pytest.mark.parametrize(
    ("there", "added"),
    [(STORED, NOT_NEEDED), (PENDING, RESERVE), (DeliveryState.HELD, RESERVE), (REFUSED, RESERVE), (NOT_TAKEN, PENDING)],
)
def test_a_form_that_is_made_later_goes_behind_what_is_there(there: DeliveryState, added: DeliveryState) -> None:
    rows = planned(PACS, results("SR", "SR-TEXT"), {"9.SR": there})
    assert rows == [PlannedDelivery("9.SR-TEXT", added, 2)]


def test_the_next_form_is_due_at_once_when_one_is_not_taken(ledger: Ledger) -> None:
    record(ledger, results(*LADDER))
    assert answer(ledger, due(ledger), NOT_TAKEN) is NOT_TAKEN
    assert due(ledger).sop_instance_uid == "9.SR-COMPREHENSIVE"
    assert series_of(ledger).state is SeriesState.ANALYSED


def test_a_form_that_is_stored_ends_the_ladder_and_delivers_the_series(ledger: Ledger) -> None:
    record(ledger, results(*LADDER))
    answer(ledger, due(ledger), NOT_TAKEN)
    answer(ledger, due(ledger), STORED)
    assert states(ledger) == {"SR": NOT_TAKEN, "SR-COMPREHENSIVE": STORED, "SR-TEXT": NOT_NEEDED}
    assert series_of(ledger).state is SeriesState.DELIVERED
    assert ledger.deliveries.open_count(SERIES) == 0


def test_a_stored_report_does_not_deliver_a_series_whose_segmentation_is_owed(ledger: Ledger) -> None:
    record(ledger, results(*LADDER, "SEG"))
    report, segmentation = ledger.deliveries.due("pacs", NOW)
    answer(ledger, report, STORED)
    assert series_of(ledger).state is SeriesState.ANALYSED
    answer(ledger, segmentation, STORED)
    assert series_of(ledger).state is SeriesState.DELIVERED


def test_when_no_form_is_taken_the_last_is_refused_and_shown(ledger: Ledger) -> None:
    record(ledger, results(*LADDER))
    given = [answer(ledger, due(ledger), NOT_TAKEN) for _ in LADDER]
    assert given == [NOT_TAKEN, NOT_TAKEN, REFUSED]
    assert [trouble.sop_instance_uid for trouble in ledger.deliveries.troubled()] == ["9.SR-TEXT"]
    assert ledger.deliveries.open_count(SERIES) == 1
    assert series_of(ledger).state is SeriesState.ANALYSED


@pytest.mark.parametrize("uid", ["pacs", SERIES, "9.SR-TEXT"])
def test_retry_begins_with_the_preferred_form_again(ledger: Ledger, uid: str) -> None:
    record(ledger, results(*LADDER))
    for _ in LADDER:
        answer(ledger, due(ledger), NOT_TAKEN)
    assert ledger.put_back(uid, NOW) == ["deliveries due again: 1"]
    assert states(ledger) == {"SR": PENDING, "SR-COMPREHENSIVE": RESERVE, "SR-TEXT": RESERVE}
    answer(ledger, due(ledger), STORED)
    assert series_of(ledger).state is SeriesState.DELIVERED


def test_a_form_refused_for_another_reason_is_shown_and_no_other_is_sent(ledger: Ledger) -> None:
    record(ledger, results(*LADDER))
    answer(ledger, due(ledger), REFUSED)
    assert ledger.deliveries.due("pacs", NOW) == ()
    assert states(ledger) == {"SR": REFUSED, "SR-COMPREHENSIVE": RESERVE, "SR-TEXT": RESERVE}
    ledger.put_back("pacs", NOW)
    assert due(ledger).sop_instance_uid == "9.SR"


def test_the_forms_in_reserve_are_given_in_order_of_preference(ledger: Ledger) -> None:
    record(ledger, results(*reversed(LADDER)))
    assert [form.rung for form in ledger.deliveries.in_reserve("pacs", [SERIES])] == [1, 2]
    assert ledger.deliveries.in_reserve("pacs", ["1.2.4"]) == ()
    assert ledger.deliveries.in_reserve("other", [SERIES]) == ()


def test_a_newer_analysis_takes_the_place_of_every_form_that_has_not_arrived(ledger: Ledger) -> None:
    record(ledger, results(*LADDER, run="8"))
    answer(ledger, due(ledger), NOT_TAKEN)
    record(ledger, results(*LADDER), instances=2)
    assert set(states(ledger, "8").values()) == {SUPERSEDED}
    answer(ledger, due(ledger), STORED)
    assert series_of(ledger).state is SeriesState.DELIVERED


def test_a_refused_older_report_does_not_keep_the_newer_one_from_being_delivered(ledger: Ledger) -> None:
    record(ledger, results("SR", run="8"))
    answer(ledger, due(ledger), REFUSED)
    record(ledger, results("SR"), instances=2)
    answer(ledger, due(ledger), STORED)
    assert series_of(ledger).state is SeriesState.DELIVERED
    assert ledger.put_back("pacs", NOW) == []


@pytest.mark.parametrize("late", [PENDING, NOT_TAKEN, DeliveryState.HELD])
def test_the_answer_to_a_form_that_was_withdrawn_meanwhile_changes_nothing(ledger: Ledger, late: DeliveryState) -> None:
    record(ledger, results(*LADDER, run="8"))
    old = due(ledger)
    record(ledger, results(*LADDER), instances=2)
    assert answer(ledger, old, late) is SUPERSEDED
    assert states(ledger) == {"SR": PENDING, "SR-COMPREHENSIVE": RESERVE, "SR-TEXT": RESERVE}
    assert due(ledger).sop_instance_uid == "9.SR"


def test_a_withdrawn_form_that_arrived_all_the_same_is_stored_and_the_new_one_still_due(ledger: Ledger) -> None:
    record(ledger, results(*LADDER, run="8"))
    old = due(ledger)
    record(ledger, results(*LADDER), instances=2)
    assert answer(ledger, old, STORED) is STORED
    assert due(ledger).sop_instance_uid == "9.SR"
    assert states(ledger)["SR-TEXT"] is RESERVE


def test_the_predecessor_is_the_richest_form_that_was_made(ledger: Ledger) -> None:
    record(ledger, results("SEG", "SR-TEXT", "SR-COMPREHENSIVE"))
    last = ledger.outcomes.last_report(SERIES)
    assert last is not None
    assert last.kind == "SR-COMPREHENSIVE"


def test_a_ledger_of_the_version_before_is_brought_up_to_date_with_its_deliveries(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    old = Ledger.open(url)
    record(old, results("SR"), Recipient("pacs", frozenset({"SR"})))
    old.close()
    with sqlite3.connect(tmp_path / "old.sqlite") as connection:
        connection.execute("ALTER TABLE deliveries DROP COLUMN rung")
        connection.execute("UPDATE schema_version SET version = 1")
    connection.close()
    for _ in range(2):
        again = Ledger.open(url)
        assert due(again).rung is None
        with again.engine.connect() as readable:
            assert readable.exec_driver_sql("SELECT version FROM schema_version").scalar() == SCHEMA_VERSION
        again.close()


def test_a_delivery_that_waits_for_its_next_attempt_keeps_its_place(ledger: Ledger) -> None:
    record(ledger, results(*LADDER))
    later = NOW + timedelta(seconds=30)
    ledger.deliveries.record_answer(due(ledger), PENDING, NOW, status=None, message="", next_attempt_at=later)
    assert ledger.deliveries.due("pacs", NOW) == ()
    (again,) = ledger.deliveries.due("pacs", later)
    assert (again.sop_instance_uid, again.rung) == ("9.SR", 0)
