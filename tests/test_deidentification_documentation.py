"""The tables of README and docs are those that the program works by."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.deidentification.documentation import PAGES, TABLES, with_tables
from node.deidentification.option_names import NAMES
from node.deidentification.profile import OPTION_CODES, rows

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "deidentification.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_on_a_page_are_those_of_the_program(page: str) -> None:
    """If this fails: python -m node.deidentification.documentation."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_the_document_shows_every_table_and_every_row() -> None:
    for table in TABLES.values():
        assert table() in DOCUMENT
    for row in rows():
        assert f"| {row.name} | {row.basic} |" in DOCUMENT


def test_the_options_are_those_of_the_command_line() -> None:
    shown = [line.split("`")[1] for line in TABLES["options"]().splitlines()[2:]]
    assert sorted(shown) == sorted(NAMES)
    assert len(shown) == len(OPTION_CODES)


def test_a_table_that_was_changed_by_hand_would_be_noticed() -> None:
    changed = DOCUMENT.replace("| Accession Number | Z |", "| Accession Number | K |")
    assert changed != DOCUMENT
    assert with_tables(changed) == DOCUMENT
