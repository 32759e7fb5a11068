"""The HTML report of the candidate network: the three levels, the FROC of the last, and its worst places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.candidate_network import STEP_MM
from models.weights import Card
from training.evaluation.froc import OPERATING_POINTS, Annotation, Mark, bootstrap
from training.evaluation.outlines import SAID_RGB, TRUTH_RGB, ringed
from training.evaluation.report import Detection, EvaluationReport, WorstCase, write_report
from training.loop import joined_history
from training.page import Section, Table
from training.proposals.levels import BOOTSTRAP_SEED, LevelResult
from training.proposals.scan import WorkedScan
from training.proposals.shipping import table_rows

_WORST = 8  # missed nodules shown, and false marks
_MARK_MM = 10.0  # a mark of the report has no size of its own


def report(
    card: Card,
    results: Sequence[LevelResult],
    table: Sequence[Mapping[str, Any]],
    held_out: Sequence[WorkedScan],
    path: Path,
) -> None:
    """Write the report of the held-out scans; ``table`` has a row for each level and for the control."""
    last = results[-1].froc
    head, *rows = table_rows(table)
    about = (
        "Candidates alone, before the false-positive stage. For demonstration and research, not for diagnosis.",
        f"Trained by {card.source}. Trained on {card.training_data}; measured on {card.figures[0].data}.",
    )
    levels = Section(
        "Three levels of hard mining",
        ("The published gains are of another system on other data (Tianchi 2017).",),
        Table(head, tuple(rows)),
    )
    write_report(
        EvaluationReport(
            title="Candidate network",
            about=about,
            figures=card.figures,
            history=tuple(joined_history([result.trained for result in results])),
            detection=Detection(last, bootstrap(last, np.random.default_rng(BOOTSTRAP_SEED))),
            worst=worst_cases(results[-1], held_out),
            more=(levels, _points(results)),
        ),
        path,
    )


def _points(results: Sequence[LevelResult]) -> Section:
    """Give each level's sensitivity at the seven operating points of LUNA16."""
    head = ("level", *(f"{point:g} false marks a scan" for point in OPERATING_POINTS))
    rows = tuple(
        (str(result.number), *(f"{float(result.froc.sensitivity_at(point)):.3f}" for point in OPERATING_POINTS))
        for result in results
    )
    return Section("FROC of each level", table=Table(head, rows))


def worst_cases(result: LevelResult, scans: Sequence[WorkedScan]) -> tuple[WorstCase, ...]:
    """Show the largest nodules that were missed, and the false marks that the network believed in most."""
    named = {scan.name: scan for scan in scans}
    missed = sorted((n for scan in result.froc.scans for n in scan.missed), key=lambda n: -n.diameter_mm)[:_WORST]
    false = sorted((m for scan in result.froc.scans for m in scan.false_marks), key=lambda m: -m.probability)[:_WORST]
    return (*(_missed(n, named[n.series]) for n in missed), *(_false(m, named[m.series]) for m in false))


def _missed(nodule: Annotation, scan: WorkedScan) -> WorstCase:
    return _case(scan, nodule.center_mm, nodule.diameter_mm, TRUTH_RGB, f"missed: {nodule.diameter_mm:.0f} mm")


def _false(mark: Mark, scan: WorkedScan) -> WorstCase:
    return _case(scan, mark.center_mm, _MARK_MM, SAID_RGB, f"no nodule, said {mark.probability:.2f}")


def _case(
    scan: WorkedScan,
    center_mm: tuple[float, float, float],
    diameter_mm: float,
    colour: tuple[int, int, int],
    caption: str,
) -> WorstCase:
    k, j, i = (value / STEP_MM for value in center_mm)
    plane = scan.grey[min(max(round(k), 0), len(scan.grey) - 1)]
    return WorstCase(ringed(plane, (j, i), diameter_mm / 2 / STEP_MM, colour), caption)
