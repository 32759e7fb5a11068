"""pulmonode deidentify: a folder of canaries goes in, and none comes out."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian

from node.__main__ import main
from node.deidentification.folders import deidentify_files
from node.deidentification.keys import new_key
from node.deidentification.leaks import SHORTEST
from node.deidentification.one_file import Fate, Order, deidentify_file
from node.deidentification.option_names import options_of
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.report import is_genuine, sealed
from node.deidentification.runs import deidentify_folder
from node.deidentification.text_detection import is_installed
from tests.conftest import skip_or_fail
from tests.deidentification_rig import (
    KEY,
    PATIENT_ID,
    ROOT,
    canaries_in,
    canary_folder,
    capture,
    crashing,
    ct_slice,
    fill,
    referenced,
    report,
    reread,
    written,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity


class Done(NamedTuple):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def pulmonode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULMONODE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards: the command sets its own
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["pulmonode", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))


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


def test_the_pixels_of_a_slice_leave_unchanged(tmp_path: Path) -> None:
    order = Order(tmp_path / "out", options_of([]), KEY)
    deidentify_file(written(fill(ct_slice(3)), tmp_path / "a.dcm"), 1, order)
    (path,) = files_of(tmp_path / "out")

    assert dcmread(path).PixelData == np.full((16, 16), 43, np.uint16).tobytes()


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
