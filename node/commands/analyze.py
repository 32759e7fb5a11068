"""``pulmonode analyze``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from node.analysis.analyser import Analyser
from node.commands.options import ConfigOption, JsonOption, read_settings
from node.config import Settings
from node.errors import ConfigError, NoImages, ResultError
from node.folder import FolderScan, beside, digest_of_files, no_images, opened, scan
from node.job import Job, facts_file, prior_file
from node.machine import analysis_bytes, memory_bytes, volume_bytes
from node.pipeline import process
from node.results.bundle import Bundle, file_names
from node.results.context import DISCLAIMER
from node.results.forms import kinds_of, preferred
from node.series.rules import SelectionRules
from node.series.selection import NO_SUITABLE_SERIES, instead_of, select, summarize

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
        found = scan(files)
        draft = partial(_job, found, output, settings, (facts, prior))
        analyser = Analyser.create(settings.device, settings.analysis.threshold, settings.model_choice)
        with Console(stderr=True).status("analysing"):
            bundle = _first_readable(found, settings.selection, draft, analyser)
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


def _first_readable(
    found: FolderScan, rules: SelectionRules, draft: Callable[[str | None], Job], analyser: Analyser
) -> Bundle:
    """Analyse the best series that can be read, in the order of the node, or make the notice on the best of all."""
    summaries = {uid: summarize(found.headers(uid)) for uid in found.series}
    selection = select(list(summaries.values()), rules)
    if not selection.candidates:
        uid = selection.nearest or next(iter(found.series), None)
        why = (NO_SUITABLE_SERIES, selection.reasons[uid]) if uid else (NoImages.code, no_images(found))
        return process(replace(draft(uid), refusal=why), analyser)
    refused: list[tuple[str, tuple[str, str]]] = []
    is_only = len(selection.candidates) == 1
    for uid in selection.candidates:
        instead = tuple(instead_of(summaries[other], code) for other, (code, _) in refused)
        job = draft(uid)
        job = replace(job, notice=is_only, notes=(*instead, *selection.remarks[uid], *job.notes))
        bundle = _read(job, analyser)
        if bundle.code is None or is_only:
            return bundle
        refused.append((uid, (bundle.code, bundle.reason or "")))
    best, why = refused[0]
    return process(replace(draft(best), refusal=why, tried=len(refused) - 1), analyser)


def _read(job: Job, analyser: Analyser) -> Bundle:
    """Process one series; results that cannot be made are a reason to try the next one, where there is one."""
    try:
        return process(job, analyser)
    except ResultError as error:
        if job.notice:
            raise
        return Bundle(objects=(), report={}, code=error.code, reason=str(error))


def _job(
    found: FolderScan, output: Path, settings: Settings, given: tuple[Path | None, Path | None], uid: str | None
) -> Job:
    """Draft the job of one series; ``given`` are the files of facts and of a prior report."""
    files, study_uid = (found.files(uid), found.study_of(uid)) if uid else ((), "")
    notes, warnings = beside(found, uid) if uid else ((), ())
    facts, prior = given
    limits = settings.analysis
    return Job(
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
        patient_facts=facts or facts_file(settings.analysis.patient_facts, study_uid),
        prior_report=prior or prior_file(settings.results.prior_reports, study_uid),
        notes=notes,
        warnings=warnings,
        may_stand_alone=True,
        volume_limit_bytes=volume_bytes(limits.volume_limit_gb, analysis_bytes(limits.memory_gb, memory_bytes())),
    )


def _tell(bundle: Bundle, output: Path) -> None:
    nodules = bundle.report["nodules"]
    if nodules is not None:
        typer.echo(f"nodules marked: {len(nodules)}, Lung-RADS {bundle.report['lung_rads'] or 'undetermined'}")
    for name, _ in file_names(bundle):
        typer.echo(str(output / name))
    typer.echo(str(output / "report.json"))
    typer.echo(str(output / "report.html"))
    typer.echo(DISCLAIMER)
