"""Findings as a Comprehensive 3D SR, TID 1500: the primary result (PS3.3 A.35.13, PS3.16)."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import ContentItem
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import ResultContext
from node.results.envelope import REPORT
from node.results.language import Language
from node.results.measurement_group import caliper_slice, measurement_group
from node.results.sentences import report_sentences
from node.results.source_attributes import carried_over
from node.results.sr_document import (
    Reference,
    build_document,
    code,
    comment,
    container,
    image_library,
    reference_to,
)


def build_report(
    series: AssembledSeries,
    findings: Findings,
    segmentation: Dataset | None,
    context: ResultContext,
) -> Dataset:
    """Build the structured report; ``segmentation`` is that of ``build_segmentation``, None if it was impossible.

    Raises
    ------
    ResultError
        If a nodule has no segment of its own, or the source lacks what a report needs.
    """
    slices = _referenced_slices(series, findings)
    contents = [image_library(series, slices)]
    if findings.nodules:
        contents.append(_measurements(series, findings, segmentation, context))
    source = carried_over(series.headers[0])
    notes = [*series.notes, *(f"{keyword} of the source is malformed" for keyword in source.changes)]
    contents.append(container(codes.QUALITATIVE_EVALUATIONS, _evaluations(notes, findings, context.language)))
    evidence = _evidence(series, slices, segmentation)
    return build_document(REPORT, source, context, contents, evidence, findings.models)


def _referenced_slices(series: AssembledSeries, findings: Findings) -> list[int]:
    """The slices that calipers lie on; first, middle and last where there is no nodule."""
    calipers = [c for n in findings.nodules for c in (n.measurement.long_axis, n.measurement.short_axis)]
    last = len(series.frames) - 1
    return sorted({caliper_slice(caliper) for caliper in calipers} or {0, last // 2, last})


def _measurements(
    series: AssembledSeries,
    findings: Findings,
    segmentation: Dataset | None,
    context: ResultContext,
) -> ContentItem:
    groups = [measurement_group(series, nodule, findings.models, segmentation, context) for nodule in findings.nodules]
    return container(codes.IMAGING_MEASUREMENTS, groups)


def _evaluations(notes: Sequence[str], findings: Findings, language: Language) -> list[ContentItem]:
    """What concerns the whole examination: codes first, then comments, the disclaimer at their head."""
    items = []
    if not findings.nodules:
        items.append(code(codes.NODULE_OF_LUNG, codes.ABSENT))
    if findings.lung_rads.category is not None:
        items.append(code(codes.LUNG_RADS, codes.LUNG_RADS_CATEGORIES[findings.lung_rads.category]))
    return items + [comment(sentence, language) for sentence in report_sentences(notes, findings, language)]


def _evidence(series: AssembledSeries, slices: Sequence[int], segmentation: Dataset | None) -> list[Reference]:
    """Every image that the content refers to, and the segmentation (Slicer looks for it there)."""
    study, source = series.study_instance_uid, series.series_instance_uid
    frames = [series.frames[k] for k in slices]
    images = [Reference(study, source, frame.sop_class_uid, frame.sop_instance_uid) for frame in frames]
    return images if segmentation is None else [*images, reference_to(segmentation)]
