"""The last look before delivery: every defect that validators miss or viewers break on is found and named.

The first table holds the seventeen defects that foreign validators were tried with; none of these programs
finds them all, ours must.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.encapsulated_pdf import build_pdf
from node.results.forms import Kind
from node.results.key_objects import build_key_objects
from node.results.language import Language
from node.results.notice import build_notice
from node.results.presentation_state import build_presentation_state
from node.results.report_forms import fallback_report
from node.results.report_json import report_of
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import CONTEXT, child, children, example_findings, groups

Objects = dict[str, Dataset]
Defect = Callable[[Objects], None]


@pytest.fixture(scope="module")
def results(series: AssembledSeries) -> Objects:
    """One object of every kind."""
    findings = example_findings(series.volume)
    segmentation = build_segmentation(series, findings, CONTEXT)
    page = CapturePicture(np.zeros((64, 64, 3), np.uint8), None, "Summary")
    report = build_report(series, findings, segmentation, CONTEXT)
    content = report_of(series.series_instance_uid, series.study_instance_uid, findings, CONTEXT)
    first, second = build_captures(series, [page, page], CONTEXT)
    forms = (Kind.SR_COMPREHENSIVE, Kind.SR_ENHANCED, Kind.SR_TEXT)
    return {
        "SR": report,
        **{kind.value: fallback_report(report, kind, CONTEXT) for kind in forms},
        "SEG": segmentation,
        "SEG-LABELMAP": build_labelmap(series, findings, CONTEXT),
        "SC": first,
        "SC 2": second,
        "PR": build_presentation_state(series, findings, CONTEXT),
        "KO": build_key_objects(series, findings, CONTEXT),
        "PDF": build_pdf(series, findings, content, CONTEXT),
    }


def drop(parent: Dataset, meaning: str) -> None:
    gone = children(parent, meaning)
    parent.ContentSequence = [item for item in parent.ContentSequence if item not in gone]


def line_of(objects: Objects, group: int = 0) -> Dataset:
    return child(groups(objects["SR"])[group], "Long Axis", "Source")


# The seventeen


def no_template(objects: Objects) -> None:
    del objects["SR"].ContentTemplateSequence


def no_referenced_segment(objects: Objects) -> None:
    drop(groups(objects["SR"])[0], "Referenced Segment")


def no_tracking_uid(objects: Objects) -> None:
    drop(groups(objects["SR"])[1], "Tracking Unique Identifier")


def no_tracking_id(objects: Objects) -> None:
    drop(groups(objects["SR"])[1], "Tracking Identifier")


def segmentation_not_in_evidence(objects: Objects) -> None:
    objects["SR"].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence.pop()


def no_evidence(objects: Objects) -> None:
    del objects["SR"].CurrentRequestedProcedureEvidenceSequence


def coordinates_on_an_image_of_another_study(objects: Objects) -> None:
    """Also where the evidence lists it: the report is consistent in itself, and wrong."""
    (study,) = objects["SR"].CurrentRequestedProcedureEvidenceSequence
    listed = copy.deepcopy(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0])
    listed.ReferencedSOPInstanceUID = "2.25.1"
    study.ReferencedSeriesSequence[0].ReferencedSOPSequence.append(listed)
    line_of(objects).ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def segment_99(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Referenced Segment").ReferencedSOPSequence[0].ReferencedSegmentNumber = 99


def number_without_units(objects: Objects) -> None:
    del child(groups(objects["SR"])[0], "Volume").MeasuredValueSequence[0].MeasurementUnitsCodeSequence


def coordinates_contained(objects: Objects) -> None:
    line_of(objects).RelationshipType = "CONTAINS"


def odd_coordinates(objects: Objects) -> None:
    line_of(objects).GraphicData = list(line_of(objects).GraphicData)[:3]


def bad_completion_flag(objects: Objects) -> None:
    objects["SR"].CompletionFlag = "DONE"


def other_study(objects: Objects) -> None:
    objects["SR"].StudyInstanceUID = "2.25.1"


def other_birth_date(objects: Objects) -> None:
    objects["SR"].PatientBirthDate = "19000101"


def bad_language(objects: Objects) -> None:
    child(objects["SR"], "Language of Content Item and Descendants").ConceptCodeSequence[0].CodeValue = "eng"


def no_procedure_reported(objects: Objects) -> None:
    drop(objects["SR"], "Procedure reported")


def empty_code_meaning(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Finding").ConceptCodeSequence[0].CodeMeaning = ""


SPECIFIED: list[tuple[Defect, str]] = [
    (no_template, "SR 1: ContentTemplateSequence does not say 1500"),
    (no_referenced_segment, "SR 1: a measurement group has no Referenced Segment"),
    (no_tracking_uid, "SR 1: a measurement group has no Tracking Unique Identifier"),
    (no_tracking_id, "SR 1: a measurement group has no Tracking Identifier"),
    (segmentation_not_in_evidence, "SR 1: the evidence lacks a referenced image or the segmentation"),
    (no_evidence, "SR 1: the evidence lacks a referenced image or the segmentation"),
    (coordinates_on_an_image_of_another_study, "neither of the source nor a result"),
    (segment_99, "SR 1: a referenced segment does not exist"),
    (number_without_units, "SR 1: a NUM item has no number or no units"),
    (coordinates_contained, "SR 1: NUM CONTAINS SCOORD is not allowed"),
    (odd_coordinates, "SR 1: the data of a SCOORD are not the points of its graphic type"),
    (bad_completion_flag, "SR 1: CompletionFlag is not PARTIAL or COMPLETE"),
    (other_study, "SR 1: StudyInstanceUID differs from the source"),
    (other_birth_date, "SR 1: PatientBirthDate differs from the source"),
    (bad_language, "SR 1: the language is not one of CID 5000 that is written here"),
    (no_procedure_reported, "SR 1: Procedure reported is missing"),
    (empty_code_meaning, "SR 1: a code has no CodeMeaning"),
]


# Of our own


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


def test_sound_results_of_every_kind_pass(results: Objects, series: AssembledSeries) -> None:
    check(list(results.values()), series.headers)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_sound_results_in_every_language_pass(series: AssembledSeries, language: Language, count: int) -> None:
    context, findings = replace(CONTEXT, language=language), example_findings(series.volume, count)
    segmentation = build_segmentation(series, findings, context)
    report = build_report(series, findings, segmentation, context)
    check([report, segmentation, fallback_report(report, Kind.SR_TEXT, context)], series.headers)


@pytest.mark.parametrize("language", Language)
def test_a_sound_notice_passes_in_every_form(series: AssembledSeries, language: Language) -> None:
    context = replace(CONTEXT, language=language)
    report, page = build_notice(series.headers, "SLICE_GAP", "one slice is missing", context)
    forms = (Kind.NOTICE_COMPREHENSIVE, Kind.NOTICE_ENHANCED, Kind.NOTICE_TEXT)
    check([report, page, *(fallback_report(report, kind, context) for kind in forms)], series.headers)


def test_the_table_of_specified_defects_is_complete() -> None:
    assert len({defect for defect, _ in SPECIFIED}) == 17


@pytest.mark.parametrize(
    ("defect", "named"), [*SPECIFIED, *OWN], ids=[defect.__name__ for defect, _ in [*SPECIFIED, *OWN]]
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
def test_a_defect_is_found_and_named(results: Objects, series: AssembledSeries, defect: Defect, named: str) -> None:
    broken = copy.deepcopy(results)
    defect(broken)
    with pytest.raises(ResultError, match=named):
        check(list(broken.values()), series.headers)


def test_a_report_that_finds_nothing_and_says_nothing_is_a_defect(series: AssembledSeries) -> None:
    report = build_report(series, example_findings(series.volume, 0), None, CONTEXT)
    drop(child(report, "Qualitative Evaluations"), "Nodule of lung")
    with pytest.raises(ResultError, match="it must say either nodules"):
        check([report], series.headers)


def test_a_message_never_names_the_patient(results: Objects, series: AssembledSeries) -> None:
    broken = copy.deepcopy(results)
    for dataset in broken.values():
        dataset.PatientName, dataset.PatientID = "SECRET^NAME", "SECRET-ID"
    with pytest.raises(ResultError) as refusal:
        check(list(broken.values()), series.headers)
    for secret in ("SECRET", "PHANTOM", str(series.headers[0].PatientID)):
        assert secret not in str(refusal.value)
