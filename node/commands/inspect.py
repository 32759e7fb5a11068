"""``pulmonode inspect``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from node.assembly.limits import DEFAULT_LIMITS
from node.commands.options import ConfigOption, JsonOption, open_existing_ledger, read_settings
from node.errors import ConfigError
from node.folder import FolderScan, opened, scan
from node.inspection import InspectedState, Inspection, inspect, inspection_json, orientation, stored_series
from node.machine import analysis_bytes, memory_bytes, volume_bytes
from node.results.context import DISCLAIMER
from node.volume_file import suffix_of, write_volume

EXIT_NOT_READABLE = 3

SourceArgument = Annotated[
    Path | None, typer.Argument(metavar="[SOURCE]", help="A folder, .zip or .tar archive of DICOM files.")
]
SeriesOption = Annotated[
    str | None, typer.Option("--series", metavar="UID", help="A series of this node's own store, in place of SOURCE.")
]
VolumeOption = Annotated[
    Path | None, typer.Option("--volume", metavar="FILE", help="Write the HU: FILE.nii.gz, FILE.nii or FILE.nrrd.")
]


def run(
    source: SourceArgument = None,
    series: SeriesOption = None,
    volume: VolumeOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what the node would do with a folder or a series; no network is run. Exit 3 when nothing can be read."""
    if (source is None) == (series is None):
        raise ConfigError("inspect: name a folder or archive, or --series UID, one of the two")
    if volume is not None:
        suffix_of(volume)
        if not volume.parent.is_dir():
            raise ConfigError(f"--volume {volume}: there is no such folder")
    settings = read_settings(config)
    memory = analysis_bytes(settings.analysis.memory_gb, memory_bytes())
    limits = replace(DEFAULT_LIMITS, max_bytes=volume_bytes(settings.analysis.volume_limit_gb, memory))
    with _found(source, series, config) as found:
        inspection = inspect(found, settings.selection, limits)
    if volume is not None and inspection.chosen is not None:
        write_volume(inspection.chosen.volume, volume)
    if as_json:
        typer.echo(json.dumps(inspection_json(inspection), indent=2, ensure_ascii=False))
    else:
        _tell(inspection)
    why = inspection.refusal or inspection.gate
    if why is not None:
        code, message = why
        typer.echo(f"pulmonode: would not be analysed ({code}): {message}", err=True)
        raise typer.Exit(EXIT_NOT_READABLE)


@contextmanager
def _found(source: Path | None, series: str | None, config: Path | None) -> Iterator[FolderScan]:
    if source is not None:
        with opened(source) as folder:
            yield scan(folder)
        return
    ledger = open_existing_ledger(config)
    try:
        yield stored_series(ledger, read_settings(config).data_dir, series or "")
    finally:
        ledger.close()


def _tell(inspection: Inspection) -> None:
    console = Console()
    table = Table(title="Series")
    for heading in ("series", "modality", "slices", "mm", "what", "why"):
        table.add_column(heading, overflow="fold")  # a UID that is cut is of no use
    for one in inspection.series:
        distance = "" if one.summary.slice_distance_mm is None else f"{one.summary.slice_distance_mm:.2f}"
        why = f"{one.code}: {one.reason}" if one.state is InspectedState.REFUSED else one.reason or ""
        slices = str(one.summary.slice_count) if one.summary.is_ct else ""
        table.add_row(one.series_instance_uid, escape(one.summary.modality), slices, distance, one.state, escape(why))
    console.print(table)
    for line in _geometry(inspection):
        console.print(line)
    for heading, sentences in (("note", inspection.notes), ("warning", inspection.warnings)):
        for sentence in sentences:
            console.print(f"{heading}: {sentence}", markup=False)
    for kind, count in inspection.other_files.items():
        console.print(f"files that are {kind}: {count}")
    console.print(DISCLAIMER)


def _geometry(inspection: Inspection) -> list[str]:
    told = inspection_json(inspection)["chosen"]
    if inspection.chosen is None or told is None:
        return []
    rows, columns = told["matrix"]
    z, y, x = told["spacing_mm"]
    sides = "columns, rows and slices run towards " + ", ".join(orientation(inspection.chosen.volume))
    return [
        f"slices      {told['slices']} of {told['instances']} instances, matrix {rows} x {columns}",
        f"spacing     {z:.3f} mm between slices, {y:.3f} x {x:.3f} mm between pixels",
        f"extent      {told['extent_mm']:.1f} mm from the first to the last slice",
        f"orientation {told['orientation']}: {sides}; tilt {told['tilt_degrees']:.1f} degrees",
    ]
