"""report.json: the fields that others read, and that it never looks like a negative result by accident."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from models.findings import Lobe, LungRads, PatientRisk
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.report_json import report_of
from node.results.segmentation import build_segmentation
from tests.result_examples import CONTEXT, example_findings


@pytest.fixture(scope="module")
def report(series: AssembledSeries) -> dict[str, Any]:
    findings = example_findings(series.volume)
    return report_of("1.2.3", "1.2.4", findings, CONTEXT, notes=["gantry tilt of 5.0 degrees corrected"])


def test_all_fields_of_the_design_are_there(report: dict[str, Any]) -> None:
    assert set(report) >= {
        "series_instance_uid", "study_instance_uid", "status", "reason", "lungs", "nodules", "lung_rads", "risk",
        "models", "timings_s", "device",
    }  # fmt: skip
    assert set(report["nodules"][0]) >= {
        "id", "tracking_uid", "center_lps_mm", "long_axis_mm", "short_axis_mm", "mean_diameter_mm", "volume_mm3",
        "mean_hu", "attenuation", "side", "location", "probability", "malignancy",
    }  # fmt: skip
    assert set(report["models"][0]) == {"name", "version", "sha256", "training_data", "intended_use"}


def test_figures_are_rounded(report: dict[str, Any]) -> None:
    assert report["lungs"] == {"volume_ml": 4784.0, "left_ml": 2402.6, "right_ml": 2381.4}
    assert report["timings_s"] == {"lungs": 1.235}
    first = report["nodules"][0]
    assert first["center_lps_mm"] == [-75.0, 10.0, 45.0]
    assert (first["long_axis_mm"], first["volume_mm3"], first["probability"]) == (12.0, 904.8, 0.812)
    assert first["location"] == "right lung, upper third"
    assert first["malignancy"] == {
        "model": "Brock 2a",
        "low": 0.0123,
        "high": 0.0345,
        "unknown": ["family history", "emphysema"],
        "brock_2b": {"low": 0.0111, "high": 0.0456, "unknown": ["family history", "emphysema", "spiculation"]},
        "learned": {
            "probability": 0.4567,
            "model": "Nodule malignancy",
            "meaning": "rated suspicious by readers, no pathology",
        },
    }
    assert first["uncertainty_95"] == {"mean_diameter_mm": 0.8, "volume_percent": 15}
    assert first["pleura_mm"] == 12.3


def test_what_nobody_knows_is_null(series: AssembledSeries) -> None:
    nodule = example_findings(series.volume).nodules[0]
    bare = replace(
        nodule,
        measurement=replace(nodule.measurement, uncertainty=None),
        malignancy=None,
        brock_2b=None,
        pleura_mm=None,
    )
    report = report_of("1.2.3", "1.2.4", example_findings(series.volume, nodules=(bare,)), CONTEXT)
    first = report["nodules"][0]
    assert [first[name] for name in ("uncertainty_95", "pleura_mm", "lobe", "solid_volume_mm3")] == [None] * 4
    assert (first["malignancy"]["brock_2b"], first["malignancy"]["learned"]) == (None, None)
    assert report["risk"]["patient"] is None


def test_lobe_and_patient_risk_are_said_where_they_are_known(series: AssembledSeries) -> None:
    nodule = replace(example_findings(series.volume).nodules[0], lobe=Lobe.RIGHT_MIDDLE)
    risk = PatientRisk((0.012345, 0.02), "Sybil", "lung cancer")
    findings = example_findings(series.volume, nodules=(nodule,), patient_risk=risk)
    report = report_of("1.2.3", "1.2.4", findings, CONTEXT)
    assert report["nodules"][0]["location"] == "right middle lobe"
    assert report["nodules"][0]["lobe"] == "right middle"
    assert report["risk"]["patient"] == {"by_year": [0.0123, 0.02], "model": "Sybil", "meaning": "lung cancer"}


def test_disclaimer_warnings_and_notes_are_said(report: dict[str, Any]) -> None:
    assert report["disclaimer"] == DISCLAIMER
    assert report["warnings"] == ["contrast medium was given", "the lungs are cut off at the last slice"]
    assert report["notes"] == ["gantry tilt of 5.0 degrees corrected"]
    assert report["nodules"][0]["warnings"] == ["touches the pleura"]


def test_it_survives_json_in_a_stable_order(report: dict[str, Any], series: AssembledSeries) -> None:
    again = report_of("1.2.3", "1.2.4", example_findings(series.volume), CONTEXT, notes=report["notes"])
    assert json.dumps(report, allow_nan=False) == json.dumps(again, allow_nan=False)
    assert json.loads(json.dumps(report)) == report


def test_tracking_uids_are_those_of_the_segmentation(report: dict[str, Any], series: AssembledSeries) -> None:
    segmentation = build_segmentation(series, example_findings(series.volume), CONTEXT)
    segments = [item.TrackingUID for item in segmentation.SegmentSequence if item.SegmentLabel.startswith("Nodule")]
    assert [nodule["tracking_uid"] for nodule in report["nodules"]] == segments


def test_the_rank_of_a_nodule_does_not_change_its_tracking_uid(series: AssembledSeries) -> None:
    findings = example_findings(series.volume)
    swapped = replace(findings, nodules=(replace(findings.nodules[1], id=1), replace(findings.nodules[0], id=2)))
    first, second = (report_of("1.2.3", "1.2.4", f, CONTEXT)["nodules"] for f in (findings, swapped))
    assert first[0]["tracking_uid"] == second[1]["tracking_uid"]
    assert first[1]["tracking_uid"] == second[0]["tracking_uid"]


def test_the_risk_of_the_examination_is_that_of_its_worst_nodule(report: dict[str, Any]) -> None:
    assert report["lung_rads"] == report["risk"]["lung_rads"] == "4B"
    assert report["risk"]["highest_malignancy"]["nodule_id"] == 1


def test_an_undetermined_category_is_null_with_a_reason(series: AssembledSeries) -> None:
    findings = example_findings(series.volume, lung_rads=LungRads(None, "needs a prior"))
    report = report_of("1.2.3", "1.2.4", findings, CONTEXT)
    assert report["lung_rads"] is None
    assert report["risk"]["lung_rads_basis"] == "needs a prior"


def test_a_series_without_nodules_has_an_empty_list(series: AssembledSeries) -> None:
    report = report_of("1.2.3", "1.2.4", example_findings(series.volume, 0), CONTEXT)
    assert (report["status"], report["nodules"], report["reason"]) == ("ANALYSED", [], None)
    assert report["risk"]["highest_malignancy"] is None


def test_a_series_not_analysed_has_null_and_not_an_empty_list() -> None:
    report = report_of("1.2.3", "1.2.4", None, CONTEXT, code="SLICE_GAP", reason="one slice is missing")
    assert report["status"] == "NOT_PROCESSED"
    assert (report["reason_code"], report["reason"]) == ("SLICE_GAP", "one slice is missing")
    assert all(report[key] is None for key in ("lungs", "nodules", "lung_rads", "risk"))
    json.dumps(report)
