"""A whole run over a folder: every file, the vault, and the report beside what has left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from node.deidentification.folders import check_target, deidentify_files, files_in
from node.deidentification.one_file import Order
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.report import Tally, in_words, report_of, sealed
from node.deidentification.vault import Vault
from node.durable import write_durably
from node.errors import ConfigError, DeidentificationError

REPORT_JSON: Final = "report.json"
REPORT_TEXT: Final = "report.txt"
_REMEMBERED_AT_ONCE: Final = 200  # objects in one transaction of the vault


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Parameters
    ----------
    envelope
        The report with its sha256 and signature.
    """

    is_complete: bool
    envelope: dict[str, Any]


def deidentify_folder(
    source: Path, order: Order, vault: Vault | None, at: datetime, version: str, on_file: Callable[[int, int], None]
) -> Run:
    """De-identify every file below ``source`` into the empty folder of the order, and write the report there.

    The report is written last: a folder without one holds a run that did not come to its end.

    Parameters
    ----------
    on_file
        Told how many of how many files are done.

    Raises
    ------
    ConfigError
        There is no file, or the folder for what leaves is not empty.
    DeidentificationError
        The folder cannot be written.
    """
    files = files_in(source)
    if not files:
        raise ConfigError(f"{source}: there is no file below it")
    check_target(source, order.target)
    tally = Tally()
    for number, outcome in enumerate(deidentify_files(files, order), 1):
        tally.add(outcome)
        _remember(tally, vault, _REMEMBERED_AT_ONCE)
        on_file(number, len(files))
    _remember(tally, vault, 1)
    signer = Pseudonyms(order.key) if order.is_lasting_key else None
    envelope = sealed(report_of(tally, order, at, version), signer)
    _write(envelope, order.target)
    return Run(tally.is_complete, envelope)


def _remember(tally: Tally, vault: Vault | None, at_least: int) -> None:
    if vault is not None and len(tally.to_remember) >= at_least:
        vault.remember(tally.to_remember)
        tally.to_remember.clear()


def _write(envelope: dict[str, Any], target: Path) -> None:
    try:
        write_durably(target / REPORT_TEXT, [in_words(envelope).encode("utf-8")])
        write_durably(target / REPORT_JSON, [json.dumps(envelope, indent=1).encode("ascii"), b"\n"])
    except OSError as error:
        raise DeidentificationError(f"{target}: the report cannot be written ({error.strerror})") from None
