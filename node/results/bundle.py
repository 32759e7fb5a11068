"""Everything that one analysis gives out, made together, checked together, written together."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.durable import write_durably
from node.results.checks import check
from node.results.comparison import KnownNodule
from node.results.context import ResultContext
from node.results.legal_values import is_uid, legal_value
from node.results.notice import build_notice, orphan_header
from node.results.picture_files import write_pictures
from node.results.pictures import key_slices, slice_picture
from node.results.report_html import build_html
from node.results.report_json import report_of
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from node.results.summary_page import summary_page


@dataclass(frozen=True, eq=False)
class Bundle:
    """The results of one series.

    Parameters
    ----------
    objects
        (kind, data set): SR, SEG, SC or NOTICE; valid, in the order in which they are sent.
    report
        The content of report.json.
    code, reason
        Why the series was not analysed; None when it was.
    series, findings
        What the pictures of the page are drawn from; None for a notice.
    """

    objects: tuple[tuple[str, Dataset], ...]
    report: dict[str, Any]
    code: str | None = None
    reason: str | None = None
    series: AssembledSeries | None = None
    findings: Findings | None = None


def analysed_bundle(
    series: AssembledSeries,
    findings: Findings,
    context: ResultContext,
    *,
    neighbours: int,
    captures: bool,
    clock: Callable[[], float],
) -> Bundle:
    """Make and check every result object of an analysed series.

    Raises
    ------
    ResultError
        An object is not valid: none of them may be sent.
    """
    began = clock()
    series = _with_notes(series)
    segmentation = build_segmentation(series, findings, context) if _has_frame_of_reference(series) else None
    objects = [("SR", build_report(series, findings, segmentation, context))]
    objects += [("SEG", segmentation)] if segmentation is not None else []
    if captures:
        pictures = _pictures(series, findings, neighbours)
        objects += [("SC", capture) for capture in build_captures(series, pictures, context, findings.models)]
    check([dataset for _, dataset in objects], series.headers)
    timed = replace(findings, timings_s={**findings.timings_s, "results": clock() - began})
    return Bundle(
        objects=tuple(objects),
        report=report_of(series.series_instance_uid, series.study_instance_uid, timed, context, notes=series.notes),
        series=series,
        findings=timed,
    )


def notice_bundle(headers: Sequence[Dataset], code: str, reason: str, context: ResultContext) -> Bundle:
    """Make the "not processed, not a negative result" objects of a series that cannot be analysed."""
    # Another reason is another notice: it must not come under the UID of the first.
    identity = hashlib.sha256(f"{context.input_digest}|{code}|{reason}".encode()).hexdigest()
    context = replace(context, input_digest=identity)
    named = [header for header in headers if is_uid(str(header.get("StudyInstanceUID", "")))]
    sources = named or [orphan_header(context)]
    notice = build_notice(sources, code, reason, context)
    check(notice, sources)
    series_uid = str(sources[0].get("SeriesInstanceUID", ""))
    return Bundle(
        objects=tuple(("NOTICE", dataset) for dataset in notice),
        report=report_of(series_uid, str(notice[0].StudyInstanceUID), None, context, code=code, reason=reason),
        code=code,
        reason=reason,
    )


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write ``report.json`` and one ``<kind>-<number>.dcm`` for each object, each aside first, then renamed."""
    for name, dataset in file_names(bundle):
        write_durably(folder / name, [_encoded(dataset)])
    text = json.dumps(bundle.report, indent=2, ensure_ascii=False) + "\n"
    write_durably(folder / "report.json", [text.encode()])


def write_page(bundle: Bundle, folder: Path, known: Sequence[KnownNodule] = ()) -> None:
    """Write ``report.html``, and ``pictures/*.png`` where there is something to draw."""
    page = build_html(bundle.series, bundle.findings, bundle.report, known)
    write_durably(folder / "report.html", [page.encode()])
    if bundle.series is not None and bundle.findings is not None:
        write_pictures(bundle.series, bundle.findings, folder / "pictures")


def file_names(bundle: Bundle) -> Iterable[tuple[str, Dataset]]:
    """Name each object after its kind and its number within the kind: ``sr-01.dcm``, ``sc-03.dcm``."""
    counts: dict[str, int] = {}
    for kind, dataset in bundle.objects:
        counts[kind] = counts.get(kind, 0) + 1
        yield f"{kind.lower()}-{counts[kind]:02d}.dcm", dataset


def _has_frame_of_reference(series: AssembledSeries) -> bool:
    return legal_value(series.headers[0], "FrameOfReferenceUID") is not None


def _with_notes(series: AssembledSeries) -> AssembledSeries:
    """Say in the report what cannot be made of this source, instead of leaving it out in silence."""
    if _has_frame_of_reference(series):
        return series
    return replace(series, notes=(*series.notes, "no segmentation: the source has no Frame of Reference UID"))


def _pictures(series: AssembledSeries, findings: Findings, neighbours: int) -> list[CapturePicture]:
    slices = key_slices(findings, neighbours)
    drawn = [CapturePicture(slice_picture(series, findings, k), k, f"Slice {k + 1}") for k in slices]
    return [CapturePicture(summary_page(series, findings), None, "Summary"), *drawn]


def _encoded(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
