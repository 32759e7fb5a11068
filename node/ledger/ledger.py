"""The ledger: one database, four kinds of rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, or_, select, update

from node.errors import LedgerError
from node.ledger.deliveries import DeliveryLedger
from node.ledger.engine import open_ledger
from node.ledger.instances import InstanceLedger, contents_of
from node.ledger.ladders import from_the_first
from node.ledger.outcomes import OutcomeLedger
from node.ledger.records import DeliveryState
from node.ledger.schema import deliveries, series
from node.ledger.series import SeriesLedger, digest_of
from node.ledger.succession import SuccessionLedger
from node.ledger.transitions import move
from node.series.states import SeriesEvent, SeriesState


@dataclass(frozen=True)
class Ledger:
    """Durable state of the node. Each part is safe to call from any thread."""

    engine: Engine
    instances: InstanceLedger
    series: SeriesLedger
    outcomes: OutcomeLedger
    deliveries: DeliveryLedger
    succession: SuccessionLedger

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open the database at ``url`` (SQLAlchemy), making it when it is new."""
        engine = open_ledger(url)
        return cls(
            engine,
            InstanceLedger(engine),
            SeriesLedger(engine),
            OutcomeLedger(engine),
            DeliveryLedger(engine),
            SuccessionLedger(engine),
        )

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def put_back(self, uid: str, at: datetime) -> list[str]:
        """Put a failed or refused analysis, a series that was not chosen, or a delivery back in line.

        Parameters
        ----------
        uid
            A Series Instance UID of a source, a SOP Instance UID of a result, or the name of a destination.

        Returns
        -------
        One sentence for each thing put back; empty when there was nothing to put back.

        Raises
        ------
        LedgerError
            The files of the series are not here any more.
        """
        done: list[str] = []
        with self.engine.begin() as connection:
            count = _deliver_again(connection, uid, at)
            if count:
                done.append(f"deliveries due again: {count}")
            if _analyse_again(connection, uid, at):
                done.append("the series waits for its analysis again")
        return done


def _analyse_again(connection: Connection, uid: str, at: datetime) -> bool:
    row = connection.execute(select(series).where(series.c.series_instance_uid == uid)).mappings().first()
    if row is None or row["state"] not in {SeriesState.FAILED, SeriesState.REFUSED, SeriesState.SKIPPED}:
        return False
    if row["files_removed_at"] is not None:
        raise LedgerError(f"{uid}: its files were removed after their retention time; send the series again")
    fresh: dict[str, Any] = {
        "attempts": 0,
        "next_attempt_at": None,
        "refusal_code": None,
        "reason_code": None,
        "reason": None,
    }
    if row["state"] == SeriesState.SKIPPED:  # it never was in line
        fresh |= {"ready_at": at, "input_digest": digest_of(contents_of(connection, uid))}
    move(connection, uid, SeriesEvent.RETRY, at, "by hand", **fresh)
    return True


def _deliver_again(connection: Connection, uid: str, at: datetime) -> int:
    """Make held and refused deliveries due; of a result in several forms the preferred one. Give their number."""
    names = (deliveries.c.sop_instance_uid, deliveries.c.series_instance_uid, deliveries.c.destination)
    stopped = deliveries.c.state.in_((DeliveryState.HELD, DeliveryState.REFUSED))
    mine = and_(or_(*(name == uid for name in names)), stopped)
    is_form = and_(deliveries.c.rung.is_not(None), deliveries.c.state == DeliveryState.REFUSED)
    ladders = select(deliveries.c.series_instance_uid, deliveries.c.destination).where(mine, is_form).distinct()
    refused = connection.execute(ladders).all()
    for series_instance_uid, destination in refused:
        from_the_first(connection, series_instance_uid, destination, at)
    values = {"state": DeliveryState.PENDING, "attempts": 0, "next_attempt_at": at, "updated_at": at}
    return len(refused) + connection.execute(update(deliveries).where(mine).values(values)).rowcount
