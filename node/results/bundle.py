"""Everything that one analysis gives out, made together, checked together, written together."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.durable import write_durably
from node.errors import ResultError
from node.results.builders import BUILDERS, Bench
from node.results.checks import check
from node.results.comparison import KnownNodule
from node.results.context import ResultContext
from node.results.forms import NOTICE_REPORT_KINDS, REPORT_KINDS, Kind
from node.results.language import Language
from node.results.notice import build_notice
from node.results.picture_files import write_pictures
from node.results.report_forms import fallback_report
from node.results.report_html import build_html
from node.results.report_json import report_of
from node.results.source_attributes import carried_over
from node.series.instances import is_valid_uid


@dataclass(frozen=True, eq=False)
class Bundle:
    """The results of one series.

    Parameters
    ----------
    objects
        (kind, data set), valid, in the order of ``Kind``.
    report
        The content of report.json.
    code, reason
        Why the series was not analysed; None when it was.
    series, findings
        What the pictures of the page are drawn from; None for a notice.
    left_out
        One sentence for each kind that came out invalid; the notes of the report hold them too.
    language
        Of the page.
    """

    objects: tuple[tuple[str, Dataset], ...]
    report: dict[str, Any]
    code: str | None = None
    reason: str | None = None
    series: AssembledSeries | None = None
    findings: Findings | None = None
    left_out: tuple[str, ...] = ()
    language: Language = Language.ENGLISH


def analysed_bundle(
    series: AssembledSeries,
    findings: Findings,
    context: ResultContext,
    *,
    kinds: Collection[str],
    neighbours: int,
    clock: Callable[[], float],
) -> Bundle:
    """Make and check the result objects of an analysed series.

    What cannot be made of this source, or comes out invalid, is left out and named in the notes of the report.

    Parameters
    ----------
    kinds
        Of the objects to make; the notice's kinds are passed over.
    neighbours
        Slices drawn on each side of a nodule's own slice.

    Raises
    ------
    ResultError
        Structured report or segmentation is not valid, or no form of the report is: nothing may be sent.
    """
    began = clock()
    context = _in_zone_of(series.headers, context)
    bench = Bench(series, findings, context, neighbours)
    made, left_out = _sendable(_made(bench, kinds), bench.primary(), series.headers)
    _require_one_of(REPORT_KINDS, kinds, made)
    for sentence in left_out:
        bench.note(sentence)
    bench.findings = replace(findings, timings_s={**findings.timings_s, "results": clock() - began})
    return Bundle(
        objects=_in_order(made),
        report=bench.content(),
        series=bench.series,
        findings=bench.findings,
        left_out=tuple(left_out),
        language=context.language,
    )


def notice_bundle(
    headers: Sequence[Dataset], code: str, reason: str, context: ResultContext, kinds: Collection[str]
) -> Bundle:
    """Make the "not processed, not a negative result" objects of a series that cannot be analysed.

    Of ``kinds`` those of the notice count; errors and what is left out are as with ``analysed_bundle``. Without a
    header that names its study nothing can be filed, and ResultError says so.
    """
    # Another reason is another notice: it must not come under the UID of the first.
    identity = hashlib.sha256(f"{context.input_digest}|{code}|{reason}".encode()).hexdigest()
    context = replace(context, input_digest=identity)
    sources = [header for header in headers if is_valid_uid(str(header.get("StudyInstanceUID", "")))]
    context = _in_zone_of(sources, context)
    report, page = build_notice(sources, code, reason, context)
    made = {Kind.NOTICE: [report], Kind.NOTICE_SC: [page]}
    made |= {kind: [fallback_report(report, kind, context)] for kind in NOTICE_REPORT_KINDS if kind not in made}
    wanted = {kind: datasets for kind, datasets in made.items() if kind in kinds}
    made, left_out = _sendable(wanted, [report, page], sources)
    _require_one_of(NOTICE_REPORT_KINDS, kinds, made)
    uids = (str(sources[0].get("SeriesInstanceUID", "")), str(report.StudyInstanceUID))
    return Bundle(
        objects=_in_order(made),
        report=report_of(*uids, None, context, code=code, reason=reason, notes=left_out),
        code=code,
        reason=reason,
        left_out=tuple(left_out),
        language=context.language,
    )


def _in_zone_of(headers: Sequence[Dataset], context: ResultContext) -> ResultContext:
    """Tell the time in the zone of the source, on pages and in report.json as in the objects."""
    return replace(context, created_at=carried_over(headers[0]).local(context.created_at)) if headers else context


def _made(bench: Bench, kinds: Collection[str]) -> dict[Kind, list[Dataset]]:
    """Build all but what cannot be made of this source; a report always can."""
    made = {}
    for kind, build in BUILDERS.items():
        if kind not in kinds:
            continue
        try:
            made[kind] = build(bench)
        except ResultError as error:
            if kind in REPORT_KINDS:
                raise
            bench.note(str(error))
    return made


def _sendable(
    made: Mapping[Kind, list[Dataset]], primary: Sequence[Dataset], headers: Sequence[Dataset]
) -> tuple[dict[Kind, list[Dataset]], list[str]]:
    """Keep the kinds that are valid beside the primary objects, which must be; give one sentence for each other."""
    try:
        check(_joined(primary, *made.values()), headers)
    except ResultError:
        return _valid_alone(made, primary, headers)
    return dict(made), []


def _valid_alone(
    made: Mapping[Kind, list[Dataset]], primary: Sequence[Dataset], headers: Sequence[Dataset]
) -> tuple[dict[Kind, list[Dataset]], list[str]]:
    """Find what is invalid; what is left must be valid together."""
    check(primary, headers)
    kept: dict[Kind, list[Dataset]] = {}
    left_out = []
    for kind, datasets in made.items():
        try:
            check(_joined(primary, *kept.values(), datasets), headers)
            kept[kind] = datasets
        except ResultError as error:
            left_out.append(f"no {kind}: {error}")
    return kept, left_out


def _joined(primary: Sequence[Dataset], *others: Sequence[Dataset]) -> list[Dataset]:
    """List every object once; equal objects are two."""
    return list({id(dataset): dataset for datasets in (primary, *others) for dataset in datasets}.values())


def _require_one_of(forms: Sequence[Kind], wanted: Collection[str], made: Mapping[Kind, object]) -> None:
    """Never let a report that somebody waits for go missing."""
    if any(kind in wanted for kind in forms) and not any(kind in made for kind in forms):
        raise ResultError("results are not sent: no form of the report that is wanted is valid")


def _in_order(made: Mapping[Kind, list[Dataset]]) -> tuple[tuple[str, Dataset], ...]:
    return tuple((str(kind), dataset) for kind in Kind for dataset in made.get(kind, ()))


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write ``report.json`` and one ``<kind>-<number>.dcm`` for each object, each aside first, then renamed."""
    for name, dataset in file_names(bundle):
        write_durably(folder / name, [_encoded(dataset)])
    text = json.dumps(bundle.report, indent=2, ensure_ascii=False) + "\n"
    write_durably(folder / "report.json", [text.encode()])


def write_page(bundle: Bundle, folder: Path, known: Sequence[KnownNodule] = ()) -> None:
    """Write ``report.html``, and ``pictures/*.png`` where there is something to draw."""
    page = build_html(bundle.series, bundle.findings, bundle.report, known, bundle.language)
    write_durably(folder / "report.html", [page.encode()])
    if bundle.series is not None and bundle.findings is not None:
        write_pictures(bundle.series, bundle.findings, folder / "pictures", bundle.language)


def file_names(bundle: Bundle) -> Iterable[tuple[str, Dataset]]:
    """Name each object after its kind and its number within the kind: ``sr-01.dcm``, ``sc-03.dcm``."""
    counts: dict[str, int] = {}
    for kind, dataset in bundle.objects:
        counts[kind] = counts.get(kind, 0) + 1
        yield f"{kind.lower()}-{counts[kind]:02d}.dcm", dataset


def _encoded(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
