"""The notice: never silence, never a negative result, whatever is known of the input."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from pydicom import Dataset

from node import errors
from node.errors import ResultError
from node.results import codes
from node.results.checks import check
from node.results.context import DISCLAIMER
from node.results.notice import build_notice, draw_page, notice_sentences, orphan_header
from tests.result_examples import CONTEXT, child, children, comments_of, encoded, phantom_series

REASON = "the distance between slices 12 and 13 is 14.0 mm instead of 7.0 mm: at least one slice is missing"


@pytest.fixture(scope="module")
def headers() -> tuple[Dataset, ...]:
    return phantom_series().headers


def test_the_notice_says_that_it_is_no_negative_result(headers: tuple[Dataset, ...]) -> None:
    report, page = build_notice(headers, "SLICE_GAP", REASON, CONTEXT)
    sentence = f"NOT PROCESSED - {REASON} - not a negative result"
    assert comments_of(report)[0] == sentence
    assert comments_of(report)[-1] == DISCLAIMER
    assert page.ImageComments == f"{sentence}. {DISCLAIMER}"
    assert report.SeriesDescription == page.SeriesDescription == "AI Lung NOT PROCESSED"


def test_the_notice_makes_no_statement_about_nodules(headers: tuple[Dataset, ...]) -> None:
    report, _ = build_notice(headers, "SLICE_GAP", REASON, CONTEXT)
    evaluations = child(report, "Qualitative Evaluations")
    assert not children(report, "Imaging Measurements")
    assert not children(evaluations, "Nodule of lung")
    assert not children(evaluations, "Lung-RADS assessment")


def test_status_and_reason_are_coded(headers: tuple[Dataset, ...]) -> None:
    report, _ = build_notice(headers, "SLICE_GAP", REASON, CONTEXT)
    status = child(report, "Qualitative Evaluations", "Processing status").ConceptCodeSequence[0]
    reason = child(report, "Qualitative Evaluations", "Reason for not processing").ConceptCodeSequence[0]
    assert (status.CodingSchemeDesignator, status.CodeValue) == ("99PULMONODE", "not-processed")
    assert (reason.CodingSchemeDesignator, reason.CodeValue) == ("99PULMONODE", "slice-gap")


def test_every_assembly_error_has_its_own_code() -> None:
    raised = [errors.AssemblyError, *errors.AssemblyError.__subclasses__(), errors.ResultError, errors.AnalysisError]
    values = [codes.REASONS[error.code].value for error in raised]
    assert len(set(values)) == len(raised)
    assert all(len(value) <= 16 for value in values)  # CodeValue is SH


def test_a_code_that_the_table_does_not_know_is_named_in_words(headers: tuple[Dataset, ...]) -> None:
    report, _ = build_notice(headers, "SOMETHING_NEW", REASON, CONTEXT)
    reason = child(report, "Qualitative Evaluations", "Reason for not processing").ConceptCodeSequence[0]
    assert reason.CodeValue == "other"
    assert "Reason code: SOMETHING_NEW" in comments_of(report)


def test_the_notice_stands_in_the_source_study_and_names_what_was_looked_at(headers: tuple[Dataset, ...]) -> None:
    notice = build_notice(headers, "SLICE_GAP", REASON, CONTEXT)
    check(notice, headers)
    (study,) = notice[0].CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == headers[0].StudyInstanceUID
    assert len(study.ReferencedSeriesSequence[0].ReferencedSOPSequence) == len(headers)


def test_one_header_of_another_modality_is_enough(headers: tuple[Dataset, ...]) -> None:
    structures = copy.deepcopy(headers[0])
    structures.SOPClassUID, structures.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"
    for keyword in ("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"):
        del structures[keyword]
    notice = build_notice([structures], "NOT_CT", "the series is RTSTRUCT, not CT", CONTEXT)
    check(notice, [structures])
    (study,) = notice[0].CurrentRequestedProcedureEvidenceSequence
    evidence = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert evidence.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.481.3"


def test_a_poor_header_gets_empty_attributes() -> None:
    poor = Dataset()
    poor.StudyInstanceUID = "1.2.3.4"
    notice = build_notice([poor], "MISSING_GEOMETRY", "no position", CONTEXT)
    check(notice, [poor])
    for dataset in notice:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
            assert dataset[keyword].is_empty
    assert "CurrentRequestedProcedureEvidenceSequence" not in notice[0]


def test_a_header_without_study_is_passed_over_for_one_that_has_it(headers: tuple[Dataset, ...]) -> None:
    report, _ = build_notice([Dataset(), headers[3]], "MISSING_GEOMETRY", "no position", CONTEXT)
    assert report.StudyInstanceUID == headers[0].StudyInstanceUID


@pytest.mark.parametrize("known", [[], [Dataset()]])
def test_no_study_at_all_is_an_error(known: list[Dataset]) -> None:
    with pytest.raises(ResultError, match="StudyInstanceUID"):
        build_notice(known, "NO_IMAGES", "the folder holds no DICOM image", CONTEXT)


def test_input_without_dicom_gets_a_study_of_its_own() -> None:
    orphan = orphan_header(CONTEXT)
    notice = build_notice([orphan], "NO_IMAGES", "the folder holds no DICOM image", CONTEXT)
    check(notice, [orphan])
    assert {str(dataset.StudyInstanceUID) for dataset in notice} == {CONTEXT.uid("study", "orphan")}
    assert any("a study of its own" in sentence for sentence in comments_of(notice[0]))
    assert notice[0].StudyDate == "20260105"


def test_the_same_notice_twice_gives_the_same_bytes(headers: tuple[Dataset, ...]) -> None:
    twice = [build_notice(headers, "SLICE_GAP", REASON, CONTEXT) for _ in range(2)]
    assert [encoded(dataset) for dataset in twice[0]] == [encoded(dataset) for dataset in twice[1]]


def test_a_long_reason_makes_the_page_higher_and_is_not_cut_off() -> None:
    short, long = (draw_page(notice_sentences("SLICE_GAP", reason)) for reason in ("gap", "gap " * 300))
    assert short.shape == (512, 512, 3)
    assert long.shape[0] > 512
    for page in (short, long):
        assert (page[-16:] == page[0, 0]).all()  # nothing is written across the lower edge
        assert (page[:, -8:] == page[0, 0]).all()  # nor across the right one
        assert len(np.unique(page.reshape(-1, 3), axis=0)) > 3


def test_a_long_word_stays_on_the_page() -> None:
    page = draw_page(notice_sentences("MIXED_SERIES", f"series {'1.2.840.' * 7}4711 and another"))
    assert (page[:, -8:] == page[0, 0]).all()
