"""``pulmonode analyze``."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from node.analysis.analyser import Analyser
from node.commands.options import ConfigOption, JsonOption, read_settings
from node.config import Settings
from node.errors import ConfigError, NoImages
from node.folder import FolderScan, digest_of_files, opened, scan
from node.job import Job, facts_file, prior_file
from node.machine import analysis_bytes, memory_bytes, volume_bytes
from node.pipeline import process
from node.results.bundle import Bundle, file_names
from node.results.context import DISCLAIMER
from node.results.forms import kinds_of, preferred
from node.series.selection import NO_SUITABLE_SERIES, select, summarize

EXIT_NOT_READABLE = 3

FolderArgument = Annotated[Path, typer.Argument(help="A folder, .zip or .tar archive of DICOM files.")]
FactsOption = Annotated[
    Path | None,
    typer.Option("--facts", metavar="FILE", help="JSON of what no header knows: family_history, emphysema, ..."),
]
PriorOption = Annotated[
    Path | None,
    typer.Option("--prior", metavar="FILE", help="Prior report, JSON or DICOM: nodules keep their tracking UIDs."),
]
OutputOption = Annotated[Path, typer.Option("--output", help="Folder for the results.")]


def run(
    folder: FolderArgument,
    output: OutputOption,
    as_json: JsonOption = False,
    facts: FactsOption = None,
    prior: PriorOption = None,
    config: ConfigOption = None,
) -> None:
    """Analyse the best chest CT series of a folder; exit 3 when there is none that can be read."""
    settings = read_settings(config)
    for option, file in (("--facts", facts), ("--prior", prior)):
        if file is not None and not file.is_file():
            raise ConfigError(f"{option} {file}: there is no such file")
    _make(output)
    with opened(folder) as files:
        job = _job(scan(files), output, settings)
        job = replace(job, patient_facts=facts or job.patient_facts, prior_report=prior or job.prior_report)
        analyser = Analyser.create(settings.device, settings.analysis.threshold, settings.model_choice)
        with Console(stderr=True).status("analysing"):
            bundle = process(job, analyser)
    if as_json:
        typer.echo(json.dumps(bundle.report, indent=2, ensure_ascii=False))
    else:
        _tell(bundle, output)
    if bundle.code is not None:
        typer.echo(f"pulmonode: not analysed ({bundle.code}): {bundle.reason}", err=True)
        raise typer.Exit(EXIT_NOT_READABLE)


def _make(output: Path) -> None:
    """Make the folder before the work, so that the work is not in vain."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise ConfigError(f"--output {output}: cannot be written: {error.strerror}") from None


def _job(found: FolderScan, output: Path, settings: Settings) -> Job:
    """Choose the series as the node would, or say why none can be chosen."""
    summaries = [summarize(found.headers(uid)) for uid in found.series]
    selection = select(summaries, settings.selection)
    uid = selection.chosen or selection.nearest or next(iter(found.series), None)
    limits = settings.analysis
    files, study_uid = (found.files(uid), found.study_of(uid)) if uid else ((), "")
    job = Job(
        files=files,
        output=output,
        source_digest=digest_of_files(files),
        created_at=datetime.now().astimezone(),
        software_version=version("pulmonode"),
        station_name=settings.node.ae_title,
        kinds=kinds_of(preferred(settings.results.forms)),
        neighbours=settings.results.neighbours,
        language=settings.results.language,
        ohif_tracking=settings.results.ohif_tracking,
        page=True,
        known_nodules=settings.results.known_nodules,
        patient_facts=facts_file(settings.analysis.patient_facts, study_uid),
        prior_report=prior_file(settings.results.prior_reports, study_uid),
        volume_limit_bytes=volume_bytes(limits.volume_limit_gb, analysis_bytes(limits.memory_gb, memory_bytes())),
    )
    if uid is None:
        return replace(job, refusal=(NoImages.code, f"no DICOM image in the folder ({found.other_files} other files)"))
    if selection.chosen is None:
        return replace(job, refusal=(NO_SUITABLE_SERIES, selection.reasons[uid]))
    return job


def _tell(bundle: Bundle, output: Path) -> None:
    nodules = bundle.report["nodules"]
    if nodules is not None:
        typer.echo(f"nodules marked: {len(nodules)}, Lung-RADS {bundle.report['lung_rads'] or 'undetermined'}")
    for name, _ in file_names(bundle):
        typer.echo(str(output / name))
    typer.echo(str(output / "report.json"))
    typer.echo(str(output / "report.html"))
    typer.echo(DISCLAIMER)
