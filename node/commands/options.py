"""Options that several commands share, and how they read the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import make_url

from node.config import Settings, load_settings
from node.errors import ConfigError
from node.ledger.ledger import Ledger

DEFAULT_CONFIG = Path("config.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The settings file; default: $PULMONODE_CONFIG, else config.yaml when it is here."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
PeerOption = Annotated[str, typer.Option("--to", metavar="AET@HOST:PORT", help="The application entity to talk to.")]


def read_settings(config: Path | None) -> Settings:
    """Read the settings file that is named, or the one that is here, or the defaults."""
    named = os.environ.get("PULMONODE_CONFIG")
    path = config or (Path(named) if named else None)
    if path is None and DEFAULT_CONFIG.is_file():
        path = DEFAULT_CONFIG
    return load_settings(path)


def open_existing_ledger(config: Path | None) -> Ledger:
    """Open the ledger of a node that has run; a mistaken path must not make an empty one.

    Raises
    ------
    ConfigError
        There is no ledger yet where the settings say.
    """
    url = read_settings(config).ledger_url
    database = make_url(url).database
    if url.startswith("sqlite") and (database is None or not Path(database).is_file()):
        raise ConfigError(f"there is no ledger at {database}: has the node run with these settings (data_dir)?")
    return Ledger.open(url)
