"""References still resolve, pseudonyms stand for names, and the object says what was done to it."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
)

from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options
from node.deidentification.pseudonyms import Pseudonyms
from tests.deidentification_examples import EVERYTHING, Double, ct, encoded, instance, item_of, reread, through

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
