"""Ladders: a result in several forms, of which a destination gets the first that it takes.

One form is due; the others wait in RESERVE. When the destination does not take the form, the next one
becomes due in the same transaction; when it has one, the rest are not needed. So at any moment, also
after a crash, exactly one form is due, or has arrived, or shows why none did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from node.ledger.records import ARRIVED, DeliveryState, Recipient, ResultRecord
from node.ledger.schema import deliveries


@dataclass(frozen=True)
class PlannedDelivery:
    """A row to come: one result, the state it begins in, and its place in a ladder."""

    sop_instance_uid: str
    state: DeliveryState
    rung: int | None


def planned(
    recipient: Recipient, made: Sequence[ResultRecord], present: Mapping[str, DeliveryState]
) -> list[PlannedDelivery]:
    """Decide what a destination is to get of the results that were made; pure.

    Parameters
    ----------
    present
        State of each of these results with this destination that has a row already: the same work done
        twice adds nothing.
    """
    forms = {kind for ladder in recipient.ladders for kind in ladder}
    plain = [result.sop_instance_uid for result in made if result.kind in recipient.kinds - forms]
    rows = [PlannedDelivery(uid, DeliveryState.PENDING, None) for uid in plain if uid not in present]
    for ladder in recipient.ladders:
        rungs = [
            (rung, result.sop_instance_uid)
            for rung, kind in enumerate(ladder)
            for result in made
            if result.kind == kind
        ]
        rows += _planned_ladder(rungs, present)
    return rows


def _planned_ladder(rungs: Sequence[tuple[int, str]], present: Mapping[str, DeliveryState]) -> list[PlannedDelivery]:
    states = {present[uid] for _, uid in rungs if uid in present}
    rows = []
    for rung, uid in rungs:
        if uid in present:
            continue
        state = _state_beside(states)
        states.add(state)
        rows.append(PlannedDelivery(uid, state, rung))
    return rows


def _state_beside(states: set[DeliveryState]) -> DeliveryState:
    """Choose the state of one more form beside those that the others are in."""
    if states & ARRIVED:
        return DeliveryState.NOT_NEEDED
    if states <= {DeliveryState.NOT_TAKEN, DeliveryState.SUPERSEDED}:
        return DeliveryState.PENDING
    return DeliveryState.RESERVE


def next_form_due(connection: Connection, series_instance_uid: str, destination: str, at: datetime) -> bool:
    """Make the next form in RESERVE due; False when there is none."""
    waiting = and_(_forms(series_instance_uid, destination), deliveries.c.state == DeliveryState.RESERVE)
    following = connection.scalar(select(func.min(deliveries.c.rung)).where(waiting))
    if following is None:
        return False
    values = {"state": DeliveryState.PENDING, "attempts": 0, "next_attempt_at": at, "updated_at": at}
    connection.execute(update(deliveries).where(waiting, deliveries.c.rung == following).values(values))
    return True


def rest_not_needed(connection: Connection, series_instance_uid: str, destination: str, at: datetime) -> None:
    """Settle the forms in RESERVE: the destination has one."""
    waiting = and_(_forms(series_instance_uid, destination), deliveries.c.state == DeliveryState.RESERVE)
    connection.execute(update(deliveries).where(waiting).values(state=DeliveryState.NOT_NEEDED, updated_at=at))


def from_the_first(connection: Connection, series_instance_uid: str, destination: str, at: datetime) -> None:
    """Try the forms again from the preferred one on: what the destination takes may have changed."""
    fallen = deliveries.c.state.in_((DeliveryState.REFUSED, DeliveryState.NOT_TAKEN))
    again = update(deliveries).where(_forms(series_instance_uid, destination), fallen)
    connection.execute(again.values(state=DeliveryState.RESERVE, attempts=0, next_attempt_at=None, updated_at=at))
    next_form_due(connection, series_instance_uid, destination, at)


def _forms(series_instance_uid: str, destination: str) -> ColumnElement[bool]:
    """Every form of the one ladder that a series has with a destination; withdrawn ones are SUPERSEDED."""
    return and_(
        deliveries.c.series_instance_uid == series_instance_uid,
        deliveries.c.destination == destination,
        deliveries.c.rung.is_not(None),
    )
