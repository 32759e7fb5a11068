"""A folder as a user hands it over: what is no instance is told apart, counted and never vanishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ComprehensiveSRStorage, ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from node.folder import beside, no_images, scan
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve slices, ``slice-0000.dcm`` and so on."""
    write_series(ct_datasets(small_phantom().volume)[:12], tmp_path / "in")
    return tmp_path / "in"


def renamed(folder: Path, form: str) -> list[Path]:
    """Rename the slices."""
    return [path.rename(folder / form.format(number)) for number, path in enumerate(sorted(folder.iterdir()))]


def write_directory(path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory = Dataset()
    directory.file_meta = meta
    directory.FileSetID = "X"
    dcmwrite(path, directory, enforce_file_format=True)


def only_uid(folder: Path) -> str:
    (uid,) = scan(folder).series
    return uid


def test_a_folder_of_slices_alone_has_nothing_to_tell(folder: Path) -> None:
    found = scan(folder)
    assert found.strays == ()
    assert beside(found, only_uid(folder)) == ((), ())


@pytest.mark.parametrize("length", [60, 100, 131, 140, 300])
def test_slices_that_are_cut_off_are_damaged_and_warned_of(folder: Path, length: int) -> None:
    for path in sorted(folder.iterdir())[:3]:
        path.write_bytes(path.read_bytes()[:length])
    found = scan(folder)
    assert found.strays_by_kind == {"damaged DICOM": 3}
    notes, (warning,) = beside(found, only_uid(folder))
    assert notes == ("3 file(s) in the folder left out: damaged DICOM",)
    assert warning.startswith("3 damaged or empty file(s) lie beside the slices")


@pytest.mark.parametrize("form", ["IM{:04d}", "{}", "1.2.840.{}", "CT.{}.dcm", "I{:07d}.IMA"])
@pytest.mark.parametrize("length", [0, 100])
def test_slices_that_are_cut_off_are_known_by_the_form_of_their_name(folder: Path, form: str, length: int) -> None:
    for path in renamed(folder, form)[:2]:
        path.write_bytes(bytes(length))
    found = scan(folder)
    assert found.strays_by_kind == {"empty" if length == 0 else "damaged DICOM": 2}
    assert beside(found, only_uid(folder))[1]


def test_other_files_are_counted_and_warned_of_no_more_than_they_deserve(folder: Path) -> None:
    (folder / "README.txt").write_text("how to")
    (folder / "empty.log").touch()
    write_directory(folder / "DICOMDIR")
    write_directory(folder / "index")
    found = scan(folder)
    assert found.strays_by_kind == {"empty": 1, "DICOMDIR": 2, "not DICOM": 1}
    notes, warnings = beside(found, only_uid(folder))
    assert len(notes) == 3
    assert warnings == ()


def test_damage_in_another_folder_is_counted_and_not_warned_of(folder: Path, tmp_path: Path) -> None:
    whole = sorted(folder.iterdir())[0].read_bytes()
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "x.dcm").write_bytes(whole[:300])
    found = scan(folder.parent)
    notes, warnings = beside(found, only_uid(folder))
    assert notes == ("1 file(s) in the folder left out: damaged DICOM",)
    assert warnings == ()


def test_other_objects_are_counted_by_modality(folder: Path) -> None:
    for number, modality in enumerate(("SR", "SR", "RTSTRUCT")):
        (other,) = ct_datasets(small_phantom().volume, seed=number + 5)[:1]
        other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
        other.Modality = modality
        dcmwrite(folder / f"other{number}.dcm", other, enforce_file_format=True)
    found = scan(folder)
    ct = next(uid for uid, rows in found.series.items() if len(rows) == 12)
    assert beside(found, ct)[0] == ("3 object(s) in the folder that are no CT images left out: RTSTRUCT (1), SR (2)",)


def test_no_name_of_a_file_is_told(folder: Path) -> None:
    (folder / "Doe_Jane.dcm").write_bytes(b"")
    (folder / "Doe_Jane.txt").write_bytes(b"x")
    notes, warnings = beside(scan(folder), only_uid(folder))
    assert notes
    assert warnings
    assert not any("Doe" in sentence for sentence in (*notes, *warnings))


def test_a_folder_without_an_instance_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    (tmp_path / "b.dcm").write_bytes(b"x")
    (tmp_path / "c.txt").write_bytes(b"x")
    assert (
        no_images(scan(tmp_path))
        == "no DICOM image in the folder (3 other files: 1 empty, 1 damaged DICOM, 1 not DICOM)"
    )
