"""``pulmonode export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.counting import counted
from node.commands.deidentify import KeyOption
from node.commands.options import ConfigOption, open_existing_ledger, read_settings
from node.deidentification.folders import check_target
from node.deidentification.keys import PROJECT_KEY_VARIABLE, random_key, read_key
from node.deidentification.pseudonyms import Pseudonyms
from node.errors import ConfigError
from node.export import analysed_series, export
from node.results.context import DISCLAIMER

EXIT_SOME_REFUSED = 3

TargetArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Empty or new folder for what leaves.")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="UID", help="A Study or Series Instance UID, repeatable; default: all."),
]


def run(target: TargetArgument, only: OnlyOption = None, key: KeyOption = None, config: ConfigOption = None) -> None:
    """Export volumes, masks and measurements without anything that identifies; exit 3 when series were refused."""
    project_key = read_key(key, PROJECT_KEY_VARIABLE)
    data_dir = read_settings(config).data_dir
    check_target(data_dir, target)
    ledger = open_existing_ledger(config)
    try:
        records = analysed_series(ledger, only or [])
        if not records:
            raise ConfigError("no analysed series to export; see pulmonode status")
        done = []
        with counted("exporting") as note:
            for one in export(records, ledger, data_dir, target, Pseudonyms(project_key or random_key())):
                done.append(one)
                note(len(done), len(records))
    finally:
        ledger.close()
    refused = [one for one in done if one.reason is not None]
    typer.echo(
        f"{len(done) - len(refused)} of {len(done)} series exported to {target}; the marks are those of software"
    )
    typer.echo(DISCLAIMER)
    for one in refused:
        typer.echo(f"{one.uid}: {one.reason}", err=True)
    if refused:
        raise typer.Exit(EXIT_SOME_REFUSED)
