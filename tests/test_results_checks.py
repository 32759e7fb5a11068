"""The last look before delivery: every defect that viewers break on is found and named."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import CONTEXT, child, children, example_findings, groups, phantom_series

Objects = list[Dataset]


@pytest.fixture(scope="module")
def series() -> AssembledSeries:
    return phantom_series()


@pytest.fixture(scope="module")
def results(series: AssembledSeries) -> Objects:
    findings = example_findings(series.volume)
    segmentation = build_segmentation(series, findings, CONTEXT)
    page = CapturePicture(np.zeros((64, 64, 3), np.uint8), None, "Summary")
    report = build_report(series, findings, segmentation, CONTEXT)
    return [report, segmentation, *build_captures(series, [page, page], CONTEXT)]


def drop(parent: Dataset, meaning: str) -> None:
    gone = children(parent, meaning)
    parent.ContentSequence = [item for item in parent.ContentSequence if item not in gone]


def other_study(objects: Objects) -> None:
    objects[0].StudyInstanceUID = "2.25.1"


def other_birth_date(objects: Objects) -> None:
    objects[1].PatientBirthDate = "19000101"


def uid_twice(objects: Objects) -> None:
    objects[2].SOPInstanceUID = objects[3].SOPInstanceUID


def malformed_uid(objects: Objects) -> None:
    objects[0].SeriesInstanceUID = "1.02.3"


def other_file_meta(objects: Objects) -> None:
    objects[0].file_meta.MediaStorageSOPInstanceUID = "2.25.1"


def mixed_modalities(objects: Objects) -> None:
    objects[0].SeriesInstanceUID = objects[1].SeriesInstanceUID


def no_disclaimer(objects: Objects) -> None:
    objects[2].ImageComments = "Summary"


def other_template(objects: Objects) -> None:
    objects[0].ContentTemplateSequence[0].TemplateIdentifier = "2000"


def no_procedure(objects: Objects) -> None:
    drop(objects[0], "Procedure reported")


def no_tracking_uid(objects: Objects) -> None:
    drop(groups(objects[0])[1], "Tracking Unique Identifier")


def no_tracking_id(objects: Objects) -> None:
    drop(groups(objects[0])[1], "Tracking Identifier")


def no_coordinates(objects: Objects) -> None:
    for axis in ("Long Axis", "Short Axis"):
        del child(groups(objects[0])[2], axis).ContentSequence


def first_number_without_line(objects: Objects) -> None:
    del child(groups(objects[0])[0], "Long Axis").ContentSequence


def no_segment(objects: Objects) -> None:
    drop(groups(objects[0])[0], "Referenced Segment")


def segment_99(objects: Objects) -> None:
    child(groups(objects[0])[0], "Referenced Segment").ReferencedSOPSequence[0].ReferencedSegmentNumber = 99


def segment_of_another_nodule(objects: Objects) -> None:
    child(groups(objects[0])[0], "Referenced Segment").ReferencedSOPSequence[0].ReferencedSegmentNumber = 4


def segmentation_not_in_evidence(objects: Objects) -> None:
    objects[0].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence.pop()


def no_evidence(objects: Objects) -> None:
    del objects[0].CurrentRequestedProcedureEvidenceSequence


def foreign_source_image(objects: Objects) -> None:
    objects[1].SourceImageSequence[0].ReferencedSOPInstanceUID = "2.25.1"


DEFECTS = [
    (other_study, "SR 1: StudyInstanceUID differs"),
    (other_birth_date, "SEG 1: PatientBirthDate differs"),
    (uid_twice, "a UID is already taken"),
    (malformed_uid, "is no UID"),
    (other_file_meta, "file meta information"),
    (mixed_modalities, "one series holds SEG and SR"),
    (no_disclaimer, "OT 1: the disclaimer is missing"),
    (other_template, "does not say 1500"),
    (no_procedure, "Procedure reported"),
    (no_tracking_uid, "no Tracking Unique Identifier"),
    (no_tracking_id, "no Tracking Identifier"),
    (no_coordinates, "no coordinates"),
    (first_number_without_line, "first NUM"),
    (no_segment, "no Referenced Segment"),
    (segment_99, "does not exist"),
    (segment_of_another_nodule, "another tracking UID"),
    (segmentation_not_in_evidence, "the evidence lacks"),
    (no_evidence, "the evidence lacks"),
    (foreign_source_image, "not of the source series"),
]


def test_sound_results_pass(results: Objects, series: AssembledSeries) -> None:
    check(results, series.headers)


@pytest.mark.parametrize(("defect", "named"), DEFECTS, ids=[defect.__name__ for defect, _ in DEFECTS])
def test_a_defect_is_found_and_named(
    results: Objects, series: AssembledSeries, defect: Callable[[Objects], None], named: str
) -> None:
    broken = copy.deepcopy(results)
    defect(broken)
    with pytest.raises(ResultError, match=named):
        check(broken, series.headers)


def test_a_message_never_names_the_patient(results: Objects, series: AssembledSeries) -> None:
    broken = copy.deepcopy(results)
    for dataset in broken:
        dataset.PatientName, dataset.PatientID = "SECRET^NAME", "SECRET-ID"
    with pytest.raises(ResultError) as refusal:
        check(broken, series.headers)
    for secret in ("SECRET", "PHANTOM", str(series.headers[0].PatientID)):
        assert secret not in str(refusal.value)
