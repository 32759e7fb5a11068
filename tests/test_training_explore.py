"""System 001: the padding rule, the order of the slices, and a page that shows a series without showing whose it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from models.volume import Volume
from training.__main__ import app
from training.errors import TrainingError
from training.explore.command import sections
from training.explore.pictures import mosaic, windowed
from training.explore.reading import explored, hounsfield
from training.explore.surfaces import BACKGROUND, BONE_COLOUR, turntable
from training.explore.upright import body_of, lungs_of, upright
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


def test_stored_minus_2000_with_slope_1_and_intercept_minus_1024_is_minus_1024_hu() -> None:
    """The vector of system 001: to 0 first, then slope and intercept."""
    hu, padded = hounsfield(np.array([-2000, 0, 1024], np.int16), 1, -1024)
    assert hu.tolist() == [-1024, -1024, 0]
    assert padded == 1


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "padding", "expected"),
    [
        (-2000, 1, 0, None, -1024),  # values stored as HU: outside is air, not water
        (63536, 1, -1024, 63536, -1024),  # -2000 written into unsigned values
        (-1024, 1, -1024, None, -1024),  # a padding that the header does not declare
        (1000, 2, -1024, None, 976),
        (65535, 1, 0, None, 32767),
    ],
)
def test_other_scales_and_paddings(
    stored: int, slope: float, intercept: float, padding: int | None, expected: int
) -> None:
    assert hounsfield(np.array([stored]), slope, intercept, padding)[0].tolist() == [expected]


@pytest.fixture(scope="module")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    slices = ct_datasets(small_phantom().volume, padding_stored=-2000, SliceThickness=3.5)
    for dataset in slices:
        dataset.PatientName, dataset.PatientID, dataset.InstitutionName = "Secret^Person", "SECRET-7", "Secret Hospital"
    write_series(slices[::-1], folder)
    return folder


def test_slices_come_in_the_order_of_their_position_whatever_their_names(phantom_folder: Path) -> None:
    """The files are named from head to feet; voxels outside the field of view were stored as -2000."""
    found = explored(phantom_folder)
    original = small_phantom().volume
    assert np.array_equal(found.volume.hu, np.maximum(original.hu, -1024))
    assert np.allclose(found.volume.affine, original.affine)
    assert found.padded == int((original.hu <= -1024).sum())


def test_page_shows_every_part_and_no_patient(phantom_folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "explore.html"
    result = CliRunner().invoke(app, ["explore", str(phantom_folder), "--output", str(page)])
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == [
        "Geometry and values",
        "Histogram of HU",
        "Slices, lung window",
        "Slices, soft tissue window",
        "Three planes",
        "Surface of bone",
        "Surface of lung",
    ]
    assert text.count("data:image/png;base64,") == 6
    assert "secret" not in text.lower()
    assert "2.25." not in text  # no UID
    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
    assert "not as thick as they are apart" in text


def test_lung_volume_on_the_page_is_that_of_the_phantom(phantom_folder: Path) -> None:
    phantom = small_phantom()
    text = next(section.text[0] for section in sections(explored(phantom_folder)) if section.title == "Surface of lung")
    litres = float(re.findall(r"([\d.]+) l,", text)[0])
    true = float((phantom.lung_labels > 0).sum()) * phantom.volume.voxel_volume_mm3 / 1e6
    assert litres == pytest.approx(true, rel=0.15)  # windpipe in, vessels out


def turned_over(volume: Volume) -> Volume:
    """Write down the same patient as scanned from head to feet, columns from left to right."""
    affine = volume.affine.copy()
    affine[:3, 3] = volume.to_patient((volume.shape[0] - 1, 0, volume.shape[2] - 1))
    affine[:3, 0], affine[:3, 2] = -affine[:3, 0], -affine[:3, 2]
    return Volume(np.ascontiguousarray(volume.hu[::-1, :, ::-1]), affine)


def test_patient_stands_upright_whatever_way_the_scan_went() -> None:
    affine = np.array(
        [[0, 0, 2, -10], [0, 2, 0, 5], [2, 0, 0, 30], [0, 0, 0, 1]], float
    )  # k to the head, j back, i left
    volume = Volume(np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7), np.int16), affine)
    expected = volume.hu[::-1]
    assert np.allclose(upright(volume, 2.0).hu, expected, atol=0.01)
    assert np.allclose(upright(turned_over(volume), 2.0).hu, expected, atol=0.01)


def test_lungs_lie_within_the_body_and_air_outside_does_not() -> None:
    scene = upright(small_phantom().volume, 3.0)
    body = body_of(scene)
    lungs = lungs_of(scene, body)
    assert lungs.any()
    assert not body[:, 0].any()
    assert scene.hu[lungs].max() < -400


def test_ball_looks_round_and_alike_from_every_side() -> None:
    z, y, x = np.mgrid[-20:21, -20:21, -20:21]
    picture = turntable((15.0 - np.sqrt(z**2 + y**2 + x**2)).astype(np.float32), 0.0, BONE_COLOUR, (0.0, 90.0))
    seen = picture[..., 2] < (BACKGROUND[2] + BONE_COLOUR[2]) / 2
    half = seen.shape[1] // 2
    areas = [float(part.sum()) / 4 for part in (seen[:, :half], seen[:, half:])]  # drawn at twice the size
    assert areas == pytest.approx([np.pi * 15**2] * 2, rel=0.1)


def test_mosaic_has_as_many_tiles_as_slices_when_they_are_few() -> None:
    volume = Volume(np.full((3, 16, 16), 100, np.int16), np.eye(4))
    sheet = mosaic(volume, (-100, 100), columns=2, rows=2, side=16)
    assert sheet.shape == (32, 32)
    assert sheet[:16].min() > 250
    assert sheet[16:, 16:].max() == 0


def test_window_edges_are_black_and_white() -> None:
    assert windowed(np.array([-2000, -1350, -600, 150, 900]), (-1350, 150)).tolist() == [0, 0, 127, 255, 255]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nothing there", "is not a folder"),
        ("no DICOM", "holds no CT series"),
        ("one slice", "holds no CT series"),
        ("missing slice", "missing or there twice"),
        ("broken pixels", "cannot be decoded"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_2(case: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    spoiled(case, folder)
    result = CliRunner().invoke(app, ["explore", str(folder), "--output", str(tmp_path / "e.html")])
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "e.html").exists()


def spoiled(case: str, folder: Path) -> None:
    if case == "nothing there":
        return
    folder.mkdir()
    slices = ct_datasets(small_phantom().volume)
    if case == "no DICOM":
        (folder / "a.dcm").write_text("no image")
    elif case == "one slice":
        write_series(slices[:1], folder)
    elif case == "missing slice":
        write_series(slices[:20] + slices[21:40], folder)
    elif case == "broken pixels":
        paths = write_series(slices[:10], folder)
        broken = pydicom.dcmread(paths[4])
        broken.PixelData = broken.PixelData[:100]
        broken.save_as(paths[4])


def test_slices_of_different_size_are_no_volume(tmp_path: Path) -> None:
    slices = ct_datasets(small_phantom().volume)[:6]
    slices[3].Rows, slices[3].PixelData = slices[3].Rows // 2, slices[3].PixelData[: len(slices[3].PixelData) // 2]
    write_series(slices, tmp_path)
    with pytest.raises(TrainingError, match="differ in rows"):
        explored(tmp_path)


def test_real_series_has_its_lungs_and_its_undeclared_padding(unpack: Callable[[str], Path]) -> None:
    found = explored(unpack("lidc-0003"))
    scene = upright(found.volume, 4.0)
    litres = float(lungs_of(scene, body_of(scene)).sum()) * 4.0**3 / 1e6
    assert found.volume.shape == (140, 512, 512)
    assert found.volume.hu.min() == -1024
    assert found.padded > 0.1 * found.volume.hu.size
    assert 4 < litres < 7
