"""Series: which are arriving, which wait for analysis, what became of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, delete, or_, select, update

from node.ledger.records import SeriesRecord
from node.ledger.schema import instances, replaced, series
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState


def digest_of(contents: Iterable[tuple[str, str]]) -> str:
    """Give one sha256 over the (SOP Instance UID, sha256) pairs of a series, whatever their order."""
    total = hashlib.sha256()
    for uid, sha256 in sorted(contents):
        total.update(f"{uid}={sha256};".encode())
    return total.hexdigest()


class SeriesLedger:
    """The rows of series. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def receiving(self) -> tuple[SeriesRecord, ...]:
        """Give the series that are still arriving, oldest first."""
        return self._records(series.c.state == SeriesState.RECEIVING)

    def of_study(self, study_instance_uid: str) -> tuple[SeriesRecord, ...]:
        """Give the series of one study, in order of arrival."""
        return self._records(series.c.study_instance_uid == study_instance_uid)

    def all(self) -> tuple[SeriesRecord, ...]:
        """Give every series, oldest first."""
        return self._records(series.c.series_instance_uid.is_not(None))

    def get(self, series_instance_uid: str) -> SeriesRecord | None:
        """Give one series."""
        return next(iter(self._records(series.c.series_instance_uid == series_instance_uid)), None)

    def next_ready(self, now: datetime) -> SeriesRecord | None:
        """Give the series that has waited longest for its analysis and may be tried now."""
        due = or_(series.c.next_attempt_at.is_(None), series.c.next_attempt_at <= now)
        return min(
            self._records(series.c.state == SeriesState.READY, due),
            key=lambda record: (record.ready_at or now, record.series_instance_uid),
            default=None,
        )

    def set_complete(self, series_instance_uid: str, seen_count: int, reason: str) -> bool:
        """Note why a series counts as complete; False when another instance came in the meantime."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(series)
                .where(
                    series.c.series_instance_uid == series_instance_uid,
                    series.c.state == SeriesState.RECEIVING,
                    series.c.instance_count == seen_count,
                )
                .values(completeness=reason)
            )
            return changed.rowcount == 1

    def choose(
        self, record: SeriesRecord, input_digest: str, at: datetime, refusal: tuple[str, str] | None = None
    ) -> bool:
        """Put a complete series in line for analysis; with a ``refusal`` (code, reason) only for its notice.

        False, and nothing is done, when an instance came or was corrected since ``record`` was read: the digest
        would not be that of what is analysed.
        """
        code, reason = refusal or (None, None)
        mine = series.c.series_instance_uid == record.series_instance_uid
        with self._engine.begin() as connection:
            now = connection.execute(select(series.c.last_arrival, series.c.completeness).where(mine)).one()
            if (now.last_arrival, now.completeness) != (record.last_arrival, record.completeness):
                return False
            move(
                connection,
                record.series_instance_uid,
                SeriesEvent.CHOSEN,
                at,
                record.completeness,
                ready_at=at,
                input_digest=input_digest,
                refusal_code=code,
                reason_code=code,
                reason=reason,
                attempts=0,
                next_attempt_at=None,
            )
        return True

    def skip(self, series_instance_uid: str, reason: str, at: datetime) -> None:
        """Note that a complete series is not analysed, and why."""
        with self._engine.begin() as connection:
            move(
                connection,
                series_instance_uid,
                SeriesEvent.NOT_CHOSEN,
                at,
                reason,
                reason_code="NOT_CHOSEN",
                reason=reason,
            )

    def begin_attempt(self, series_instance_uid: str) -> int:
        """Count an attempt before it starts, so that a crash in it is counted too; give its number."""
        mine = series.c.series_instance_uid == series_instance_uid
        with self._engine.begin() as connection:
            connection.execute(update(series).where(mine).values(attempts=series.c.attempts + 1))
            return int(connection.scalar(select(series.c.attempts).where(mine)) or 0)

    def postpone(self, record: SeriesRecord, code: str, reason: str, next_attempt_at: datetime) -> None:
        """Leave a series READY for another attempt later."""
        values = {"reason_code": code, "reason": reason, "next_attempt_at": next_attempt_at}
        with self._engine.begin() as connection:
            connection.execute(update(series).where(_still_waits(record)).values(values))

    def give_up(self, record: SeriesRecord, code: str, reason: str) -> None:
        """Leave a series READY for its notice alone: every attempt to analyse it failed."""
        values = {"refusal_code": code, "reason_code": code, "reason": reason, "next_attempt_at": None}
        with self._engine.begin() as connection:
            connection.execute(update(series).where(_still_waits(record)).values(values))

    def fail(self, record: SeriesRecord, code: str, reason: str, at: datetime) -> None:
        """Mark a READY series FAILED when not even its notice could be made."""
        with self._engine.begin() as connection:
            if connection.scalar(select(series.c.state).where(_still_waits(record))) is not None:
                columns = {"reason_code": code, "reason": reason}
                move(connection, record.series_instance_uid, SeriesEvent.FAILED, at, reason, **columns)

    def mark_removed(self, series_instance_uid: str, at: datetime) -> None:
        """Note that the files of a series are removed by retention; sent again, they are new instances."""
        mine = series.c.series_instance_uid == series_instance_uid
        with self._engine.begin() as connection:
            for table in (instances, replaced):
                connection.execute(delete(table).where(table.c.series_instance_uid == series_instance_uid))
            connection.execute(update(series).where(mine).values(files_removed_at=at, instance_count=0))

    def _records(self, *conditions: ColumnElement[bool]) -> tuple[SeriesRecord, ...]:
        query = select(series).where(*conditions).order_by(series.c.first_arrival, series.c.series_instance_uid)
        with self._engine.connect().execution_options(read_only=True) as connection:
            rows = connection.execute(query).mappings()
            return tuple(SeriesRecord(**{**row, "state": SeriesState(row["state"])}) for row in rows)


def _still_waits(record: SeriesRecord) -> ColumnElement[bool]:
    """Find the row of a READY series, unless instances came or were corrected since ``record`` was read.

    What was said of an attempt at fewer slices, or at another identity, says nothing of the next.
    """
    return and_(
        series.c.series_instance_uid == record.series_instance_uid,
        series.c.state == SeriesState.READY,
        series.c.input_digest == record.input_digest,
    )
