"""Opening the ledger's database: SQLite in WAL mode by default, PostgreSQL by URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from node.errors import LedgerError
from node.ledger.schema import SCHEMA_VERSION, UPGRADES, metadata, schema_version

BUSY_TIMEOUT_S = 30.0  # how long a writer waits for another one


def open_ledger(url: str) -> Engine:
    """Open the database; make its tables when it is new, and those of this version out of an older one.

    Raises
    ------
    LedgerError
        The database cannot be opened, or was written by a newer version of the node.
    """
    try:
        engine = _engine(url)
        with engine.begin() as connection:
            metadata.create_all(connection)
            _upgrade(connection)
    except ImportError as error:
        raise LedgerError(f"cannot open the ledger: install the driver of database_url, {error.name}") from None
    except SQLAlchemyError as error:
        raise LedgerError(f"cannot open the ledger: {_cause(error)}; check database_url and data_dir") from None
    return engine


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    """WAL lets readers work beside the writer; FULL makes each commit durable before it returns."""
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once, so that no transaction fails half-way for want of it."""
    if not connection.get_execution_options().get("read_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")


def _upgrade(connection: Connection) -> None:
    version = connection.scalar(select(schema_version.c.version))
    if version is None:
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    while version in UPGRADES:
        connection.exec_driver_sql(UPGRADES[version])
        version += 1
        connection.execute(update(schema_version).values(version=version))
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger has schema version {version}, this node reads {SCHEMA_VERSION}: use the newer node"
        )


def _cause(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())
