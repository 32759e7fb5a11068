"""What a correction does to its series: received and analysed again, nothing of the old identity delivered any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from node.commands.status import status_of
from node.ledger.records import DeliveryState, Recipient
from node.ledger.schema import events, replaced
from node.ledger.series import digest_of
from node.series.retry import RetryPolicy
from node.series.states import SeriesState
from node.tasks.delivering import DeliveryTask
from node.tasks.retention import RetentionRules, RetentionTask
from tests.changed_rig import COUNT, SERIES, STUDY, Site, changed, chest, site_at, slice_of
from tests.delivery_rig import archive, write_instance
from tests.tasks_rig import CRASH, analysed, at, result

site = pytest.fixture(site_at)

RIGHT: dict[str, Any] = {"PatientName": "Right^Name", "PatientID": "RIGHT-1"}
LADDER = Recipient("pacs", frozenset({"SR", "SR-TEXT", "SEG"}), (("SR", "SR-TEXT"),))


def send(site: Site, datasets: list[Dataset], seconds: float, association: str = "a1") -> None:
    for number, dataset in enumerate(datasets):
        site.receive(dataset, at(seconds + number / 1000), association=association)


def state(site: Site) -> SeriesState:
    return site.node.series(SERIES).state


def make(site: Site, seconds: float, uid: str = "9.1", **more: Any) -> None:
    site.node.answers = [analysed(results=[result(uid)], report={"study_instance_uid": STUDY, "nodules": []}, **more)]
    site.node.analyse(at(seconds))


def analysed_once(site: Site) -> None:
    send(site, chest(), 0)
    site.node.complete(at(1))
    make(site, 2)


def delivery_states(site: Site) -> dict[str, int]:
    return site.ledger.deliveries.counts().get("pacs", {})


def test_a_series_that_is_sent_again_corrected_is_analysed_again_and_names_its_predecessor(site: Site) -> None:
    analysed_once(site)
    first = site.node.jobs[0]

    send(site, chest(**RIGHT), 100, "a2")
    assert state(site) is SeriesState.RECEIVING
    site.node.complete(at(101))
    make(site, 102, "9.2")

    second = site.node.jobs[1]
    assert state(site) is SeriesState.ANALYSED
    assert second["predecessor"]["sop_instance_uid"] == "9.1"
    assert second["source_digest"] != first["source_digest"]
    assert second["output"] != first["output"]
    assert {str(site.stored(one).PatientID) for one in chest()} == {"RIGHT-1"}
    assert {site.folder / one for one in second["files"]} == {site.folder / site.row(one)["path"] for one in chest()}
    assert site.node.series(SERIES).instance_count == COUNT


@pytest.mark.parametrize("before", ["sent", "analysed", "delivered", "skipped", "refused", "failed"])
def test_a_correction_opens_a_series_in_any_state(site: Site, before: str) -> None:
    send(site, chest(**({"BodyPartExamined": "HEAD"} if before == "refused" else {})), 0)
    site.node.complete(at(61))
    if before == "skipped":
        with site.ledger.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE series SET state = 'SKIPPED'")
    elif before == "refused":
        make(site, 62, code="NO_SUITABLE_SERIES", reason="a reason")
    elif before == "failed":
        record = site.ledger.series.next_ready(at(62))
        assert record is not None
        site.ledger.series.fail(record, "X", "a reason", at(62))
    elif before != "sent":
        make(site, 62)
    if before == "delivered":
        (due,) = site.ledger.deliveries.due("pacs", at(70))
        site.ledger.deliveries.record_answer(
            due, DeliveryState.STORED, at(70), status=0, message="", next_attempt_at=None
        )
        assert state(site) is SeriesState.DELIVERED

    site.receive(changed(slice_of(**RIGHT), BodyPartExamined="HEAD" if before == "refused" else "CHEST"), at(100))

    record = site.node.series(SERIES)
    assert (record.state, record.reason, record.input_digest) == (SeriesState.RECEIVING, None, None)
    with site.ledger.engine.connect() as connection:
        details = [row.detail for row in connection.execute(events.select().order_by(events.c.id))]
    assert details[-1] == "corrected: PatientName, PatientID"


def test_what_was_not_delivered_yet_is_withdrawn_with_the_correction_itself(site: Site) -> None:
    send(site, chest(), 0)
    site.node.complete(at(1))
    made = [result("9.1"), result("9.2") | {"kind": "SR-TEXT"}, result("9.3") | {"kind": "SEG"}]
    site.node.answers = [analysed(results=made)]
    site.node.analyse(at(2), recipients=(LADDER,), kinds=("SR", "SEG"))
    assert delivery_states(site) == {"PENDING": 2, "RESERVE": 1}

    site.receive(slice_of(**RIGHT), at(10))

    assert delivery_states(site) == {"SUPERSEDED": 3}
    assert site.ledger.deliveries.due("pacs", at(10_000)) == ()
    assert site.ledger.put_back(SERIES, at(20)) == [], "`retry` does not bring the old identity back"


def test_a_correction_while_results_are_on_their_way_stops_the_rest(site: Site, tmp_path: Path) -> None:
    send(site, chest(), 0)
    site.node.complete(at(1))
    files = [write_instance(tmp_path) for _ in range(4)]
    site.node.answers = [analysed(results=[result(file.stem) | {"name": file.name} for file in files])]
    site.node.analyse(at(2))
    for due in site.ledger.deliveries.due("pacs", at(5)):
        (tmp_path / due.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / Path(due.path).name).rename(tmp_path / due.path)
    got: list[Any] = []

    def correct_at_the_second(event: Any) -> int:
        if len(got) == 2:
            site.receive(slice_of(**RIGHT), at(10))
        return 0x0000

    with archive(correct_at_the_second, calls=got) as destination:
        deliveries, policy = site.ledger.deliveries, RetryPolicy(3, 30, 600)
        pacs = replace(destination, name="pacs")
        DeliveryTask(deliveries, pacs, "PULMONODE", tmp_path, policy, 10, jitter=lambda: 0.5).loop(at(5))

    assert len(got) == 2
    assert delivery_states(site) == {"STORED": 2, "SUPERSEDED": 2}
    assert state(site) is SeriesState.RECEIVING


def test_what_was_delivered_stays_delivered(site: Site) -> None:
    analysed_once(site)
    (due,) = site.ledger.deliveries.due("pacs", at(5))
    site.ledger.deliveries.record_answer(due, DeliveryState.STORED, at(5), status=0, message="", next_attempt_at=None)
    site.receive(slice_of(**RIGHT), at(10))
    assert delivery_states(site) == {"STORED": 1}


def test_a_copy_or_a_refused_change_withdraws_nothing_and_opens_nothing(site: Site) -> None:
    analysed_once(site)
    send(site, chest(), 10)
    site.receive(slice_of(SpecificCharacterSet="ISO_IR 192"), at(11))
    with pytest.raises(Exception, match="RescaleSlope"):
        site.receive(slice_of(RescaleSlope="2", **RIGHT), at(12))
    assert state(site) is SeriesState.ANALYSED
    assert delivery_states(site) == {"PENDING": 1}


def test_while_only_some_slices_were_sent_again_number_and_geometry_prove_nothing(site: Site) -> None:
    analysed_once(site)
    for number in range(COUNT - 1):
        site.receive(slice_of(number, **RIGHT), at(100 + number), association="a2")
        site.node.complete(at(100 + number))
        assert state(site) is SeriesState.RECEIVING, "the others may be on their way"

    site.receive(slice_of(COUNT - 1, **RIGHT), at(150), association="a2")
    site.node.complete(at(150))

    assert state(site) is SeriesState.READY
    assert "without gap" in (site.node.series(SERIES).completeness or "")


@pytest.mark.parametrize("announced", [None, COUNT])
def test_a_correction_of_one_slice_alone_is_taken_when_it_is_quiet(site: Site, announced: int | None) -> None:
    send(site, chest(NumberOfSeriesRelatedInstances=announced) if announced else chest(), 0)
    site.node.complete(at(1))
    make(site, 2)
    more = {"NumberOfSeriesRelatedInstances": announced} if announced else {}
    site.receive(slice_of(7, **RIGHT, **more), at(100))
    site.node.complete(at(159))
    assert state(site) is SeriesState.RECEIVING
    site.node.complete(at(160))
    assert state(site) is SeriesState.READY
    assert "none for 60 s" in (site.node.series(SERIES).completeness or "")


def test_a_third_identity_for_a_part_waits_again(site: Site) -> None:
    send(site, chest(), 0)
    send(site, chest(**RIGHT), 1)
    send(site, chest(PatientID="THIRD")[:5], 2)
    site.node.complete(at(3))
    assert state(site) is SeriesState.RECEIVING
    send(site, chest(PatientID="THIRD")[5:], 4)
    site.node.complete(at(5))
    assert state(site) is SeriesState.READY


def test_an_analysis_of_the_old_bytes_that_ends_after_the_correction_is_not_recorded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(site, chest(), 0)
    site.node.complete(at(1))

    def ask(job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        send(site, chest(**RIGHT), 10)
        return analysed()

    monkeypatch.setattr(site.node, "ask", ask)
    site.node.analyse(at(2))

    assert state(site) is SeriesState.RECEIVING
    assert site.ledger.outcomes.last_report(SERIES) is None
    assert delivery_states(site) == {}


@pytest.mark.parametrize("answer", ["analysed", "crashed"])
def test_nor_when_the_corrected_series_waits_for_its_own_analysis_by_then(
    site: Site, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    send(site, chest(), 0)
    site.node.complete(at(1))

    def ask(job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        send(site, chest(**RIGHT), 10)
        site.node.complete(at(12))
        if answer == "crashed":
            raise CRASH
        return analysed()

    with monkeypatch.context() as patched:
        patched.setattr(site.node, "ask", ask)
        site.node.analyse(at(2), attempts=1)

    record = site.node.series(SERIES)
    assert (record.state, record.refusal_code, record.attempts) == (SeriesState.READY, None, 0)
    assert site.ledger.outcomes.last_report(SERIES) is None
    make(site, 13, "9.2")
    assert state(site) is SeriesState.ANALYSED
    assert delivery_states(site) == {"PENDING": 1}


def test_a_correction_while_the_series_is_chosen_is_judged_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    send(site, chest(), 0)
    ledger = site.ledger.instances
    contents = type(ledger).contents

    def read_then_corrected(self: Any, uid: str) -> tuple[tuple[str, str], ...]:
        found = contents(self, uid)
        site.receive(slice_of(**RIGHT), at(1))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(type(ledger), "contents", read_then_corrected)
        site.node.complete(at(1))
    assert state(site) is SeriesState.RECEIVING

    send(site, chest(**RIGHT), 2)
    site.node.complete(at(3))
    record = site.node.series(SERIES)
    assert (record.state, record.input_digest) == (SeriesState.READY, digest_of(ledger.contents(SERIES)))


def test_put_back_as_it_was_it_is_work_of_its_own(site: Site) -> None:
    analysed_once(site)
    for turn, attributes in enumerate(({**RIGHT}, {}, {**RIGHT}, {}), start=1):
        send(site, chest(**attributes), 100 * turn)
        site.node.complete(at(100 * turn + 1))
        make(site, 100 * turn + 2, f"9.{turn + 1}")
    digests = [job["source_digest"] for job in site.node.jobs]
    assert len(set(digests)) == 5
    assert [job["predecessor"]["sop_instance_uid"] for job in site.node.jobs[1:]] == ["9.1", "9.2", "9.3", "9.4"]
    assert delivery_states(site) == {"SUPERSEDED": 4, "PENDING": 1}


def test_a_series_whose_study_was_corrected_follows_and_its_predecessor_is_in_the_old_one(site: Site) -> None:
    analysed_once(site)
    send(site, chest(StudyInstanceUID="1.2.77"), 100)
    site.node.complete(at(101))
    make(site, 102, "9.2")
    assert site.node.series(SERIES).study_instance_uid == "1.2.77"
    assert {site.row(one)["study_instance_uid"] for one in chest()} == {"1.2.77"}
    assert site.node.jobs[1]["predecessor"]["study_instance_uid"] == STUDY


def test_retention_removes_what_was_replaced_with_its_series(site: Site) -> None:
    analysed_once(site)
    send(site, chest(**RIGHT), 100)
    site.node.complete(at(101))
    make(site, 102, "9.2")
    assert len(site.files()) == 2 * COUNT
    rules = RetentionRules(timedelta(days=7), timedelta(days=90))
    task = RetentionTask(site.ledger, site.store, site.folder / "results", rules)

    task.loop(at(100) + timedelta(days=6))
    assert len(site.files()) == 2 * COUNT
    site.restart()
    assert site.removed == 0

    task = RetentionTask(site.ledger, site.store, site.folder / "results", rules)
    task.loop(at(100) + timedelta(days=8))
    assert site.files() == []
    with site.ledger.engine.connect() as connection:
        assert connection.execute(replaced.select()).all() == []
    assert site.ledger.instances.known_paths() == frozenset()


def test_killed_between_the_mark_and_the_removal_the_sweep_removes_both_versions(site: Site) -> None:
    analysed_once(site)
    send(site, chest(**RIGHT), 100)
    site.ledger.series.mark_removed(SERIES, at(200))
    site.restart()
    assert (site.removed, site.files()) == (2 * COUNT, [])


def test_status_tells_what_was_corrected_by_whom_and_no_value(site: Site) -> None:
    analysed_once(site)
    assert status_of(site.ledger)["corrected"] == []
    send(site, chest(**RIGHT)[:3], 100)
    (shown,) = status_of(site.ledger)["corrected"]
    assert (shown["series_instance_uid"], shown["instances"]) == (SERIES, 3)
    assert shown["attributes"] == ("PatientName", "PatientID")
    assert shown["calling_ae_titles"] == ("PACS",)
    assert "RIGHT" not in str(shown)
    assert shown["key"] == site.node.series(SERIES).key


def test_a_ledger_of_before_gets_the_table(site: Site) -> None:
    with site.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE replaced")
    site.restart()
    analysed_once(site)
    site.receive(slice_of(**RIGHT), at(100))
    assert site.ledger.instances.is_partly_corrected(SERIES)
