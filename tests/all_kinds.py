"""Every kind of result object, built from one series and its findings; pictures are left black."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.builders import BUILDERS, Bench
from node.results.context import ResultContext
from node.results.forms import Kind
from node.results.legal_values import legal_value
from node.results.notice import build_notice
from node.results.report_forms import fallback_report
from node.results.secondary_capture import CapturePicture
from tests.result_examples import CONTEXT, encoded

SEGMENTATIONS = (Kind.SEG, Kind.SEG_LABELMAP)
NEED_FRAME_OF_REFERENCE = (*SEGMENTATIONS, Kind.SC_MULTI)


def black_pictures(series: AssembledSeries) -> list[CapturePicture]:
    """A page and a magnified slice."""
    _, rows, columns = series.volume.shape
    return [
        CapturePicture(np.zeros((300, 401, 3), np.uint8), None, "Summary"),
        CapturePicture(np.zeros((2 * rows, 2 * columns, 3), np.uint8), 13, "Slice 14", 2.0),
    ]


def every_kind(
    series: AssembledSeries,
    findings: Findings,
    leave_out: Collection[Kind] = (),
    context: ResultContext = CONTEXT,
) -> dict[str, list[Dataset]]:
    """The objects by kind, the notice's among them; some only where the source has a frame of reference."""
    bench = Bench(series, findings, context, neighbours=0)
    bench.pictures = black_pictures(series)
    has_frame = legal_value(series.headers[0], "FrameOfReferenceUID") is not None
    kinds = [kind for kind in BUILDERS if kind not in leave_out and (has_frame or kind not in NEED_FRAME_OF_REFERENCE)]
    return {str(kind): BUILDERS[kind](bench) for kind in kinds} | notices(series, context)


def notices(series: AssembledSeries, context: ResultContext = CONTEXT) -> dict[str, list[Dataset]]:
    """The notice in every form."""
    report, page = build_notice(series.headers, "SLICE_GAP", "a gap", context)
    forms = {Kind.NOTICE: [report], Kind.NOTICE_SC: [page]}
    fallbacks = (Kind.NOTICE_COMPREHENSIVE, Kind.NOTICE_ENHANCED, Kind.NOTICE_TEXT)
    forms |= {kind: [fallback_report(report, kind, context)] for kind in fallbacks}
    return {str(kind): datasets for kind, datasets in forms.items()}


def write_objects(made: dict[str, list[Dataset]], folder: Path) -> list[Path]:
    """Write each object as ``<kind>-<number>.dcm``."""
    paths = []
    for kind, datasets in made.items():
        for number, dataset in enumerate(datasets, start=1):
            paths.append(folder / f"{kind}-{number}.dcm")
            paths[-1].write_bytes(encoded(dataset))
    return paths
