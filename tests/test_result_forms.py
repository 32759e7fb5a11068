"""Which kinds of results the settings mean, and what is made of them: no less, no more, and nothing invalid."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path

import pytest
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.config import Settings
from node.errors import ResultError
from node.job import Job, job_from_json, job_to_json
from node.results import bundle as bundles
from node.results import checks
from node.results.builders import BUILDERS
from node.results.bundle import Bundle, analysed_bundle, notice_bundle
from node.results.forms import (
    NOTICE_REPORT_KINDS,
    REPORT_KINDS,
    CaptureCompression,
    CaptureForm,
    Kind,
    ReportForm,
    ResultForms,
    SegmentationForm,
    kinds_of,
    ladders_of,
    preferred,
)
from node.results.language import Language
from tests.result_examples import CONTEXT, comments_of, example_findings, with_headers

NOTICE_KINDS = {*NOTICE_REPORT_KINDS, Kind.NOTICE_SC}
TEXT_ALONE = ResultForms(report=(ReportForm.BASIC_TEXT,))


def made(series: AssembledSeries, findings: Findings, kinds: Collection[str]) -> Bundle:
    return analysed_bundle(series, findings, CONTEXT, kinds=kinds, neighbours=0, clock=time.perf_counter)


def kinds_in(bundle: Bundle) -> set[str]:
    return {kind for kind, _ in bundle.objects}


def test_every_kind_of_a_result_has_its_builder() -> None:
    assert set(BUILDERS) == set(Kind) - NOTICE_KINDS


def test_a_kind_is_short_enough_for_the_ledger() -> None:
    assert max(len(kind) for kind in Kind) <= 16


def test_by_default_a_destination_gets_report_segmentation_and_pictures() -> None:
    assert set(kinds_of(ResultForms())) == {*REPORT_KINDS, Kind.SEG, Kind.SC} | NOTICE_KINDS
    assert Settings().results.forms == ResultForms()


@pytest.mark.parametrize(
    ("forms", "kind"),
    [
        (ResultForms(segmentation=SegmentationForm.LABELMAP), Kind.SEG_LABELMAP),
        (ResultForms(captures=CaptureForm.MULTIFRAME), Kind.SC_MULTI),
        (ResultForms(compression=CaptureCompression.JPEG), Kind.SC_JPEG),
        (ResultForms(compression=CaptureCompression.JPEG_LS), Kind.SC_JPEG_LS),
        (ResultForms(presentation_state=True), Kind.PR),
        (ResultForms(key_objects=True), Kind.KO),
        (ResultForms(pdf=True), Kind.PDF),
    ],
)
def test_each_choice_means_a_kind(forms: ResultForms, kind: Kind) -> None:
    assert kind in kinds_of(forms)
    assert kind not in kinds_of(ResultForms())


def test_what_is_not_wanted_is_no_kind() -> None:
    none = ResultForms(segmentation=SegmentationForm.NONE, captures=CaptureForm.NONE)
    assert set(kinds_of(none)) == {*REPORT_KINDS} | NOTICE_KINDS


def test_the_ladders_keep_the_order_of_preference() -> None:
    forms = ResultForms(report=(ReportForm.ENHANCED, ReportForm.COMPREHENSIVE_3D))
    assert ladders_of(forms) == ((Kind.SR_ENHANCED, Kind.SR), (Kind.NOTICE_ENHANCED, Kind.NOTICE))


def test_where_nobody_can_refuse_only_the_preferred_report_is_made() -> None:
    assert set(kinds_of(preferred(ResultForms()))) == {Kind.SR, Kind.SEG, Kind.SC, Kind.NOTICE, Kind.NOTICE_SC}


def test_a_job_that_went_through_json_asks_for_the_same() -> None:
    kinds = kinds_of(ResultForms(pdf=True))
    job = Job((Path("a.dcm"),), Path("out"), "0" * 64, CONTEXT.created_at, "1", "NODE", kinds, language=Language.GERMAN)
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job


@pytest.mark.parametrize("kinds", [kinds_of(preferred(ResultForms())), kinds_of(TEXT_ALONE), tuple(Kind)])
def test_exactly_the_wanted_kinds_are_made(
    series: AssembledSeries, findings: Findings, kinds: tuple[Kind, ...]
) -> None:
    bundle = made(series, findings, kinds)
    assert kinds_in(bundle) == set(kinds) - NOTICE_KINDS
    assert bundle.left_out == ()


def test_a_report_points_into_the_label_map_where_there_is_no_other_segmentation(
    series: AssembledSeries, findings: Findings
) -> None:
    objects = dict(made(series, findings, (Kind.SR, Kind.SEG_LABELMAP)).objects)
    assert str(objects["SEG-LABELMAP"].SOPInstanceUID) in str(objects["SR"])


def test_without_a_frame_of_reference_the_rest_is_made_and_the_reports_say_so(
    series: AssembledSeries, findings: Findings
) -> None:
    bundle = made(with_headers(series, FrameOfReferenceUID=None), findings, tuple(Kind))
    assert not kinds_in(bundle) & {Kind.SEG, Kind.SEG_LABELMAP}
    assert {Kind.SR, Kind.SR_TEXT, Kind.SC, Kind.PDF} <= kinds_in(bundle)
    sentence = "no segmentation: the source has no Frame of Reference UID"
    assert bundle.report["notes"].count(sentence) == 1
    assert any(sentence in comment for comment in comments_of(dict(bundle.objects)["SR"]))


def test_without_a_nodule_there_is_nothing_to_select(series: AssembledSeries) -> None:
    bundle = made(series, example_findings(series.volume, count=0), (Kind.SR, Kind.KO, Kind.PR))
    assert kinds_in(bundle) == {Kind.SR}
    assert "no key objects: no nodule was marked" in bundle.report["notes"]


def spoil(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Let objects of these series numbers come out without the disclaimer."""
    numbers = {"SR": 9101, "SR-TEXT": 9104, "SEG": 9001, "PDF": 9501, "NOTICE-TEXT": 9104, "NOTICE": 9101}
    spoiled = {numbers[kind] for kind in kinds}

    def check(datasets: list[Dataset], headers: list[Dataset]) -> None:
        checks.check(datasets, headers)
        found = [f"{dataset.Modality} 1: spoiled" for dataset in datasets if dataset.SeriesNumber in spoiled]
        if found:
            raise ResultError("; ".join(found))

    monkeypatch.setattr(bundles, "check", check)


