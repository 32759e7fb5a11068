"""Instances and refusals: what reception writes before it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, bindparam, func, insert, select, union, update
from sqlalchemy.exc import SQLAlchemyError

from node.errors import LedgerError
from node.ledger.corrections import corrections, is_partly_corrected, replace_row
from node.ledger.deliveries import withdraw
from node.ledger.records import CorrectionRecord, InstanceRecord, RefusalCount, RefusalRecord
from node.ledger.refusals import add_refusal, refusal_summary
from node.ledger.schema import instances, replaced, series
from node.ledger.transitions import move
from node.series.corrections import short_list
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
        instance_count=series.c.instance_count + bindparam("more"),
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

    def find_instance(self, sop_instance_uid: str) -> InstanceRecord | None:
        """Give what is known of a stored instance, or None when it is not stored."""
        query = select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        try:
            with self._engine.connect().execution_options(read_only=True) as connection:
                row = connection.execute(query).mappings().one_or_none()
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be read: {type(error).__name__}") from None
        if row is None:
            return None
        known = {field.name: row[field.name] for field in fields(InstanceRecord)}
        return InstanceRecord(**{**known, "header": from_json(row["header"])})

    def replace_instance(self, corrected: InstanceRecord, replaced_sha256: str, attributes: Sequence[str]) -> bool:
        """Let a corrected instance take the place of a stored one, and put its series to RECEIVING.

        What it replaces stays known, and what was made of it and no destination has got yet is withdrawn.

        Parameters
        ----------
        replaced_sha256
            Of the content that it was compared with.
        attributes
            Keywords of what was corrected.

        Returns
        -------
        Whether it is the first one since its series was complete.

        Raises
        ------
        LedgerError
            Nothing was written; the instance must not be acknowledged.
        """
        header, at = corrected.header, corrected.received_at
        detail = f"corrected: {short_list(attributes)}"
        try:
            with self._engine.begin() as connection:
                withdraw(connection, header.series_instance_uid, at)
                is_first = _correct_series(connection, header, at, detail)
                replace_row(connection, corrected, replaced_sha256, attributes)
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger cannot be written: {type(error).__name__}") from None
        return is_first

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
        """Give the path of every acknowledged instance, those that were corrected since among them.

        A file that is not among them was never acknowledged.
        """
        with self._engine.connect().execution_options(read_only=True) as connection:
            return frozenset(connection.scalars(union(select(instances.c.path), select(replaced.c.path))))

    def contents(self, series_instance_uid: str) -> tuple[tuple[str, str], ...]:
        """Give (name, sha256) of everything that the analysis of a series stands on, for its digest.

        The name is the SOP Instance UID; what was replaced has a minus before it: a series that was corrected
        and then put back is not as it was, for its next report is another one and names another predecessor.
        """
        with self._engine.connect().execution_options(read_only=True) as connection:
            return contents_of(connection, series_instance_uid)

    def is_partly_corrected(self, series_instance_uid: str) -> bool:
        """Tell whether some instances of a series were corrected more often than others."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return is_partly_corrected(connection, series_instance_uid)

    def corrections(self) -> tuple[CorrectionRecord, ...]:
        """Sum up what was corrected, a record for each series, the last one first."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return corrections(connection)


def _touch_series(connection: Connection, header: InstanceHeader, at: datetime) -> None:
    uid = header.series_instance_uid
    state = connection.scalar(_STATE, {"uid": uid})
    if state is None:
        connection.execute(_OPEN, _new_series(header, at))
        return
    if SeriesState(state) is not SeriesState.RECEIVING:
        _open_again(connection, uid, at)
    connection.execute(_TOUCH, {"uid": uid, "at": at, "more": 1})


def _open_again(connection: Connection, uid: str, at: datetime, detail: str | None = None) -> None:
    """Put a series that was complete back to RECEIVING.

    Its patience starts anew: the cap of a study that was finished long ago would be over at once.
    """
    move(connection, uid, SeriesEvent.INSTANCE_ARRIVED, at, detail, first_arrival=at)


def _correct_series(connection: Connection, header: InstanceHeader, at: datetime, detail: str) -> bool:
    """Put the series of a corrected instance to RECEIVING, in its study; tell whether it was the first one."""
    uid = header.series_instance_uid
    mine = series.c.series_instance_uid == uid
    row = connection.execute(select(series.c.state, series.c.first_arrival).where(mine)).one()
    before = and_(replaced.c.series_instance_uid == uid, replaced.c.replaced_at >= row.first_arrival)
    is_finished = SeriesState(row.state) is not SeriesState.RECEIVING
    is_first = is_finished or not connection.scalar(select(func.count()).where(before))
    if is_finished:
        _open_again(connection, uid, at, detail)
    elif is_first:
        move(connection, uid, SeriesEvent.INSTANCE_ARRIVED, at, detail)
    connection.execute(update(series).where(mine).values(study_instance_uid=header.study_instance_uid))
    connection.execute(_TOUCH, {"uid": uid, "at": at, "more": 0})
    return is_first


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


def contents_of(connection: Connection, series_instance_uid: str) -> tuple[tuple[str, str], ...]:
    """Give what ``InstanceLedger.contents`` gives, inside the caller's transaction."""
    now = select(instances.c.sop_instance_uid, instances.c.sha256).where(
        instances.c.series_instance_uid == series_instance_uid
    )
    before = select(replaced.c.sop_instance_uid, replaced.c.sha256).where(
        replaced.c.series_instance_uid == series_instance_uid
    )
    return (
        *((uid, sha256) for uid, sha256 in connection.execute(now)),
        *((f"-{uid}", sha256) for uid, sha256 in connection.execute(before)),
    )
