"""``pulmonode demo``."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from node.commands.progress import send_with_progress
from node.demo import (
    ARCHIVE_AE_TITLE,
    DemoError,
    DemoResult,
    collect,
    make_phantom,
    running_archive,
    running_node,
    wait_for_results,
)
from node.errors import ConfigError
from node.folder import opened
from node.results.comparison import KnownNodule, Mark, compare, known_nodules, other_marks
from node.results.context import DISCLAIMER
from node.results.wording import probability_text
from node.series.states import SeriesState

EXIT_REFUSED = 3
_SEND_TIMEOUT_S = 60.0
_MARKER = ".pulmonode-demo"  # a folder with this file was made by the demo, and may be made anew

InputOption = Annotated[
    Path | None, typer.Option("--input", help="A folder, .zip or .tar archive of one CT study; default: a phantom.")
]
OutputOption = Annotated[Path, typer.Option("--output", help="Folder for the results; made anew.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the phantom.")]


def run(source: InputOption = None, output: OutputOption = Path("out/demo"), seed: SeedOption = 0) -> None:
    """Start a node and an archive on loopback, send the CT, wait for the results and write them down."""
    console = Console()
    _make_anew(output)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulmonode-demo-")))
        files = stack.enter_context(opened(source)) if source else make_phantom(scratch / "phantom", seed)
        known = files / "truth.json" if source is None else None
        archive = stack.enter_context(running_archive(scratch / "archive"))
        with console.status("starting the node"):
            node = stack.enter_context(running_node(scratch / "node", archive.port, known))
        summary = send_with_progress(files, node.destination, ARCHIVE_AE_TITLE, _SEND_TIMEOUT_S)
        console.print(summary.text)
        if not summary.all_stored:
            raise DemoError("the node did not store everything; its log says why")
        with console.status("waiting for the results") as status:
            record, seconds = wait_for_results(node, time.monotonic(), status.update)
        result = collect(node, record, archive, output, seconds)
        shutil.copyfile(scratch / "node" / "node.log", output / "node.log")
        _tell(console, result, output, known_nodules(known) if known else ())
    raise typer.Exit(0 if result.state is SeriesState.DELIVERED else EXIT_REFUSED)


def _make_anew(output: Path) -> None:
    """Empty the folder of an earlier demo; never one that somebody else has filled."""
    if output.is_dir() and any(output.iterdir()) and not (output / _MARKER).exists():
        raise ConfigError(f"--output {output}: the folder holds other files; name an empty one")
    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    (output / _MARKER).touch()


def _tell(console: Console, result: DemoResult, output: Path, known: tuple[KnownNodule, ...]) -> None:
    report = result.report
    if report["nodules"] is None:
        console.print(f"NOT PROCESSED - {report['reason']} - not a negative result", style="bold")
    else:
        _tell_findings(console, report, known)
    console.print(f"{len(result.objects)} result objects in the archive {result.seconds:.1f} s after the last instance")
    console.print(f"DICOM      {output / 'dicom'}")
    console.print(f"report     {output / 'report.json'}")
    for name, path in (("page", output / "report.html"), ("pictures", output / "pictures")):
        if path.exists():
            console.print(f"{name:10} {path}")
    console.print(DISCLAIMER, style="bold")


def _tell_findings(console: Console, report: dict[str, Any], known: tuple[KnownNodule, ...]) -> None:
    lungs = report["lungs"]
    console.print(f"lungs: right {lungs['right_ml']:.0f} ml, left {lungs['left_ml']:.0f} ml")
    console.print(f"Lung-RADS {report['lung_rads'] or 'undetermined'}; nodules marked: {len(report['nodules'])}")
    table = Table("id", "where", "mm", "mm3", "type", "prob.", "Lung-RADS")
    for nodule in report["nodules"]:
        table.add_row(
            str(nodule["id"]),
            nodule["location"].replace(" lung", ""),
            f"{nodule['mean_diameter_mm']:.1f}",
            f"{nodule['volume_mm3']:.0f}",
            nodule["attenuation"].replace("_", " "),
            probability_text(nodule["probability"]),
            nodule["lung_rads"] or "undetermined",
        )
    console.print(table)
    if known:
        _tell_comparison(console, report, known)


def _tell_comparison(console: Console, report: dict[str, Any], known: tuple[KnownNodule, ...]) -> None:
    marks = [Mark(nodule["id"], tuple(nodule["center_lps_mm"])) for nodule in report["nodules"]]
    matches = compare(known, marks)
    diameters = {nodule["id"]: nodule["mean_diameter_mm"] for nodule in report["nodules"]}
    table = Table("planted", "type", "found as", "measured mm", "off by mm", title="Found against planted")
    for match in matches:
        found = match.nodule
        table.add_row(
            f"{match.known.diameter_mm:.1f} mm",
            match.known.kind.replace("_", " "),
            str(found.id) if found else "missed",
            f"{diameters[found.id]:.1f}" if found else "",
            f"{match.distance_mm:.1f}" if match.distance_mm is not None else "",
        )
    console.print(table)
    console.print(f"other marks: {len(other_marks(matches, marks))}")
