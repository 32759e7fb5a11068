"""Real chest CTs: what the files say of their nodules, lungs and slices must come out in HU and millimetres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from models.volume import Volume
from node import errors
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files, decode_slice_hu
from node.assembly.limits import AssemblyLimits
from node.series.limits import PlacementLimits


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> dict[str, Any]:
    return dict(json.loads((shared_data / "truth.json").read_text()))


@pytest.fixture(scope="module")
def series_0003(lidc_0003: Path) -> AssembledSeries:
    return assemble_files(files_of(lidc_0003))


def hu_inside(volume: Volume, center_lps_mm: list[float], diameter_mm: float) -> np.ndarray:
    """HU within a third of the diameter around a centre."""
    center = volume.to_index(center_lps_mm)
    reach = diameter_mm / 3 / np.asarray(volume.spacing_kji_mm)
    low, high = np.floor(center - reach).astype(int), np.ceil(center + reach).astype(int) + 1
    return volume.hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]]


def test_lidc_0003_has_its_slices_and_its_grid(series_0003: AssembledSeries, truth: dict[str, Any]) -> None:
    assert series_0003.series_instance_uid == truth["lidc-0003"]["series_instance_uid"]
    assert series_0003.volume.shape == (140, 512, 512)
    assert series_0003.volume.spacing_kji_mm == pytest.approx((2.5, 0.820312, 0.820312))
    assert series_0003.notes == ("2 file(s) that are not DICOM left out",)


def test_nodules_of_lidc_0003_are_soft_tissue_where_the_readers_marked_them(
    series_0003: AssembledSeries, truth: dict[str, Any]
) -> None:
    for nodule in truth["lidc-0003"]["nodules"]:
        hu = hu_inside(series_0003.volume, **nodule)
        assert hu.mean() > -600  # lung around it is -850
        assert 0 < hu.max() < 300


def test_outside_the_round_field_of_view_is_air(series_0003: AssembledSeries, lidc_0003: Path) -> None:
    """The files store -2000 there; with the intercept of -1024 that would be -3024 HU."""
    assert series_0003.volume.hu.min() == -1024
    assert (series_0003.volume.hu[:, 0, 0] == -1024).all()


def test_shuffled_files_give_the_same_volume(series_0003: AssembledSeries, lidc_0003: Path) -> None:
    files = files_of(lidc_0003)
    shuffled = [files[k] for k in np.random.default_rng(0).permutation(len(files))]
    again = assemble_files(shuffled)
    assert np.array_equal(again.volume.hu, series_0003.volume.hu)
    assert np.array_equal(again.volume.affine, series_0003.volume.affine)


def test_one_real_slice_alone_is_the_slice_of_the_volume(series_0003: AssembledSeries, lidc_0003: Path) -> None:
    path = next(path for path in files_of(lidc_0003) if path.suffix == ".dcm")
    uid = dcmread(path, stop_before_pixels=True).SOPInstanceUID
    k = [frame.sop_instance_uid for frame in series_0003.frames].index(uid)
    hu, spacing = decode_slice_hu(path)
    assert np.array_equal(hu, series_0003.volume.hu[k])
    assert spacing == pytest.approx((0.820312, 0.820312))


def test_a_real_series_without_one_slice_is_a_gap(series_0003: AssembledSeries, lidc_0003: Path) -> None:
    uid = series_0003.frames[70].sop_instance_uid
    files = [path for path in files_of(lidc_0003) if path.suffix == ".dcm"]
    kept = [path for path in files if dcmread(path, stop_before_pixels=True).SOPInstanceUID != uid]
    z = series_0003.volume.to_patient([[69, 0, 0], [71, 0, 0]])[:, 2]
    expected = f"gap of 5.0 mm between z={z[0]:.1f} and z={z[1]:.1f} mm"
    with pytest.raises(errors.SliceGap, match=expected):
        assemble_files(kept)


def test_padding_written_with_the_wrong_sign_is_air(lidc_0001: Path, truth: dict[str, Any]) -> None:
    """lidc-0001 writes its -2000 as 63536."""
    series = assemble_files(files_of(lidc_0001))
    assert series.headers[0].PixelPaddingValue == 63536
    assert series.volume.shape[0] == truth["lidc-0001"]["slices"]
    assert series.volume.hu.min() == -1024
    (nodule,) = truth["lidc-0001"]["nodules"]
    assert -50 < np.median(hu_inside(series.volume, **nodule)) < 150


def test_radiotherapy_objects_do_not_disturb_the_ct(lung1_001: Path, shared_data: Path, truth: dict[str, Any]) -> None:
    series = assemble_files(files_of(lung1_001))
    assert series.notes == ("3 object(s) that are not CT images left out: RTDOSE (1), RTPLAN (1), RTSTRUCT (1)",)
    assert series.volume.shape[0] == truth["lung1-001"]["slices"]
    with np.load(shared_data / "lung1-001-reference.npz") as reference:
        labels, z = reference["labels"], reference["z_lps_mm"]
    assert np.allclose(series.volume.affine[2, 3] + series.volume.affine[2, 0] * np.arange(134), z, atol=0.01)
    assert np.median(series.volume.hu[(labels & 6) > 0]) < -700


def test_two_series_in_one_folder_are_refused(lungdx_a0002: Path) -> None:
    with pytest.raises(errors.MixedSeries, match=r"2 different SeriesInstanceUID \(30, 30 images\)"):
        assemble_files(files_of(lungdx_a0002))


def test_each_of_the_two_series_alone_is_a_volume(lungdx_a0002: Path) -> None:
    by_series: dict[str, list[Path]] = {}
    for path in lungdx_a0002.rglob("*.dcm"):
        by_series.setdefault(dcmread(path, stop_before_pixels=True).SeriesInstanceUID, []).append(path)
    for files in by_series.values():
        assert assemble_files(files).volume.shape[0] == 30


def test_three_slices_of_another_project_need_a_lower_limit(odd_dicom: Path) -> None:
    files = sorted((odd_dicom / "dcmqi" / "segmentations" / "ct-3slice").glob("*.dcm"))
    with pytest.raises(errors.TooFewSlices, match=r"3 slice\(s\)"):
        assemble_files(files)
    assert assemble_files(files, AssemblyLimits(PlacementLimits(min_slices=3))).volume.shape == (3, 512, 512)


def test_every_odd_file_alone_is_a_named_error(odd_dicom: Path) -> None:
    """Nothing but an AssemblyError leaves the assembly, whatever the file."""
    for path in files_of(odd_dicom):
        with pytest.raises(errors.AssemblyError) as caught:
            assemble_files([path])
        assert "\n" not in str(caught.value)


def test_every_odd_ct_slice_is_decoded_or_named(odd_dicom: Path) -> None:
    decoded = 0
    for path in files_of(odd_dicom):
        try:
            hu, _ = decode_slice_hu(path)
        except errors.AssemblyError:
            continue
        decoded += 1
        assert hu.dtype == np.int16
    assert decoded > 30
