"""Every kind of result object, built from one series and its findings; pictures are left black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.key_objects import build_key_objects
from node.results.legal_values import legal_value
from node.results.notice import build_notice
from node.results.presentation_state import build_presentation_state
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import CONTEXT, encoded


def black_pictures(series: AssembledSeries) -> list[CapturePicture]:
    """A page and a magnified slice."""
    _, rows, columns = series.volume.shape
    return [
        CapturePicture(np.zeros((300, 401, 3), np.uint8), None, "Summary"),
        CapturePicture(np.zeros((2 * rows, 2 * columns, 3), np.uint8), 13, "Slice 14", 2.0),
    ]


def every_kind(series: AssembledSeries, findings: Findings) -> dict[str, list[Dataset]]:
    """The objects by kind; those that need a frame of reference only where the source has one."""
    has_frame = legal_value(series.headers[0], "FrameOfReferenceUID") is not None
    segmentation = build_segmentation(series, findings, CONTEXT) if has_frame else None
    made = {
        "SR": [build_report(series, findings, segmentation, CONTEXT)],
        "SC": build_captures(series, black_pictures(series), CONTEXT, findings.models),
        "PR": [build_presentation_state(series, findings, CONTEXT)],
        "KO": [build_key_objects(series, findings, CONTEXT)],
        "NOTICE": build_notice(series.headers, "SLICE_GAP", "a gap", CONTEXT),
    }
    if segmentation is not None:
        made |= {"SEG": [segmentation], "SEG-LABELMAP": [build_labelmap(series, findings, CONTEXT)]}
    return made


def write_objects(made: dict[str, list[Dataset]], folder: Path) -> list[Path]:
    """Write each object as ``<kind>-<number>.dcm``."""
    paths = []
    for kind, datasets in made.items():
        for number, dataset in enumerate(datasets, start=1):
            paths.append(folder / f"{kind}-{number}.dcm")
            paths[-1].write_bytes(encoded(dataset))
    return paths
