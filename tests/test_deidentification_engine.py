"""What the table alone does not say: repeating groups, private blocks, odd VRs, references, file meta information."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    SegmentationStorage,
)

from node.deidentification.attribute_types import iod_types
from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options
from node.deidentification.pseudonyms import Pseudonyms
from node.errors import DeidentificationError, NotAnInstance, UnreadableInstance
from tests.deidentification_examples import Double, encoded, instance, item_of, reread, through

CREATOR, SAFE_CREATOR = "SOMEBODY", "ELSCINT1"
EVERYTHING = Options(
    safe_private=True,
    device_identity=True,
    institution_identity=True,
    patient_characteristics=True,
    dates=Dates.MODIFIED,
    clean_descriptors=True,
    clean_structured_content=True,
    clean_graphics=True,
)


def ct(**values: Any) -> Dataset:
    return instance(
        **{
            "PatientName": "DOE^JANE",
            "PatientID": "4711",
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.1",
            "Rows": 2,
            "Columns": 2,
            "BitsAllocated": 8,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "PixelRepresentation": 0,
            "KVP": "120",
            "PixelData": b"abcd",
            **values,
        }
    )


def private(dataset: Dataset, creator: str, group: int, element: int, vr: str, value: Any) -> Dataset:
    block = dataset.private_block(group, creator, create=True)
    block.add_new(element, vr, value)
    return dataset


def list_of(dataset: Dataset) -> list[BaseTag]:
    return [element.tag for element in dataset]


# What is kept


def test_what_the_profile_keeps_is_byte_for_byte_the_same() -> None:
    source = reread(
        ct(KVP="120.0 ", ImageType=["ORIGINAL", "PRIMARY"], ContributingEquipmentSequence=[item_of(Rows=3)])
    )

    out = through(source)

    assert all(isinstance(out.get_item(keyword), RawDataElement) for keyword in ("KVP", "ImageType", "PixelData"))
    for keyword in ("KVP", "ImageType", "Rows", "PixelData"):
        assert out.get_item(keyword) == source.get_item(keyword)
    assert out.ContributingEquipmentSequence[0].get_item("Rows") is not None


def test_pixel_data_are_handed_on_and_not_copied() -> None:
    source = reread(ct())
    assert through(source).get_item("PixelData").value is source.get_item("PixelData").value


@pytest.mark.parametrize("options", [Options(), EVERYTHING, Options(uids=True)])
def test_the_object_given_is_not_changed(options: Options) -> None:
    source = ct(
        ContentSequence=[item_of(ValueType="TEXT", TextValue="DOE")],
        ContributingEquipmentSequence=[item_of(StationName="CT1", Rows=1)],
    )
    before = deepcopy(source)

    out = deidentify(source, Rules(options), Double())
    out.Rows = 9
    out.ImageType = "DERIVED"
    for item in out.get("ContributingEquipmentSequence") or []:
        item.Rows = 9

    assert source == before
    assert "preamble" not in vars(source) or source.preamble is None


@pytest.mark.parametrize("options", [Options(), EVERYTHING, Options(uids=True, dates=Dates.FULL)])
def test_a_large_object_is_the_same_before_and_after_but_for_what_the_table_names(options: Options) -> None:
    """0 attributes changed that the profile keeps: every public attribute of the dictionary that has no row."""
    source = instance()
    for tag, vr, value in _unlisted():
        source.add_new(tag, vr, value)

    out = deidentify(source, Rules(options), Double())

    assert len(_unlisted()) > 1000
    for tag, _, value in _unlisted():
        assert out[tag].value == value, tag


def _unlisted() -> list[tuple[int, str, Any]]:
    """Attributes of the dictionary without a row, in the VRs that a value is easily made of."""
    from pydicom._dicom_dict import DicomDictionary

    from node.deidentification.profile import row_for

    values: dict[str, Any] = {"LO": "KEPT", "SH": "KEPT", "CS": "KEPT", "US": 3, "FD": 1.5, "ST": "KEPT", "UT": "KEPT"}
    marks = {"PatientIdentityRemoved", "DeidentificationMethod", "LongitudinalTemporalInformationModified"}
    return [
        (tag, vr, values[vr])
        for tag, (vr, multiplicity, _, _, keyword) in DicomDictionary.items()
        if vr in values
        and tag >> 16 >= 0x0008
        and multiplicity == "1"
        and not row_for(tag)
        and keyword not in marks
        and keyword not in {"SpecificCharacterSet", "PixelRepresentation"}
    ]


# Repeating groups


def test_an_overlay_goes_as_a_whole_with_its_data() -> None:
    source = ct()
    for tag, vr, value in [
        (0x60000010, "US", 8),
        (0x60000022, "LO", "DOE"),
        (0x60003000, "OW", b"DOE  DOE"),
        (0x60040010, "US", 8),
        (0x60040102, "US", 12),
    ]:
        source.add_new(tag, vr, value)

    out = through(source)

    assert [tag for tag in list_of(out) if tag.group == 0x6000] == []
    assert out[0x60040102].value == 12  # an overlay in the pixels: who cleans these needs to know where it is


def test_a_cleaned_overlay_is_empty_and_of_the_same_size() -> None:
    source = ct()
    source.add_new(0x60020010, "US", 8)
    source.add_new(0x60023000, "OW", b"DOE  DOE")
    source.add_new(0x60024000, "LT", "LEFT LUNG of DOE")

    out = through(source, clean_graphics=True)

    assert (out[0x60020010].value, out[0x60023000].value) == (8, bytes(8))
    assert out[0x60024000].value == "LEFT LUNG of"


def test_a_cleaned_curve_keeps_its_numbers_and_loses_its_points_and_sounds() -> None:
    source = ct()
    for tag, vr, value in [
        (0x50000010, "US", 2),
        (0x50002500, "LO", "DOE"),
        (0x50003000, "OW", b"DOE "),
        (0x5000200C, "OB", b"DOE "),
    ]:
        source.add_new(tag, vr, value)

    out = through(source, clean_graphics=True)

    assert (out[0x50000010].value, out[0x50002500].value, out[0x50003000].value) == (2, "REMOVED", bytes(4))
    assert 0x5000200C not in out


# Private attributes


@pytest.mark.parametrize("options", [Options(), Options(uids=True, clean_descriptors=True)])
def test_private_attributes_go_with_their_creator_at_every_depth(options: Options) -> None:
    inner = private(item_of(Rows=1), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")
    source = private(ct(ContributingEquipmentSequence=[inner]), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")

    out = deidentify(source, Rules(options), Double())

    assert not any(tag.is_private for tag in list_of(out))
    assert not any(tag.is_private for tag in list_of(out.ContributingEquipmentSequence[0]))


def test_a_private_attribute_that_the_standard_lists_stays_with_its_creator() -> None:
    source = private(ct(), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")
    private(source, SAFE_CREATOR, 0x00E1, 0x40, "LO", "DOE")
    private(source, CREATOR, 0x00E1, 0x21, "DS", "2.5")

    out = reread(through(source, safe_private=True))

    assert {tag: str(out[tag].value) for tag in list_of(out) if tag.is_private} == {
        Tag(0x00E1, 0x0010): SAFE_CREATOR,
        Tag(0x00E1, 0x1021): "1.5",
    }


def declaration(status: str, **values: Any) -> Dataset:
    return item_of(
        PrivateGroupReference=0x0011,
        PrivateCreatorReference=CREATOR,
        BlockIdentifyingInformationStatus=status,
        **values,
    )


def declared(*items: Dataset) -> Dataset:
    source = ct(PrivateDataElementCharacteristicsSequence=list(items))
    for element, vr, value in [
        (0x01, "DS", "1.5"),
        (0x02, "LO", "DOE"),
        (0x03, "UI", "1.2.3"),
        (0x04, "PN", "DOE"),
        (0x05, "UN", b"DOE"),
        (0x06, "DA", "20200101"),
    ]:
        private(source, CREATOR, 0x0011, element, vr, value)
    return source


def left(source: Dataset) -> dict[int, Any]:
    out = through(source, safe_private=True)
    return {tag.element & 0xFF: out[tag].value for tag in list_of(out) if tag.group == 0x0011 and tag.element > 0xFF}


def test_a_block_that_the_object_declares_safe_stays_but_for_names_dates_and_what_cannot_be_read() -> None:
    assert left(declared(declaration("SAFE"))) == {1: "1.5", 2: "DOE", 3: Double().uid("1.2.3")}


def test_of_a_mixed_block_stays_what_is_declared_nonidentifying() -> None:
    action = item_of(IdentifyingPrivateElements=2, DeidentificationAction="D")
    mixed = declaration("MIXED", NonidentifyingPrivateElements=[1, 5], DeidentificationActionSequence=[action])

    assert left(declared(mixed)) == {1: "1.5", 2: "REMOVED"}


def test_a_block_without_a_declaration_goes() -> None:
    assert left(declared()) == {}
    assert left(declared(declaration("UNSAFE"))) == {}


def test_a_private_sequence_is_searched_before_it_stays() -> None:
    held = private(item_of(PatientName="DOE", Rows=1), "OTHER", 0x0013, 1, "LO", "DOE")
    source = ct(PrivateDataElementCharacteristicsSequence=[declaration("SAFE")])
    private(source, CREATOR, 0x0011, 0x07, "SQ", Sequence([held]))

    out = reread(through(source, safe_private=True))

    (item,) = out[0x00111007].value
    assert (item.Rows, item.PatientName, len(item)) == (1, Double().name("DOE"), 2)


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


# References and pseudonyms


def test_references_resolve_under_every_set_of_options_but_uids() -> None:
    pseudonyms = Pseudonyms(bytes(32))
    reference = item_of(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID="1.2.3.4")
    uidref = item_of(RelationshipType="CONTAINS", ValueType="UIDREF", UID="1.2.3.4")
    report = instance(
        ComprehensiveSRStorage,
        SOPInstanceUID="1.2.3.5",
        ContentSequence=[uidref],
        CurrentRequestedProcedureEvidenceSequence=[
            item_of(
                StudyInstanceUID="1.2.3",
                ReferencedSeriesSequence=[item_of(SeriesInstanceUID="1.2.3.1", ReferencedSOPSequence=[reference])],
            )
        ],
    )
    rules = Rules(Options(clean_structured_content=True))

    image, out = deidentify(ct(), rules, pseudonyms), deidentify(report, rules, pseudonyms)

    (evidence,) = out.CurrentRequestedProcedureEvidenceSequence
    (series,) = evidence.ReferencedSeriesSequence
    assert evidence.StudyInstanceUID == image.StudyInstanceUID != "1.2.3"
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPClassUID == CTImageStorage
    assert image.SOPInstanceUID == out.ContentSequence[0].UID


def test_the_images_that_a_segment_was_drawn_on_are_still_named() -> None:
    source_image = item_of(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID="1.2.3.4")
    derivation = item_of(SourceImageSequence=[source_image])
    source = instance(
        SegmentationStorage, PerFrameFunctionalGroupsSequence=[item_of(DerivationImageSequence=[derivation])]
    )

    (frame,) = through(source).PerFrameFunctionalGroupsSequence

    (named,) = frame.DerivationImageSequence[0].SourceImageSequence
    assert named.ReferencedSOPInstanceUID == Double().uid("1.2.3.4")


def test_uids_that_the_table_forgot_are_mapped_too() -> None:
    out = through(ct(FrameOfReferenceUID="1.2.9", VolumeFrameOfReferenceUID="1.2.9"))
    assert out.VolumeFrameOfReferenceUID == out.FrameOfReferenceUID == Double().uid("1.2.9")


def test_patient_and_order_get_pseudonyms_and_keep_none_where_there_was_none() -> None:
    out = through(ct(AccessionNumber="A1", StudyID="S1", ReferringPhysicianName="DOE"))
    assert (out.PatientID, out.PatientName) == (Double().patient_id("4711"), Double().name("DOE^JANE"))
    assert out.AccessionNumber == Double().identifier("accession number", "A1")
    assert not out.StudyID
    assert not out.ReferringPhysicianName
    assert not through(ct(PatientID="", AccessionNumber="")).PatientID


def test_a_name_in_any_character_set_becomes_the_same_pseudonym() -> None:
    latin, unicode = (
        reread(ct(SpecificCharacterSet=name, PatientName="Müller^Jörg")) for name in ("ISO_IR 100", "ISO_IR 192")
    )
    assert through(latin).PatientName == through(unicode).PatientName == Double().name("Müller^Jörg")


# What the object says of itself


def test_the_file_meta_information_is_new() -> None:
    source = ct()
    source.file_meta.SourceApplicationEntityTitle = "DOE"
    source.file_meta.PrivateInformationCreatorUID = "1.2.3"
    source.file_meta.PrivateInformation = b"DOE"
    source.file_meta.ImplementationVersionName = "DOE"
    source.preamble = b"DOE" + bytes(125)

    out = reread(through(source))

    assert out.preamble == bytes(128)
    assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID == Double().uid("1.2.3.4")
    assert out.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert out.file_meta.ImplementationVersionName.startswith("PULMONODE")
    assert b"DOE" not in encoded(out)


def codes_of(out: Dataset) -> list[str]:
    return [item.CodeValue for item in out.DeidentificationMethodCodeSequence]


def test_the_profile_and_the_options_are_named() -> None:
    out = through(ct())
    assert (out.PatientIdentityRemoved, codes_of(out)) == ("YES", ["113100"])
    assert out.LongitudinalTemporalInformationModified == "REMOVED"
    assert "PS3.15" in out.DeidentificationMethod

    out = deidentify(ct(), Rules(EVERYTHING), Double())
    assert codes_of(out) == ["113100", "113103", "113104", "113105", "113107", "113108", "113109", "113111", "113112"]
    assert out.LongitudinalTemporalInformationModified == "MODIFIED"
    assert through(ct(), dates=Dates.FULL).LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert codes_of(through(ct(), dates=Dates.FULL, uids=True)) == ["113100", "113106", "113110"]


def test_what_was_taken_earlier_stays_said() -> None:
    earlier = item_of(CodeValue="113102", CodingSchemeDesignator="DCM", CodeMeaning="DOE")
    local = item_of(CodeValue="1", CodingSchemeDesignator="99DOE", CodeMeaning="DOE")
    source = ct(
        DeidentificationMethod="by DOE",
        DeidentificationMethodCodeSequence=[earlier, local],
        LongitudinalTemporalInformationModified="REMOVED",
    )

    out = through(source, dates=Dates.FULL)

    assert codes_of(out) == ["113100", "113102", "113106"]
    assert out.LongitudinalTemporalInformationModified == "REMOVED"
    assert b"DOE" not in encoded(through(source))


def test_cleaned_pixels_are_said_to_be_without_burned_in_text() -> None:
    assert "BurnedInAnnotation" not in through(ct())
    out = through(ct(BurnedInAnnotation="YES"), clean_pixel_data=True)
    assert (out.BurnedInAnnotation, codes_of(out)) == ("NO", ["113100", "113101"])


def test_what_was_de_identified_twice_is_as_good_as_once() -> None:
    once = through(ct(StudyDescription="CT of DOE"), clean_descriptors=True)
    assert through(once, clean_descriptors=True).StudyDescription == "CT of"


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
