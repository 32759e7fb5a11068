"""Defects of results of every kind that our own last look must find, beside those that validators were tried with."""

from __future__ import annotations

import copy

from tests.result_examples import child, groups
from tests.specified_defects import Defect, Objects, line_of


def uid_twice(objects: Objects) -> None:
    objects["SC"].SOPInstanceUID = objects["SC 2"].SOPInstanceUID


def malformed_uid(objects: Objects) -> None:
    objects["SR"].SeriesInstanceUID = "1.02.3"


def other_file_meta(objects: Objects) -> None:
    objects["SR"].file_meta.MediaStorageSOPInstanceUID = "2.25.1"


def other_class_in_file_meta(objects: Objects) -> None:
    objects["SR-TEXT"].file_meta.MediaStorageSOPClassUID = objects["SR"].SOPClassUID


def mixed_modalities(objects: Objects) -> None:
    objects["SR"].SeriesInstanceUID = objects["SEG"].SeriesInstanceUID


def no_disclaimer_on_a_capture(objects: Objects) -> None:
    objects["SC"].ImageComments = "Summary"


def disclaimer_in_another_language(objects: Objects) -> None:
    german = child(objects["SR"], "Language of Content Item and Descendants").ConceptCodeSequence[0]
    german.CodeValue, german.CodeMeaning = "de-DE", "German (Germany)"


def other_template_of_the_text(objects: Objects) -> None:
    objects["SR-TEXT"].ContentTemplateSequence[0].TemplateIdentifier = "1500"


def no_coordinates(objects: Objects) -> None:
    for axis in ("Long Axis", "Short Axis"):
        del child(groups(objects["SR"])[2], axis).ContentSequence


def first_number_without_line(objects: Objects) -> None:
    del child(groups(objects["SR"])[0], "Long Axis").ContentSequence


def coordinates_outside_the_image(objects: Objects) -> None:
    line_of(objects).GraphicData = [1.0, 1.0, 4096.0, 1.0]


def coordinates_of_no_image(objects: Objects) -> None:
    del line_of(objects).ContentSequence


