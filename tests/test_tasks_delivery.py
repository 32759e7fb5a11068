"""The delivery task with a chosen time: a destination that is down, comes back, refuses, or is restarted in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from node.archive import Archive
from node.delivery.scu import Destination
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryState
from node.series.retry import RetryPolicy
from node.series.states import SeriesState
from node.tasks.delivering import DeliveryTask
from tests.tasks_rig import START, Node, analysed, at, node_with_ledger, result, slices
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

node = pytest.fixture(node_with_ledger)
POLICY = RetryPolicy(attempts=3, first_wait_s=30, longest_wait_s=600)
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def owed(node: Node) -> Node:
    """An analysed series with one result on disk that a destination has not got."""
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    sop = ct_datasets(small_phantom().volume)[0]
    node.answers = [analysed(results=[result(str(sop.SOPInstanceUID))])]
    node.analyse(at(2))
    (due,) = node.ledger.deliveries.due("pacs", START + AN_HOUR)
    (written,) = write_series([sop], node.folder / "written")
    (node.folder / due.path).parent.mkdir(parents=True, exist_ok=True)
    written.rename(node.folder / due.path)
    return node


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    running = Archive.start(tmp_path / "archive", "PACS")
    yield running
    running.stop()


def deliver(node: Node, port: int, now: datetime, ledger: Ledger | None = None) -> None:
    destination = Destination("pacs", "PACS", "127.0.0.1", port)
    deliveries = (ledger or node.ledger).deliveries
    DeliveryTask(deliveries, destination, "PULMONODE", node.folder, POLICY, 10, jitter=lambda: 0.5).loop(now)


def dead_port(archive: Archive) -> int:
    archive.stop()
    return archive.port


def test_a_destination_that_is_down_is_tried_again_later_and_then_held(owed: Node, archive: Archive) -> None:
    port = dead_port(archive)
    deliver(owed, port, at(100))
    (trouble,) = owed.ledger.deliveries.troubled()
    assert (trouble.state, trouble.attempts, trouble.status) == (DeliveryState.PENDING, 1, None)
    assert trouble.next_attempt_at == at(130)
    deliver(owed, port, at(129))
    assert owed.ledger.deliveries.troubled()[0].attempts == 1, "it was not due yet"
    deliver(owed, port, at(130))
    assert owed.ledger.deliveries.troubled()[0].next_attempt_at == at(190)
    deliver(owed, port, at(190))
    (trouble,) = owed.ledger.deliveries.troubled()
    assert (trouble.state, trouble.attempts) == (DeliveryState.HELD, 3)
    assert owed.series("1.1").state is SeriesState.ANALYSED


def test_what_was_pending_before_a_restart_is_delivered_after_it(owed: Node, archive: Archive) -> None:
    (due,) = owed.ledger.deliveries.due("pacs", at(100))
    owed.ledger.deliveries.record_answer(
        due, DeliveryState.PENDING, at(100), status=0xA700, message="", next_attempt_at=at(130)
    )
    owed.ledger.close()
    again = Ledger.open(f"sqlite:///{owed.folder / 'ledger.sqlite'}")
    deliver(owed, archive.port, at(130), again)
    assert archive.path_of(due.sop_instance_uid) is not None
    record = again.series.get("1.1")
    again.close()
    assert record is not None
    assert record.state is SeriesState.DELIVERED


def test_a_result_whose_file_is_gone_is_refused_and_not_claimed(owed: Node, archive: Archive) -> None:
    (due,) = owed.ledger.deliveries.due("pacs", at(100))
    (owed.folder / due.path).unlink()
    deliver(owed, archive.port, at(100))
    (trouble,) = owed.ledger.deliveries.troubled()
    assert trouble.state is DeliveryState.REFUSED
    assert "no longer on disk" in (trouble.message or "")
    assert owed.series("1.1").state is SeriesState.ANALYSED