def test_an_invalid_optional_object_is_left_out_and_named(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "PDF", "SR-TEXT")
    bundle = made(series, findings, (Kind.SR, Kind.SR_TEXT, Kind.SEG, Kind.PDF, Kind.KO))
    assert kinds_in(bundle) == {Kind.SR, Kind.SEG, Kind.KO}
    assert [sentence.partition(":")[0] for sentence in bundle.left_out] == ["no SR-TEXT", "no PDF"]
    assert set(bundle.left_out) <= set(bundle.report["notes"])


@pytest.mark.parametrize("kind", ["SR", "SEG"])
def test_an_invalid_report_or_segmentation_ends_the_whole(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spoil(monkeypatch, kind)
    with pytest.raises(ResultError, match="spoiled"):
        made(series, findings, tuple(Kind))


def test_a_report_that_somebody_waits_for_never_goes_missing(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "SR-TEXT")
    with pytest.raises(ResultError, match="no form of the report"):
        made(series, findings, kinds_of(TEXT_ALONE))


def test_a_notice_has_the_forms_of_the_report(series: AssembledSeries) -> None:
    bundle = notice_bundle(series.headers, "SLICE_GAP", "a gap", CONTEXT, kinds_of(ResultForms()))
    assert kinds_in(bundle) == NOTICE_KINDS
    reports = [dataset for kind, dataset in bundle.objects if kind != Kind.NOTICE_SC]
    assert len({str(report.SOPClassUID) for report in reports}) == len(NOTICE_REPORT_KINDS)
    assert all("not a negative result" in str(report) for report in reports)


def test_a_notice_in_one_form_is_that_form_and_its_picture(series: AssembledSeries) -> None:
    bundle = notice_bundle(series.headers, "SLICE_GAP", "a gap", CONTEXT, kinds_of(TEXT_ALONE))
    assert kinds_in(bundle) == {Kind.NOTICE_TEXT, Kind.NOTICE_SC}


def test_an_invalid_form_of_a_notice_is_left_out_and_named(
    series: AssembledSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "NOTICE-TEXT")
    bundle = notice_bundle(series.headers, "SLICE_GAP", "a gap", CONTEXT, kinds_of(ResultForms()))
    assert kinds_in(bundle) == NOTICE_KINDS - {Kind.NOTICE_TEXT}
    assert bundle.report["notes"] == list(bundle.left_out)
