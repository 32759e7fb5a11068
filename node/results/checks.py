"""The last look at result objects before they are sent: what validators do not see, and viewers break on.

Each rule is a function from the result set to sentences that name defects; an object with a defect
is not sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, SegmentationStorage

from node.errors import ResultError
from node.results import codes
from node.results.context import DISCLAIMER
from node.results.legal_values import is_uid
from node.results.source_attributes import carried_over

_SR_CLASSES: Final = (ComprehensiveSRStorage, Comprehensive3DSRStorage)
_IDENTITY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "AccessionNumber",
    "StudyID",
)


def check(datasets: Sequence[Dataset], source_headers: Sequence[Dataset]) -> None:
    """Check one set of results against each other and against their source.

    Parameters
    ----------
    datasets
        All objects of one analysis or notice: report, segmentation, captures.
    source_headers
        Headers of the source series, as given to the builders.

    Raises
    ------
    ResultError
        Naming every defect, in one line.
    """
    defects = [defect for rule in _RULES for defect in rule(datasets, source_headers)]
    if defects:
        raise ResultError(f"results are not valid and are not sent: {'; '.join(defects)}")


def _identity(datasets: Sequence[Dataset], headers: Sequence[Dataset]) -> Iterator[str]:
    """Patient and study are those of the source. Values stay unsaid: a message never names a patient."""
    header = next((h for h in headers if is_uid(str(h.get("StudyInstanceUID", "")))), None)
    if header is None:
        yield "the source has no StudyInstanceUID"
        return
    expected = carried_over(header).dataset
    for dataset in datasets:
        for keyword in _IDENTITY:
            if str(dataset.get(keyword) or "") != str(expected.get(keyword) or ""):
                yield f"{_name(dataset)}: {keyword} differs from the source"


def _uids(datasets: Sequence[Dataset], headers: Sequence[Dataset]) -> Iterator[str]:
    """Every object has a UID of its own, and no result hides in a source series."""
    instances = Counter(str(dataset.get("SOPInstanceUID", "")) for dataset in datasets)
    taken = {str(h.get(keyword, "")) for h in headers for keyword in ("SOPInstanceUID", "SeriesInstanceUID")}
    for dataset in datasets:
        instance, series = str(dataset.get("SOPInstanceUID", "")), str(dataset.get("SeriesInstanceUID", ""))
        if not (is_uid(instance) and is_uid(series)):
            yield f"{_name(dataset)}: SOPInstanceUID or SeriesInstanceUID is no UID"
        if instances[instance] > 1 or {instance, series} & taken:
            yield f"{_name(dataset)}: a UID is already taken"
        if dataset.file_meta.get("MediaStorageSOPInstanceUID") != instance:
            yield f"{_name(dataset)}: file meta information names another instance"


def _series(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    """One series, one modality (PS3.3 C.7.3.1)."""
    modalities: dict[str, set[str]] = {}
    for dataset in datasets:
        modalities.setdefault(str(dataset.get("SeriesInstanceUID", "")), set()).add(str(dataset.get("Modality", "")))
    for mixed in modalities.values():
        if len(mixed) > 1:
            yield f"one series holds {' and '.join(sorted(mixed))}"


def _disclaimer(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    for dataset in datasets:
        said = [dataset.get(keyword, "") for keyword in ("ContentDescription", "ImageComments")]
        said += [item.get("TextValue", "") for item in _items(dataset)]
        if not any(DISCLAIMER in str(sentence) for sentence in said):
            yield f"{_name(dataset)}: the disclaimer is missing"


def _frame(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    """Template, and the procedure, which no validator asks for."""
    for report in _reports(datasets):
        template = report.get("ContentTemplateSequence") or [Dataset()]
        if template[0].get("TemplateIdentifier") != "1500":
            yield "SR: ContentTemplateSequence does not say 1500"
        if not _children(report, codes.PROCEDURE_REPORTED):
            yield "SR: Procedure reported is missing"


def _groups(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    """OHIF fails to load a report with a group that lacks tracking or coordinates."""
    for group in _measurement_groups(datasets):
        for concept in (codes.TRACKING_IDENTIFIER, codes.TRACKING_UNIQUE_IDENTIFIER):
            if not _children(group, concept):
                yield f"SR: a measurement group has no {concept.meaning}"
        if not any(item.ValueType == "SCOORD" for item in _items(group)):
            yield "SR: a measurement group has no coordinates"
        numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
        if not numbers or not any(item.ValueType == "SCOORD" for item in _items(numbers[0])):
            yield "SR: the first NUM of a measurement group has no SCOORD"


def _segments(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    """A referenced segment exists and tracks the same nodule; with a segmentation every group has one."""
    segmentations = {str(d.SOPInstanceUID): d for d in datasets if d.get("SOPClassUID") == SegmentationStorage}
    for group in _measurement_groups(datasets):
        references = _children(group, codes.REFERENCED_SEGMENT)
        if segmentations and not references:
            yield "SR: a measurement group has no Referenced Segment"
        for reference in references:
            tracking = [item.get("UID") for item in _children(group, codes.TRACKING_UNIQUE_IDENTIFIER)]
            if _segment_tracking(reference, segmentations) not in tracking:
                yield "SR: a referenced segment does not exist or has another tracking UID"


def _evidence(datasets: Sequence[Dataset], _headers: Sequence[Dataset]) -> Iterator[str]:
    """Each instance that the content refers to, and the segmentation, is listed as evidence (PS3.3 C.17.2.3)."""
    segmentations = {str(d.SOPInstanceUID) for d in datasets if d.get("SOPClassUID") == SegmentationStorage}
    for report in _reports(datasets):
        listed = {
            str(instance.ReferencedSOPInstanceUID)
            for study in report.get("CurrentRequestedProcedureEvidenceSequence", [])
            for series in study.ReferencedSeriesSequence
            for instance in series.ReferencedSOPSequence
        }
        referenced = {
            str(reference.ReferencedSOPInstanceUID)
            for item in _items(report)
            for reference in item.get("ReferencedSOPSequence", [])
        }
        if (referenced | segmentations) - listed:
            yield "SR: the evidence lacks a referenced image or the segmentation"


def _source_references(datasets: Sequence[Dataset], headers: Sequence[Dataset]) -> Iterator[str]:
    """Source images that a result names are images of the source."""
    known = {str(header.get("SOPInstanceUID", "")) for header in headers}
    for dataset in datasets:
        named = {str(item.ReferencedSOPInstanceUID) for item in dataset.get("SourceImageSequence") or []}
        if named - known:
            yield f"{_name(dataset)}: a source image is not of the source series"


_RULES: Final[tuple[Callable[[Sequence[Dataset], Sequence[Dataset]], Iterator[str]], ...]] = (
    _identity,
    _uids,
    _series,
    _disclaimer,
    _frame,
    _groups,
    _segments,
    _evidence,
    _source_references,
)


def _name(dataset: Dataset) -> str:
    return f"{dataset.get('Modality', '?')} {dataset.get('InstanceNumber', '?')}"


def _reports(datasets: Sequence[Dataset]) -> list[Dataset]:
    return [dataset for dataset in datasets if dataset.get("SOPClassUID") in _SR_CLASSES]


def _measurement_groups(datasets: Sequence[Dataset]) -> list[Dataset]:
    containers = [c for report in _reports(datasets) for c in _children(report, codes.IMAGING_MEASUREMENTS)]
    return [group for c in containers for group in _children(c, codes.MEASUREMENT_GROUP)]


def _children(parent: Dataset, concept: Code) -> list[Dataset]:
    """Direct children of that concept name."""
    return [item for item in parent.get("ContentSequence", []) if _is_named(item, concept)]


def _is_named(item: Dataset, concept: Code) -> bool:
    name = item.ConceptNameCodeSequence[0] if item.get("ConceptNameCodeSequence") else Dataset()
    return (name.get("CodeValue"), name.get("CodingSchemeDesignator")) == (concept.value, concept.scheme_designator)


def _items(parent: Dataset) -> Iterator[Dataset]:
    """All content items below, depth first."""
    for item in parent.get("ContentSequence", []):
        yield item
        yield from _items(item)


def _segment_tracking(reference: Dataset, segmentations: dict[str, Dataset]) -> str | None:
    """Tracking UID of the one segment that an IMAGE item points to, None if there is none."""
    target = reference.ReferencedSOPSequence[0]
    segmentation = segmentations.get(str(target.ReferencedSOPInstanceUID), Dataset())
    numbered = {int(item.SegmentNumber): item.get("TrackingUID") for item in segmentation.get("SegmentSequence", [])}
    number = target.get("ReferencedSegmentNumber")
    return numbered.get(int(number)) if isinstance(number, int) else None
