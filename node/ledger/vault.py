"""The rows of the vault: pseudonyms, and behind each a sealed identity that the database cannot read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, Row, Select, insert, select
from sqlalchemy.exc import SQLAlchemyError

from node.errors import LedgerError
from node.ledger.schema import vault

_AT_ONCE = 500  # pseudonyms in one question: SQLite takes 999 parameters in its older builds


@dataclass(frozen=True)
class SealedRow:
    """What stands behind one pseudonym of a project; only who holds the key of the vault can read ``sealed``."""

    project: str
    kind: str
    pseudonym: str
    vault_key: str
    sealed: bytes


class VaultLedger:
    """The vault's table. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, rows: Sequence[SealedRow]) -> None:
        """Add the rows whose pseudonym is not there yet; those that are there stay as they are.

        Raises
        ------
        LedgerError
            Nothing was written.
        """
        fresh = {(row.project, row.kind, row.pseudonym): row for row in rows}
        try:
            with self._engine.begin() as connection:
                for part in _parts(list(fresh.values())):
                    known = connection.execute(_query(part)).all()
                    for row in known:
                        fresh.pop((row.project, row.kind, row.pseudonym), None)
                if fresh:
                    connection.execute(insert(vault), [asdict(row) for row in fresh.values()])
        except SQLAlchemyError as error:
            raise LedgerError(f"the vault cannot be written: {type(error).__name__}") from None

    def find(self, project: str, kind: str, pseudonyms: Iterable[str]) -> dict[str, SealedRow]:
        """Give the rows of these pseudonyms; those that nobody knows are missing."""
        wanted = [SealedRow(project, kind, pseudonym, "", b"") for pseudonym in sorted(set(pseudonyms))]
        try:
            with self._engine.connect().execution_options(read_only=True) as connection:
                rows = [row for part in _parts(wanted) for row in connection.execute(_query(part))]
        except SQLAlchemyError as error:
            raise LedgerError(f"the vault cannot be read: {type(error).__name__}") from None
        return {row.pseudonym: _sealed(row) for row in rows if (row.project, row.kind) == (project, kind)}

    def vault_keys(self, project: str) -> set[str]:
        """Give the fingerprints of the keys that seal the rows of a project."""
        query = select(vault.c.vault_key).where(vault.c.project == project).distinct()
        with self._engine.connect().execution_options(read_only=True) as connection:
            return set(connection.scalars(query))


def _query(rows: Sequence[SealedRow]) -> Select[tuple[str, str, str, str, bytes]]:
    return select(vault).where(
        vault.c.project.in_({row.project for row in rows}), vault.c.pseudonym.in_({row.pseudonym for row in rows})
    )


def _parts(rows: list[SealedRow]) -> Iterable[list[SealedRow]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


def _sealed(row: Row[tuple[str, str, str, str, bytes]]) -> SealedRow:
    return SealedRow(row.project, row.kind, row.pseudonym, row.vault_key, bytes(row.sealed))
