"""README and docs say what the program is: settings, commands, states, reasons, links, figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.nodule_features import probability_of
from node.__main__ import COMMANDS
from node.config import DestinationSection, PeerSection, Settings
from node.errors import ReceptionError
from node.results.codes import REASONS
from node.results.context import DISCLAIMER
from node.results.envelope import CAPTURE, NOTICE_REPORT, REPORT, SEGMENTATION, ObjectKind
from node.series.states import SeriesState
from training.__main__ import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = ROOT / "training" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", TRAINING, *sorted((ROOT / "docs").glob("*.md"))]
LARGEST_PICTURE_BYTES = 600_000
SELECTION_ROW = "selection.*"


def rows(text: str, first_heading: str) -> list[list[str]]:
    """The cells of every table whose first column has this heading."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == first_heading:
            inside = True
        elif inside and not set(cells[0]) <= set("-: "):
            found.append(cells)
    return found


def leaves(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Every setting by its path, with its default."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def defaults() -> dict[str, Any]:
    return leaves(Settings().model_dump(mode="json"))


def written(row: list[str]) -> Any:
    return yaml.safe_load(row[1].strip("`"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the hosts of Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))


def test_the_settings_table_names_every_key_once_with_its_default() -> None:
    table = rows(README, "key")
    names = [row[0].strip("`") for row in table]
    assert len(names) == len(set(names))
    expected = {key: value for key, value in defaults().items() if not key.startswith("selection.")}
    shown = {name: written(row) for name, row in zip(names, table, strict=True) if name != SELECTION_ROW}
    assert shown == expected
    assert SELECTION_ROW in names


def test_the_selection_table_names_every_rule_with_its_default() -> None:
    table = rows((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), "key")
    rules = {row[0].strip("`"): row for row in table if row[0].startswith("`selection.")}
    expected = {key: value for key, value in defaults().items() if key.startswith("selection.")}
    assert rules.keys() == expected.keys()
    for name, row in rules.items():
        assert row[1] == "see config.yaml" or written(row) == expected[name]


@pytest.mark.parametrize(("key", "section"), [("peers", PeerSection), ("destinations", DestinationSection)])
def test_the_keys_of_a_list_entry_are_named(key: str, section: type[PeerSection | DestinationSection]) -> None:
    (row,) = [row for row in rows(README, "key") if row[0] == f"`{key}`"]
    named = re.search(r"\{([^}]+)\}", row[2])
    assert named is not None
    assert named[1].split(", ") == list(section.model_fields)


def test_the_command_table_names_the_commands_of_the_program() -> None:
    named = [name for row in rows(README, "command") for name in re.findall(r"`pulmonode (\w+)`", row[0])]
    assert sorted(named) == sorted(COMMANDS)


def test_every_command_line_on_the_pages_is_one_of_the_program() -> None:
    for page in PAGES:
        for name in re.findall(r"(?:\.venv/bin/|`)pulmonode (\w+)", page.read_text(encoding="utf-8")):
            assert name in COMMANDS, f"{page.name}: pulmonode {name}"


def test_the_task_table_names_the_tasks_of_training() -> None:
    table = rows(TRAINING.read_text(encoding="utf-8"), "task")
    named = [name for row in table for name in re.findall(r"`([\w-]+)`", row[0])]
    assert sorted(named) == sorted(str(task.name) for task in app.registered_commands)


def test_every_task_on_the_pages_is_one_of_training() -> None:
    tasks = {task.name for task in app.registered_commands}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:-m training|pulmonode train) ([a-z][a-z-]+)", text))
        assert named <= tasks, f"{page.name}: {named - tasks}"


def test_the_exit_codes_are_explained() -> None:
    assert [row[0] for row in rows(README, "exit code")] == ["0", "1", "2", "3"]


def test_every_state_is_named() -> None:
    assert [state for state in SeriesState if state not in README] == []


def test_every_reason_of_a_notice_is_explained() -> None:
    codes = {row[0].strip("`") for row in rows((ROOT / "docs" / "reasons.md").read_text(encoding="utf-8"), "code")}
    assert codes == set(REASONS)


def test_every_refusal_on_arrival_is_explained_with_its_status() -> None:
    table = rows((ROOT / "docs" / "reasons.md").read_text(encoding="utf-8"), "status")
    shown = {(row[0], row[1].strip("`")) for row in table}
    by_instance = ReceptionError.__subclasses__()
    assert shown == {(f"{error.status:04X}", error.code) for error in by_instance}


@pytest.mark.parametrize("kind", [REPORT, SEGMENTATION, CAPTURE, NOTICE_REPORT])
def test_the_result_series_are_named_as_they_arrive(kind: ObjectKind) -> None:
    assert f'"{kind.series_description}"' in README


@pytest.mark.parametrize("kind", [REPORT, SEGMENTATION, CAPTURE])
def test_what_a_destination_must_take_is_listed(kind: ObjectKind) -> None:
    assert f"({kind.sop_class_uid})" in README
    assert f'{kind.series_number} "{kind.series_description}"' in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_picture_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_shown_and_small() -> None:
    pictures = sorted((ROOT / "docs").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert f"(docs/{picture.name})" in README
        assert picture.stat().st_size < LARGEST_PICTURE_BYTES


def test_every_make_target_and_benchmark_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", README, re.MULTILINE)) <= targets
    shown = set(re.findall(r"(?:-m benchmarks\.|\bbenchmarks/)(\w+)", README))
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__"}
    assert shown == there


def test_the_figures_of_the_detector_are_those_of_its_docstring() -> None:
    said = " ".join(str(probability_of.__doc__).split())
    quoted = re.search(r"(\d+ of) (\d+) planted nodules were found, (\d+ of \d+ up to 8 mm)", " ".join(README.split()))
    assert quoted is not None
    assert f"{quoted[1]} {quoted[2]} found ({quoted[3]})" in said


def test_the_disclaimer_stands_at_the_head_and_with_the_limits() -> None:
    head, limits = README.split("\n## ", 1)[0], README.partition("\n## Limits and intended use\n")[2]
    assert DISCLAIMER in head
    assert limits.lstrip().startswith(f"**{DISCLAIMER}.**")
