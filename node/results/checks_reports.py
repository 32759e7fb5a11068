"""Rules for structured reports of every form: frame, content tree, measurement groups, segments, evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from node.results import codes
from node.results.content_items import children, descendants, is_coded, measurement_groups, number_of
from node.results.relationships import is_allowed
from node.results.result_set import (
    SEGMENTATIONS,
    TEMPLATED,
    ResultSet,
    evidence_uids,
    language_of,
    name_of,
    referenced_uids,
)
from node.results.text_report import TEMPLATE as TEXT_TEMPLATE

_FLAGS: Final = (
    ("CompletionFlag", ("PARTIAL", "COMPLETE")),  # PS3.3 C.17.2
    ("VerificationFlag", ("UNVERIFIED",)),  # no person has looked at it
    ("PreliminaryFlag", ("PRELIMINARY", "FINAL")),
)
_POINTS: Final = {"POINT": 1, "MULTIPOINT": 1, "POLYLINE": 2, "CIRCLE": 2, "ELLIPSE": 4}  # PS3.3 C.18.6.1.2, at least


def _frame(results: ResultSet) -> Iterator[str]:
    """Template, flags, language, and the procedure, which no validator asks for."""
    for report in results.reports:
        template = (report.get("ContentTemplateSequence") or [Dataset()])[0].get("TemplateIdentifier")
        expected = TEXT_TEMPLATE if report.SOPClassUID == BasicTextSRStorage else "1500"
        if template != expected:
            yield f"{name_of(report)}: ContentTemplateSequence does not say {expected}"
        for keyword, allowed in _FLAGS:
            if report.get(keyword) not in allowed:
                yield f"{name_of(report)}: {keyword} is not {' or '.join(allowed)}"
        if language_of(report) is None:
            yield f"{name_of(report)}: the language is not one of CID 5000 that is written here"
        if not children(report, codes.PROCEDURE_REPORTED):
            yield f"{name_of(report)}: Procedure reported is missing"


def _tree(results: ResultSet) -> Iterator[str]:
    """Every item stands where the IOD lets it stand, and has a value of its type."""
    for report in results.reports:
        for parent in (report, *descendants(report)):
            for item in parent.get("ContentSequence") or []:
                if not is_allowed(str(report.SOPClassUID), parent, item):
                    where = f"{parent.get('ValueType')} {item.get('RelationshipType')} {item.get('ValueType')}"
                    yield f"{name_of(report)}: {where} is not allowed"
                yield from (f"{name_of(report)}: {defect}" for defect in _item(item))


def _item(item: Dataset) -> Iterator[str]:
    value_type = item.get("ValueType")
    if value_type != "IMAGE" and not item.get("ConceptNameCodeSequence"):
        yield f"a {value_type} item has no concept name"
    if value_type == "NUM" and not all(number_of(item) or ("",)):
        yield "a NUM item has no number or no units"
    if value_type == "CODE" and not item.get("ConceptCodeSequence"):
        yield "a CODE item has no code"
    if value_type == "TEXT" and not str(item.get("TextValue") or "").strip():
        yield "a TEXT item is empty"
    if value_type == "SCOORD":
        yield from _coordinates(item)


def _coordinates(item: Dataset) -> Iterator[str]:
    """Pairs of column and row, selected from an image (PS3.3 C.18.6)."""
    data = item.get("GraphicData")
    numbers = [] if data is None else list(data) if hasattr(data, "__iter__") else [data]
    if len(numbers) % 2 or len(numbers) < 2 * _POINTS.get(str(item.get("GraphicType")), len(numbers) + 1):
        yield "the data of a SCOORD are not the points of its graphic type"
    if not any(child.get("RelationshipType") == "SELECTED FROM" for child in item.get("ContentSequence") or []):
        yield "a SCOORD is not selected from an image"


def _inside(results: ResultSet) -> Iterator[str]:
    """Coordinates lie on the image that they are selected from."""
    sizes = {str(h.get("SOPInstanceUID", "")): (h.get("Columns"), h.get("Rows")) for h in results.headers}
    for report in results.reports:
        for item in descendants(report):
            if item.get("ValueType") == "SCOORD" and not _is_inside(item, sizes):
                yield f"{name_of(report)}: a SCOORD lies outside its image"


def _is_inside(item: Dataset, sizes: dict[str, tuple[int | None, int | None]]) -> bool:
    points = [float(value) for value in item.get("GraphicData") or []]
    known = [sizes[uid] for uid in referenced_uids(item) if uid in sizes and None not in sizes[uid]]
    limits = [(0.0 <= x <= float(c or 0)) and (0.0 <= y <= float(r or 0)) for c, r in known for x, y in _pairs(points)]
    return all(limits)


def _pairs(numbers: list[float]) -> Iterator[tuple[float, float]]:
    return zip(numbers[::2], numbers[1::2], strict=False)


def _groups(results: ResultSet) -> Iterator[str]:
    """OHIF fails to load a report with a group that lacks tracking or coordinates."""
    for report in results.reports:
        groups, tracked = measurement_groups_of(report), Counter[str]()
        for group in groups:
            for concept in (codes.TRACKING_IDENTIFIER, codes.TRACKING_UNIQUE_IDENTIFIER):
                if not children(group, concept):
                    yield f"{name_of(report)}: a measurement group has no {concept.meaning}"
            tracked.update(_tracking(group))
            if report.SOPClassUID in TEMPLATED:
                yield from (f"{name_of(report)}: {defect}" for defect in _measured(group))
        if any(count > 1 for count in tracked.values()):
            yield f"{name_of(report)}: two measurement groups have one tracking UID"


def _measured(group: Dataset) -> Iterator[str]:
    if not any(item.ValueType == "SCOORD" for item in descendants(group)):
        yield "a measurement group has no coordinates"
    numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    if not numbers or not any(item.ValueType == "SCOORD" for item in descendants(numbers[0])):
        yield "the first NUM of a measurement group has no SCOORD"


def _conclusion(results: ResultSet) -> Iterator[str]:
    """Without a nodule a report says that none was found, or that nothing was searched; never nothing, never both."""
    for report in results.reports:
        said = list(descendants(report))
        is_absent = any(is_coded(item, "ConceptCodeSequence", codes.ABSENT) for item in said)
        is_notice = any(is_coded(item, "ConceptCodeSequence", codes.NOT_PROCESSED) for item in said)
        if [bool(measurement_groups_of(report)), is_absent, is_notice].count(True) != 1:
            yield f"{name_of(report)}: it must say either nodules, or that there is none, or that nothing was processed"


def _same_nodules(results: ResultSet) -> Iterator[str]:
    """All forms of a report hold the same nodules."""
    held = [sorted(uid for g in measurement_groups_of(report) for uid in _tracking(g)) for report in results.reports]
    if any(uids != held[0] for uids in held):
        yield "the forms of the report do not hold the same nodules"


def _segments(results: ResultSet) -> Iterator[str]:
    """A referenced segment exists and tracks the same nodule; with a segmentation every group has one."""
    segmentations = {str(d.SOPInstanceUID): d for d in results.of(*SEGMENTATIONS)}
    for report in results.of(*TEMPLATED):
        for group in measurement_groups_of(report):
            references = children(group, codes.REFERENCED_SEGMENT)
            if segmentations and not references:
                yield f"{name_of(report)}: a measurement group has no Referenced Segment"
            for reference in references:
                if _segment_tracking(reference, segmentations) not in _tracking(group):
                    yield f"{name_of(report)}: a referenced segment does not exist or has another tracking UID"


def _evidence(results: ResultSet) -> Iterator[str]:
    """The evidence lists every instance that the content refers to, and a segmentation (Slicer looks for it there)."""
    segmentations = {str(d.SOPInstanceUID) for d in results.of(*SEGMENTATIONS)}
    for report in results.reports:
        listed, referenced = evidence_uids(report), set(referenced_uids(report))
        if referenced - listed or (segmentations and not segmentations & listed):
            yield f"{name_of(report)}: the evidence lacks a referenced image or the segmentation"
        if (referenced | listed) - results.source_uids - results.uids:
            yield f"{name_of(report)}: it refers to an instance that is neither of the source nor a result"
        studies = {str(s.StudyInstanceUID) for s in report.get("CurrentRequestedProcedureEvidenceSequence") or []}
        if studies - {str(report.StudyInstanceUID)}:
            yield f"{name_of(report)}: the evidence names another study"


REPORT_RULES: Final = (
    _frame,
    _tree,
    _inside,
    _groups,
    _conclusion,
    _same_nodules,
    _segments,
    _evidence,
)


def measurement_groups_of(report: Dataset) -> list[Dataset]:
    """Give the groups of a TID 1500 report, or those under Findings of a report in words."""
    sections = children(report, codes.FINDINGS)
    return measurement_groups(report) + [g for s in sections for g in children(s, codes.MEASUREMENT_GROUP)]


def _tracking(group: Dataset) -> list[str]:
    return [str(item.get("UID", "")) for item in children(group, codes.TRACKING_UNIQUE_IDENTIFIER)]


def _segment_tracking(reference: Dataset, segmentations: dict[str, Dataset]) -> str | None:
    """Tracking UID of the one segment that an IMAGE item points to, None if there is none."""
    target = reference.ReferencedSOPSequence[0]
    segmentation = segmentations.get(str(target.ReferencedSOPInstanceUID), Dataset())
    numbered = {int(item.SegmentNumber): item.get("TrackingUID") for item in segmentation.get("SegmentSequence", [])}
    number = target.get("ReferencedSegmentNumber")
    return numbered.get(int(number)) if isinstance(number, int) else None