def segment_of_another_nodule(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Referenced Segment").ReferencedSOPSequence[0].ReferencedSegmentNumber = 4


def tracking_uid_twice(objects: Objects) -> None:
    first, second = groups(objects["SR"])[:2]
    child(first, "Tracking Unique Identifier").UID = child(second, "Tracking Unique Identifier").UID


def empty_comment(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Comment").TextValue = ""


def item_without_a_name(objects: Objects) -> None:
    del child(groups(objects["SR"])[0], "Comment").ConceptNameCodeSequence


def code_without_a_value(objects: Objects) -> None:
    del child(groups(objects["SR"])[0], "Finding").ConceptCodeSequence[0].CodeValue


def nobody_for_the_private_codes(objects: Objects) -> None:
    del objects["SR-ENHANCED"].CodingSchemeIdentificationSequence


def verified_by_nobody(objects: Objects) -> None:
    objects["SR"].VerificationFlag = "VERIFIED"


def a_nodule_less_in_a_fallback(objects: Objects) -> None:
    child(objects["SR-TEXT"], "Findings").ContentSequence.pop()


def number_in_a_text_report(objects: Objects) -> None:
    objects["SR-TEXT"].ContentSequence.append(copy.deepcopy(child(groups(objects["SR"])[0], "Volume")))


def nodules_and_none(objects: Objects) -> None:
    absent = copy.deepcopy(child(objects["SR"], "Procedure reported"))
    absent.RelationshipType = "CONTAINS"
    absent.ConceptCodeSequence[0].CodeValue = "272519000"
    absent.ConceptCodeSequence[0].CodingSchemeDesignator = "SCT"
    objects["SR"].ContentSequence.append(absent)


def evidence_of_another_study(objects: Objects) -> None:
    objects["SR"].CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID = "2.25.1"


def description_too_long(objects: Objects) -> None:
    objects["SR"].SeriesDescription = "x" * 65


def bad_code_string(objects: Objects) -> None:
    objects["SC"].ConversionType = "wsd"


def foreign_source_image(objects: Objects) -> None:
    objects["SEG"].SourceImageSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def segments_not_in_order(objects: Objects) -> None:
    objects["SEG"].SegmentSequence[0].SegmentNumber = 7


def segment_without_tracking(objects: Objects) -> None:
    del objects["SEG-LABELMAP"].SegmentSequence[-1].TrackingUID


def other_frame_of_reference(objects: Objects) -> None:
    objects["SEG"].FrameOfReferenceUID = "2.25.1"


def marks_on_another_image(objects: Objects) -> None:
    annotation = objects["PR"].GraphicAnnotationSequence[0]
    annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def marks_of_another_series(objects: Objects) -> None:
    images = objects["PR"].ReferencedSeriesSequence[0].ReferencedImageSequence
    images[0].ReferencedSOPInstanceUID = "2.25.1"


def key_image_with_a_name(objects: Objects) -> None:
    image = next(item for item in objects["KO"].ContentSequence if item.ValueType == "IMAGE")
    image.ConceptNameCodeSequence = objects["KO"].ConceptNameCodeSequence


def key_image_not_in_evidence(objects: Objects) -> None:
    del objects["KO"].CurrentRequestedProcedureEvidenceSequence


def key_objects_without_an_observer(objects: Objects) -> None:
    kept = [i for i in objects["KO"].ContentSequence if i.get("RelationshipType") != "HAS OBS CONTEXT"]
    objects["KO"].ContentSequence = kept


def document_without_a_title(objects: Objects) -> None:
    objects["PDF"].DocumentTitle = ""


def document_without_a_source(objects: Objects) -> None:
    del objects["PDF"].SourceInstanceSequence


def document_that_is_no_pdf(objects: Objects) -> None:
    objects["PDF"].EncapsulatedDocument = b"<html></html>\0"


def wrong_length_of_the_document(objects: Objects) -> None:
    objects["PDF"].EncapsulatedDocumentLength = 12


def pixels_that_may_name_the_patient(objects: Objects) -> None:
    del objects["SC"].BurnedInAnnotation


OWN: list[tuple[Defect, str]] = [
    (uid_twice, "a UID is already taken"),
    (malformed_uid, "is no UID"),
    (other_file_meta, "file meta information names another instance"),
    (other_class_in_file_meta, "file meta information names another instance"),
    (mixed_modalities, "one series holds SEG 9001 and SR 9101"),
    (no_disclaimer_on_a_capture, "OT 1: the disclaimer is missing"),
    (disclaimer_in_another_language, "SR 1: the disclaimer is missing"),
    (other_template_of_the_text, "ContentTemplateSequence does not say 2000"),
    (no_coordinates, "a measurement group has no coordinates"),
    (first_number_without_line, "the first NUM of a measurement group has no SCOORD"),
    (coordinates_outside_the_image, "a SCOORD lies outside its image"),
    (coordinates_of_no_image, "a SCOORD is not selected from an image"),
    (segment_of_another_nodule, "has another tracking UID"),
    (tracking_uid_twice, "two measurement groups have one tracking UID"),
    (empty_comment, "a TEXT item is empty"),
    (item_without_a_name, "a TEXT item has no concept name"),
    (code_without_a_value, "a code has no value"),
    (nobody_for_the_private_codes, "nobody is named for the private coding scheme"),
    (verified_by_nobody, "VerificationFlag is not UNVERIFIED"),
    (a_nodule_less_in_a_fallback, "the forms of the report do not hold the same nodules"),
    (number_in_a_text_report, "CONTAINER CONTAINS NUM is not allowed"),
    (nodules_and_none, "it must say either nodules, or that there is none"),
    (evidence_of_another_study, "the evidence names another study"),
    (description_too_long, "the value of SeriesDescription is not legal for LO"),
    (bad_code_string, "the value of ConversionType is not legal for CS"),
    (foreign_source_image, "SEG 1: a source image is not of the source series"),
    (segments_not_in_order, "the segments are not numbered from 1"),
    (segment_without_tracking, "a segment has no tracking UID of its own"),
    (other_frame_of_reference, "the frame of reference is not that of the source"),
    (marks_on_another_image, "an annotation lies on an image that the state does not refer to"),
    (marks_of_another_series, "PR 1: a source image is not of the source series"),
    (key_image_with_a_name, "an IMAGE item has a concept name"),
    (key_image_not_in_evidence, "a selected image is not in the evidence"),
    (key_objects_without_an_observer, "KO 1: the observer is missing"),
    (document_without_a_title, "the document has no title"),
    (document_without_a_source, "the document names no source"),
    (document_that_is_no_pdf, "the document is no PDF"),
    (wrong_length_of_the_document, "the length of the document is wrong"),
    (pixels_that_may_name_the_patient, "OT 1: BurnedInAnnotation is not NO"),
]
