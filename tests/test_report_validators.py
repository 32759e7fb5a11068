"""Every form of the structured report, in every language, before programs that nobody here wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import pytest
from pydicom import Dataset, dcmread

from node.assembly.assembled import AssembledSeries
from node.results.forms import NOTICE_REPORT_KINDS, REPORT_KINDS, Kind
from node.results.language import Language
from node.results.notice import build_notice
from node.results.report_forms import fallback_report
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.accepted_messages import not_accepted
from tests.conftest import tool
from tests.result_examples import (
    CONTEXT,
    child,
    children,
    encoded,
    example_findings,
    groups,
    phantom_series,
    with_headers,
)
from tests.validators import complaints_of_pixelmed, messages_of_dciodvfy, python_tool, run

TEMPLATED = REPORT_KINDS[:3]  # with TID 1500
COUNTS = (3, 0)
REPORT_NAMES = [f"{kind}-{language}-{count}" for kind in REPORT_KINDS for language in Language for count in COUNTS]
NOTICE_NAMES = [f"{kind}-{language}" for kind in NOTICE_REPORT_KINDS for language in Language]
# pixelmed needs 15 s and 2 GB for one report: each form, each language, and each of the three contents once at least
FOR_PIXELMED = (
    "SR-zh-3",
    "SR-COMPREHENSIVE-de-0",
    "SR-ENHANCED-de-3",
    "SR-TEXT-en-3",
    "SR-TEXT-zh-0",
    "NOTICE-TEXT-de",
)


@pytest.fixture(scope="module")
def series() -> AssembledSeries:
    """A source with letters beyond ASCII in a set of its own."""
    return with_headers(phantom_series(), SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Zoë")


@pytest.fixture(scope="module")
def folder(series: AssembledSeries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reports")
    for name, dataset in (*reports(series), *notices(series)):
        (made / f"{name}.dcm").write_bytes(encoded(dataset))
    return made


def reports(series: AssembledSeries) -> Iterator[tuple[str, Dataset]]:
    for language in Language:
        context = replace(CONTEXT, language=language)
        for count in COUNTS:
            findings = example_findings(series.volume, count)
            report = build_report(series, findings, build_segmentation(series, findings, context), context)
            yield f"SR-{language}-{count}", report
            for kind in REPORT_KINDS[1:]:
                yield f"{kind}-{language}-{count}", fallback_report(report, kind, context)


def notices(series: AssembledSeries) -> Iterator[tuple[str, Dataset]]:
    for language in Language:
        context = replace(CONTEXT, language=language)
        notice = build_notice(series.headers, "SLICE_GAP", "one slice is missing", context)[0]
        yield f"NOTICE-{language}", notice
        for kind in NOTICE_REPORT_KINDS[1:]:
            yield f"{kind}-{language}", fallback_report(notice, kind, context)


@pytest.mark.parametrize("name", [*REPORT_NAMES, *NOTICE_NAMES])
def test_dciodvfy_says_nothing_that_is_not_accepted(folder: Path, name: str) -> None:
    path = folder / f"{name}.dcm"
    assert run(tool("dciodvfy"), path).returncode == 0
    assert not_accepted("dciodvfy", "SR", messages_of_dciodvfy(path)) == []


@pytest.mark.parametrize("name", [*REPORT_NAMES, *NOTICE_NAMES])
def test_dsrdump_reads_it(folder: Path, name: str) -> None:
    """It holds the tables of relationships of every IOD, as we do (PS3.3 A.35)."""
    done = run(tool("dsrdump"), "+U8", "+Pl", folder / f"{name}.dcm")
    assert done.returncode == 0
    assert not_accepted("dsrdump", "SR", done.stderr.splitlines()) == []


@pytest.mark.parametrize("name", FOR_PIXELMED)
def test_pixelmed_finds_no_error(folder: Path, name: str) -> None:
    assert complaints_of_pixelmed(folder / f"{name}.dcm") == []


def test_pixelmed_would_find_a_wrong_item_in_a_text_report(folder: Path, tmp_path: Path) -> None:
    """The control: a tracking UID under a TEXT is what its rules forbid."""
    report = dcmread(folder / "SR-TEXT-en-3.dcm")
    group = children(child(report, "Findings"), "Measurement Group")[0]
    uid = child(group, "Tracking Unique Identifier")
    uid.RelationshipType = "HAS PROPERTIES"
    child(group, "Finding").ContentSequence = [uid]
    child(report, "Findings").ContentSequence = [child(group, "Finding")]
    path = tmp_path / "wrong.dcm"
    path.write_bytes(encoded(report))
    assert complaints_of_pixelmed(path)


def read_by_dcmqi(path: Path, tmp_path: Path) -> dict[str, Any]:
    out = tmp_path / "read.json"
    done = run(python_tool("tid1500reader"), "--inputDICOM", path, "--outputMetadata", out)
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", TEMPLATED)
def test_dcmqi_reads_every_nodule_with_its_segment_and_its_figures(
    folder: Path, tmp_path: Path, kind: Kind, language: Language
) -> None:
    path = folder / f"{kind}-{language}-3.dcm"
    written = groups(dcmread(path))
    read = read_by_dcmqi(path, tmp_path)["Measurements"]
    assert len(read) == len(written) == 3
    for group, found in zip(written, read, strict=True):
        assert found["TrackingIdentifier"] == child(group, "Tracking Identifier").TextValue
        assert found["TrackingUniqueIdentifier"] == child(group, "Tracking Unique Identifier").UID
        segment = child(group, "Referenced Segment").ReferencedSOPSequence[0]
        assert found["ReferencedSegment"] == segment.ReferencedSegmentNumber
        assert found["segmentationSOPInstanceUID"] == segment.ReferencedSOPInstanceUID
        figures = {item["quantity"]["CodeMeaning"]: item["value"] for item in found["measurementItems"]}
        assert float(figures["Long Axis"]) == float(child(group, "Long Axis").MeasuredValueSequence[0].NumericValue)
        assert len(figures) >= 10


@pytest.mark.parametrize("name", ["SR-de-0", "SR-ENHANCED-zh-0", "NOTICE-en", "NOTICE-COMPR-de"])
def test_dcmqi_reads_a_report_without_nodules(folder: Path, tmp_path: Path, name: str) -> None:
    assert not read_by_dcmqi(folder / f"{name}.dcm", tmp_path).get("Measurements")


def test_dcmqi_would_miss_the_template(folder: Path, tmp_path: Path) -> None:
    """The control: without its template it is no measurement report."""
    report = dcmread(folder / "SR-en-3.dcm")
    del report.ContentTemplateSequence
    path = tmp_path / "wrong.dcm"
    path.write_bytes(encoded(report))
    done = run(python_tool("tid1500reader"), "--inputDICOM", path, "--outputMetadata", tmp_path / "read.json")
    assert "warning" in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", TEMPLATED)
def test_highdicom_reads_every_templated_form(folder: Path, kind: Kind, language: Language) -> None:
    read = highdicom.sr.srread(folder / f"{kind}-{language}-3.dcm")
    assert len(read.content.get_volumetric_roi_measurement_groups()) == 3
    assert str(read.PatientName) == "Müller^Zoë"
