"""The demo over real sockets on loopback: what it writes, and what it refuses to overwrite."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from node.__main__ import main
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


def demo(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["pulmonode", "demo", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.route
def test_the_demo_writes_results_report_page_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phantom = small_phantom()
    write_series(ct_datasets(phantom.volume), tmp_path / "ct")
    assert demo(monkeypatch, "--input", tmp_path / "ct", "--output", tmp_path / "out") == 0
    results = [pydicom.dcmread(path, stop_before_pixels=True) for path in (tmp_path / "out" / "dicom").glob("*.dcm")]
    assert {result.Modality for result in results} == {"SR", "SEG", "OT"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["nodules"]) >= len(phantom.nodules)
    assert "not for diagnosis" in (tmp_path / "out" / "report.html").read_text()
    pictures = {path.name for path in (tmp_path / "out" / "pictures").iterdir()}
    assert {"summary.png", "axial.png", "coronal.png", "sagittal.png", "lungs-3d-front.png"} <= pictures
    log = (tmp_path / "out" / "node.log").read_text()
    header = ct_datasets(phantom.volume)[0]
    assert str(header.PatientID) not in log
    assert str(header.PatientName) not in log
    assert str(header.SeriesInstanceUID) not in log


@pytest.mark.route
def test_the_demo_on_a_series_with_a_gap_ends_with_a_notice_and_exit_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = ct_datasets(small_phantom().volume)
    write_series(slices[:20] + slices[21:], tmp_path / "ct")
    assert demo(monkeypatch, "--input", tmp_path / "ct", "--output", tmp_path / "out") == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["reason_code"] == "SLICE_GAP"
    assert "not a negative result" in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_that_the_demo_did_not_make_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert demo(monkeypatch, "--output", tmp_path) == 2
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert "holds other files" in capsys.readouterr().err
