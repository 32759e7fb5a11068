"""A nodule keeps its tracking UID: from a prior report handed in as JSON or DICOM, nearest first, each once."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ConfigError
from node.job import Job, job_from_json, job_to_json, prior_file
from node.results.envelope import tracking_uid
from node.results.prior import TrackedNodule, tracked_nodules
from node.results.prior_documents import SuppliedPrior, document_nodules, prior_nodules, supplied_prior
from node.results.report_json import report_of
from node.results.structured_report import build_report
from node.results.tracking import kept_uids, with_tracking
from tests.result_examples import CONTEXT, as_enhanced, child, encoded, groups

FRAME = "2.25.77"


def at(
    findings: Findings, number: int, shift_mm: float = 0.0, uid: str = "2.25.1", diameter: float = 4.0
) -> TrackedNodule:
    """A prior nodule beside one of the findings; its frame of reference is ours."""
    x, y, z = findings.nodules[number - 1].center_lps_mm
    return TrackedNodule(uid, (x + shift_mm, y, z), diameter, FRAME)


def test_a_nodule_at_the_same_place_keeps_its_uid(findings: Findings) -> None:
    assert kept_uids([at(findings, 2)], findings.nodules, FRAME) == {2: "2.25.1"}


def test_the_larger_radius_is_the_limit(findings: Findings) -> None:
    radius = findings.nodules[0].measurement.mean_diameter_mm / 2
    assert kept_uids([at(findings, 1, radius - 0.01)], findings.nodules, FRAME) == {1: "2.25.1"}
    assert kept_uids([at(findings, 1, radius + 0.01)], findings.nodules, FRAME) == {}
    assert kept_uids([at(findings, 1, radius + 0.01, diameter=2 * radius + 1)], findings.nodules, FRAME) == {
        1: "2.25.1"
    }


def test_of_two_priors_the_nearer_one_is_kept_and_the_other_is_no_nodules(findings: Findings) -> None:
    priors = [at(findings, 1, 3.0, "2.25.3"), at(findings, 1, 1.0, "2.25.2")]
    assert kept_uids(priors, findings.nodules, FRAME) == {1: "2.25.2"}


def test_one_prior_gives_its_uid_to_one_nodule(findings: Findings) -> None:
    near = replace(findings.nodules[0], id=7)
    moved = replace(near, id=8, center_lps_mm=(near.center_lps_mm[0] + 1, *near.center_lps_mm[1:]))
    assert kept_uids([at(findings, 1)], [moved, near], FRAME) == {7: "2.25.1"}


def test_a_place_in_another_frame_of_reference_means_nothing(findings: Findings) -> None:
    other = replace(at(findings, 1), frame_of_reference_uid="2.25.78")
    assert kept_uids([other], findings.nodules, FRAME) == {}


def test_a_place_without_a_frame_of_reference_was_handed_in_for_this_scan(findings: Findings) -> None:
    unsaid = replace(at(findings, 1), frame_of_reference_uid="")
    assert kept_uids([unsaid], findings.nodules, FRAME) == {1: "2.25.1"}


def test_kept_uids_belong_to_the_identity_of_the_results(findings: Findings) -> None:
    context = with_tracking(CONTEXT, findings.nodules, [at(findings, 2)], FRAME)
    assert context.uid("instance", "SR") != CONTEXT.uid("instance", "SR")
    assert tracking_uid(context, findings.nodules[1]) == "2.25.1"
    assert tracking_uid(context, findings.nodules[0]) == tracking_uid(CONTEXT, findings.nodules[0])


def test_nothing_kept_changes_nothing(findings: Findings) -> None:
    assert with_tracking(CONTEXT, findings.nodules, [], FRAME) is CONTEXT
    same = TrackedNodule(tracking_uid(CONTEXT, findings.nodules[0]), findings.nodules[0].center_lps_mm, 4.0)
    assert with_tracking(CONTEXT, findings.nodules, [same], FRAME) is CONTEXT


def test_other_models_on_the_same_scan_keep_the_uids_of_the_first_report(
    series: AssembledSeries, findings: Findings
) -> None:
    first = report_of("1.2", "1.3", findings, CONTEXT)
    later = replace(CONTEXT, input_digest="e" * 64)
    second = with_tracking(later, findings.nodules, tracked_nodules(first), "")
    third = with_tracking(
        replace(CONTEXT, input_digest="f" * 64),
        findings.nodules,
        tracked_nodules(report_of("1.2", "1.3", findings, second)),
        "",
    )
    expected = [nodule["tracking_uid"] for nodule in first["nodules"]]
    assert [tracking_uid(third, nodule) for nodule in findings.nodules] == expected
    assert second.uid("instance", "SR") not in {CONTEXT.uid("instance", "SR"), third.uid("instance", "SR")}


def test_a_report_of_a_notice_holds_no_nodule() -> None:
    assert tracked_nodules(report_of("1.2", "1.3", None, CONTEXT, code="SLICE_GAP", reason="a gap")) == ()


def placed(nodules: tuple[TrackedNodule, ...]) -> np.ndarray:
    return np.array([nodule.center_lps_mm for nodule in nodules])


def test_our_own_structured_report_tells_where_its_nodules_are(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(series, findings, None, CONTEXT)
    found = document_nodules(report)
    assert [nodule.tracking_uid for nodule in found] == [tracking_uid(CONTEXT, n) for n in findings.nodules]
    assert [nodule.diameter_mm for nodule in found] == [
        round(nodule.measurement.mean_diameter_mm, 1) for nodule in findings.nodules
    ]
    assert {nodule.frame_of_reference_uid for nodule in found} == {str(series.headers[0].FrameOfReferenceUID)}
    expected = np.array([nodule.center_lps_mm for nodule in findings.nodules])
    assert np.abs(placed(found)[:, :2] - expected[:, :2]).max() < 0.01
    assert np.abs(placed(found)[:, 2] - expected[:, 2]).max() <= 3.5  # half the slice distance
    assert kept_uids(found, findings.nodules, found[0].frame_of_reference_uid).keys() == {1, 2, 3}


def test_a_report_on_an_enhanced_source_tells_the_same(series: AssembledSeries, findings: Findings) -> None:
    enhanced = build_report(as_enhanced(series), findings, None, CONTEXT)
    assert np.allclose(
        placed(document_nodules(enhanced)), placed(document_nodules(build_report(series, findings, None, CONTEXT)))
    )


def test_a_report_without_image_geometry_needs_the_headers(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(series, findings, None, CONTEXT)
    whole = document_nodules(report)
    for entry in child(report, "Image Library", "Image Library Group").ContentSequence:
        entry.ContentSequence = []
    assert document_nodules(report) == ()
    assert np.allclose(placed(document_nodules(report, series.headers)), placed(whole))


def test_coordinates_in_space_are_read_too(series: AssembledSeries, findings: Findings) -> None:
    report = build_report(series, findings, None, CONTEXT)
    for group in groups(report):
        for axis in ("Long Axis", "Short Axis"):
            line = child(group, axis, "Source")
            line.ValueType, line.ReferencedFrameOfReferenceUID = "SCOORD3D", FRAME
            line.GraphicData = [1.0, 2.0, 3.0, 5.0, 2.0, 3.0]
            del line.ContentSequence
    first = document_nodules(report)[0]
    assert (first.center_lps_mm, first.frame_of_reference_uid) == ((3.0, 2.0, 3.0), FRAME)


def test_a_group_without_a_tracking_uid_is_passed_over(series: AssembledSeries, findings: Findings) -> None:
    report = copy.deepcopy(build_report(series, findings, None, CONTEXT))
    child(groups(report)[0], "Tracking Unique Identifier").UID = ""
    assert len(document_nodules(report)) == 2


def test_a_prior_comes_as_a_file_of_either_kind(series: AssembledSeries, findings: Findings, tmp_path: Path) -> None:
    (tmp_path / "prior.json").write_text(json.dumps(report_of("1.2", "1.3", findings, CONTEXT)), encoding="utf-8")
    (tmp_path / "prior.dcm").write_bytes(encoded(build_report(series, findings, None, CONTEXT)))
    uids = [tracking_uid(CONTEXT, nodule) for nodule in findings.nodules]
    for name in ("prior.json", "prior.dcm"):
        assert [nodule.tracking_uid for nodule in prior_nodules(tmp_path / name)] == uids


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no report",
        b"{}",
        b"[1]",
        b'{"nodules": [{"tracking_uid": "x", "center_lps_mm": [1, 2, 3], "mean_diameter_mm": 4}]}',
        b'{"nodules": [{"tracking_uid": "2.25.1", "center_lps_mm": [1, 2], "mean_diameter_mm": 4}]}',
        b'{"nodules": [{"tracking_uid": "2.25.1", "center_lps_mm": [1, 2, 3], "mean_diameter_mm": 0}]}',
    ],
)
def test_a_file_that_is_no_prior_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prior"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"settings\.md"):
        prior_nodules(path)


def test_a_prior_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        prior_nodules(tmp_path / "none.json")


def test_a_job_carries_the_nodules_of_the_last_report(findings: Findings, tmp_path: Path) -> None:
    tracked = tracked_nodules(report_of("1.2", "1.3", findings, CONTEXT))
    job = Job(
        (), tmp_path, "d" * 64, CONTEXT.created_at, "0.1.0", "NODE1", prior_report=tmp_path / "p", tracked=tracked
    )
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job


def test_a_prior_report_of_a_study_is_a_document_or_else_json(tmp_path: Path) -> None:
    assert prior_file(None, "1.2") is None
    assert prior_file(tmp_path, "1.2") == tmp_path / "1.2.json"
    (tmp_path / "1.2.dcm").touch()
    assert prior_file(tmp_path, "1.2") == tmp_path / "1.2.dcm"


def test_a_prior_report_that_cannot_be_used_is_named_in_the_report(series: AssembledSeries, tmp_path: Path) -> None:
    path = tmp_path / "1.2.json"
    assert supplied_prior(path, series) == SuppliedPrior()
    path.write_text("{}", encoding="utf-8")
    assert supplied_prior(path, series).warnings == ("the prior report was not used: KeyError",)


def test_nodules_of_another_frame_of_reference_are_counted_in_the_report(
    series: AssembledSeries, tmp_path: Path
) -> None:
    path = tmp_path / "1.2.json"
    row = {"tracking_uid": "2.25.1", "center_lps_mm": [0, 0, 0], "mean_diameter_mm": 4}
    path.write_text(json.dumps({"frame_of_reference_uid": "2.25.9", "nodules": [row]}), encoding="utf-8")
    (said,) = supplied_prior(path, series).warnings
    assert said == "1 nodule(s) of the prior report lie in another frame of reference: not compared"
