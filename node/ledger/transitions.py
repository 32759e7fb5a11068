"""The one place that changes the state of a series, by the table of ``node.series.states``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from node.errors import LedgerError
from node.ledger.schema import events, series
from node.series.states import SeriesEvent, SeriesState, next_state


def move(
    connection: Connection,
    series_instance_uid: str,
    event: SeriesEvent,
    at: datetime,
    detail: str | None = None,
    **columns: Any,
) -> SeriesState:
    """Apply one event to a series inside the caller's transaction and note it in the events table.

    Returns
    -------
    The new state; ``columns`` are set with it.
    """
    current = connection.scalar(select(series.c.state).where(series.c.series_instance_uid == series_instance_uid))
    if current is None:
        raise LedgerError(f"series {series_instance_uid} is not in the ledger")
    state = next_state(SeriesState(current), event)
    connection.execute(
        update(series).where(series.c.series_instance_uid == series_instance_uid).values(state=state, **columns)
    )
    connection.execute(
        insert(events).values(series_instance_uid=series_instance_uid, event=event, state=state, detail=detail, at=at)
    )
    return state
