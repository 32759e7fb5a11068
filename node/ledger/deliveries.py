"""Deliveries: which result is due where, and what the destination answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, func, select, update

from node.ledger.records import DeliveryRecord, DeliveryState
from node.ledger.schema import deliveries, results, series
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState

_SETTLED = (DeliveryState.STORED, DeliveryState.WARNING, DeliveryState.SUPERSEDED)


class DeliveryLedger:
    """The rows of deliveries. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, destination: str, now: datetime) -> tuple[DeliveryRecord, ...]:
        """Give what one destination is to be sent now, in the order it was made."""
        query = (
            select(deliveries, results.c.path)
            .join(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid)
            .where(
                deliveries.c.destination == destination,
                deliveries.c.state == DeliveryState.PENDING,
                deliveries.c.next_attempt_at <= now,
            )
            .order_by(results.c.analysis_id, results.c.kind.desc(), results.c.sop_instance_uid)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def record_answer(
        self,
        delivery: DeliveryRecord,
        state: DeliveryState,
        at: datetime,
        *,
        status: int | None,
        message: str,
        next_attempt_at: datetime | None,
    ) -> None:
        """Write what a destination answered; a series whose every result arrived becomes DELIVERED."""
        mine = and_(
            deliveries.c.sop_instance_uid == delivery.sop_instance_uid,
            deliveries.c.destination == delivery.destination,
        )
        values = {
            "state": state,
            "attempts": delivery.attempts + 1,
            "next_attempt_at": next_attempt_at,
            "status": status,
            "message": message,
            "updated_at": at,
        }
        with self._engine.begin() as connection:
            connection.execute(update(deliveries).where(mine).values(values))
            if state in _SETTLED:
                _settle(connection, delivery.series_instance_uid, at)

    def open_count(self, series_instance_uid: str) -> int:
        """Give how many results of a series a destination has not got."""
        query = _open_of(series_instance_uid)
        with self._engine.connect().execution_options(read_only=True) as connection:
            return int(connection.scalar(query) or 0)

    def counts(self) -> dict[str, dict[str, int]]:
        """Give, for each destination, how many results are in which state."""
        query = select(deliveries.c.destination, deliveries.c.state, func.count()).group_by(
            deliveries.c.destination, deliveries.c.state
        )
        found: dict[str, dict[str, int]] = {}
        with self._engine.connect().execution_options(read_only=True) as connection:
            for destination, state, count in connection.execute(query):
                found.setdefault(destination, {})[state] = count
        return found

    def troubled(self) -> tuple[DeliveryRecord, ...]:
        """Give what was refused, is held, or has failed at least once and will be tried again."""
        query = (
            select(deliveries, results.c.path)
            .join(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid)
            .where(deliveries.c.state.not_in(_SETTLED), deliveries.c.attempts > 0)
            .order_by(deliveries.c.updated_at)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple(_record(row) for row in connection.execute(query))


def _record(row: Row[Any]) -> DeliveryRecord:
    values = dict(row._mapping)
    values.pop("updated_at")
    return DeliveryRecord(**{**values, "state": DeliveryState(values["state"])})


def _open_of(series_instance_uid: str) -> Select[int]:
    return select(func.count()).where(
        deliveries.c.series_instance_uid == series_instance_uid, deliveries.c.state.not_in(_SETTLED)
    )


def _settle(connection: Connection, series_instance_uid: str, at: datetime) -> None:
    open_count = connection.scalar(_open_of(series_instance_uid))
    state = connection.scalar(select(series.c.state).where(series.c.series_instance_uid == series_instance_uid))
    if not open_count and state == SeriesState.ANALYSED:
        move(connection, series_instance_uid, SeriesEvent.DELIVERED, at)
