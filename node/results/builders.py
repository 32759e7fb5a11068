"""The one table from kind of result to its builder, and the bench on which the builders of one series work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final

from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.context import ResultContext
from node.results.encapsulated_pdf import build_pdf
from node.results.envelope import CAPTURE, CAPTURE_JPEG, CAPTURE_JPEG_LS, ObjectKind
from node.results.forms import Kind
from node.results.key_objects import build_key_objects
from node.results.multiframe_capture import build_multiframe_captures
from node.results.pictures import key_slices, slice_picture
from node.results.presentation_state import build_presentation_state
from node.results.report_forms import fallback_report
from node.results.report_json import report_of
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.structured_report import build_report
from node.results.summary_page import summary_page


class Bench:
    """Series, findings and what several builders need of them, each part made once, when first asked for.

    Parameters
    ----------
    neighbours
        Slices drawn on each side of a nodule's own slice.
    """

    def __init__(self, series: AssembledSeries, findings: Findings, context: ResultContext, neighbours: int) -> None:
        self.series = series
        self.findings = findings
        self.context = context
        self.segmentation: Dataset | None = None  # the one that the reports point into
        self._report: Dataset | None = None
        self._neighbours = neighbours

    def note(self, sentence: str) -> None:
        """Say in the reports that are made from now on what was left out."""
        self.series = replace(self.series, notes=tuple(dict.fromkeys([*self.series.notes, sentence])))

    def primary(self) -> list[Dataset]:
        """List what the rest stands on: the report, if one was made, and the segmentation that it points into."""
        return [dataset for dataset in (self._report, self.segmentation) if dataset is not None]

    def report(self) -> Dataset:
        """Give the structured report, from which its other forms are derived."""
        if self._report is None:
            self._report = build_report(self.series, self.findings, self.segmentation, self.context)
        return self._report

    @cached_property
    def pictures(self) -> list[CapturePicture]:
        """The summary page, then the slices with nodules and their neighbours."""
        series, findings, language = self.series, self.findings, self.context.language
        slices = key_slices(findings, self._neighbours)
        drawn = [
            CapturePicture(slice_picture(series, findings, k, language=language), k, f"Slice {k + 1}") for k in slices
        ]
        return [CapturePicture(summary_page(series, findings, language), None, "Summary"), *drawn]

    def content(self) -> dict[str, Any]:
        """Give the content of report.json as it is now."""
        uids = (self.series.series_instance_uid, self.series.study_instance_uid)
        return report_of(*uids, self.findings, self.context, notes=self.series.notes)


Builder = Callable[[Bench], list[Dataset]]


def _segmentation(bench: Bench) -> list[Dataset]:
    bench.segmentation = build_segmentation(bench.series, bench.findings, bench.context)
    return [bench.segmentation]


def _labelmap(bench: Bench) -> list[Dataset]:
    """Build the label map; the reports point into it only where there is no BINARY segmentation."""
    labelmap = build_labelmap(bench.series, bench.findings, bench.context)
    bench.segmentation = bench.segmentation or labelmap
    return [labelmap]


def _captures(kind: ObjectKind, bench: Bench) -> list[Dataset]:
    return build_captures(bench.series, bench.pictures, bench.context, bench.findings.models, kind)


def _multiframe(bench: Bench) -> list[Dataset]:
    return build_multiframe_captures(bench.series, bench.pictures, bench.context, bench.findings.models)


def _presentation_state(bench: Bench) -> list[Dataset]:
    return [build_presentation_state(bench.series, bench.findings, bench.context)]


def _key_objects(bench: Bench) -> list[Dataset]:
    return [build_key_objects(bench.series, bench.findings, bench.context)]


def _report(bench: Bench) -> list[Dataset]:
    return [bench.report()]


def _fallback(kind: Kind, bench: Bench) -> list[Dataset]:
    return [fallback_report(bench.report(), kind, bench.context)]


def _pdf(bench: Bench) -> list[Dataset]:
    return [build_pdf(bench.series, bench.findings, bench.content(), bench.context)]


# In the order of work: the reports point into the segmentation, and say what else could not be made.
BUILDERS: Final[Mapping[Kind, Builder]] = MappingProxyType(
    {
        Kind.SEG: _segmentation,
        Kind.SEG_LABELMAP: _labelmap,
        Kind.PR: _presentation_state,
        Kind.KO: _key_objects,
        Kind.SC: partial(_captures, CAPTURE),
        Kind.SC_JPEG: partial(_captures, CAPTURE_JPEG),
        Kind.SC_JPEG_LS: partial(_captures, CAPTURE_JPEG_LS),
        Kind.SC_MULTI: _multiframe,
        Kind.SR: _report,
        Kind.SR_COMPREHENSIVE: partial(_fallback, Kind.SR_COMPREHENSIVE),
        Kind.SR_ENHANCED: partial(_fallback, Kind.SR_ENHANCED),
        Kind.SR_TEXT: partial(_fallback, Kind.SR_TEXT),
        Kind.PDF: _pdf,
    }
)
