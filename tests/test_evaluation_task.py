"""The task ``evaluate``: LUNA16's tables in, a report out, and one line for what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.__main__ import app

MARKS = """seriesuid,coordX,coordY,coordZ,probability
s1,1,1,1,.95
s1,2,0,0,.90
s1,53,0,0,.80
s1,100,0,0,.70
s2,0,3.9,0,.60
s2,44,0,0,.99
s2,-30,0,0,.85
s3,10,10,19,.40
s3,-50,0,0,.30
s4,1,0,0,.97
s4,60,0,0,.50
"""
INCLUDED = "seriesuid,coordX,coordY,coordZ,diameter_mm\ns1,0,0,0,10\ns1,50,0,0,6\ns2,0,0,0,8\ns3,10,10,10,20\n"
EXCLUDED = "seriesuid,coordX,coordY,coordZ,diameter_mm\ns2,40,0,0,-1\ns4,0,0,0,4\n"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for name, text in (("marks", MARKS), ("annotations", INCLUDED), ("excluded", EXCLUDED)):
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "seriesuids.csv").write_text("s1\ns2\ns3\ns4\n")
    return tmp_path


def run_task(folder: Path, *more: object) -> tuple[int, str]:
    arguments = [folder / "marks.csv", folder / "annotations.csv", "--output", folder / "froc.html", *more]
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.output


def test_toy_vector_as_tables_gives_its_cpm(tables: Path) -> None:
    code, printed = run_task(tables, "--excluded", tables / "excluded.csv", "--series", tables / "seriesuids.csv")
    assert code == 0
    assert "CPM 0.536" in printed
    page = (tables / "froc.html").read_text()
    assert "4 scans, 4 nodules: 3 found, 1 missed; 5 false marks" in page
    assert "<td>s2</td><td>-30.0</td>" in page  # the surest false mark


def test_without_a_list_of_scans_the_report_says_what_that_means(tables: Path) -> None:
    assert run_task(tables)[0] == 0
    assert "No list of scans was given" in (tables / "froc.html").read_text()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("marks.csv", "seriesuid,coordX,coordY,coordZ\ns1,0,0,0\n", "lacks the column probability"),
        ("marks.csv", MARKS + "s4,1,0,,.5\n", "line 13: coordZ is no number"),
        ("annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\n", "no nodule"),
        ("annotations.csv", None, "cannot be read"),
    ],
)
def test_wrong_tables_are_named_in_one_line(tables: Path, file: str, text: str | None, words: str) -> None:
    (tables / file).unlink()
    if text is not None:
        (tables / file).write_text(text)
    code, printed = run_task(tables)
    assert code == 2
    assert words in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tables / "froc.html").exists()
