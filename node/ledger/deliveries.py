"""Deliveries: which result is due where, and what the destination answered."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, and_, func, select, update

from node.ledger.ladders import next_form_due, rest_not_needed
from node.ledger.records import ARRIVED, SETTLED, DeliveryRecord, DeliveryState
from node.ledger.schema import deliveries, results, series
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState


class DeliveryLedger:
    """The rows of deliveries. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, destination: str, now: datetime) -> tuple[DeliveryRecord, ...]:
        """Give what one destination is to be sent now, in the order it was made."""
        query = (
            _with_path()
            .where(
                deliveries.c.destination == destination,
                deliveries.c.state == DeliveryState.PENDING,
                deliveries.c.next_attempt_at <= now,
            )
            .order_by(results.c.analysis_id, results.c.kind.desc(), results.c.sop_instance_uid)
        )
        return self._records(query)

    def in_reserve(self, destination: str, series_instance_uids: Collection[str]) -> tuple[DeliveryRecord, ...]:
        """Give the other forms of what is due to a destination of these series, in order of preference."""
        query = (
            _with_path()
            .where(
                deliveries.c.destination == destination,
                deliveries.c.state == DeliveryState.RESERVE,
                deliveries.c.series_instance_uid.in_(series_instance_uids),
            )
            .order_by(deliveries.c.rung)
        )
        return self._records(query)

    def record_answer(
        self,
        delivery: DeliveryRecord,
        state: DeliveryState,
        at: datetime,
        *,
        status: int | None,
        message: str,
        next_attempt_at: datetime | None,
    ) -> DeliveryState:
        """Write what a destination answered; a series whose every result arrived becomes DELIVERED.

        Parameters
        ----------
        state
            NOT_TAKEN makes the next form of the result due. Where there is none, it is REFUSED.

        Returns
        -------
        The state that was written.
        """
        values = {
            "attempts": delivery.attempts + 1,
            "next_attempt_at": next_attempt_at,
            "status": status,
            "message": message,
            "updated_at": at,
        }
        with self._engine.begin() as connection:
            if _is_withdrawn(connection, delivery):
                if state not in ARRIVED:
                    return DeliveryState.SUPERSEDED  # not tried again: a newer analysis took its place meanwhile
            elif delivery.rung is not None:
                state = _step(connection, delivery, state, at)
            elif state is DeliveryState.NOT_TAKEN:
                state = DeliveryState.REFUSED
            connection.execute(update(deliveries).where(_row_of(delivery)).values(state=state, **values))
            if state in SETTLED:
                _settle(connection, delivery.series_instance_uid, at)
        return state

    def is_withdrawn(self, delivery: DeliveryRecord) -> bool:
        """Tell whether something newer took the place of a result since its row was read."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return _is_withdrawn(connection, delivery)

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
        unsettled = and_(deliveries.c.state.not_in(SETTLED), deliveries.c.attempts > 0)
        return self._records(_with_path().where(unsettled).order_by(deliveries.c.updated_at))

    def _records(self, query: Select[Any]) -> tuple[DeliveryRecord, ...]:
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple(_record(row) for row in connection.execute(query))


def withdraw(connection: Connection, series_instance_uid: str, at: datetime, but_for: Collection[str] = ()) -> None:
    """Take back the results of a series that no destination has got yet, but for these SOP Instance UIDs."""
    over = ARRIVED | {DeliveryState.NOT_NEEDED, DeliveryState.SUPERSEDED}
    mine = and_(
        deliveries.c.series_instance_uid == series_instance_uid,
        deliveries.c.sop_instance_uid.not_in(but_for),
        deliveries.c.state.not_in(over),
    )
    values = {"state": DeliveryState.SUPERSEDED, "next_attempt_at": None, "updated_at": at}
    connection.execute(update(deliveries).where(mine).values(values))


def _with_path() -> Select[Any]:
    return select(deliveries, results.c.path).join(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid)


def _record(row: Row[Any]) -> DeliveryRecord:
    values = dict(row._mapping)
    values.pop("updated_at")
    return DeliveryRecord(**{**values, "state": DeliveryState(values["state"])})


def _row_of(delivery: DeliveryRecord) -> ColumnElement[bool]:
    return and_(
        deliveries.c.sop_instance_uid == delivery.sop_instance_uid,
        deliveries.c.destination == delivery.destination,
    )


def _is_withdrawn(connection: Connection, delivery: DeliveryRecord) -> bool:
    return connection.scalar(select(deliveries.c.state).where(_row_of(delivery))) == DeliveryState.SUPERSEDED


def _step(connection: Connection, delivery: DeliveryRecord, state: DeliveryState, at: datetime) -> DeliveryState:
    """Let the other forms of a result follow from what became of this one; give the state of this one."""
    where = (delivery.series_instance_uid, delivery.destination)
    if state in ARRIVED:
        rest_not_needed(connection, *where, at)
    if state is DeliveryState.NOT_TAKEN and not next_form_due(connection, *where, at):
        return DeliveryState.REFUSED
    return state


def _open_of(series_instance_uid: str) -> Select[int]:
    return select(func.count()).where(
        deliveries.c.series_instance_uid == series_instance_uid, deliveries.c.state.not_in(SETTLED)
    )


def _settle(connection: Connection, series_instance_uid: str, at: datetime) -> None:
    open_count = connection.scalar(_open_of(series_instance_uid))
    state = connection.scalar(select(series.c.state).where(series.c.series_instance_uid == series_instance_uid))
    if not open_count and state == SeriesState.ANALYSED:
        move(connection, series_instance_uid, SeriesEvent.DELIVERED, at)
