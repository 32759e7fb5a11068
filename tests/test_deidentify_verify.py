"""What left is verified: a finding is named, and a report that was changed is no longer genuine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from node.deidentification.keys import new_key
from node.deidentification.one_file import Order
from node.deidentification.option_names import options_of
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.report import is_genuine, sealed
from node.deidentification.runs import deidentify_folder
from tests.deidentification_rig import (
    KEY,
    ROOT,
    canary_folder,
    ct_slice,
    fill,
    reread,
    written,
)
from tests.deidentify_rig import Command, files_of, pulmonode

__all__ = ["pulmonode"]  # a fixture of the rig

AT = datetime(2026, 3, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity


def test_a_run_is_verified_against_its_originals_and_signed(pulmonode: Command, tmp_path: Path) -> None:
    source, out, key = canary_folder(tmp_path / "in"), tmp_path / "out", tmp_path / "project.key"
    new_key(key)
    done = pulmonode("deidentify", source, out, "--key", key, "--verify", "--json")
    envelope = json.loads(done.stdout)
    pseudonyms = Pseudonyms(bytes.fromhex(key.read_text()))

    assert envelope["report"]["verdict"] == "no identity was found"
    assert envelope["report"]["compared_with_originals"]
    assert is_genuine(envelope, pseudonyms)
    assert is_genuine(json.loads((out / "report.json").read_text()), pseudonyms)


def test_a_report_that_was_changed_is_no_longer_genuine() -> None:
    pseudonyms = Pseudonyms(KEY)
    envelope = sealed({"findings": {"a": 1}}, pseudonyms)
    changed = {**envelope, "report": {"findings": {}}}

    assert is_genuine(envelope, pseudonyms)
    assert not is_genuine(changed, pseudonyms)
    assert not is_genuine({**changed, "sha256": sealed(changed["report"], None)["sha256"]}, pseudonyms)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a run leaves it."""
    folder = tmp_path_factory.mktemp("left")
    order = Order(folder / "out", options_of([]), KEY)
    deidentify_folder(canary_folder(folder / "in"), order, None, AT, "1", lambda *_: None)
    return order.target


def broken_name(out: Path) -> None:
    path = files_of(out)[0]
    path.rename(path.with_name("Canarysurname.dcm"))


def original_file(out: Path) -> None:
    written(fill(ct_slice(1)), out / "1.2.3.dcm")


def text_file(out: Path) -> None:
    (out / "1.2.3.txt").write_text("notes")


def private(out: Path) -> None:
    change(out, lambda dataset: dataset.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "x"))


def nested_name(out: Path) -> None:
    item = Dataset()
    item.PatientName = "Doe^Jane"
    change(out, lambda dataset: setattr(dataset, "CTExposureSequence", [item]))


def real_uid(out: Path) -> None:
    change(out, lambda dataset: setattr(dataset, "FrameOfReferenceUID", f"{ROOT}.9"))


def aet(out: Path) -> None:
    change(out, lambda dataset: setattr(dataset.file_meta, "SourceApplicationEntityTitle", "WARD7"))


def preamble(out: Path) -> None:
    change(out, lambda dataset: setattr(dataset, "preamble", b"hello".ljust(128, b"\0")))


def marks(out: Path) -> None:
    change(out, lambda dataset: delattr(dataset, "PatientIdentityRemoved"))


def burned_in(out: Path) -> None:
    change(out, lambda dataset: setattr(dataset, "BurnedInAnnotation", "YES"))


def change(out: Path, edit: Callable[[Any], Any]) -> None:
    path = files_of(out)[0]
    dataset = reread(path)
    edit(dataset)
    dataset.save_as(path)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (broken_name, "not made of UIDs"),
        (original_file, "PatientIdentityRemoved"),
        (text_file, "no DICOM instance"),
        (private, "private (0011,xxxx)"),
        (nested_name, "PatientName"),
        (real_uid, "FrameOfReferenceUID"),
        (aet, "SourceApplicationEntityTitle"),
        (preamble, "preamble"),
        (marks, "PatientIdentityRemoved"),
        (burned_in, "Burned In Annotation is YES"),
    ],
)
def test_verification_finds_what_was_left_or_put_back(
    pulmonode: Command, left: Path, tmp_path: Path, spoil: Callable[[Path], None], finding: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(left, out)
    assert pulmonode("deidentify", "--verify", out).returncode == 0
    spoil(out)
    found = pulmonode("deidentify", "--verify", out)

    assert found.returncode == 1
    assert finding in found.stdout
    assert "canary" not in found.stdout.casefold()
