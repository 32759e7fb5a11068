"""Outcomes: what an analysis came to, its results, and what is to be sent where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from node.ledger.deliveries import withdraw
from node.ledger.ladders import planned
from node.ledger.records import DeliveryState, OutcomeRecord, Recipient, ResultRecord, SeriesRecord
from node.ledger.schema import analyses, deliveries, results, series
from node.ledger.succession import is_told, is_unchanged
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState

REPORT_KIND = "SR"  # its other forms begin with it

_EVENT_OF_OUTCOME = {
    SeriesState.ANALYSED: SeriesEvent.ANALYSED,
    SeriesState.REFUSED: SeriesEvent.REFUSED,
    SeriesState.FAILED: SeriesEvent.FAILED,
}


class OutcomeLedger:
    """The rows of analyses and results. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(
        self, source: SeriesRecord, outcome: OutcomeRecord, recipients: Sequence[Recipient], at: datetime
    ) -> bool:
        """Write an analysis, its results and their deliveries in one transaction; the files are on disk already.

        Returns
        -------
        False, with nothing written, when the series has changed since the analysis began.
        """
        uid = source.series_instance_uid
        with self._engine.begin() as connection:
            if not is_unchanged(connection, source):
                return False
            analysis_id = _insert_analysis(connection, source, outcome, at)
            # An old notice must not arrive after the new report.
            withdraw(connection, uid, at, but_for=[result.sop_instance_uid for result in outcome.results])
            _insert_results(connection, source, outcome.results, analysis_id, at)
            for recipient in recipients:
                _insert_deliveries(connection, source, outcome.results, recipient, at)
            told = {"reason_code": outcome.code, "reason": outcome.reason, "refusal_code": outcome.code}
            event = _EVENT_OF_OUTCOME[outcome.state]
            move(connection, uid, event, at, outcome.reason, **told, next_attempt_at=None)
        return True

    def told(self, study_instance_uid: str) -> frozenset[str]:
        """Give the refused and failed series of a study on which a notice was made, or could not be made."""
        query = select(series.c.series_instance_uid).where(series.c.study_instance_uid == study_instance_uid, is_told())
        with self._engine.connect().execution_options(read_only=True) as connection:
            return frozenset(connection.scalars(query))

    def last_report(self, series_instance_uid: str) -> ResultRecord | None:
        """Give the structured report that was made last of a series, in its richest form: the next one names it."""
        query = (
            select(results)
            .where(results.c.series_instance_uid == series_instance_uid, results.c.kind.startswith(REPORT_KIND))
            .order_by(results.c.analysis_id.desc(), results.c.kind)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return ResultRecord(row.sop_instance_uid, row.result_series_uid, row.sop_class_uid, row.kind, row.path)

    def study_of(self, report: ResultRecord) -> str:
        """Give the Study Instance UID that a report was filed under; the study of its series may be corrected since."""
        analysis = select(results.c.analysis_id).where(results.c.sop_instance_uid == report.sop_instance_uid)
        query = select(analyses.c.report).where(analyses.c.id == analysis.scalar_subquery())
        with self._engine.connect().execution_options(read_only=True) as connection:
            return str((connection.scalar(query) or {}).get("study_instance_uid") or "")

    def results_of(self, series_instance_uid: str) -> tuple[ResultRecord, ...]:
        """Give the results of the last analysis of a series."""
        mine = analyses.c.series_instance_uid == series_instance_uid
        last = select(analyses.c.id).where(mine).order_by(analyses.c.id.desc()).limit(1).scalar_subquery()
        query = select(results).where(results.c.analysis_id == last).order_by(results.c.path)
        with self._engine.connect().execution_options(read_only=True) as connection:
            rows = connection.execute(query)
            return tuple(
                ResultRecord(row.sop_instance_uid, row.result_series_uid, row.sop_class_uid, row.kind, row.path)
                for row in rows
            )

    def report_of(self, series_instance_uid: str) -> dict[str, Any] | None:
        """Give the content of the last report.json of a series."""
        query = (
            select(analyses.c.report)
            .where(analyses.c.series_instance_uid == series_instance_uid)
            .order_by(analyses.c.id.desc())
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return connection.scalar(query)

    def last_analysis(self, series_instance_uid: str) -> dict[str, Any] | None:
        """Give the content of the last report.json of a series that says what was found; a notice does not."""
        query = (
            select(analyses.c.report)
            .where(analyses.c.series_instance_uid == series_instance_uid, analyses.c.status == SeriesState.ANALYSED)
            .order_by(analyses.c.id.desc())
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return connection.scalar(query)

    def result_series(self) -> frozenset[str]:
        """Give the Series Instance UID of everything this node ever made, so that it is never analysed."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return frozenset(connection.scalars(select(results.c.result_series_uid).distinct()))


def _insert_analysis(connection: Connection, source: SeriesRecord, outcome: OutcomeRecord, at: datetime) -> int:
    row = {
        "series_instance_uid": source.series_instance_uid,
        "input_digest": source.input_digest,
        "software_version": outcome.software_version,
        "status": outcome.state,
        "report": outcome.report,
        "wall_s": outcome.wall_s,
        "finished_at": at,
    }
    return int(connection.execute(insert(analyses).values(row).returning(analyses.c.id)).scalar_one())


def _insert_results(
    connection: Connection, source: SeriesRecord, made: Iterable[ResultRecord], analysis_id: int, at: datetime
) -> None:
    """Add the results that are new; the same work done again makes the same UIDs, which are there already."""
    uid = source.series_instance_uid
    known = set(connection.scalars(select(results.c.sop_instance_uid).where(results.c.series_instance_uid == uid)))
    for result in made:
        if result.sop_instance_uid not in known:
            row = {**vars(result), "analysis_id": analysis_id, "series_instance_uid": uid, "created_at": at}
            connection.execute(insert(results).values(row))


def _insert_deliveries(
    connection: Connection, source: SeriesRecord, made: Sequence[ResultRecord], recipient: Recipient, at: datetime
) -> None:
    """Add what this destination is to get and has no row of."""
    uid = source.series_instance_uid
    mine = select(deliveries.c.sop_instance_uid, deliveries.c.state).where(
        deliveries.c.series_instance_uid == uid, deliveries.c.destination == recipient.name
    )
    present = {row.sop_instance_uid: DeliveryState(row.state) for row in connection.execute(mine)}
    for delivery in planned(recipient, made, present):
        row = {
            **vars(delivery),
            "destination": recipient.name,
            "series_instance_uid": uid,
            "attempts": 0,
            "next_attempt_at": at if delivery.state is DeliveryState.PENDING else None,
            "updated_at": at,
        }
        connection.execute(insert(deliveries).values(row))
