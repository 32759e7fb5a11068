"""pulmonode deidentify: a folder of canaries goes in, and none comes out; what left can come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian

from node.deidentification.keys import new_key
from node.deidentification.text_detection import is_installed
from tests.conftest import skip_or_fail
from tests.deidentification_rig import (
    ROOT,
    canaries_in,
    canary_folder,
    capture,
    ct_slice,
    fill,
    referenced,
    report,
    written,
)
from tests.deidentify_rig import Command, files_of, pulmonode

__all__ = ["pulmonode"]  # a fixture of the rig

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity


def test_no_canary_comes_out_and_what_is_refused_is_told_by_number(pulmonode: Command, tmp_path: Path) -> None:
    source, out = canary_folder(tmp_path / "in"), tmp_path / "out"
    done = pulmonode("deidentify", source, out)
    refused = json.loads((out / "report.json").read_text())["report"]["refused"]

    assert done.returncode == 3, done.stderr
    assert len(files_of(out)) == 5
    assert canaries_in(out) == []
    assert "canary" not in (done.stdout + done.stderr).casefold()
    assert [entry["file"] for entry in refused] == [6, 7, 8]
    assert "not DICOM" in refused[1]["reason"]


def test_references_still_resolve_and_names_are_the_pseudonymous_uids(pulmonode: Command, tmp_path: Path) -> None:
    source, out = canary_folder(tmp_path / "in"), tmp_path / "out"
    pulmonode("deidentify", source, out)
    left = {path: dcmread(path) for path in files_of(out)}

    assert len({dataset.StudyInstanceUID for dataset in left.values()}) == 1
    assert len({dataset.PatientID for dataset in left.values()}) == 1
    for path, dataset in left.items():
        assert path.relative_to(out).parts == (
            dataset.StudyInstanceUID,
            dataset.SeriesInstanceUID,
            f"{dataset.SOPInstanceUID}.dcm",
        )
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert UID(dataset.SOPInstanceUID).is_valid
    (sr,) = (dataset for dataset in left.values() if dataset.Modality == "SR")
    assert referenced(sr) in {dataset.SOPInstanceUID for dataset in left.values() if dataset.InstanceNumber == 1}
    assert referenced(sr) != sr.SOPInstanceUID


def test_the_same_key_gives_the_same_files_and_another_key_none_of_them(pulmonode: Command, tmp_path: Path) -> None:
    source = canary_folder(tmp_path / "in")
    for name in ("one", "other"):
        new_key(tmp_path / f"{name}.key")
    for out, key in (("a", "one"), ("b", "one"), ("c", "other"), ("d", None)):
        pulmonode("deidentify", source, out, *(["--key", f"{key}.key"] if key else []))
    first, again, other, without = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in files_of(tmp_path / out)} for out in "abcd"
    )

    assert first == again
    assert len(first) == len(other) == len(without) == 5
    assert not first.keys() & other.keys()
    assert not first.keys() & without.keys()


def test_a_capture_leaves_once_its_text_is_blanked(pulmonode: Command, tmp_path: Path) -> None:
    if not is_installed():
        skip_or_fail("tesseract is not installed")
    written(capture("CANARY SURNAME 1947"), tmp_path / "in" / "a.dcm")
    out = tmp_path / "out"
    done = pulmonode("deidentify", tmp_path / "in", out, "--option", "clean-pixel-data")
    (path,) = files_of(out)
    left = dcmread(path)

    assert done.returncode == 0, done.stderr
    assert left.BurnedInAnnotation == "NO"
    assert "113101" in [item.CodeValue for item in left.DeidentificationMethodCodeSequence]
    assert (np.frombuffer(left.PixelData, np.uint8) == 255).sum() < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["deidentify"], "give IN and OUT"),
        (["deidentify", "in"], "give IN and OUT"),
        (["deidentify", "none", "out"], "there is no such folder"),
        (["deidentify", "empty", "out"], "there is no file below it"),
        (["deidentify", "in", "in/out"], "give a folder of its own"),
        (["deidentify", "in", "full"], "is not an empty folder"),
        (["deidentify", "in", "out", "--option", "retain-everything"], "there is no such option"),
        (
            ["deidentify", "in", "out", "--option", "retain-full-dates", "--option", "retain-modified-dates"],
            "choose one",
        ),
        (["deidentify", "in", "out", "--key", "none.key"], "cannot be read"),
        (["deidentify", "in", "out", "--vault-key", "v.key"], "give its --key too"),
        (["reidentify", "in", "out"], "both keys are needed"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    pulmonode: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    written(ct_slice(1), tmp_path / "in" / "a.dcm")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()
    new_key(tmp_path / "v.key")
    done = pulmonode(*arguments)

    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_what_a_worker_returns_gets_its_patient_back(pulmonode: Command, tmp_path: Path) -> None:
    source = tmp_path / "in"
    written(fill(report()), source / "a.dcm")
    for name in ("p", "v"):
        assert pulmonode("deidentify", "--new-key", f"{name}.key").returncode == 0
    keys = ("--key", "p.key", "--vault-key", "v.key")
    pulmonode("deidentify", source, "out", *keys)
    done = pulmonode("reidentify", "out", "back", *keys)
    (path,) = files_of(tmp_path / "back")
    back, original = dcmread(path), dcmread(source / "a.dcm")

    assert done.returncode == 3  # the two reports of the run are no objects
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID"):
        assert back.get_item(keyword).value == original.get_item(keyword).value
    assert back.SOPInstanceUID == original.SOPInstanceUID
    assert referenced(back) == f"{ROOT}.1.1.1"
    assert back.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
