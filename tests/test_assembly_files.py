"""Files to a volume: every transfer syntax, damaged files, folders with other things in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    RTDoseStorage,
    RTStructureSetStorage,
)

from models.volume import Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.files import assemble_files, decode_slice_hu
from tests.conftest import skip_or_fail
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

UNKNOWN_SYNTAX = UID("1.2.826.0.1.3680043.2.1143.99")


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), (8, 64, 48), (2.5, 3.0, 3.0)).volume


@pytest.fixture
def files(volume: Volume, tmp_path: Path) -> list[Path]:
    return write_series(ct_datasets(volume, padding_stored=-2000), tmp_path / "series")


def refused(paths: list[Path], error: type[errors.AssemblyError]) -> str:
    with pytest.raises(error) as caught:
        assemble_files(paths)
    message = str(caught.value)
    assert "\n" not in message
    assert "PHANTOM" not in message
    assert all(path.name not in message for path in paths)
    return message


def test_a_folder_gives_the_same_volume_as_its_datasets(volume: Volume, files: list[Path]) -> None:
    series = assemble_files(files[::-1])
    assert np.array_equal(series.volume.hu, volume.hu)
    assert np.array_equal(series.volume.affine, assemble([dcmread(path) for path in files]).volume.affine)
    assert all("PixelData" not in header for header in series.headers)
    assert series.notes == ()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_compressed_slices_give_the_same_hu(volume: Volume, tmp_path: Path, syntax: UID, signed: bool) -> None:
    slices = ct_datasets(volume, signed=signed)
    if syntax == JPEGLSLossless and signed:
        slices = ct_datasets(volume, signed=signed, BitsStored=13, HighBit=12)
    for dataset in slices:
        dataset.compress(syntax, generate_instance_uid=False)
    paths = write_series(slices, tmp_path)
    assert dcmread(paths[0], stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(assemble_files(paths).volume.hu, volume.hu)
    assert np.array_equal(assemble(slices).volume.hu, volume.hu)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.keyword
)
def test_other_native_encodings_give_the_same_hu(volume: Volume, tmp_path: Path, syntax: UID) -> None:
    slices = ct_datasets(volume)
    for dataset in slices:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    assert np.array_equal(assemble_files(write_series(slices, tmp_path)).volume.hu, volume.hu)


DCMTK = {
    "JPEG lossless, first-order": ["dcmcjpeg", "+e1"],
    "JPEG lossless, selection value 6": ["dcmcjpeg", "+el", "+sv", "6"],
    "JPEG-LS": ["dcmcjpls"],
    "RLE": ["dcmcrle"],
}


@pytest.mark.parametrize("command", DCMTK.values(), ids=DCMTK.keys())
def test_slices_compressed_by_dcmtk_give_the_same_hu(volume: Volume, files: list[Path], command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        skip_or_fail(f"{command[0]} of DCMTK is not installed")
    for path in files:
        subprocess.run([*command, path, path], check=True)
    assert dcmread(files[0], stop_before_pixels=True).file_meta.TransferSyntaxUID.is_encapsulated
    assert np.array_equal(assemble_files(files).volume.hu, volume.hu)


@pytest.mark.parametrize(
    "syntax",
    [
        "BigEndianExplicit",
        "DeflatedExplicitVRLittleEndian",
        "JPEG2000LosslessOnly",
        "JPEGLSLossless",
        "JPEGProcess14SV1",
    ],
)
def test_one_image_in_many_syntaxes_is_one_image(odd_dicom: Path, syntax: str) -> None:
    folder = odd_dicom / "cornerstone-wado" / "testImages"
    (encoded,) = folder.glob(f"CTImage.dcm_{syntax}TransferSyntax_*")
    expected, spacing = decode_slice_hu(folder / "CTImage.dcm")
    hu, _ = decode_slice_hu(encoded)
    assert np.array_equal(hu, expected)
    assert hu.dtype == np.int16
    assert spacing == pytest.approx((0.675781, 0.675781))


def test_an_unknown_transfer_syntax_is_named(files: list[Path]) -> None:
    dataset = dcmread(files[3])
    dataset.file_meta.TransferSyntaxUID = UNKNOWN_SYNTAX
    dataset.PixelData = encapsulate([bytes(dataset.PixelData)])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(files[3], implicit_vr=False, little_endian=True)
    message = refused(files, errors.UndecodableSlice)
    assert "instance number 4 at z=" in message
    assert UNKNOWN_SYNTAX in message


def test_damaged_compressed_data_is_undecodable(volume: Volume, tmp_path: Path) -> None:
    slices = ct_datasets(volume)
    for dataset in slices:
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    slices[2].PixelData = encapsulate([b"\xff\x4f\xff\x51" + b"\0" * 500])
    message = refused(write_series(slices, tmp_path), errors.UndecodableSlice)
    assert "instance number 3" in message
    assert "JPEG 2000 Image Compression (Lossless Only)" in message


def test_a_file_cut_off_in_its_pixels_is_undecodable(files: list[Path]) -> None:
    files[5].write_bytes(files[5].read_bytes()[:-1000])
    assert "instance number 6" in refused(files, errors.UndecodableSlice)


@pytest.mark.parametrize("kept_bytes", [0, 100, 140, 400])
def test_a_file_cut_off_in_its_header_is_a_named_error(files: list[Path], kept_bytes: int) -> None:
    files[5].write_bytes(files[5].read_bytes()[:kept_bytes])
    with pytest.raises(errors.AssemblyError):
        assemble_files(files)


def test_a_slice_without_pixels_is_undecodable(volume: Volume, tmp_path: Path) -> None:
    slices = ct_datasets(volume)
    del slices[1].PixelData
    refused(write_series(slices, tmp_path), errors.UndecodableSlice)
    with pytest.raises(errors.UndecodableSlice):
        assemble(slices)


def test_nothing_dicom_is_no_images(tmp_path: Path) -> None:
    for name in ("README.txt", "LICENSE"):
        (tmp_path / name).write_text("not an image")
    assert "2 file(s)" in refused(sorted(tmp_path.iterdir()), errors.NoImages)
    refused([], errors.NoImages)


def test_files_that_do_not_claim_to_be_dicom_are_left_out_with_a_note(files: list[Path], tmp_path: Path) -> None:
    extra = tmp_path / "annotation.xml"
    extra.write_text("<xml/>")
    assert assemble_files([extra, *files]).notes == ("1 file(s) that are not DICOM left out",)


def other_object(like: Dataset, sop_class: UID, modality: str) -> Dataset:
    other = Dataset()
    other.update({tag: like.get_item(tag) for tag in like.keys() if tag < 0x00180000})  # noqa: SIM118
    other.SOPClassUID, other.SOPInstanceUID, other.Modality = sop_class, "2.25.77", modality
    other.SeriesInstanceUID = "2.25.78"
    other.file_meta = like.file_meta
    return other


def test_objects_that_are_not_ct_images_are_left_out_with_a_note(
    volume: Volume, files: list[Path], tmp_path: Path
) -> None:
    structures = other_object(ct_datasets(volume)[0], RTStructureSetStorage, "RTSTRUCT")
    path = write_series([structures], tmp_path / "other")
    series = assemble_files([*path, *files])
    assert series.notes == ("1 object(s) that are not CT images left out: RTSTRUCT (1)",)
    assert np.array_equal(series.volume.hu, volume.hu)


def test_structures_alone_are_no_images_and_dose_alone_is_not_ct(volume: Volume, tmp_path: Path) -> None:
    structures = other_object(ct_datasets(volume)[0], RTStructureSetStorage, "RTSTRUCT")
    refused(write_series([structures], tmp_path / "structures"), errors.NoImages)
    dose = other_object(ct_datasets(volume)[0], RTDoseStorage, "RTDOSE")
    dose.Rows = 64
    assert "RTDOSE (1)" in refused(write_series([dose], tmp_path / "dose"), errors.NotCT)


def test_a_copy_of_a_file_is_left_out_with_a_note(volume: Volume, files: list[Path], tmp_path: Path) -> None:
    copied = Path(shutil.copy(files[2], tmp_path / "copy.dcm"))
    series = assemble_files([*files, copied])
    assert series.notes == ("1 file(s) that repeat an instance left out",)
    assert series.volume.shape == volume.shape


def test_one_instance_uid_with_two_contents_is_a_duplicate(files: list[Path], tmp_path: Path) -> None:
    changed = dcmread(files[2])
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(tmp_path / "changed.dcm")
    assert "instance number 3" in refused([*files, tmp_path / "changed.dcm"], errors.DuplicatePosition)


Spoil = Callable[[Path], object]


def test_one_slice_on_its_own(volume: Volume, files: list[Path]) -> None:
    hu, spacing = decode_slice_hu(files[-1])
    assert np.array_equal(hu, volume.hu[-1])
    assert spacing == (3.0, 3.0)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda path: path.write_bytes(b"no"), errors.UndecodableSlice),
        (lambda path: path.unlink(), errors.UndecodableSlice),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), errors.UndecodableSlice),
    ],
)
def test_one_slice_that_cannot_be_read(files: list[Path], spoil: Spoil, error: type[errors.AssemblyError]) -> None:
    spoil(files[0])
    with pytest.raises(error):
        decode_slice_hu(files[0])
