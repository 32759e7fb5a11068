"""The last look before delivery: sound results pass; every defect that validators miss or viewers break on is named."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

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
from tests.own_defects import OWN
from tests.result_examples import CONTEXT, child, example_findings
from tests.specified_defects import SPECIFIED, Defect, Objects, drop


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
