"""The structured report: what stands in it, where, and that it is the same every time."""

from __future__ import annotations

from dataclasses import replace

import highdicom
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import UID

from models.findings import Attenuation, Findings, Lobe, LungRads, PatientRisk, RiskRange
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import DISCLAIMER, PredecessorReport
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import (
    CONTEXT,
    SPHERES,
    as_enhanced,
    child,
    children,
    comments_of,
    encoded,
    example_findings,
    groups,
    with_headers,
)


@pytest.fixture(scope="module")
def segmentation(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_segmentation(series, findings, CONTEXT)


@pytest.fixture(scope="module")
def report(series: AssembledSeries, findings: Findings, segmentation: Dataset) -> Dataset:
    return build_report(series, findings, segmentation, CONTEXT)


def number(group: Dataset, meaning: str) -> float:
    return float(child(group, meaning).MeasuredValueSequence[0].NumericValue)


def changed(findings: Findings, **values: object) -> Findings:
    return replace(findings, nodules=(replace(findings.nodules[0], **values),))


def test_one_group_per_nodule_with_its_measurements(report: Dataset) -> None:
    assert len(groups(report)) == 3
    first = groups(report)[0]
    found = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in first.ContentSequence}
    values = {meaning: number(first, meaning) for meaning, item in found.items() if item.ValueType == "NUM"}
    assert values == {
        "Long Axis": 12.0,
        "Short Axis": 12.0,
        "Diameter": 12.0,
        "Volume": 904.8,
        "Mean Attenuation Coefficient": 40.0,
        "Probability of cancer, lower bound": 1.2,
        "Probability of cancer, upper bound": 3.5,
        "Certainty of Finding": 81.2,
        "Distance to pleura": 12.3,
        "Suspicion of malignancy by a learned model": 45.7,
    }


def test_the_first_measurement_carries_its_line(report: Dataset) -> None:
    for group in groups(report):
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        assert [item.ConceptNameCodeSequence[0].CodeMeaning for item in numbers[:2]] == ["Long Axis", "Short Axis"]
        for item in numbers[:2]:
            assert item.ContentSequence[0].RelationshipType == "INFERRED FROM"
            assert item.ContentSequence[0].GraphicType == "POLYLINE"


