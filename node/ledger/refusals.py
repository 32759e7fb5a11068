"""Refusals: what was turned away, and how often. However much comes, the tables stay small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from node.ledger.records import RefusalCount, RefusalRecord
from node.ledger.schema import refusal_counts, refusals

KEPT_INSTANCES = 10_000  # the last refused ones that are kept by their UID
KEPT_DAYS = 90  # of counts
MOST_SENDERS_A_DAY = 1_000  # sender and reason; who comes later that day is counted without a name


def add_refusal(connection: Connection, refusal: RefusalRecord) -> None:
    """Write one refusal."""
    if refusal.sop_instance_uid is not None:
        _add_instance(connection, refusal)
    named = replace(refusal, calling_ae_title=refusal.calling_ae_title[:16], address=refusal.address[:64])
    if not _count_up(connection, named):
        _open_count(connection, named)


def refusal_summary(connection: Connection) -> tuple[RefusalCount, ...]:
    """Count the refusals of the days that are kept, by sender and reason, the last one first."""
    rows = connection.execute(select(refusal_counts).order_by(refusal_counts.c.last_at.desc())).mappings()
    return _summed(RefusalCount(**{key: row[key] for key in row if key != "day"}) for row in rows)


def _summed(counts: Iterable[RefusalCount]) -> tuple[RefusalCount, ...]:
    """Add up the days; ``counts`` come with the last one first."""
    summed: dict[tuple[str, str, str], RefusalCount] = {}
    for one in counts:
        key = (one.calling_ae_title, one.address, one.code)
        last = summed.get(key)
        summed[key] = replace(last, count=last.count + one.count) if last else one
    return tuple(summed.values())


def _add_instance(connection: Connection, refusal: RefusalRecord) -> None:
    row = {
        "sop_instance_uid": (refusal.sop_instance_uid or "")[:64],
        "calling_ae_title": refusal.calling_ae_title[:16],
        "code": refusal.code,
        "status": refusal.status,
        "message": refusal.message,
        "at": refusal.at,
    }
    added = connection.execute(insert(refusals).values(row)).inserted_primary_key
    if added is not None:
        connection.execute(delete(refusals).where(refusals.c.id <= added[0] - KEPT_INSTANCES))


def _count_up(connection: Connection, refusal: RefusalRecord) -> bool:
    """Add one to the count of the day; tell whether there was one."""
    values = {"count": refusal_counts.c.count + 1, "message": refusal.message, "last_at": refusal.at}
    mine = and_(*(refusal_counts.c[name] == value for name, value in _key(refusal).items()))
    return bool(connection.execute(update(refusal_counts).where(mine).values(values)).rowcount)


def _open_count(connection: Connection, refusal: RefusalRecord) -> None:
    """Begin a count, and drop those that are too old; beyond what a day may hold the sender has no name."""
    day = _day(refusal)
    connection.execute(delete(refusal_counts).where(refusal_counts.c.day < day - timedelta(days=KEPT_DAYS)))
    of_the_day = select(func.count()).select_from(refusal_counts).where(refusal_counts.c.day == day)
    if (connection.scalar(of_the_day) or 0) >= MOST_SENDERS_A_DAY:
        refusal = replace(refusal, calling_ae_title="", address="")
        if _count_up(connection, refusal):
            return
    row = {**_key(refusal), "count": 1, "message": refusal.message, "last_at": refusal.at}
    try:
        with connection.begin_nested():
            connection.execute(insert(refusal_counts).values(row))
    except IntegrityError:  # PostgreSQL: another association has just begun the same count
        _count_up(connection, refusal)


def _key(refusal: RefusalRecord) -> dict[str, Any]:
    return {
        "day": _day(refusal),
        "calling_ae_title": refusal.calling_ae_title,
        "address": refusal.address,
        "code": refusal.code,
    }


def _day(refusal: RefusalRecord) -> date:
    return refusal.at.astimezone(UTC).date()
