"""The report of a model: one page that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from models.weights import INTENDED_USE, Figure
from training.evaluation import scores
from training.evaluation.froc import Annotation, Mark, bootstrap, froc
from training.evaluation.report import Detection, EvaluationReport, Roc, WorstCase, figure_of, write_report
from training.page import Section, Table


def full_report() -> EvaluationReport:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    values = np.clip(labels * 0.3 + rng.uniform(0, 0.7, 80), 0, 1)
    area = scores.auc_interval(labels, values, rng, resamples=50)
    found = froc([Annotation("s", (0, 0, 0), 10)], (), [Mark("s", (0, 0, 0), 0.9), Mark("s", (50, 0, 0), 0.8)], ["s"])
    wrong, right, _ = scores.roc_curve(labels, values)
    return EvaluationReport(
        title="Model <A>",
        about=("Measured on & split by patient.",),
        figures=(figure_of("AUC", area, "80 made-up cases"), Figure("Dice", 0.91, "one case")),
        history=({"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.4, "late": 1.0}),
        roc=Roc(wrong, right, area),
        calibration=scores.calibration(labels, values),
        detection=Detection(found, bootstrap(found, rng, resamples=40), {"published": 0.839}),
        confusion=(("benign", "suspicious"), np.array([[7, 1], [2, 90]])),
        worst=(WorstCase(np.full((16, 16), 80, np.uint8), "said 0.99, is none"),),
        more=(Section("Its own", table=Table(("a",), (("b",),))),),
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(full_report(), path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "heading",
    ["Figures", "Detection", "ROC", "Calibration", "Confusion matrix", "Training", "Worst cases", "Its own"],
)
def test_every_part_has_its_section(page: str, heading: str) -> None:
    assert re.search(rf"<h2>{heading}", page)


def test_page_needs_nothing_outside_itself(page: str) -> None:
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:image/png;base64,)""", page)
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)


def test_text_is_escaped_and_the_limit_of_use_is_said(page: str) -> None:
    assert "Model &lt;A&gt;" in page
    assert "on &amp; split" in page
    assert INTENDED_USE in page


def test_figure_without_an_interval_says_that_none_was_measured(page: str) -> None:
    assert re.search(r"<td>Dice</td><td>0\.91</td><td>not measured</td><td>one case</td>", page)


def test_published_figure_stands_beside_the_own(page: str) -> None:
    row = re.search(r"<tr><td>published</td>.*?</tr>", page)
    assert row is not None
    assert "0.839" in row[0]


def test_report_of_figures_alone_has_no_empty_section(tmp_path: Path) -> None:
    write_report(EvaluationReport("Small", (), (Figure("Dice", 0.9, "x"),)), tmp_path / "r.html")
    assert re.findall(r"<h2>(.*?)</h2>", (tmp_path / "r.html").read_text()) == ["Figures"]
