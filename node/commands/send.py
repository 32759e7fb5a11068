"""``pulmonode send``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.options import ConfigOption, PeerOption, read_settings
from node.commands.progress import send_with_progress
from node.delivery.scu import parse_peer
from node.folder import opened

FolderArgument = Annotated[Path, typer.Argument(help="A folder, .zip or .tar archive of DICOM files.")]


def run(folder: FolderArgument, to: PeerOption, config: ConfigOption = None) -> None:
    """Send every DICOM file below a folder; exit 1 if any instance was not stored."""
    settings = read_settings(config)
    with opened(folder) as files:
        summary = send_with_progress(files, parse_peer(to), settings.node.ae_title, settings.delivery.timeout_s)
    typer.echo(summary.text)
    if not summary.all_stored:
        raise typer.Exit(1)
