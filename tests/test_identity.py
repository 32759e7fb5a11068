"""Whose images they are: a series of two persons or two studies is never read as one; a careless header is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from node import errors
from node.assembly.assemble import assemble
from node.assembly.files import assemble_files
from node.assembly.identity import check_one_person
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

JOHN: dict[str, str] = {
    "PatientID": "4711",
    "IssuerOfPatientID": "HOSPITAL",
    "PatientName": "Doe^John",
    "PatientBirthDate": "19400101",
    "StudyInstanceUID": "1.2.3",
}


def header(**values: str | None) -> Dataset:
    dataset = Dataset()
    for keyword, value in (JOHN | values).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    "values",
    [
        {"PatientID": "4712"},
        {"PatientID": "04711"},
        {"IssuerOfPatientID": "OTHER"},
        {"PatientName": "Doe^Jane"},
        {"PatientName": "Doe^John^^^Jr"},
        {"PatientName": "Doe"},
        {"PatientBirthDate": "19400102"},
        {"PatientID": None, "PatientName": "Roe^Richard"},
        {"PatientID": "", "IssuerOfPatientID": "", "PatientBirthDate": "19410101"},
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_another_person_is_never_passed_over(values: dict[str, str | None], count: int) -> None:
    with pytest.raises(errors.MixedPatient) as caught:
        check_one_person([header() for _ in range(5)] + [header(**values) for _ in range(count)])
    message = str(caught.value)
    assert "more than one person" in message
    assert not any(value and value in message for value in (*JOHN.values(), *values.values()))


def test_another_study_is_named_as_such() -> None:
    with pytest.raises(errors.MixedStudy, match="StudyInstanceUID"):
        check_one_person([header(), header(StudyInstanceUID="1.2.4")])


@pytest.mark.parametrize(
    "values",
    [
        {"PatientID": " 4711 "},
        {"PatientID": ""},
        {"PatientID": None, "IssuerOfPatientID": None},
        {"IssuerOfPatientID": ""},
        {"PatientName": "DOE^JOHN"},
        {"PatientName": "Doe^John^^^"},
        {"PatientName": " Doe ^ John "},
        {"PatientName": ""},
        {"PatientName": "Doe^John=山田^太郎"},
        {"PatientBirthDate": ""},
        {"PatientBirthDate": "1940.01.01"},
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_careless_header_is_the_same_person(values: dict[str, str | None]) -> None:
    check_one_person([header(), header(**values), header()])


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Müller^Jürgen", "MÜLLER^JÜRGEN"),
        ("Müller^Jürgen", "Muller^Jurgen"),
        ("Müller^Jürgen", "M?ller^J?rgen"),
        ("Müller^Jürgen", "M??ller^J??rgen"),
        ("Müller^Jürgen", "Müller^Jürgen".encode().decode("latin-1")),
        ("Mu\u0308ller", "M\u00fcller"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou"),
        ("Yamada^Tarou=山田^太郎", "YAMADA^TAROU=山田^太郎=やまだ^たろう"),
        ("山田^太郎", "??^??"),
        ("ＹＡＭＡＤＡ", "Yamada"),
    ],
)
def test_one_name_in_two_character_sets_is_one_person(one: str, two: str) -> None:
    check_one_person([header(PatientName=one), header(PatientName=two)])
    check_one_person([header(PatientName=two), header(PatientName=one)])


@pytest.mark.parametrize(
    ("one", "two"),
    [("Müller^A", "M?llner^A"), ("Smith^John", "?????^????"), ("山田^太郎", "山本^太郎"), ("Doe?^A", "Doe^A")],
)
def test_a_lost_sign_stands_for_no_other_name(one: str, two: str) -> None:
    with pytest.raises(errors.MixedPatient):
        check_one_person([header(PatientName=one), header(PatientName=two)])


def test_one_slice_of_another_person_stops_the_assembly() -> None:
    slices = ct_datasets(small_phantom((), (12, 32, 32), (2.5, 3.0, 3.0)).volume)
    assemble(slices)
    slices[7].PatientID = "SOMEBODY-ELSE"
    with pytest.raises(errors.MixedPatient):
        assemble(slices)


def test_a_localizer_of_another_person_stops_it_too() -> None:
    slices = ct_datasets(small_phantom((), (12, 32, 32), (2.5, 3.0, 3.0)).volume)
    slices[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    slices[0].PatientName = "Somebody^Else"
    with pytest.raises(errors.MixedPatient):
        assemble(slices)


def test_another_object_in_the_series_of_another_person_stops_it_too(tmp_path: Path) -> None:
    slices = ct_datasets(small_phantom((), (12, 32, 32), (2.5, 3.0, 3.0)).volume)
    slices[3].SOPClassUID = slices[3].file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    slices[3].PatientID = "SOMEBODY-ELSE"
    with pytest.raises(errors.MixedPatient):
        assemble_files(write_series(slices, tmp_path))
