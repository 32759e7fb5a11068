"""The command line as a user meets it: exit codes, one-line reasons, and a notice where nothing could be analysed."""

from __future__ import annotations

import json
import socket
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from models.volume import Volume
from node.__main__ import COMMANDS, main
from node.ledger.ledger import Ledger
from node.series.instances import InstanceHeader
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


def pulmonode(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run one command in this process and give its exit code."""
    monkeypatch.setattr("sys.argv", ["pulmonode", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def without_lungs() -> Volume:
    """The small phantom with soft tissue where its lungs were: an abdomen, as far as the node can tell."""
    phantom = small_phantom(nodules=())
    hu = phantom.volume.hu.copy()
    hu[phantom.lung_labels > 0] = 40
    hu[np.logical_and(hu < -500, hu > -950)] = 40
    return Volume(hu, phantom.volume.affine)


def unreadable_input(case: str, folder: Path) -> None:
    """Write what a user may hand us by mistake."""
    folder.mkdir()
    if case == "no DICOM":
        (folder / "notes.txt").write_text("this is no image")
    elif case == "one slice":
        write_series(ct_datasets(small_phantom().volume)[30:31], folder)
    elif case == "abdomen only":
        write_series(ct_datasets(without_lungs()), folder)
    elif case == "missing slice":
        slices = ct_datasets(small_phantom().volume)
        write_series(slices[:30] + slices[31:], folder)
    elif case == "no decoder":
        for path in write_series(ct_datasets(small_phantom().volume), folder):
            path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))


@pytest.mark.parametrize(
    ("case", "code", "word"),
    [
        ("empty", "NO_IMAGES", "no DICOM image"),
        ("no DICOM", "NO_IMAGES", "1 other file"),
        ("one slice", "NO_SUITABLE_SERIES", "1 slice"),
        ("abdomen only", "NO_LUNGS", "lung"),
        ("missing slice", "SLICE_GAP", "gap of 10.0 mm"),
        ("no decoder", "UNDECODABLE_SLICE", "1.2.840.10008.1.2.9"),
    ],
)
def test_input_that_cannot_be_analysed_gives_a_reason_a_notice_and_exit_3(
    case: str,
    code: str,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unreadable_input(case, tmp_path / "in")
    assert pulmonode(monkeypatch, "analyze", tmp_path / "in", "--output", tmp_path / "out", "--json") == 3
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if "pulmonode:" in line]
    assert code in line
    assert word in line
    assert "Traceback" not in printed.err
    report = json.loads(printed.out)
    assert (report["status"], report["reason_code"], report["nodules"]) == ("NOT_PROCESSED", code, None)
    notices = [pydicom.dcmread(path) for path in sorted((tmp_path / "out").glob("*.dcm"))]
    assert sorted(notice.Modality for notice in notices) == ["OT", "SR"]
    assert any("not a negative result" in str(notice) for notice in notices)
    assert "not a negative result" in (tmp_path / "out" / "report.html").read_text()


def test_a_zip_of_a_chest_is_analysed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    phantom = small_phantom()
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as packed:
        for path in write_series(ct_datasets(phantom.volume), tmp_path / "in"):
            packed.write(path, path.name)
    assert pulmonode(monkeypatch, "analyze", tmp_path / "ct.zip", "--output", tmp_path / "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "ANALYSED"
    truth_ml = (phantom.lung_labels > 0).sum() * phantom.volume.voxel_volume_mm3 / 1000
    assert report["lungs"]["volume_ml"] == pytest.approx(truth_ml, rel=0.1)
    assert report["models"]
    assert (tmp_path / "out" / "pictures" / "summary.png").exists()


FAST = "models: {lungs: rules, detector: rules, malignancy: null}\n"  # whether a series is read needs no network


def study_of(*series: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Put several series into the study of the first."""
    for dataset in (dataset for each in series[1:] for dataset in each):
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID"):
            setattr(dataset, keyword, getattr(series[0][0], keyword))
    return [dataset for each in series for dataset in each]


def analysed_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    """Analyse ``tmp_path/in`` without networks; give exit code and report."""
    (tmp_path / "c.yaml").write_text(FAST)
    arguments = ("--output", tmp_path / "out", "--json", "--config", tmp_path / "c.yaml")
    code = pulmonode(monkeypatch, "analyze", tmp_path / "in", *arguments)
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


def broken_series(number: int, defect: str) -> list[pydicom.Dataset]:
    """A chest of its own series that cannot be read."""
    slices = ct_datasets(small_phantom().volume, seed=number, SeriesNumber=number, ConvolutionKernel="STANDARD")
    for dataset in slices if defect == "WRONG_RESCALE" else slices[3:4]:
        if defect == "WRONG_RESCALE":
            dataset.RescaleType = "MGML"
        else:
            dataset.PixelData = dataset.PixelData[:100]
    return slices


@pytest.mark.parametrize("defect", ["WRONG_RESCALE", "UNDECODABLE_SLICE"])
def test_the_next_best_series_of_a_folder_is_analysed_when_the_best_cannot_be_read(
    defect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ct_datasets(small_phantom().volume, seed=9, SeriesNumber=9, ConvolutionKernel="LUNG")
    write_series(study_of(broken_series(1, defect), good), tmp_path / "in")
    code, report = analysed_report(tmp_path, monkeypatch, capsys)
    assert (code, report["status"]) == (0, "ANALYSED")
    assert report["series_instance_uid"] == good[0].SeriesInstanceUID
    assert report["notes"][0] == f"read in the place of series 1 of the study, which could not be read ({defect})"
    assert not list((tmp_path / "out").glob("notice*.dcm"))


def test_when_no_series_of_a_folder_can_be_read_the_best_one_gets_the_one_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = broken_series(2, "UNDECODABLE_SLICE")
    for dataset in worse:
        dataset.ConvolutionKernel = "LUNG"
    write_series(study_of(broken_series(1, "WRONG_RESCALE"), worse), tmp_path / "in")
    code, report = analysed_report(tmp_path, monkeypatch, capsys)
    assert (code, report["reason_code"]) == (3, "WRONG_RESCALE")
    assert report["reason"].endswith("; 1 other series of the study was tried in vain")
    assert sorted(pydicom.dcmread(path).Modality for path in (tmp_path / "out").glob("*.dcm")) == ["OT", "SR"]


def test_slices_that_are_lost_and_words_against_a_chest_stand_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slices = ct_datasets(small_phantom().volume, BodyPartExamined="ABDOMEN", SeriesDescription="Body 1.0")
    paths = write_series(slices, tmp_path / "in")
    for path in paths[:2]:
        path.write_bytes(b"")
    code, report = analysed_report(tmp_path, monkeypatch, capsys)
    assert code == 0
    assert any("2 damaged or empty file(s)" in warning for warning in report["warnings"])
    assert any(note.startswith("Body Part Examined names another part") for note in report["notes"])


@pytest.mark.parametrize("name", ["ct.tar.xz", "ct.zip", "slice.dcm"])
def test_a_damaged_archive_is_one_line_and_exit_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with tarfile.open(tmp_path / "whole.tar.xz", "w:xz") as packed:
        for path in write_series(ct_datasets(small_phantom().volume)[:3], tmp_path / "in"):
            packed.add(path, path.name)
    content = bytearray((tmp_path / "whole.tar.xz").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    (tmp_path / name).write_bytes(content)
    assert pulmonode(monkeypatch, "analyze", tmp_path / name, "--output", tmp_path / "out") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert "neither a folder nor a readable" in lines[0]


def test_the_same_input_gives_the_same_uids_whatever_its_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(ct_datasets(small_phantom().volume), tmp_path / "first")
    (tmp_path / "second").mkdir()
    for number, path in enumerate(reversed(paths)):
        (tmp_path / "second" / f"x{number}").write_bytes(path.read_bytes())
    uids = []
    for name in ("first", "second"):
        assert pulmonode(monkeypatch, "analyze", tmp_path / name, "--output", tmp_path / f"out-{name}") == 0
        results = sorted((tmp_path / f"out-{name}").glob("*.dcm"))
        uids.append([pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in results])
    assert uids[0] == uids[1]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["analyze", "/nowhere", "--output", "out"], 2, "no such folder"),
        (["analyze"], 2, "Missing argument"),
        (["analyze", ".", "--output", "/proc/x"], 2, "cannot be written"),
        (["nonsense"], 2, "No such command"),
        (["echo", "--to", "PACS:104"], 2, "AET@host:port"),
        (["serve", "--config", "/nowhere.yaml"], 2, "cannot read /nowhere.yaml"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_expected(
    arguments: list[str],
    code: int,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pulmonode(monkeypatch, *arguments) == code
    printed = capsys.readouterr()
    assert word in " ".join((printed.err + printed.out).split())
    assert "Traceback" not in printed.err


def test_an_echo_that_nobody_answers_is_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert pulmonode(monkeypatch, "echo", "--to", f"PACS@127.0.0.1:{port}") == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_the_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert pulmonode(monkeypatch, "--help") == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)
    assert "not for diagnosis" in printed


@pytest.fixture
def ledger_config(tmp_path: Path) -> Path:
    """A configuration whose ledger holds one series that is arriving."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'var' / 'ledger.sqlite'}")
    header = InstanceHeader("1.2.3.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2", modality="CT")
    ledger.instances.record_instance(
        header,
        sha256="0",
        size=1,
        path="instances/1.2.3/1.2.3.1.dcm",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="CT1",
        association_id="a",
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    ledger.close()
    config = tmp_path / "config.yaml"
    config.write_text(f"data_dir: {tmp_path / 'var'}\n")
    return config


def test_status_shows_what_is_there(
    ledger_config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pulmonode(monkeypatch, "status", "--config", ledger_config, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["counts"] == {"RECEIVING": 1}
    assert status["series"][0]["series_instance_uid"] == "1.2.3"
    assert pulmonode(monkeypatch, "status", "--config", ledger_config) == 0
    assert "RECEIVING" in capsys.readouterr().out


def test_retry_of_what_is_not_broken_is_exit_1(
    ledger_config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pulmonode(monkeypatch, "retry", "1.2.3", "--config", ledger_config) == 1
    assert "pulmonode status" in capsys.readouterr().err


def test_status_of_a_node_that_never_ran_makes_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"data_dir: {tmp_path / 'elsewhere'}\n")
    assert pulmonode(monkeypatch, "status", "--config", config) == 2
    assert "no ledger" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()
