"""``python -m training evaluate``: marks and annotations as CSV, a FROC report as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from models.weights import Figure
from training.evaluation.froc import OPERATING_POINTS, Annotation, Froc, FrocInterval, Mark, bootstrap, froc
from training.evaluation.report import Detection, EvaluationReport, figure_of, write_report
from training.evaluation.scores import Interval
from training.evaluation.tables import read_annotations, read_marks, read_series
from training.page import Section, Table

_SHOWN = 20  # worst marks and missed nodules in the report

# LUNA16 test of published systems, 10-fold: nnDetection's docs/results and the MONAI tutorial.
PUBLISHED_CPM = {"DeepLung 2018": 0.842, "nnDetection v0.1": 0.930, "MONAI RetinaNet": 0.936}


def evaluate(
    marks: Annotated[Path, typer.Argument(help="CSV: seriesuid,coordX,coordY,coordZ,probability; world mm.")],
    annotations: Annotated[Path, typer.Argument(help="CSV: seriesuid,coordX,coordY,coordZ,diameter_mm.")],
    output: Annotated[Path, typer.Option(help="The HTML report.")] = Path("froc.html"),
    excluded: Annotated[
        Path | None, typer.Option(help="CSV of places where a mark is neither right nor wrong.")
    ] = None,
    series: Annotated[Path | None, typer.Option(help="The scans that were read, one a line (seriesuids.csv).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Measure a detector as LUNA16 does: FROC, CPM and their bootstrap intervals."""
    said, included = read_marks(marks), read_annotations(annotations)
    ignorable = read_annotations(excluded) if excluded is not None else []
    scans = read_series(series) if series is not None else _named(said, included, ignorable)
    result = froc(included, ignorable, said, scans)
    limits = bootstrap(result, np.random.default_rng(seed))
    about = [f"Marks of {marks.name} on the annotations of {annotations.name}, {len(scans)} scans."]
    if series is None:
        about.append("No list of scans was given: those without a mark and an annotation do not count.")
    write_report(_report(result, limits, tuple(about)), output)
    console = Console(stderr=True)
    console.print(
        f"CPM {result.cpm:.3f} (95 % {limits.cpm_low:.3f} to {limits.cpm_high:.3f}); {output}", highlight=False
    )


def detection_figures(result: Froc, limits: FrocInterval, data: str) -> tuple[Figure, ...]:
    """Give the CPM with its interval and the sensitivity at each operating point, for a card."""
    at = result.sensitivity_at(OPERATING_POINTS)
    low, high = (np.interp(OPERATING_POINTS, limits.fps, edge) for edge in (limits.low, limits.high))
    points = (
        figure_of(f"sensitivity at {fps:g} false positives a scan", Interval(*map(float, row)), data)
        for fps, *row in zip(OPERATING_POINTS, at, low, high, strict=True)
    )
    return figure_of("CPM", Interval(result.cpm, limits.cpm_low, limits.cpm_high), data), *points


def _report(result: Froc, limits: FrocInterval, about: tuple[str, ...]) -> EvaluationReport:
    return EvaluationReport(
        title="Detection",
        about=about,
        figures=detection_figures(result, limits, f"{len(result.scans)} scans, {result.nodules} nodules"),
        detection=Detection(result, limits, PUBLISHED_CPM),
        more=tuple(_worst(result)),
    )


def _worst(result: Froc) -> Iterator[Section]:
    """List the false marks that were surest, and the largest nodules that were missed."""
    marks = sorted((m for scan in result.scans for m in scan.false_marks), key=lambda m: -m.probability)[:_SHOWN]
    if marks:
        rows = tuple((m.series, *_cells(m.center_mm), f"{m.probability:.3f}") for m in marks)
        yield Section("Surest false marks", table=Table(("series", "x", "y", "z", "probability"), rows))
    missed = sorted((n for scan in result.scans for n in scan.missed), key=lambda n: -n.diameter_mm)[:_SHOWN]
    if missed:
        rows = tuple((n.series, *_cells(n.center_mm), f"{n.diameter_mm:.1f}") for n in missed)
        yield Section("Largest missed nodules", table=Table(("series", "x", "y", "z", "diameter, mm"), rows))


def _cells(center_mm: tuple[float, float, float]) -> tuple[str, str, str]:
    x, y, z = (f"{value:.1f}" for value in center_mm)
    return x, y, z


def _named(marks: list[Mark], *annotations: list[Annotation]) -> list[str]:
    """Give the series that any table names, in their order."""
    places = [place.series for table in annotations for place in table]
    return list(dict.fromkeys([*(mark.series for mark in marks), *places]))
