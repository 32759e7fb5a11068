"""Each file by itself: it leaves once and whole, or is refused, whatever becomes of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from node.deidentification.folders import deidentify_files
from node.deidentification.leaks import SHORTEST
from node.deidentification.one_file import Fate, Order, deidentify_file
from node.deidentification.option_names import options_of
from tests.deidentification_rig import (
    KEY,
    PATIENT_ID,
    canaries_in,
    crashing,
    ct_slice,
    fill,
    written,
)
from tests.deidentify_rig import files_of

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity


def test_the_pixels_of_a_slice_leave_unchanged(tmp_path: Path) -> None:
    order = Order(tmp_path / "out", options_of([]), KEY)
    deidentify_file(written(fill(ct_slice(3)), tmp_path / "a.dcm"), 1, order)
    (path,) = files_of(tmp_path / "out")

    assert dcmread(path).PixelData == np.full((16, 16), 43, np.uint16).tobytes()


def test_an_engine_that_forgets_an_attribute_is_stopped_by_the_last_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.deidentification.one_file.deidentify", lambda dataset, *_: dataset)
    path = written(ct_slice(1), tmp_path / "in" / "a.dcm")
    outcome = deidentify_file(path, 1, Order(tmp_path / "out", options_of([]), KEY))

    assert outcome.fate is Fate.REFUSED
    assert "a UID" in str(outcome.reason)
    assert PATIENT_ID not in str(outcome.reason)
    assert canaries_in(tmp_path / "out") == []
    assert len(PATIENT_ID) >= SHORTEST


def test_a_hostile_uid_never_becomes_a_path(tmp_path: Path) -> None:
    dataset = ct_slice(1)
    dataset.add_new("StudyInstanceUID", "UI", "../../escaped")
    dataset["SOPInstanceUID"]._value = "/etc/x"
    written(dataset, tmp_path / "in" / "a.dcm")
    order = Order(tmp_path / "deep" / "out", options_of(["retain-uids"]), KEY)
    deidentify_file(tmp_path / "in" / "a.dcm", 1, order)

    assert not (tmp_path / "escaped").exists()
    assert all(order.target in path.parents for path in tmp_path.rglob("*.dcm") if "in" not in path.parts)


def test_several_processes_do_the_same_as_one_in_the_same_order(tmp_path: Path) -> None:
    files = [written(ct_slice(number), tmp_path / "in" / f"{number:03d}") for number in range(1, 41)]
    (tmp_path / "in" / "040").write_text("no DICOM")
    one, many = (Order(tmp_path / name, options_of([]), KEY) for name in ("one", "many"))
    alone = [deidentify_file(path, number, one) for number, path in enumerate(files, 1)]

    assert list(deidentify_files(files, many, 2)) == alone
    assert [path.read_bytes() for path in files_of(many.target)] == [path.read_bytes() for path in files_of(one.target)]
    assert [outcome.number for outcome in alone if outcome.fate is Fate.REFUSED] == [40]


def test_a_file_that_takes_the_process_down_is_refused_and_the_others_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [written(ct_slice(number), tmp_path / "in" / f"{number:03d}") for number in range(1, 41)]
    files[20] = files[20].rename(files[20].with_name("bad"))
    monkeypatch.setattr("node.deidentification.folders.deidentify_file", crashing)
    outcomes = list(deidentify_files(files, Order(tmp_path / "out", options_of([]), KEY), 2))

    assert [outcome.number for outcome in outcomes] == list(range(1, 41))
    assert [outcome.number for outcome in outcomes if outcome.fate is Fate.REFUSED] == [21]
    assert "a decoder crashed" in str(outcomes[20].reason)
    assert len(files_of(tmp_path / "out")) == 39


def test_what_this_program_writes_into_every_object_is_no_leak(tmp_path: Path) -> None:
    """The node's own results bear its name as their station."""
    dataset = ct_slice(1)
    dataset.StationName, dataset.OperatorsName, dataset.PatientBirthDate = "PULMONODE", "REMOVED", "19000101"
    outcome = deidentify_file(written(dataset, tmp_path / "a"), 1, Order(tmp_path / "out", options_of([]), KEY))

    assert outcome.fate is Fate.LEFT


def test_two_objects_under_one_uid_do_not_replace_each_other(tmp_path: Path) -> None:
    first, second = ct_slice(1), ct_slice(1)
    second.InstanceNumber = 99
    order = Order(tmp_path / "out", options_of([]), KEY)
    fates = [
        deidentify_file(written(dataset, tmp_path / f"{number}.dcm"), number, order).fate
        for number, dataset in enumerate((first, first, second))
    ]

    assert fates == [Fate.LEFT, Fate.TWICE, Fate.REFUSED]
    assert [dcmread(path).InstanceNumber for path in files_of(tmp_path / "out")] == [1]
