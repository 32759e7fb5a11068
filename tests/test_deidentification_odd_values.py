"""Values that are not what they should be: odd VRs, several values, dates that are none, and what is refused."""

from __future__ import annotations

import pytest
from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from node.deidentification.attribute_types import iod_types
from node.deidentification.profile import Dates
from node.errors import DeidentificationError, NotAnInstance, UnreadableInstance
from tests.deidentification_examples import Double, ct, encoded, instance, item_of, reread, through

# VRs that are not what they should be


def test_an_attribute_of_vr_un_is_treated_by_its_tag() -> None:
    source = ct()
    source[0x00100010] = DataElement(0x00100010, "UN", b"DOE^JANE")
    source[0x00081030] = DataElement(0x00081030, "UN", b"CT CHEST OF DOE ")
    source[0x00200052] = DataElement(0x00200052, "UN", b"1.2.3.9\0")

    out = through(source, clean_descriptors=True)

    assert out.PatientName == Double().name("DOE^JANE")
    assert out.StudyDescription == "CT CHEST OF"
    assert out.FrameOfReferenceUID == Double().uid("1.2.3.9")


def test_a_standard_attribute_that_nobody_knows_goes() -> None:
    source = ct()
    source.add_new(0x00087FFE, "UN", b"DOE")
    source.add_new(0x77700010, "LO", "DOE")

    out = through(source)

    assert 0x00087FFE not in out
    assert 0x77700010 not in out


def test_group_lengths_commands_and_file_elements_in_the_data_set_go() -> None:
    source = ct()
    for tag, vr, value in [(0x00080000, "UL", 9), (0x00000010, "LO", "DOE"), (0x00020016, "AE", "DOE")]:
        source._dict[Tag(tag)] = DataElement(tag, vr, value)

    assert {0x00080000, 0x00000010, 0x00020016}.isdisjoint(through(source).keys())


def test_what_should_be_a_sequence_and_is_none_goes() -> None:
    source = ct()
    source._dict[Tag("ReferencedSeriesSequence")] = DataElement(0x00081115, "OB", b"DOE")

    assert "ReferencedSeriesSequence" not in through(source)


def test_a_sequence_in_the_place_of_a_text_goes() -> None:
    source = ct()
    source._dict[Tag("ImageComments")] = DataElement(0x00204000, "SQ", [item_of(PatientName="DOE")])
    source._dict[Tag("KVP")] = DataElement(0x00180060, "SQ", [item_of(PatientName="DOE")])

    out = through(source, clean_descriptors=True)

    assert "ImageComments" not in out
    assert "KVP" not in out


def test_implicit_vr_is_treated_as_explicit_vr() -> None:
    source = ct(StudyDescription="CT of DOE", ContributingEquipmentSequence=[item_of(StationName="DOE", Rows=1)])
    source.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    out = reread(through(reread(source), clean_descriptors=True))

    assert out.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert (out.StudyDescription, out.PatientName) == ("CT of", Double().name("DOE^JANE"))
    assert list(out.ContributingEquipmentSequence[0].keys()) == [Tag("Rows")]


def test_every_value_of_several_is_treated() -> None:
    source = ct(
        OtherPatientIDs=["1", "2"],
        ContributingSOPInstancesReferenceSequence=[],
        SeriesDate="20200101",
        DateOfLastCalibration=["20200411", "20200412"],
        SOPInstanceUID="1.2.3.4",
        ReferencedFrameOfReferenceUID=["1.2.3.5", "1.2.840.10008.1.4.1.1"],
    )

    out = through(source, dates=Dates.MODIFIED)

    assert list(out.DateOfLastCalibration) == ["20200102", "20200103"]
    assert list(out.ReferencedFrameOfReferenceUID) == [Double().uid("1.2.3.5"), "1.2.840.10008.1.4.1.1"]
    assert "OtherPatientIDs" not in out


def test_a_date_that_is_none_goes_the_way_of_the_basic_profile() -> None:
    out = through(
        ct(SeriesDate="DOE", StudyDate="DOE", DateOfLastCalibration=["20200411", "DOE"]), dates=Dates.MODIFIED
    )

    assert "SeriesDate" not in out
    assert not out.StudyDate
    assert "DateOfLastCalibration" not in out


# What is refused


def test_what_is_no_instance_is_refused_with_a_reason() -> None:
    with pytest.raises(NotAnInstance):
        through(instance(MediaStorageDirectoryStorage))
    with pytest.raises(NotAnInstance):
        through(Dataset())
    assert issubclass(NotAnInstance, DeidentificationError)
    assert {NotAnInstance.code, UnreadableInstance.code} == {"NOT_AN_INSTANCE", "UNREADABLE"}


def with_raw(keyword: str, vr: str, value: bytes) -> Dataset:
    source = reread(ct())
    source._dict[Tag(keyword)] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True)
    return source


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("ContributingEquipmentSequence", "SQ", b"DOE"),
        ("PatientName", "US", b"DOE"),
        ("PatientName", "ZZ", b"DOE^"),
        ("SOPInstanceUID", "FD", b"DOE"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_message_quotes_nothing(keyword: str, vr: str, value: bytes) -> None:
    with pytest.raises(UnreadableInstance) as refusal:
        through(with_raw(keyword, vr, value))
    assert "DOE" not in str(refusal.value)


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("KVP", "ZZ", b"DOE^"),
        ("ContributingEquipmentSequence", "SQ", b"DOE^JANE"),
        ("ContributingEquipmentSequence", "SQ", b"\xfe\xff\x00\xe0\xff\x00\x00\x00DOE^JANE"),
        ("ContributingEquipmentSequence", "OW", b"DOE^JANE"),
    ],
)
def test_what_is_kept_but_is_not_what_it_says_leaves_nothing(keyword: str, vr: str, value: bytes) -> None:
    assert b"DOE" not in encoded(through(with_raw(keyword, vr, value)))


def test_the_options_of_an_unknown_kind_of_object_are_the_careful_ones() -> None:
    """Its Types are not known: dummies are valid whatever they are."""
    assert iod_types("1.2.3.4.5") is None
    out = through(instance("1.2.3.4.5", ContentDate="20200101", DeviceSerialNumber="DOE"))
    assert (out.ContentDate, out.DeviceSerialNumber) == ("19000101", "REMOVED")
