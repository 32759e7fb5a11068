"""``pulmonode echo``."""

from __future__ import annotations

import typer

from node.commands.options import ConfigOption, PeerOption, read_settings
from node.delivery.scu import echo, parse_peer


def run(to: PeerOption, config: ConfigOption = None) -> None:
    """Send a C-ECHO; exit 1 with the reason when it is not answered with success."""
    destination = parse_peer(to)
    echo(destination, read_settings(config).node.ae_title)
    typer.echo(f"{destination.ae_title} at {destination.host}:{destination.port} answers")
