"""The objects of one analysis and the headers of their source, as the rules of the checks look at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pydicom import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SegmentationStorage,
)

from node.results import codes
from node.results.content_items import children, descendants, is_coded
from node.results.envelope import LABELMAP_STORAGE
from node.results.language import Language, say
from node.results.source_attributes import carried_over
from node.series.instances import is_valid_uid

TEMPLATED: Final = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage)  # with TID 1500
REPORTS: Final = (*TEMPLATED, BasicTextSRStorage)
SEGMENTATIONS: Final = (SegmentationStorage, LABELMAP_STORAGE)


@dataclass(frozen=True, eq=False)
class ResultSet:
    """Result objects beside each other, and the headers that they were made from."""

    datasets: Sequence[Dataset]
    headers: Sequence[Dataset]

    @cached_property
    def source_uids(self) -> frozenset[str]:
        """SOP Instance UIDs of the source."""
        return frozenset(str(header.get("SOPInstanceUID", "")) for header in self.headers)

    @cached_property
    def uids(self) -> frozenset[str]:
        """SOP Instance UIDs of the results."""
        return frozenset(str(dataset.get("SOPInstanceUID", "")) for dataset in self.datasets)

    @cached_property
    def carried(self) -> Dataset | None:
        """Patient and study of the source as results carry them; None if the source has no study."""
        header = next((h for h in self.headers if is_valid_uid(str(h.get("StudyInstanceUID", "")))), None)
        return None if header is None else carried_over(header).dataset

    def of(self, *sop_class_uids: str) -> list[Dataset]:
        """Give the results of these SOP classes."""
        return [dataset for dataset in self.datasets if dataset.get("SOPClassUID") in sop_class_uids]

    @property
    def reports(self) -> list[Dataset]:
        """Structured reports of every form, notices among them."""
        return self.of(*REPORTS)


def name_of(dataset: Dataset) -> str:
    """Name an object in a message: modality and instance number, never a patient."""
    return f"{dataset.get('Modality', '?')} {dataset.get('InstanceNumber', '?')}"


def referenced_uids(dataset: Dataset) -> Iterator[str]:
    """Give the SOP Instance UIDs that content items refer to."""
    for item in descendants(dataset):
        for reference in item.get("ReferencedSOPSequence") or []:
            yield str(reference.get("ReferencedSOPInstanceUID", ""))


def evidence_uids(dataset: Dataset) -> set[str]:
    """Give the SOP Instance UIDs that the evidence of a document lists (PS3.3 C.17.2.3)."""
    return {
        str(instance.ReferencedSOPInstanceUID)
        for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


def language_of(report: Dataset) -> Language | None:
    """Give the language that a report says it is written in; None if it says none that we write."""
    for item in children(report, codes.LANGUAGE):
        for language, code in codes.LANGUAGES.items():
            if is_coded(item, "ConceptCodeSequence", code):
                return language
    return None


def languages_of(dataset: Dataset, results: ResultSet, sentence: str) -> set[str]:
    """Give a sentence as an object may say it: a report in its own language, the others in any report's or English."""
    if dataset.get("SOPClassUID") in REPORTS:
        own = language_of(dataset)
        return set() if own is None else {say(own, sentence)}
    spoken = {language_of(report) for report in results.reports} | {Language.ENGLISH}
    return {say(language, sentence) for language in spoken if language is not None}
