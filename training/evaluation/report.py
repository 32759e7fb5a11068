"""One HTML report for a model: its figures with intervals, its curves, its calibration and its worst cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.weights import Figure
from training.evaluation.froc import OPERATING_POINTS, Froc, FrocInterval
from training.evaluation.scores import Calibration, Floats, Interval
from training.page import Picture, Section, Table, figure_png, image_png, new_figure, write_page

_PANEL_IN = (4.6, 3.8)


@dataclass(frozen=True, eq=False)
class Detection:
    """A FROC result, its bootstrap where it was made, and the published CPM to stand beside it."""

    result: Froc
    bootstrap: FrocInterval | None = None
    published_cpm: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Roc:
    """False-positive and true-positive rates (P,) and the area."""

    wrong: Floats
    right: Floats
    area: Interval


@dataclass(frozen=True, eq=False)
class WorstCase:
    """A picture of what the model got wrong, grey (H, W) or colour (H, W, 3), and what it said."""

    pixels: npt.NDArray[np.uint8]
    caption: str


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What a report shows; all but title, about and figures may be absent.

    Parameters
    ----------
    about
        Paragraphs: which model, measured on which data, split how, trained on what.
    figures
        As they go into the card.
    history
        Rows of the run (``Trained.history``).
    confusion
        Class names and (C, C) counts, row truth.
    more
        Sections of the task's own, at the end.
    """

    title: str
    about: tuple[str, ...]
    figures: tuple[Figure, ...]
    history: tuple[Mapping[str, float], ...] = ()
    roc: Roc | None = None
    calibration: Calibration | None = None
    detection: Detection | None = None
    confusion: tuple[tuple[str, ...], npt.NDArray[np.int64]] | None = None
    worst: tuple[WorstCase, ...] = ()
    more: tuple[Section, ...] = ()


def write_report(report: EvaluationReport, path: Path) -> None:
    """Write one self-contained HTML page."""
    write_page(path, report.title, report.about, [*_sections(report), *report.more])


def figure_of(name: str, found: Interval, data: str) -> Figure:
    """Make a card's figure of an interval."""
    return Figure(name, round(found.value, 4), data, round(found.low, 4), round(found.high, 4))


def _sections(report: EvaluationReport) -> Iterator[Section]:
    if report.figures:
        yield Section("Figures", table=_figures(report.figures))
    if report.detection is not None:
        yield _detection(report.detection)
    if report.roc is not None:
        yield Section("ROC", pictures=(_roc(report.roc),))
    if report.calibration is not None:
        yield _calibration(report.calibration)
    if report.confusion is not None:
        yield _confusion(*report.confusion)
    if report.history:
        yield Section("Training", pictures=(_history(report.history),))
    if report.worst:
        pictures = tuple(Picture(image_png(case.pixels), case.caption, small=True) for case in report.worst)
        yield Section("Worst cases", pictures=pictures)


def _figures(figures: tuple[Figure, ...]) -> Table:
    rows = tuple((item.name, f"{item.value:.4g}", _limits(item), item.data) for item in figures)
    return Table(("figure", "value", "95 % interval", "measured on"), rows)


def _limits(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "not measured"
    return f"{figure.low:.4g} to {figure.high:.4g}"


def _detection(detection: Detection) -> Section:
    result = detection.result
    counts = (
        f"{len(result.scans)} scans, {result.nodules} nodules: {result.true_positives} found, "
        f"{result.false_negatives} missed; {result.false_positives} false marks, {result.ignored} on places that are "
        f"neither right nor wrong, {result.doubles} repeated."
    )
    at = tuple(f"{value:.3f}" for value in result.sensitivity_at(OPERATING_POINTS))
    rows = [("this model", *at, _cpm(detection))]
    rows += [(name, *("",) * len(at), f"{cpm:.3f}") for name, cpm in (detection.published_cpm or {}).items()]
    table = Table(("false positives a scan", *(f"{point:g}" for point in OPERATING_POINTS), "CPM"), tuple(rows))
    return Section("Detection (FROC as in LUNA16)", (counts,), table, (_froc_picture(detection),))


def _cpm(detection: Detection) -> str:
    if detection.bootstrap is None:
        return f"{detection.result.cpm:.3f}"
    return str(Interval(detection.result.cpm, detection.bootstrap.cpm_low, detection.bootstrap.cpm_high))


def _froc_picture(detection: Detection) -> Picture:
    figure = new_figure(*_PANEL_IN)
    axes = figure.subplots()
    fps = np.geomspace(OPERATING_POINTS[0], OPERATING_POINTS[-1], 400)
    axes.plot(fps, detection.result.sensitivity_at(fps), color="#0b5fa5")
    if detection.bootstrap is not None:
        band = detection.bootstrap
        axes.fill_between(band.fps, band.low, band.high, alpha=0.2, color="#0b5fa5", label="95 % interval")
        axes.legend(loc="lower right")
    axes.set_xscale("log", base=2)
    axes.set_xticks(OPERATING_POINTS, [f"{point:g}" for point in OPERATING_POINTS])
    axes.set(xlabel="false positives a scan", ylabel="sensitivity", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return Picture(figure_png(figure), "FROC curve")


def _roc(roc: Roc) -> Picture:
    figure = new_figure(*_PANEL_IN)
    axes = figure.subplots()
    axes.plot(roc.wrong, roc.right, color="#0b5fa5")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate", aspect="equal")
    axes.grid(alpha=0.3)
    return Picture(figure_png(figure), f"Area {roc.area}")


def _calibration(found: Calibration) -> Section:
    figure = new_figure(*_PANEL_IN)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    axes.plot(found.predicted, found.observed, marker="o", color="#0b5fa5")
    for x, y, count in zip(found.predicted, found.observed, found.counts, strict=True):
        axes.annotate(str(count), (x, y), textcoords="offset points", xytext=(5, -11), fontsize=8)
    axes.set(xlabel="predicted probability", ylabel="observed share", aspect="equal")
    axes.grid(alpha=0.3)
    caption = "Each point is a tenth of the scale, with its number of cases."
    text = (f"Expected calibration error {found.error:.3f}.",)
    return Section("Calibration", text, pictures=(Picture(figure_png(figure), caption),))


def _confusion(classes: tuple[str, ...], counts: npt.NDArray[np.int64]) -> Section:
    rows = tuple((name, *map(str, row)) for name, row in zip(classes, counts.tolist(), strict=True))
    return Section("Confusion matrix", ("Rows: the truth. Columns: what the model said.",), Table(("", *classes), rows))


def _history(history: tuple[Mapping[str, float], ...]) -> Picture:
    names = [name for name in dict.fromkeys(name for row in history for name in row) if name != "epoch"]
    figure = new_figure(3.2 * min(len(names), 4), 2.5 * -(-len(names) // 4))
    panels = figure.subplots(-(-len(names) // 4), min(len(names), 4), squeeze=False).ravel()
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    for panel, name in zip(panels, names, strict=False):
        panel.plot([row["epoch"] for row in history], [row.get(name, np.nan) for row in history], marker=".")
        panel.set(title=name, xlabel="epoch")
        panel.grid(alpha=0.3)
    return Picture(figure_png(figure), "Figures of each epoch")
