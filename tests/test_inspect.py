"""``pulmonode inspect``: what the node would take, and the volume that it would read, without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset

from models.volume import Volume
from node.__main__ import main
from node.assembly.files import assemble_files
from node.ledger.ledger import Ledger
from node.series.instances import header_of
from node.volume_file import write_volume
from tests.tasks_rig import START
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


def inspect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, dict[str, Any], str]:
    """Run the command in this process; give exit code, JSON and standard error."""
    monkeypatch.setattr("sys.argv", ["pulmonode", "inspect", *map(str, arguments), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 0, json.loads(printed.out or "{}"), printed.err


def chest(seed: int = 0, **overrides: Any) -> list[Dataset]:
    return ct_datasets(small_phantom().volume, seed=seed, **overrides)


def in_one_study(*series: list[Dataset]) -> list[Dataset]:
    """Put several series into the study of the first."""
    first = series[0][0]
    for each in series[1:]:
        for dataset in each:
            for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID"):
                setattr(dataset, keyword, getattr(first, keyword))
    return [dataset for each in series for dataset in each]


def test_a_chest_is_shown_with_its_geometry_and_its_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = chest()
    write_series(datasets, tmp_path / "in")
    code, told, _ = inspect(monkeypatch, capsys, tmp_path / "in")
    volume = small_phantom().volume
    assert code == 0
    assert told["refusal"] is None
    assert told["chosen"]["series_instance_uid"] == datasets[0].SeriesInstanceUID
    assert (told["chosen"]["slices"], told["chosen"]["instances"]) == (volume.shape[0], volume.shape[0])
    assert told["chosen"]["spacing_mm"] == pytest.approx(volume.spacing_kji_mm)
    assert told["chosen"]["matrix"] == list(volume.shape[1:])
    assert (told["chosen"]["orientation"], told["chosen"]["tilt_degrees"]) == ("LPS", 0.0)
    (row,) = told["series"]
    assert (row["state"], row["code"], row["reason"]) == ("chosen", None, None)
    assert (told["notes"], told["warnings"]) == ([], [])


def test_the_next_best_is_shown_and_the_refused_one_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    best = chest(1, ConvolutionKernel="STANDARD", RescaleType="MGML", SeriesNumber=2)
    sharp = chest(2, ConvolutionKernel="LUNG", SeriesNumber=3)
    scout = chest(3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:2]
    write_series(in_one_study(best, sharp, scout), tmp_path / "in")
    code, told, _ = inspect(monkeypatch, capsys, tmp_path / "in")
    assert code == 0
    states = {row["series_instance_uid"]: (row["state"], row["code"]) for row in told["series"]}
    assert states == {
        best[0].SeriesInstanceUID: ("refused", "WRONG_RESCALE"),
        sharp[0].SeriesInstanceUID: ("chosen", None),
        scout[0].SeriesInstanceUID: ("not chosen", "NOT_CHOSEN"),
    }
    assert told["chosen"]["series_instance_uid"] == sharp[0].SeriesInstanceUID
    assert told["notes"][0] == "read in the place of series 2 of the study, which could not be read (WRONG_RESCALE)"


@pytest.mark.parametrize(
    ("kept", "code"), [(slice(0, 5), "NO_SUITABLE_SERIES"), (slice(0, 0), "NO_IMAGES"), (slice(None, None, 31), None)]
)
def test_what_would_not_be_analysed_is_exit_3_with_the_reason(
    kept: slice, code: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    write_series(chest()[kept], tmp_path / "in")
    status, told, err = inspect(monkeypatch, capsys, tmp_path / "in", "--volume", tmp_path / "v.nii.gz")
    assert status == 3
    assert told["chosen"] is None
    assert code is None or told["refusal"]["code"] == code
    assert told["refusal"]["code"] in err
    assert not (tmp_path / "v.nii.gz").exists()


def test_the_gate_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(chest(PixelSpacing=[0.2, 0.2]), tmp_path / "in")
    status, told, _ = inspect(monkeypatch, capsys, tmp_path / "in")
    assert (status, told["gate"]["code"], told["refusal"]) == (3, "FIELD_OF_VIEW", None)
    assert told["series"][0]["state"] == "chosen", "it can be read, and its volume can be looked at"


def test_files_that_are_lost_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_series(chest(), tmp_path / "in")
    for path in paths[:4]:
        path.write_bytes(b"")
    (tmp_path / "in" / "notes.txt").write_text("x")
    status, told, _ = inspect(monkeypatch, capsys, tmp_path / "in")
    assert status == 0
    assert told["chosen"]["instances"] == len(paths) - 4
    assert told["other_files"] == {"empty": 4, "not DICOM": 1}
    assert "4 file(s) in the folder left out: empty" in told["notes"]
    assert "4 damaged or empty file(s)" in told["warnings"][0]


@pytest.mark.parametrize("name", ["v.nii.gz", "v.nii", "v.nrrd", "V.NII.GZ"])
def test_the_volume_is_what_the_node_reads_at_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_series(chest(), tmp_path / "in")
    assert inspect(monkeypatch, capsys, tmp_path / "in", "--volume", tmp_path / name)[0] == 0
    read, truth = SimpleITK.ReadImage(str(tmp_path / name)), assemble_files(paths).volume
    assert np.array_equal(SimpleITK.GetArrayFromImage(read), truth.hu)
    for k, j, i in ((0, 0, 0), (5, 17, 40)):
        at = read.TransformIndexToPhysicalPoint((i, j, k))
        assert at == pytest.approx(truth.to_patient((k, j, i)), abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "in"])


@pytest.mark.parametrize("turn", range(48))
def test_a_volume_of_any_orientation_keeps_its_places(turn: int, tmp_path: Path) -> None:
    order = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)][turn // 8]
    signs = [1 - 2 * (turn >> bit & 1) for bit in range(3)]
    affine = np.eye(4)
    for axis in range(3):
        affine[:3, axis] = 0
        affine[order[axis], axis] = signs[axis] * (2.5, 0.7, 0.9)[axis]
    affine[:3, 3] = (-120.5, 33.25, 700.0)
    volume = Volume(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6), affine)
    write_volume(volume, tmp_path / "v.nii.gz")
    read = SimpleITK.ReadImage(str(tmp_path / "v.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read), volume.hu)
    assert read.TransformIndexToPhysicalPoint((5, 3, 2)) == pytest.approx(volume.to_patient((2, 3, 5)), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "name a folder or archive"),
        (["in", "--series", "1.2"], "one of the two"),
        (["/nowhere"], "no such folder"),
        (["in", "--volume", "v.png"], "must end in .nii.gz, .nii or .nrrd"),
        (["in", "--volume", "/nowhere/v.nii"], "there is no such folder"),
    ],
)
def test_wrong_usage_is_exit_2(
    arguments: list[str],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    status, _, err = inspect(monkeypatch, capsys, *arguments)
    assert status == 2
    assert word in err


def test_a_series_of_the_nodes_own_store_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = chest()
    uid = str(datasets[0].SeriesInstanceUID)
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'var' / 'ledger.sqlite'}")
    for path, dataset in zip(write_series(datasets, tmp_path / "var" / "instances"), datasets, strict=True):
        ledger.instances.record_instance(
            header_of(dataset),
            sha256=path.name,
            size=1,
            path=f"instances/{path.name}",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            calling_ae_title="CT1",
            association_id="a",
            received_at=START,
        )
    ledger.close()
    (tmp_path / "config.yaml").write_text(f"data_dir: {tmp_path / 'var'}\n")
    config = ("--config", tmp_path / "config.yaml")
    status, told, _ = inspect(monkeypatch, capsys, "--series", uid, *config)
    assert (status, told["chosen"]["series_instance_uid"]) == (0, uid)
    status, _, err = inspect(monkeypatch, capsys, "--series", "1.2.3", *config)
    assert status == 2
    assert "no such series" in err


def test_the_table_for_people_says_what_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    thick = chest(2, SliceThickness=5, Modality="CT")
    write_series(in_one_study(chest(1), thick), tmp_path / "in")
    monkeypatch.setattr("sys.argv", ["pulmonode", "inspect", str(tmp_path / "in")])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = " ".join(capsys.readouterr().out.split())
    assert not ended.value.code
    assert all(word in printed for word in ("chosen", "not chosen", "preferred", "matrix", "tilt 0.0 degrees"))
    assert "not for diagnosis" in printed


def test_a_look_loads_no_network() -> None:
    code = "import sys, node.commands.inspect; sys.exit('torch' in sys.modules or 'highdicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["lidc_0003", "lungdx_a0002", "lung1_001"])
def test_the_volume_of_real_series_equals_simpleitks_reading(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder: Path = request.getfixturevalue(name)
    status, told, _ = inspect(monkeypatch, capsys, folder, "--volume", tmp_path / "v.nii.gz")
    assert status == 0
    reader = SimpleITK.ImageSeriesReader()
    files: list[str] = []
    for below in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        files = files or list(reader.GetGDCMSeriesFileNames(str(below), told["chosen"]["series_instance_uid"]))
    reader.SetFileNames(files)
    truth = SimpleITK.GetArrayFromImage(reader.Execute())
    read = SimpleITK.ReadImage(str(tmp_path / "v.nii.gz"))
    found = SimpleITK.GetArrayFromImage(read)
    if np.sign(read.GetDirection()[8]) < 0:
        found = found[::-1]
    assert np.array_equal(found, np.clip(truth, -1024, 32767))
