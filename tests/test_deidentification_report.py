"""The report says what became of each attribute and why, and holds no value of any."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from node.deidentification.changes import Verdict, changes
from node.deidentification.one_file import Fate, Order, Outcome, deidentify_file
from node.deidentification.option_names import NAMES, names_of, options_by_codes, options_of
from node.deidentification.report import Tally, in_words, report_of, sealed
from tests.deidentification_rig import KEY, ct_slice, fill, written

AT = datetime(2026, 3, 1, tzinfo=UTC)


def dataset(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def test_each_attribute_is_told_by_what_became_of_it() -> None:
    item, cleaned = dataset(PatientName="Doe^Jane", Modality="CT"), dataset(Modality="CT")
    before = dataset(
        PatientName="Doe^Jane", PatientID="1", StudyID="2", Modality="CT", RequestAttributesSequence=[item]
    )
    before.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "Doe")
    after = dataset(PatientID="P-2", StudyID=None, Modality="CT", RequestAttributesSequence=[cleaned])
    after.PatientIdentityRemoved = "YES"

    assert {(change.keyword, change.verdict): count for change, count in changes(before, after).items()} == {
        ("PatientName", Verdict.REMOVED): 2,
        ("PatientID", Verdict.REPLACED): 1,
        ("StudyID", Verdict.EMPTIED): 1,
        ("Modality", Verdict.KEPT): 2,
        ("RequestAttributesSequence", Verdict.REPLACED): 1,
        ("PatientIdentityRemoved", Verdict.ADDED): 1,
        ("private", Verdict.REMOVED): 2,
    }


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    order = Order(tmp_path / "out", options_of(["retain-patient-characteristics"]), KEY)
    tally = Tally()
    tally.add(deidentify_file(written(fill(ct_slice(1)), tmp_path / "a"), 1, order))
    (tmp_path / "b").write_text("Canary")
    tally.add(deidentify_file(tmp_path / "b", 2, order))
    return report_of(tally, order, AT, "1.0")


def test_the_report_names_row_option_and_reason(report: dict[str, Any]) -> None:
    why = {(row["name"], row["became"]): row["why"] for row in report["attributes"]}

    assert why["PatientBirthDate", "emptied"] == "Table E.1-1: Z"
    assert why["PatientAge", "kept"] == "Table E.1-1: X, retain-patient-characteristics K"
    assert why["SOPInstanceUID", "replaced"] == "Table E.1-1: U"
    assert why["private", "removed"] == "Table E.1-1: X"
    assert why["PixelData", "kept"] == "the picture"
    assert report["files"] == {"de-identified": 1, "the same object again": 0, "refused": 1}
    assert report["refused"] == [{"file": 2, "reason": "it is not DICOM; other files are never copied"}]
    assert report["codes"][0] == "113100 Basic Application Confidentiality Profile"


def test_the_report_holds_no_value(report: dict[str, Any]) -> None:
    said = json.dumps(report) + in_words(sealed(report, None))

    assert "canary" not in said.casefold()
    assert "19470713" not in said


def test_nothing_is_complete_when_something_was_refused_or_nothing_was_there() -> None:
    tally = Tally()
    assert not tally.is_complete
    tally.add(Outcome(1, Fate.LEFT, changes=Counter()))
    assert tally.is_complete
    tally.add(Outcome(2, Fate.REFUSED, reason="x"))
    assert not tally.is_complete


@pytest.mark.parametrize("name", NAMES)
def test_an_option_is_found_again_by_the_code_that_an_object_names(name: str) -> None:
    options = options_of(["basic", name])

    assert names_of(options) == (name,)
    assert options_by_codes(frozenset(code.value for code in options.codes)) == options
