"""Every file of a collection of odd DICOM is de-identified or refused, and none leaks who it is of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from node.deidentification.one_file import Fate, Order, deidentify_file
from node.deidentification.option_names import options_of
from tests.deidentification_rig import (
    KEY,
)
from tests.deidentify_rig import files_of

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity


@pytest.fixture(scope="module")
def odd_outcomes(odd_dicom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    out = tmp_path_factory.mktemp("odd") / "out"
    order = Order(out, options_of([]), KEY)
    files = sorted(path for path in odd_dicom.rglob("*") if path.is_file())
    return out, [(path, deidentify_file(path, number, order)) for number, path in enumerate(files, 1)]


def test_every_odd_file_is_deidentified_and_read_again_or_refused_with_a_reason(
    odd_outcomes: tuple[Path, list[Any]],
) -> None:
    out, outcomes = odd_outcomes
    left = [outcome for _, outcome in outcomes if outcome.fate is Fate.LEFT]

    assert len(left) > 150
    assert len(left) == len(files_of(out))
    assert all(outcome.reason for _, outcome in outcomes if outcome.fate is Fate.REFUSED)
    for path in files_of(out):
        dataset = dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES"
        for _ in dataset.iterall():
            pass


def test_no_odd_file_leaks_a_name_an_identifier_or_a_uid(odd_outcomes: tuple[Path, list[Any]]) -> None:
    out, outcomes = odd_outcomes
    content = {path: path.read_bytes() for path in files_of(out)}
    for path, outcome in outcomes:
        if outcome.fate is not Fate.LEFT:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = dcmread(path, stop_before_pixels=True)
        for keyword in ("PatientName", "PatientID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            value = original.get_item(keyword).value if keyword in original else b""
            encoded = value.strip(b" \0^") if isinstance(value, bytes) else str(value).strip(" ^").encode()
            if len(encoded) > 8 and not UID(encoded.decode("latin-1"), 0).type:
                leaking = [left.name for left, data in content.items() if encoded in data]
                assert not leaking, (path.name, keyword)
