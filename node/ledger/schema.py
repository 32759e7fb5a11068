"""The tables of the ledger. Times are UTC; UIDs and coded reasons only, no patient attributes.

instances 1-n series 1-n analyses 1-n results 1-n deliveries
refusals, refusal_counts, events: what was turned away, how often and whose it was, and every change of state
replaced: what stood in the place of an instance before its patient or order was corrected
vault: who stands behind a pseudonym, sealed with a key that is not in the database
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

SCHEMA_VERSION = 2
# What makes the tables of a version those of the next one; new tables come by themselves.
UPGRADES = MappingProxyType({1: "ALTER TABLE deliveries ADD COLUMN rung INTEGER"})

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, also on databases that forget the zone (SQLite)."""

    impl = DateTime(timezone=False)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC without a zone; a naive datetime is a programming error."""
        if value is not None and value.tzinfo is None:
            raise ValueError("the ledger takes aware datetimes only")
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        return value.replace(tzinfo=UTC) if value else None


schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

instances = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("calling_ae_title", String(16), nullable=False),
    Column("association_id", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("header", JSON, nullable=False),
)

replaced = Table(
    "replaced",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sop_instance_uid", String(64), nullable=False, index=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("calling_ae_title", String(16), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("replaced_at", UtcDateTime, nullable=False),
    Column("replaced_by", String(16), nullable=False),  # calling AE title of the corrected one
    Column("attributes", Text, nullable=False),  # that were corrected: keywords between commas, never a value
)

series = Table(
    "series",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("reason_code", String(64)),
    Column("reason", Text),
    Column("completeness", Text),  # why it counts as complete; null while it does not
    Column("instance_count", Integer, nullable=False),
    Column("first_arrival", UtcDateTime, nullable=False),
    Column("last_arrival", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("input_digest", String(64)),
    Column("refusal_code", String(64)),  # set: no analysis, only the notice
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("files_removed_at", UtcDateTime),
)

analyses = Table(
    "analyses",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("series_instance_uid", ForeignKey("series.series_instance_uid"), nullable=False, index=True),
    Column("input_digest", String(64), nullable=False),
    Column("software_version", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("report", JSON, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("analysis_id", ForeignKey("analyses.id"), nullable=False, index=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),  # of the source
    Column("result_series_uid", String(64), nullable=False, index=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("sop_instance_uid", ForeignKey("results.sop_instance_uid"), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("status", Integer),
    Column("message", Text),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("rung", Integer),  # place among the forms of one result, the preferred one first; null: it has one form
)
Index("deliveries_due", deliveries.c.state, deliveries.c.next_attempt_at)

refusals = Table(
    "refusals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("calling_ae_title", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# One row for each sender, reason and day: a flood adds to a number, not to the table.
refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("day", Date, primary_key=True),  # UTC
    Column("calling_ae_title", String(16), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("code", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("message", Text, nullable=False),  # the last one
    Column("last_at", UtcDateTime, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("event", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text),
    Column("at", UtcDateTime, nullable=False),
)

vault = Table(
    "vault",
    metadata,
    Column("project", String(16), primary_key=True),  # fingerprint of the project key
    Column("kind", String(16), primary_key=True),
    Column("pseudonym", String(64), primary_key=True),
    Column("vault_key", String(16), nullable=False),  # fingerprint of the key that seals
    Column("sealed", LargeBinary, nullable=False),
)
