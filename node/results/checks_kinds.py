"""Rules for the other kinds of result: segmentation, captures, presentation state, key objects, PDF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydicom import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)

from node.results import codes
from node.results.content_items import children, descendants
from node.results.result_set import SEGMENTATIONS, ResultSet, evidence_uids, name_of, referenced_uids

_SOURCES: Final = ("SourceImageSequence", "SourceInstanceSequence")


def _source_references(results: ResultSet) -> Iterator[str]:
    """Source images that a result names are images of the source."""
    for dataset in results.datasets:
        named = {str(item.ReferencedSOPInstanceUID) for k in _SOURCES for item in dataset.get(k) or []}
        named |= {str(item.ReferencedSOPInstanceUID) for item in _of_series(dataset)}
        if named - results.source_uids:
            yield f"{name_of(dataset)}: a source image is not of the source series"


def _of_series(dataset: Dataset) -> Iterator[Dataset]:
    """Images and instances under ReferencedSeriesSequence: of segmentations and presentation states."""
    for series in dataset.get("ReferencedSeriesSequence") or []:
        yield from series.get("ReferencedImageSequence") or []
        yield from series.get("ReferencedInstanceSequence") or []


def _segmentation(results: ResultSet) -> Iterator[str]:
    """Segments are numbered 1 to n, tracked each by a UID of its own, in the space of the source."""
    frames = {str(header.get("FrameOfReferenceUID", "")) for header in results.headers}
    for dataset in results.of(*SEGMENTATIONS):
        segments = [item for item in dataset.get("SegmentSequence") or [] if item.get("SegmentNumber") != 0]
        if [int(item.SegmentNumber) for item in segments] != list(range(1, len(segments) + 1)) or not segments:
            yield f"{name_of(dataset)}: the segments are not numbered from 1"
        if len({item.get("TrackingUID") for item in segments} - {None}) != len(segments):
            yield f"{name_of(dataset)}: a segment has no tracking UID of its own"
        if str(dataset.get("FrameOfReferenceUID", "")) not in frames:
            yield f"{name_of(dataset)}: the frame of reference is not that of the source"


def _presentation_state(results: ResultSet) -> Iterator[str]:
    """What is drawn over lies on images of the source that the state refers to."""
    for dataset in results.of(GrayscaleSoftcopyPresentationStateStorage):
        shown = {str(item.ReferencedSOPInstanceUID) for item in _of_series(dataset)}
        drawn = {
            str(image.ReferencedSOPInstanceUID)
            for annotation in dataset.get("GraphicAnnotationSequence") or []
            for image in annotation.get("ReferencedImageSequence") or []
        }
        if not shown or drawn - shown:
            yield f"{name_of(dataset)}: an annotation lies on an image that the state does not refer to"


def _key_objects(results: ResultSet) -> Iterator[str]:
    """TID 2010: images without a concept name, each of the source and in the evidence."""
    for dataset in results.of(KeyObjectSelectionDocumentStorage):
        images = [item for item in descendants(dataset) if item.get("ValueType") == "IMAGE"]
        if any(item.get("ConceptNameCodeSequence") for item in images):
            yield f"{name_of(dataset)}: an IMAGE item has a concept name, which TID 2010 forbids"
        named = set(referenced_uids(dataset))
        if not named or named - evidence_uids(dataset) or named - results.source_uids:
            yield f"{name_of(dataset)}: a selected image is not in the evidence or not of the source"
        if not children(dataset, codes.OBSERVER_TYPE):
            yield f"{name_of(dataset)}: the observer is missing"


def _document(results: ResultSet) -> Iterator[str]:
    """A PDF with a title, its source, and its length (PS3.3 C.24.2)."""
    for dataset in results.of(EncapsulatedPDFStorage):
        content = bytes(dataset.get("EncapsulatedDocument") or b"")
        if not dataset.get("DocumentTitle") or not dataset.get("ConceptNameCodeSequence"):
            yield f"{name_of(dataset)}: the document has no title"
        if not dataset.get("SourceInstanceSequence"):
            yield f"{name_of(dataset)}: the document names no source"
        if not content.startswith(b"%PDF-") or dataset.get("MIMETypeOfEncapsulatedDocument") != "application/pdf":
            yield f"{name_of(dataset)}: the document is no PDF"
        if len(content) % 2 or not 0 <= len(content) - int(dataset.get("EncapsulatedDocumentLength") or 0) <= 1:
            yield f"{name_of(dataset)}: the length of the document is wrong"


def _burned_in(results: ResultSet) -> Iterator[str]:
    """Whoever has pixels or pages says that no identity is drawn into them (PS3.3 C.7.6.1)."""
    for dataset in results.datasets:
        has_picture = dataset.get("Modality") in ("OT", "DOC")
        if has_picture and dataset.get("BurnedInAnnotation") != "NO":
            yield f"{name_of(dataset)}: BurnedInAnnotation is not NO"


KIND_RULES: Final = (_source_references, _segmentation, _presentation_state, _key_objects, _document, _burned_in)
