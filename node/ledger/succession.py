"""What follows a refusal, in the ledger: the next series of the study, or its notice, in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, exists, or_, select

from node.ledger.records import SeriesRecord, Successor
from node.ledger.schema import analyses, series
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState
from node.series.succession import TAKEN, TRIED

_OVER = {SeriesState.REFUSED: SeriesEvent.REFUSED, SeriesState.FAILED: SeriesEvent.FAILED}


class SuccessionLedger:
    """Refusals without a notice, and who is next. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pass_on(
        self, source: SeriesRecord, state: SeriesState, why: tuple[str, str], successor: Successor | None, at: datetime
    ) -> bool:
        """Leave a READY series REFUSED or FAILED without a notice, and put its successor in line.

        Parameters
        ----------
        why
            Code and reason.

        Returns
        -------
        False, with nothing written, when the series has changed since its analysis began.
        """
        code, reason = why
        with self._engine.begin() as connection:
            if not is_unchanged(connection, source):
                return False
            told = {"reason_code": code, "reason": reason, "refusal_code": None, "next_attempt_at": None}
            move(connection, source.series_instance_uid, _OVER[state], at, reason, **told)
            if successor is not None:
                _put_forward(connection, successor, at)
        return True

    def put_forward(self, successor: Successor, at: datetime) -> None:
        """Put a skipped series in line for its analysis, or a refused one for the notice of its study."""
        with self._engine.begin() as connection:
            _put_forward(connection, successor, at)

    def unsettled_studies(self) -> tuple[str, ...]:
        """Give the studies in which something was refused, nothing goes on, and nobody was told."""
        tried = select(series.c.study_instance_uid).where(
            series.c.state.in_(TRIED), series.c.files_removed_at.is_(None)
        )
        goes_on = or_(series.c.state.in_({*TAKEN, SeriesState.RECEIVING}), is_told())
        settled = select(series.c.study_instance_uid).where(goes_on)
        query = tried.where(series.c.study_instance_uid.not_in(settled)).distinct()
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple(connection.scalars(query))


def is_unchanged(connection: Connection, source: SeriesRecord) -> bool:
    """Tell whether a series is as it was when its analysis began."""
    query = select(series.c.state, series.c.input_digest).where(
        series.c.series_instance_uid == source.series_instance_uid
    )
    row = connection.execute(query).one()
    return bool(row.state == SeriesState.READY and row.input_digest == source.input_digest)


def is_told() -> ColumnElement[bool]:
    """Say that a notice was made of the instances that a refused series has now, or could not be made.

    ``refusal_code`` tells; ledgers of before tell by the analysis of the notice.
    """
    notice = exists().where(
        analyses.c.series_instance_uid == series.c.series_instance_uid,
        analyses.c.input_digest == series.c.input_digest,
        analyses.c.status.in_(TRIED),
    )
    return series.c.state.in_(TRIED) & or_(series.c.refusal_code.is_not(None), notice)


def _put_forward(connection: Connection, successor: Successor, at: datetime) -> None:
    """Pass over a series that has changed in the meantime: it is decided anew by what changed it."""
    uid = successor.series_instance_uid
    row = connection.execute(select(series).where(series.c.series_instance_uid == uid)).mappings().one()
    line: dict[str, Any] = {"attempts": 0, "next_attempt_at": None}
    if successor.input_digest is None and row["state"] in TRIED:
        detail = "the notice of the study"
        line |= {"refusal_code": row["reason_code"]}
    elif successor.input_digest is not None and row["state"] == SeriesState.SKIPPED and not row["files_removed_at"]:
        detail = "the next best of the study"
        line |= {"ready_at": at, "input_digest": successor.input_digest, "refusal_code": None}
        line |= {"reason_code": None, "reason": None}
    else:
        return
    move(connection, uid, SeriesEvent.CHOSEN, at, detail, **line)
