"""The vault of a project, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.commands.options import read_settings
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.vault import Vault
from node.ledger.ledger import Ledger
from node.ledger.vault import VaultLedger


@contextmanager
def opened_vault(config: Path | None, project_key: bytes, vault_key: bytes) -> Iterator[Vault]:
    """Open the vault in the ledger that the settings name.

    Raises
    ------
    VaultError
        It is sealed with another key.
    LedgerError
        The ledger cannot be opened.
    """
    ledger = Ledger.open(read_settings(config).ledger_url)
    try:
        yield Vault(VaultLedger(ledger.engine), Pseudonyms(project_key).fingerprint, vault_key)
    finally:
        ledger.close()
