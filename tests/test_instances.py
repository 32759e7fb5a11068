"""Headers of all kinds, also hostile ones: what is malformed counts as absent; only a UID can be an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    RTDoseStorage,
    SecondaryCaptureImageStorage,
)

from node.errors import CannotUnderstand
from node.series.instances import InstanceHeader, from_json, header_of, is_ct, is_image, is_valid_uid, to_json

IDENTITY = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID")


def ct(**attributes: object) -> Dataset:
    dataset = Dataset()
    values: dict[str, object] = {
        "SOPInstanceUID": "1.2.3.4",
        "SOPClassUID": CTImageStorage,
        "SeriesInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2",
        "Modality": "CT",
        "Rows": 512,
        "Columns": 512,
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def with_raw(keyword: str, vr: str, value: bytes) -> Dataset:
    """A data set with an element as it comes from the wire, not yet converted."""
    dataset = ct()
    tag = Tag(keyword)
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)  # type: ignore[assignment]
    return dataset


def test_a_good_header_is_read_in_full() -> None:
    header = header_of(
        ct(
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            SeriesNumber=3,
            SeriesDescription="Thorax 1.0",
            ConvolutionKernel=["Br40f", "3"],
            InstanceNumber="7",
            SliceThickness="1.25",
            PixelSpacing=["0.7", "0.8"],
            ImagePositionPatient=["-180.5", "-170", "12.5"],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            NumberOfSeriesRelatedInstances=300,
        )
    )
    assert header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert (header.series_number, header.instance_number, header.rows) == (3, 7, 512)
    assert header.convolution_kernel == "Br40f\\3"
    assert header.slice_thickness_mm == 1.25
    assert header.pixel_spacing_mm == (0.7, 0.8)
    assert header.image_position_patient == (-180.5, -170.0, 12.5)
    assert header.image_orientation_patient == (1, 0, 0, 0, 1, 0)
    assert header.number_of_series_related_instances == 300


def test_a_header_survives_the_way_through_json() -> None:
    header = header_of(ct(ImageType=["ORIGINAL"], PixelSpacing=["0.7", "0.8"], SeriesDescription="Größe"))
    assert from_json(json.loads(json.dumps(to_json(header)))) == header


def test_json_of_another_version_is_read_for_what_is_known() -> None:
    values = to_json(header_of(ct())) | {"new_attribute": 1}
    del values["body_part_examined"]
    assert from_json(values).body_part_examined == ""


@pytest.mark.parametrize("keyword", IDENTITY)
def test_a_missing_uid_cannot_be_understood(keyword: str) -> None:
    with pytest.raises(CannotUnderstand, match=keyword):
        header_of(ct(**{keyword: None}))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("keyword", IDENTITY)
@pytest.mark.parametrize(
    "value",
    ["../../etc/passwd", "1.2.", ".1.2", "..", ".", "1..2", "1.2.x", "1/2", "1.2\\1.3", "1" * 65, "١.٢", "Doe^Jane"],
)
def test_a_uid_that_is_none_cannot_be_understood_and_is_not_repeated(keyword: str, value: str) -> None:
    with pytest.raises(CannotUnderstand, match=keyword) as caught:
        header_of(ct(**{keyword: value}))
    assert value not in str(caught.value) or len(value) < 3


def test_padding_around_a_uid_is_no_part_of_it() -> None:
    assert header_of(with_raw("SeriesInstanceUID", "UI", b"1.2.3\0")).series_instance_uid == "1.2.3"
    assert header_of(with_raw("SeriesInstanceUID", "UI", b"1.2.3 ")).series_instance_uid == "1.2.3"


def test_64_characters_are_a_uid_and_65_are_none() -> None:
    assert is_valid_uid("1." + "2" * 62)
    assert not is_valid_uid("1." + "2" * 63)
    assert not is_valid_uid("")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("keyword", "vr", "value", "field", "expected"),
    [
        ("SeriesNumber", "IS", b"three", "series_number", None),
        ("SeriesNumber", "IS", b"99999999999999999999", "series_number", None),
        ("SeriesNumber", "IS", b"3\\4", "series_number", None),
        ("SeriesNumber", "IS", b"2.5", "series_number", None),
        ("SeriesNumber", "IS", b"NaN", "series_number", None),
        ("SeriesNumber", "IS", b"-1", "series_number", -1),
        ("InstanceNumber", "DS", b"4.0", "instance_number", 4),
        ("Rows", "US", b"\x01", "rows", None),
        ("Rows", "US", b"\x00\x00", "rows", None),
        ("Rows", "LO", b"many", "rows", None),
        ("NumberOfFrames", "IS", b"-5", "number_of_frames", None),
        ("SliceThickness", "DS", b"thin", "slice_thickness_mm", None),
        ("SliceThickness", "DS", b"0", "slice_thickness_mm", None),
        ("SliceThickness", "DS", b"1e300", "slice_thickness_mm", None),
        ("SliceThickness", "DS", b"inf", "slice_thickness_mm", None),
        ("PixelSpacing", "DS", b"0.7", "pixel_spacing_mm", ()),
        ("PixelSpacing", "DS", b"0.7\\nan", "pixel_spacing_mm", ()),
        ("ImagePositionPatient", "DS", b"1\\2\\3\\4", "image_position_patient", ()),
        ("ImagePositionPatient", "LO", b"left\\right\\up", "image_position_patient", ()),
        ("ImageOrientationPatient", "DS", b"1\\0\\0\\0\\1", "image_orientation_patient", ()),
        ("ImageType", "CS", b"", "image_type", ()),
        ("SeriesDescription", "SQ", b"\xff\xff\xff", "series_description", ""),
        ("SeriesDescription", "ZZ", b"what", "series_description", ""),
        ("FrameOfReferenceUID", "US", b"\x01\x00\x02", "frame_of_reference_uid", ""),
    ],
)
def test_a_malformed_value_counts_as_absent(keyword: str, vr: str, value: bytes, field: str, expected: object) -> None:
    assert getattr(header_of(with_raw(keyword, vr, value)), field) == expected


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_huge_text_is_cut_and_control_characters_are_dropped() -> None:
    header = header_of(with_raw("SeriesDescription", "LO", b"A\x00B\x1b[31m\n" + b"x" * 1_000_000))
    assert header.series_description.startswith("AB[31mx")
    assert len(header.series_description) == 64


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_flood_of_values_is_cut() -> None:
    header = header_of(with_raw("ImageType", "CS", b"\\".join([b"ORIGINAL"] * 5000)))
    assert header.image_type == ("ORIGINAL",) * 16


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_unknown_character_set_is_no_error() -> None:
    dataset = with_raw("SeriesDescription", "LO", b"Thorax \xe4\xf6")
    dataset.SpecificCharacterSet = "ISO_IR 999"
    assert header_of(dataset).series_description.startswith("Thorax")


def test_a_sequence_where_a_text_belongs_counts_as_text_without_harm() -> None:
    dataset = ct()
    dataset[Tag("Modality")] = DataElement(Tag("Modality"), "SQ", Sequence([Dataset()]))
    assert not is_ct(header_of(dataset)) or header_of(dataset).modality == ""


def test_a_multi_frame_instance_gives_what_its_frames_share() -> None:
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.SliceThickness, measures.PixelSpacing = "1.5", ["0.7", "0.7"]
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset = ct(SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=200, SharedFunctionalGroupsSequence=[shared])
    header = header_of(dataset)
    assert (header.number_of_frames, header.slice_thickness_mm) == (200, 1.5)
    assert header.image_orientation_patient == (1, 0, 0, 0, 1, 0)
    assert header.image_position_patient == ()


@pytest.mark.parametrize("sop_class", [CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage])
def test_all_three_ct_classes_are_ct(sop_class: str) -> None:
    assert is_ct(header_of(ct(SOPClassUID=sop_class)))


def test_a_capture_of_a_ct_screen_is_an_image_but_no_ct() -> None:
    header = header_of(ct(SOPClassUID=SecondaryCaptureImageStorage))
    assert is_image(header)
    assert not is_ct(header)


def test_a_dose_grid_is_no_ct_and_an_object_without_rows_no_image() -> None:
    assert not is_ct(header_of(ct(SOPClassUID=RTDoseStorage, Modality="RTDOSE")))
    assert not is_image(header_of(ct(Rows=None)))


def test_a_ct_class_with_another_modality_is_no_ct() -> None:
    assert not is_ct(header_of(ct(Modality="PT")))


def test_every_file_of_the_odd_collection_is_read_or_refused(odd_dicom: Path) -> None:
    outcomes = {"read": 0, "refused": 0}
    for path in (path for path in odd_dicom.rglob("*") if path.is_file()):
        try:
            dataset = dcmread(path, stop_before_pixels=True, force=True)
        except (InvalidDicomError, OSError, ValueError, KeyError, EOFError, AttributeError, NotImplementedError):
            continue
        try:
            assert isinstance(header_of(dataset), InstanceHeader)
            outcomes["read"] += 1
        except CannotUnderstand:
            outcomes["refused"] += 1
    assert outcomes["read"] > 300
    assert outcomes["refused"] > 0
