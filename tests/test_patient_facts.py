"""Facts on the patient that no header has: a JSON file, which is never allowed to stop an analysis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.findings import PatientFacts
from node.analysis.patient import joined_facts, supplied_facts
from node.job import facts_file


def written(folder: Path, text: str) -> Path:
    path = folder / "1.2.3.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_supplied_facts_fill_and_override_the_header(tmp_path: Path) -> None:
    supplied = supplied_facts(written(tmp_path, json.dumps({"family_history": True, "age_years": 61, "female": None})))
    assert supplied.warnings == ()
    joined = joined_facts(PatientFacts(age_years=60.0, female=True), supplied.facts)
    assert joined == PatientFacts(age_years=61, female=True, family_history=True)


def test_without_a_file_nothing_is_supplied(tmp_path: Path) -> None:
    assert supplied_facts(None).facts == PatientFacts()
    assert supplied_facts(tmp_path / "1.2.3.json").warnings == ()


@pytest.mark.parametrize("text", ["{", "[1]", '"yes"'])
def test_an_unreadable_file_is_said_and_changes_nothing(tmp_path: Path, text: str) -> None:
    supplied = supplied_facts(written(tmp_path, text))
    assert supplied.facts == PatientFacts()
    assert "was not used" in supplied.warnings[0]


def test_unknown_names_and_wrong_values_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    text = json.dumps({"smoker": True, "emphysema": "yes", "age_years": -4, "spiculation": False})
    supplied = supplied_facts(written(tmp_path, text))
    assert supplied.facts == PatientFacts(spiculation=False)
    assert supplied.warnings == ("patient facts not used: age_years, emphysema, smoker",)


def test_the_file_is_named_after_the_study() -> None:
    assert facts_file(Path("facts"), "1.2.3") == Path("facts/1.2.3.json")
    assert facts_file(None, "1.2.3") is None
