"""Instances and refusals: what reception writes before it answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from node.errors import LedgerError
from node.ledger.records import RefusalCount, RefusalRecord
from node.ledger.refusals import add_refusal, refusal_summary
from node.ledger.schema import instances, series
from node.ledger.transitions import move
from node.series.instances import InstanceHeader, from_json, to_json
from node.series.states import SeriesEvent, SeriesState

# Built once: making a statement anew for each instance costs more than running it.
_DIGEST = select(instances.c.sha256).where(instances.c.sop_instance_uid == bindparam("uid"))
_ADD = insert(instances)
_STATE = select(series.c.state).where(series.c.series_instance_uid == bindparam("uid"))
_OPEN = insert(series)
_TOUCH = (
    update(series)
    .where(series.c.series_instance_uid == bindparam("uid"))
    .values(
        last_arrival=bindparam("at"),
        instance_count=series.c.instance_count + 1,
        completeness=None,
        ready_at=None,
        input_digest=None,
        refusal_code=None,
        reason_code=None,
        reason=None,
        attempts=0,
        next_attempt_at=None,
        files_removed_at=None,
    )
)


class InstanceLedger:
    """The rows of received instances. Every method is one transaction; durable when it returns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_instance_digest(self, sop_instance_uid: str) -> str | None:
        """Give the sha256 of the stored content of an instance, or None when it is not stored."""
        try:
            with self._engine.connect().execution_options(read_only=True) as connection:
                return connection.scalar(_DIGEST, {"uid": sop_instance_uid})
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be read: {type(error).__name__}") from None

    def record_instance(
        self,
        header: InstanceHeader,
        *,
        sha256: str,
        size: int,
        path: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
        association_id: str,
        received_at: datetime,
    ) -> None:
        """Add one instance, and put its series to RECEIVING: a late slice opens a finished series again.

        Raises
        ------
        LedgerError
            Nothing was written; the instance must not be acknowledged.
        """
        row = {
            "sop_instance_uid": header.sop_instance_uid,
            "series_instance_uid": header.series_instance_uid,
            "study_instance_uid": header.study_instance_uid,
            "sha256": sha256,
            "size": size,
            "path": path,
            "transfer_syntax_uid": transfer_syntax_uid,
            "calling_ae_title": calling_ae_title,
            "association_id": association_id,
            "received_at": received_at,
            "header": to_json(header),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(_ADD, row)
                _touch_series(connection, header, received_at)
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be written: {type(error).__name__}") from None

    def record_refusal(self, refusal: RefusalRecord) -> None:
        """Note that an instance or an association was turned away, and why."""
        try:
            with self._engine.begin() as connection:
                add_refusal(connection, refusal)
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be written: {type(error).__name__}") from None

    def refusals(self) -> tuple[RefusalCount, ...]:
        """Count what was turned away in the last months, by sender and reason, the last one first."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return refusal_summary(connection)

    def headers(self, series_instance_uid: str) -> tuple[InstanceHeader, ...]:
        """Give the headers of a series in order of arrival."""
        query = (
            select(instances.c.header)
            .where(instances.c.series_instance_uid == series_instance_uid)
            .order_by(instances.c.received_at)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple(from_json(header) for header in connection.scalars(query))

    def files(self, series_instance_uid: str) -> tuple[tuple[str, str, str], ...]:
        """Give (SOP Instance UID, path, sha256) of a series, sorted by UID."""
        query = (
            select(instances.c.sop_instance_uid, instances.c.path, instances.c.sha256)
            .where(instances.c.series_instance_uid == series_instance_uid)
            .order_by(instances.c.sop_instance_uid)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return tuple((uid, path, digest) for uid, path, digest in connection.execute(query))

    def associations(self, series_instance_uid: str) -> frozenset[str]:
        """Give the ids of the associations that a series came over."""
        query = select(instances.c.association_id).where(instances.c.series_instance_uid == series_instance_uid)
        with self._engine.connect().execution_options(read_only=True) as connection:
            return frozenset(connection.scalars(query.distinct()))

    def known_paths(self) -> frozenset[str]:
        """Give the path of every recorded instance: a file that is not among them was never acknowledged."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return frozenset(connection.scalars(select(instances.c.path)))


def _touch_series(connection: Connection, header: InstanceHeader, at: datetime) -> None:
    uid = header.series_instance_uid
    state = connection.scalar(_STATE, {"uid": uid})
    if state is None:
        connection.execute(_OPEN, _new_series(header, at))
        return
    if SeriesState(state) is not SeriesState.RECEIVING:
        # Its patience starts anew: the cap of a study that was finished long ago would be over at once.
        move(connection, uid, SeriesEvent.INSTANCE_ARRIVED, at, first_arrival=at)
    connection.execute(_TOUCH, {"uid": uid, "at": at})


def _new_series(header: InstanceHeader, at: datetime) -> dict[str, object]:
    return {
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "state": SeriesState.RECEIVING,
        "instance_count": 1,
        "first_arrival": at,
        "last_arrival": at,
        "attempts": 0,
    }
