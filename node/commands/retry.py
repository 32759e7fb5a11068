"""``pulmonode retry``."""

from __future__ import annotations

from typing import Annotated

import typer

from node.commands.options import ConfigOption, open_existing_ledger
from node.errors import LedgerError
from node.tasks.runner import utc_now

UidArgument = Annotated[
    str, typer.Argument(help="A Series Instance UID, the SOP Instance UID of a result, or the name of a destination.")
]


def run(uid: UidArgument, config: ConfigOption = None) -> None:
    """Put an analysis that failed or was refused, a series that was not chosen, or deliveries back in line."""
    ledger = open_existing_ledger(config)
    done = ledger.put_back(uid, utc_now())
    if not done:
        raise LedgerError(
            f"{uid}: nothing failed, was refused, was not chosen or is held under this UID; see 'pulmonode status'"
        )
    for sentence in done:
        typer.echo(sentence)
