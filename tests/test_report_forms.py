"""The simpler forms of the structured report: what each keeps, and that a reader of plain text misses nothing."""

from __future__ import annotations

import copy

import pytest
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.forms import NOTICE_REPORT_KINDS, REPORT_KINDS, Kind
from node.results.notice import build_notice
from node.results.relationships import is_allowed
from node.results.report_forms import fallback_report, form_of
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import (
    CONTEXT,
    child,
    children,
    comments_of,
    encoded,
    example_findings,
    groups,
)

FALLBACKS = (Kind.SR_COMPREHENSIVE, Kind.SR_ENHANCED, Kind.SR_TEXT)
NOTICES = (Kind.NOTICE_COMPREHENSIVE, Kind.NOTICE_ENHANCED, Kind.NOTICE_TEXT)


@pytest.fixture(scope="module")
def report(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_report(series, findings, build_segmentation(series, findings, CONTEXT), CONTEXT)


@pytest.fixture(scope="module")
def text(report: Dataset) -> Dataset:
    return fallback_report(report, Kind.SR_TEXT, CONTEXT)


def impressions(text: Dataset) -> list[str]:
    return [str(item.TextValue) for item in children(child(text, "Impressions"), "Impression")]


def nodules(text: Dataset) -> list[Dataset]:
    return children(child(text, "Findings"), "Measurement Group")


def test_there_is_a_fallback_for_every_form_but_the_first() -> None:
    assert REPORT_KINDS[1:] == FALLBACKS
    assert NOTICE_REPORT_KINDS[1:] == NOTICES
    for kind in (Kind.SR, Kind.NOTICE, Kind.SEG):
        with pytest.raises(KeyError):
            form_of(kind)


@pytest.mark.parametrize(
    ("kind", "sop_class_uid", "number"),
    [
        (Kind.SR_COMPREHENSIVE, "1.2.840.10008.5.1.4.1.1.88.33", 9102),
        (Kind.SR_ENHANCED, "1.2.840.10008.5.1.4.1.1.88.22", 9103),
        (Kind.SR_TEXT, "1.2.840.10008.5.1.4.1.1.88.11", 9104),
    ],
)
def test_each_form_is_an_instance_and_a_series_of_its_own(
    report: Dataset, kind: Kind, sop_class_uid: str, number: int
) -> None:
    form = fallback_report(report, kind, CONTEXT)
    assert form.SOPClassUID == form.file_meta.MediaStorageSOPClassUID == sop_class_uid
    assert form.SOPInstanceUID == form.file_meta.MediaStorageSOPInstanceUID == CONTEXT.uid("instance", kind, 1)
    assert form.SeriesInstanceUID == CONTEXT.uid("series", kind)
    assert (form.SeriesNumber, form.SeriesDescription) == (number, report.SeriesDescription)
    for keyword in ("StudyInstanceUID", "PatientID", "ContentDate", "CompletionFlag", "SoftwareVersions"):
        assert form[keyword] == report[keyword]


@pytest.mark.parametrize("kind", [Kind.SR_COMPREHENSIVE, Kind.SR_ENHANCED])
def test_comprehensive_and_enhanced_say_the_same_item_for_item(report: Dataset, kind: Kind) -> None:
    assert fallback_report(report, kind, CONTEXT).ContentSequence == report.ContentSequence


def test_what_an_iod_forbids_is_left_out_with_all_below_it(report: Dataset) -> None:
    spatial = copy.deepcopy(report)
    line = child(groups(spatial)[0], "Long Axis", "Source")
    line.ValueType = "SCOORD3D"
    axis = child(groups(fallback_report(spatial, Kind.SR_ENHANCED, CONTEXT))[0], "Long Axis")
    assert axis.ContentSequence == []
    assert axis.MeasuredValueSequence[0].NumericValue == 12.0


def test_deriving_changes_nothing_in_the_original(report: Dataset) -> None:
    before = encoded(report)
    for kind in FALLBACKS:
        fallback_report(report, kind, CONTEXT)
    assert encoded(report) == before


def test_the_same_form_twice_gives_the_same_bytes(report: Dataset) -> None:
    for kind in FALLBACKS:
        twice = [encoded(fallback_report(report, kind, CONTEXT)) for _ in range(2)]
        assert twice[0] == twice[1]


def test_a_text_report_has_neither_numbers_nor_coordinates(text: Dataset) -> None:
    types = {str(element.value) for element in text.iterall() if element.keyword == "ValueType"}
    assert types == {"CONTAINER", "CODE", "TEXT", "UIDREF", "IMAGE"}
    assert text.ContentTemplateSequence[0].TemplateIdentifier == "2000"


def test_a_text_report_gives_every_figure_of_every_nodule_with_its_unit(report: Dataset, text: Dataset) -> None:
    assert len(nodules(text)) == len(groups(report)) == 3
    for group, nodule in zip(groups(report), nodules(text), strict=True):
        said = child(nodule, "Finding").TextValue
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        assert len(numbers) >= 10
        for item in numbers:
            measured = item.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue.replace("[hnsf'U]", "HU")
            assert f"{item.ConceptNameCodeSequence[0].CodeMeaning} {measured.NumericValue} {unit}" in said
        assert "Nodule attenuation type: " in said
        assert "Lung-RADS assessment: Lung-RADS 4A" in said


def test_the_first_finding_reads_like_this(text: Dataset) -> None:
    assert child(nodules(text)[0], "Finding").TextValue == (
        "Nodule 1: solid, 12.0 mm, right lung, upper third; Finding Site: Lung, Right; Long Axis 12.0 mm; "
        "Short Axis 12.0 mm; Mean Diameter 12.0 mm; Volume 904.8 mm3; Mean Attenuation Coefficient 40.0 HU; "
        "Probability of cancer, lower bound 1.2 %; Probability of cancer, upper bound 3.5 %; "
        "Certainty of Finding 81.2 %; Distance to pleura 12.3 mm; "
        "Suspicion of malignancy by a learned model 45.7 %; Nodule attenuation type: Solid; "
        "Lung-RADS assessment: Lung-RADS 4A"
    )


def test_a_text_report_says_what_the_report_says_of_the_examination(report: Dataset, text: Dataset) -> None:
    assert impressions(text) == comments_of(report)
    assert impressions(text)[0] == DISCLAIMER
    assert any(sentence.startswith("Model nodules-blob 1.1, sha256 ") for sentence in impressions(text))
    assert child(text, "Impressions", "Lung-RADS assessment").ConceptCodeSequence[0].CodeValue == "RID50140"


def test_a_nodule_in_a_text_report_keeps_its_tracking_and_its_slice(report: Dataset, text: Dataset) -> None:
    for group, nodule in zip(groups(report), nodules(text), strict=True):
        for name in ("Tracking Identifier", "Tracking Unique Identifier"):
            assert child(nodule, name) == child(group, name)
        shown = child(nodule, "Finding", "Source").ReferencedSOPSequence
        assert shown == child(group, "Long Axis", "Source").ContentSequence[0].ReferencedSOPSequence


def test_a_text_report_without_nodules_says_that_there_is_none(series: AssembledSeries) -> None:
    report = build_report(series, example_findings(series.volume, 0), None, CONTEXT)
    text = fallback_report(report, Kind.SR_TEXT, CONTEXT)
    assert not children(text, "Findings")
    assert child(text, "Impressions", "Nodule of lung").ConceptCodeSequence[0].CodeMeaning == "Absent"
    assert "No nodule detected" in impressions(text)


@pytest.mark.parametrize("kind", NOTICES)
def test_a_notice_has_the_same_forms(series: AssembledSeries, kind: Kind) -> None:
    notice = build_notice(series.headers, "SLICE_GAP", "one slice is missing", CONTEXT)[0]
    form = fallback_report(notice, kind, CONTEXT)
    assert form.SeriesDescription == "AI Lung NOT PROCESSED"
    assert form.SOPInstanceUID != notice.SOPInstanceUID
    said = impressions(form) if kind is Kind.NOTICE_TEXT else comments_of(form)
    assert said == comments_of(notice)
    coded = {item.ConceptCodeSequence[0].CodeValue for item in form.ContentSequence[-1].ContentSequence[:2]}
    assert coded == {"not-processed", "slice-gap"}


def test_relationships_are_those_of_the_standard() -> None:
    """PS3.3 A.35.1.3.1: no NUM, no SCOORD in Basic Text; A.35.2.3.1: by value only in Enhanced."""
    container, number, line, image = Dataset(), Dataset(), Dataset(), Dataset()
    container.ValueType, number.ValueType, line.ValueType, image.ValueType = "CONTAINER", "NUM", "SCOORD", "IMAGE"
    number.RelationshipType, line.RelationshipType = "CONTAINS", "INFERRED FROM"
    image.RelationshipType = "SELECTED FROM"
    basic, enhanced = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.22"
    assert not is_allowed(basic, container, number)
    assert is_allowed(enhanced, container, number)
    assert is_allowed(enhanced, number, line)
    assert is_allowed(enhanced, line, image)
    reference = copy.deepcopy(number)
    del reference.ValueType  # by reference: no value type, but an identifier of another item
    assert not is_allowed(enhanced, container, reference)
