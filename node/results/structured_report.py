"""Findings as a Comprehensive 3D SR, TID 1500: the primary result (PS3.3 A.35.13, PS3.16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from highdicom.sr import ContentItem
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from models.findings import Findings, FollowUp, LungRads, Nodule, PatientRisk, RiskRange
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import DISCLAIMER, ResultContext
from node.results.envelope import REPORT, tracking_id
from node.results.measurement_group import OHIF_TRACKING_PREFIX, caliper_slice, label, measurement_group
from node.results.source_attributes import carried_over
from node.results.sr_document import (
    Reference,
    build_document,
    code,
    container,
    image_library,
    reference_to,
    text,
)


@dataclass(frozen=True)
class ReportOptions:
    """What a site may choose.

    Parameters
    ----------
    editable_in_ohif
        Give the tracking identifiers the prefix by which OHIF takes nodules for its own measurements.
    comprehensive_3d
        False writes Comprehensive SR (88.33) for an archive that refuses Comprehensive 3D SR (88.34).
    """

    editable_in_ohif: bool = False
    comprehensive_3d: bool = True


def build_report(
    series: AssembledSeries,
    findings: Findings,
    segmentation: Dataset | None,
    context: ResultContext,
    options: ReportOptions | None = None,
) -> Dataset:
    """Build the structured report; ``segmentation`` is that of ``build_segmentation``, None if it was impossible.

    Raises
    ------
    ResultError
        If a nodule has no segment of its own, or the source lacks what a report needs.
    """
    options = options or ReportOptions()
    slices = _referenced_slices(series, findings)
    contents = [image_library(series, slices)]
    if findings.nodules:
        contents.append(_measurements(series, findings, segmentation, context, options))
    source = carried_over(series.headers[0])
    notes = [*series.notes, *(f"{keyword} of the source is malformed" for keyword in source.changes)]
    contents.append(container(codes.QUALITATIVE_EVALUATIONS, _evaluations(notes, findings)))
    evidence = _evidence(series, slices, segmentation)
    kind = REPORT if options.comprehensive_3d else replace(REPORT, sop_class_uid=ComprehensiveSRStorage)
    return build_document(kind, source, context, contents, evidence, findings.models)


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
    options: ReportOptions,
) -> ContentItem:
    prefix = OHIF_TRACKING_PREFIX if options.editable_in_ohif else ""
    groups = [
        measurement_group(series, nodule, findings.models, segmentation, context, prefix) for nodule in findings.nodules
    ]
    return container(codes.IMAGING_MEASUREMENTS, groups)


def _evaluations(notes: Sequence[str], findings: Findings) -> list[ContentItem]:
    """What concerns the whole examination: codes first, then comments, the disclaimer at their head."""
    items = []
    if not findings.nodules:
        items.append(code(codes.NODULE_OF_LUNG, codes.ABSENT))
    if findings.lung_rads.category is not None:
        items.append(code(codes.LUNG_RADS, codes.LUNG_RADS_CATEGORIES[findings.lung_rads.category]))
    return items + [text(codes.COMMENT, comment) for comment in comments(notes, findings)]


def comments(notes: Sequence[str], findings: Findings) -> list[str]:
    """The sentences of the report, in the order in which they are read."""
    lungs = findings.lungs
    return [
        DISCLAIMER,
        f"{len(findings.nodules) or 'No'} nodule{'s' if len(findings.nodules) > 1 else ''} detected",
        f"Lung volume {lungs.volume_ml:.0f} mL: right {lungs.right_ml:.0f} mL, left {lungs.left_ml:.0f} mL",
        f"Examination: {assessment(findings.lung_rads)}",
        *patient_comments(findings.patient_risk),
        *follow_up_comments(findings.follow_up),
        *(_nodule_comment(nodule) for nodule in findings.nodules),
        *(f"{tracking_id(nodule)}: {warning}" for nodule in findings.nodules for warning in nodule.warnings),
        *(f"Warning: {warning}" for warning in (*findings.warnings, *lungs.warnings)),
        *(f"Note: {note}" for note in notes),
        *(f"Model {m.name} {m.version}, sha256 {m.sha256}" for m in findings.models),
    ]


def patient_comments(risk: PatientRisk | None) -> list[str]:
    """The probability of cancer for the whole patient, where such a model is installed."""
    if risk is None:
        return []
    years = ", ".join(f"{year} y {100 * p:.1f} %" for year, p in enumerate(risk.by_year, start=1))
    said = f"{100 * risk.by_year[0]:.1f} %" if len(risk.by_year) == 1 else years
    return [f"Patient, {risk.model}: {said} ({risk.meaning})"]


def follow_up_comments(advice: FollowUp | None) -> list[str]:
    """What a guideline says, and whether it is meant for this patient."""
    if advice is None or advice.applies is False:
        return []
    meant = "" if advice.applies else " (if it applies: found by chance, 35 years or older, no cancer, immunity intact)"
    said = "undetermined" if advice.recommendation is None else advice.recommendation
    return [f"{advice.guideline}{meant}: {said} ({advice.basis})"]


def assessment(lung_rads: LungRads) -> str:
    """Lung-RADS v2022 in words."""
    said = "undetermined" if lung_rads.category is None else lung_rads.category.value
    return f"Lung-RADS v2022 {said} ({lung_rads.basis})"


def brock_text(brock: RiskRange) -> str:
    """Brock 2a probability of cancer in words, as a range where inputs are unknown."""
    if brock.low == brock.high:
        return f"Brock 2a {100 * brock.low:.1f} %"
    return f"Brock 2a {100 * brock.low:.1f} to {100 * brock.high:.1f} % (unknown: {', '.join(brock.unknown)})"


def _nodule_comment(nodule: Nodule) -> str:
    parts = [label(nodule), sure_text(nodule), brock_text(nodule.brock), brock_2b_text(nodule)]
    parts += [suspicion_text(nodule), assessment(nodule.lung_rads)]
    return "; ".join(filter(None, parts))


def sure_text(nodule: Nodule) -> str:
    """How sure the sizes are; empty where nobody knows."""
    sure = nodule.measurement.uncertainty
    if sure is None:
        return ""
    return f"95 % limits: mean diameter +-{sure.diameter_mm:.1f} mm, volume +-{100 * sure.volume_share:.0f} %"


def brock_2b_text(nodule: Nodule) -> str:
    """Brock 2b, which knows spiculation; empty where it was not computed."""
    return "" if nodule.brock_2b is None else brock_text(nodule.brock_2b).replace("2a", "2b", 1)


def suspicion_text(nodule: Nodule) -> str:
    """What a learned model says, and what its number means; empty where there is none."""
    score = nodule.malignancy
    return "" if score is None else f"{score.model}: {100 * score.probability:.0f} % ({score.meaning})"


def _evidence(series: AssembledSeries, slices: Sequence[int], segmentation: Dataset | None) -> list[Reference]:
    """Every image that the content refers to, and the segmentation (Slicer looks for it there)."""
    study, source = series.study_instance_uid, series.series_instance_uid
    frames = [series.frames[k] for k in slices]
    images = [Reference(study, source, frame.sop_class_uid, frame.sop_instance_uid) for frame in frames]
    return images if segmentation is None else [*images, reference_to(segmentation)]