def test_a_line_lies_on_the_nodule_in_patient_space(series: AssembledSeries, report: Dataset) -> None:
    """PS3.3 C.18.6.1.1: 0.0\\0.0 is the corner of the first pixel, so that its centre is 0.5\\0.5."""
    headers = {str(header.SOPInstanceUID): header for header in series.headers}
    for group, planted in zip(groups(report), SPHERES, strict=False):
        line = child(group, "Long Axis", "Source")
        header = headers[line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
        c0, r0, c1, r1 = (float(value) - 0.5 for value in line.GraphicData)
        row, column = np.asarray(header.ImageOrientationPatient, float).reshape(2, 3)
        rows_mm, columns_mm = (float(value) for value in header.PixelSpacing)
        ends = [
            np.asarray(header.ImagePositionPatient, float) + c * columns_mm * row + r * rows_mm * column
            for c, r in ((c0, r0), (c1, r1))
        ]
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(planted.diameter_mm, abs=1e-3)
        middle = (ends[0] + ends[1]) / 2
        assert np.allclose(middle[:2], planted.center_lps_mm[:2], atol=1e-3)
        assert abs(middle[2] - planted.center_lps_mm[2]) <= 3.5  # half the slice distance


def test_highdicom_reads_the_report_back(report: Dataset, segmentation: Dataset) -> None:
    read = highdicom.sr.Comprehensive3DSR.from_dataset(report)
    volumetric = read.content.get_volumetric_roi_measurement_groups()
    assert len(volumetric) == 3
    for number_, group in enumerate(volumetric, start=1):
        assert group.referenced_segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
        assert group.tracking_identifier == f"Nodule {number_}"


def test_the_segment_of_a_nodule_has_its_tracking_uid(report: Dataset, segmentation: Dataset) -> None:
    tracked = {int(item.SegmentNumber): item.TrackingUID for item in segmentation.SegmentSequence}
    for group in groups(report):
        reference = child(group, "Referenced Segment").ReferencedSOPSequence[0]
        assert tracked[reference.ReferencedSegmentNumber] == child(group, "Tracking Unique Identifier").UID


def test_the_evidence_lists_the_images_and_the_segmentation(report: Dataset, segmentation: Dataset) -> None:
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    listed = {str(i.ReferencedSOPInstanceUID) for s in study.ReferencedSeriesSequence for i in s.ReferencedSOPSequence}
    library = child(report, "Image Library", "Image Library Group").ContentSequence
    images = {str(entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for entry in library}
    assert listed == images | {str(segmentation.SOPInstanceUID)}
    assert len(images) == 3


def test_the_disclaimer_leads_and_warnings_follow(report: Dataset) -> None:
    said = comments_of(report)
    assert said[0] == DISCLAIMER
    assert "Lung volume 4784 mL: right 2381 mL, left 2403 mL" in said
    assert "Warning: contrast medium was given" in said
    assert "Warning: the lungs are cut off at the last slice" in said
    assert "Nodule 1: touches the pleura" in said
    assert f"Model nodules-blob 1.1, sha256 {'b' * 64}" in said


def test_a_range_of_risk_is_never_one_number(series: AssembledSeries, findings: Findings) -> None:
    ranged = build_report(series, changed(findings), None, CONTEXT)
    assert not children(groups(ranged)[0], "Probability of cancer")
    known = build_report(series, changed(findings, brock=RiskRange(0.0207, 0.0207)), None, CONTEXT)
    assert number(groups(known)[0], "Probability of cancer") == 2.1
    assert not children(groups(known)[0], "Probability of cancer, lower bound")


def test_an_undetermined_category_is_said_in_words_and_not_coded(series: AssembledSeries, findings: Findings) -> None:
    undetermined = LungRads(None, "needs a prior")
    changed_findings = replace(changed(findings, lung_rads=undetermined), lung_rads=undetermined)
    report = build_report(series, changed_findings, None, CONTEXT)
    assert not children(groups(report)[0], "Lung-RADS assessment")
    assert not children(child(report, "Qualitative Evaluations"), "Lung-RADS assessment")
    assert "Examination: Lung-RADS v2022 undetermined (needs a prior)" in comments_of(report)


def test_no_nodule_is_said_in_code_and_words(series: AssembledSeries) -> None:
    report = build_report(series, example_findings(series.volume, 0), None, CONTEXT)
    assert not children(report, "Imaging Measurements")
    absent = child(report, "Qualitative Evaluations", "Nodule of lung").ConceptCodeSequence[0]
    assert (absent.CodeValue, absent.CodingSchemeDesignator) == ("272519000", "SCT")
    assert comments_of(report)[:2] == [DISCLAIMER, "No nodule detected"]


def test_a_third_is_not_reported_as_a_lobe(report: Dataset) -> None:
    for group in groups(report):
        site = child(group, "Finding Site")
        assert site.ConceptCodeSequence[0].CodeMeaning == "Lung"
        assert child(site, "Laterality").ConceptCodeSequence[0].CodeMeaning in {"Left", "Right"}


def test_the_solid_part_is_measured_where_there_is_one(series: AssembledSeries, findings: Findings) -> None:
    part = replace(findings.nodules[0].measurement, attenuation=Attenuation.PART_SOLID, solid_diameter_mm=4.04)
    report = build_report(series, changed(findings, measurement=part), None, CONTEXT)
    assert number(groups(report)[0], "Mean diameter of solid part") == 4.0


def test_a_known_lobe_is_the_finding_site(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(series, changed(findings, lobe=Lobe.RIGHT_MIDDLE), None, CONTEXT)
    site = child(groups(report)[0], "Finding Site")
    assert site.ConceptCodeSequence[0].CodeMeaning == "Middle lobe of right lung"
    assert child(site, "Laterality").ConceptCodeSequence[0].CodeMeaning == "Right"


def test_the_comment_says_how_sure_the_sizes_are_and_what_a_score_means(report: Dataset) -> None:
    said = next(text for text in comments_of(report) if text.startswith("Nodule 1: solid"))
    assert "95 % limits: mean diameter +-0.8 mm, volume +-15 %" in said
    assert "Brock 2b 1.1 to 4.6 % (unknown: family history, emphysema, spiculation)" in said
    assert "Nodule malignancy: 46 % (rated suspicious by readers, no pathology)" in said


def test_the_risk_of_the_patient_is_said_where_it_is_known(series: AssembledSeries, findings: Findings) -> None:
    risk = PatientRisk((0.01, 0.025), "Sybil", "lung cancer")
    said = comments_of(build_report(series, replace(findings, patient_risk=risk), None, CONTEXT))
    assert "Patient, Sybil: 1 y 1.0 %, 2 y 2.5 % (lung cancer)" in said


def test_without_a_segmentation_groups_have_no_segment(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(series, findings, None, CONTEXT)
    assert not any(children(group, "Referenced Segment") for group in groups(report))


def test_a_segmentation_of_other_nodules_is_refused(series: AssembledSeries, segmentation: Dataset) -> None:
    other = example_findings(series.volume, 5)
    with pytest.raises(ResultError, match="0 segments"):
        build_report(series, other, segmentation, CONTEXT)


def test_the_same_work_twice_gives_the_same_bytes(series: AssembledSeries, findings: Findings) -> None:
    twice = [build_report(series, findings, build_segmentation(series, findings, CONTEXT), CONTEXT) for _ in range(2)]
    assert encoded(twice[0]) == encoded(twice[1])


def test_changed_input_gives_other_uids(series: AssembledSeries, findings: Findings, report: Dataset) -> None:
    other = build_report(series, findings, None, replace(CONTEXT, input_digest="e" * 64))
    assert other.SOPInstanceUID != report.SOPInstanceUID
    assert other.SeriesInstanceUID != report.SeriesInstanceUID
    assert child(other, "Device Observer UID").UID == child(report, "Device Observer UID").UID


def test_a_new_report_names_the_one_it_replaces(series: AssembledSeries, findings: Findings) -> None:
    old = PredecessorReport("1.2.840.10008.5.1.4.1.1.88.34", "2.25.11", "2.25.12")
    report = build_report(series, findings, None, replace(CONTEXT, predecessor=old))
    (study,) = report.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == series.study_instance_uid
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == "2.25.12"
    assert study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.11"


def test_a_report_whose_study_was_corrected_names_its_predecessor_in_the_old_study(
    series: AssembledSeries, findings: Findings
) -> None:
    old = PredecessorReport("1.2.840.10008.5.1.4.1.1.88.34", "2.25.11", "2.25.12", "1.2.77")
    report = build_report(series, findings, None, replace(CONTEXT, predecessor=old))
    (study,) = report.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == "1.2.77"
    assert report.StudyInstanceUID == series.study_instance_uid


def test_dates_are_those_of_the_context(report: Dataset) -> None:
    for stem in ("InstanceCreation", "Series", "Content"):
        assert report[f"{stem}Date"].value == "20260105"
        assert report[f"{stem}Time"].value == "123015.000000"


def test_every_uid_of_the_document_is_valid(report: Dataset) -> None:
    uids = [element.value for element in report.iterall() if element.VR == "UI"]
    assert len(uids) > 20
    assert all(UID(str(uid)).is_valid for uid in uids)


def test_a_site_may_let_ohif_take_nodules_for_its_own_measurements(series: AssembledSeries, findings: Findings) -> None:
    context = replace(CONTEXT, ohif_tracking=True)
    segmentation = build_segmentation(series, findings, context)
    report = build_report(series, findings, segmentation, context)
    tracking = child(groups(report)[0], "Tracking Identifier").TextValue
    assert tracking == "Cornerstone3DTools@^0.1.0:Bidirectional:Nodule 1"
    assert tracking in {item.TrackingID for item in segmentation.SegmentSequence}
    assert "Nodule 1" in {item.SegmentLabel for item in segmentation.SegmentSequence}


def test_a_tracking_uid_of_a_prior_report_is_kept(series: AssembledSeries, findings: Findings) -> None:
    context = replace(CONTEXT, tracking_uids={2: "2.25.4712"})
    segmentation = build_segmentation(series, findings, context)
    report = build_report(series, findings, segmentation, context)
    uids = [child(group, "Tracking Unique Identifier").UID for group in groups(report)]
    assert uids[1] == "2.25.4712"
    assert "2.25.4712" in {item.get("TrackingUID") for item in segmentation.SegmentSequence}
    other = [
        child(group, "Tracking Unique Identifier").UID
        for group in groups(build_report(series, findings, None, CONTEXT))
    ]
    assert [uids[0], uids[2]] == [other[0], other[2]]


def test_what_concerns_the_patient_as_a_whole_is_said_or_called_not_measured(report: Dataset) -> None:
    said = comments_of(report)
    assert "Probability of cancer for the patient as a whole: not measured, no score of a model" in said
    highest = next(sentence for sentence in said if sentence.startswith("Highest probability of cancer of a nodule"))
    assert highest.endswith("Nodule 1, Brock 2a 1.2 to 3.5 % (unknown: family history, emphysema)")


def test_malformed_attributes_of_the_source_are_named(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(with_headers(series, PatientAge="70Y"), findings, None, CONTEXT)
    assert report.PatientAge == "070Y"
    assert "Note: PatientAge of the source is malformed" in comments_of(report)


def test_lines_on_an_enhanced_source_name_their_frame(series: AssembledSeries, findings: Findings) -> None:
    enhanced = as_enhanced(series)
    report = build_report(enhanced, findings, None, CONTEXT)
    for group, nodule in zip(groups(report), findings.nodules, strict=True):
        image = child(group, "Long Axis", "Source").ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == "2.25.4711"
        assert image.ReferencedFrameNumber == len(series.frames) - round(nodule.measurement.center_kji[0])
