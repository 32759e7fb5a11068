"""Corrections: an instance takes the place of the one before it, whose bytes stay known until retention."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, func, insert, select, update

from node.errors import LedgerError
from node.ledger.records import CorrectionRecord, InstanceRecord
from node.ledger.schema import instances, replaced
from node.series.instances import to_json

_KEPT = ("sop_instance_uid", "series_instance_uid", "sha256", "size", "path", "transfer_syntax_uid")


def replace_row(connection: Connection, new: InstanceRecord, replaced_sha256: str, attributes: Sequence[str]) -> None:
    """Let the row of an instance name its corrected content, and keep what it named before.

    Raises
    ------
    LedgerError
        The row does not name the content that is to be replaced.
    """
    mine = and_(
        instances.c.sop_instance_uid == new.header.sop_instance_uid,
        instances.c.series_instance_uid == new.header.series_instance_uid,
        instances.c.sha256 == replaced_sha256,
    )
    old = connection.execute(select(instances).where(mine)).mappings().one_or_none()
    if old is None:
        raise LedgerError("the instance to be corrected is not the one that is stored")
    row = {
        **{name: old[name] for name in (*_KEPT, "calling_ae_title", "received_at")},
        "replaced_at": new.received_at,
        "replaced_by": new.calling_ae_title,
        "attributes": ",".join(attributes),
    }
    connection.execute(insert(replaced).values(row))
    connection.execute(update(instances).where(mine).values(row_of(new)))


def row_of(record: InstanceRecord) -> dict[str, object]:
    """Give the row of an instance."""
    header = record.header
    return {
        **{name: value for name, value in vars(record).items() if name != "header"},
        "sop_instance_uid": header.sop_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "header": to_json(header),
    }


def is_partly_corrected(connection: Connection, series_instance_uid: str) -> bool:
    """Tell whether some instances of a series were corrected more often than others: the rest may be on its way."""
    mine = replaced.c.series_instance_uid == series_instance_uid
    times = connection.execute(select(func.count()).where(mine).group_by(replaced.c.sop_instance_uid)).scalars().all()
    stored = select(func.count()).select_from(instances)
    stored = stored.where(instances.c.series_instance_uid == series_instance_uid)
    return bool(times) and (len(set(times)) > 1 or len(times) != connection.scalar(stored))


def corrections(connection: Connection) -> tuple[CorrectionRecord, ...]:
    """Sum up what was corrected, a record for each series, the last one first."""
    rows: dict[str, list[RowMapping]] = {}
    for row in connection.execute(select(replaced).order_by(replaced.c.id)).mappings():
        rows.setdefault(row["series_instance_uid"], []).append(row)
    return tuple(sorted(map(_summed, rows.values()), key=lambda record: record.last_at, reverse=True))


def _summed(rows: Sequence[RowMapping]) -> CorrectionRecord:
    """Sum up the rows of one series; there is one at least."""
    attributes = (name for row in rows for name in row["attributes"].split(","))
    return CorrectionRecord(
        series_instance_uid=rows[0]["series_instance_uid"],
        instances=len({row["sop_instance_uid"] for row in rows}),
        attributes=tuple(dict.fromkeys(attributes)),
        calling_ae_titles=tuple(dict.fromkeys(row["replaced_by"] for row in rows)),
        last_at=rows[-1]["replaced_at"],
    )
