"""The slices that report.html carries: grey deep enough for every window, small enough for one file."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.findings import Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.results.drawing import colour_of
from node.results.language import Language
from node.results.picture_files import jpeg
from node.results.pictures import (
    SliceFrame,
    axes_on,
    edge_letters,
    image_number,
    key_slices,
    measuring_slice,
    outlined_on,
    outlines_on,
    slice_hu,
)

# 256 greys for 2500 HU: fine where soft tissue is read (4 HU a step), coarser in lung, whose noise is larger
# (9 HU; the lung window shows 6 HU a grey), coarsest in bone (38 HU of a window of 1800).
KNOTS_HU: Final = (-1024, -200, 300, 1500)
KNOTS_GREY: Final = (0, 95, 224, 255)
MOST_BYTES: Final = 18_000_000  # of JPEG: with base64 the page stays below 25 MB, what mail systems let through
_SIDES = (512, 384, 320, 256)  # the largest that fits is taken; below 256 no vessel can be followed
_LARGEST_SIDE = 768  # of the slices around nodules, which keep the pixels of the source
_QUALITY, _QUALITY_NEAR = 82, 92  # of JPEG; what was measured on keeps more of its edges
_SAMPLES = 7  # slices from which the size of all is estimated

Points = list[list[float]]


@dataclass(frozen=True)
class SlicePlan:
    """Which slices are carried, every ``step``-th; which as fine as their source; how many pixels wide the others."""

    slices: tuple[int, ...]
    fine: tuple[int, ...]
    side: int
    step: int


def viewer_data(
    series: AssembledSeries, findings: Findings, plan: SlicePlan, language: Language = Language.ENGLISH
) -> dict[str, Any]:
    """Give all that the slice viewer needs, as plain JSON values.

    Outlines and axes are lists of x, y in source pixels from the outer corner; letters stand for the
    left, right, upper and lower edge; spacing is between rows, then between columns, in mm.
    """
    rows, columns = SliceFrame(series, 0, 1).source_shape
    rows_mm, columns_mm = series.source_spacing_ji_mm
    pictures = {k: _fine(series, k) if k in plan.fine else _small(series, k, plan.side) for k in plan.slices}
    return {
        "rows": rows,
        "columns": columns,
        "spacing_mm": [round(rows_mm, 5), round(columns_mm, 5)],
        "letters": list(edge_letters(series.volume)),
        "knots_hu": list(KNOTS_HU),
        "knots_grey": list(KNOTS_GREY),
        "slices": [
            {
                "jpeg": base64.b64encode(pictures[k]).decode("ascii"),
                "name": f"{image_number(series, k, language)}, z = {series.volume.to_patient((k, 0, 0))[2]:.1f} mm",
                "marks": _marks(findings, SliceFrame(series, k, 1)),
            }
            for k in plan.slices
        ],
        "nodules": [
            {"id": n.id, "colour": _hex(n), "slice": plan.slices.index(measuring_slice(n))} for n in findings.nodules
        ],
    }


def slice_plan(series: AssembledSeries, findings: Findings, most_bytes: int = MOST_BYTES) -> SlicePlan:
    """Choose width and number of the slices so that the page stays below its limit.

    Every slice is there as long as 256 pixels of width are left to each; of a longer series every
    second, third, ... one, and always those on which a nodule was measured.
    """
    total, fine = len(series.frames), _fine_slices(series, findings, most_bytes / 2)
    room = most_bytes - _estimate(fine, partial(_fine, series))
    for side in _SIDES:
        needed = _estimate(range(total), partial(_small, series, side=side))
        if needed <= room:
            return SlicePlan(tuple(range(total)), fine, side, 1)
    step = math.ceil(needed / room)
    measured = {measuring_slice(nodule) for nodule in findings.nodules}
    return SlicePlan(tuple(sorted({*range(0, total, step), *measured})), fine, side, step)


def companded(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Map HU to the 256 greys of the page, (rows, columns)."""
    low, high = KNOTS_HU[0], KNOTS_HU[-1]
    table = np.rint(np.interp(np.arange(low, high + 1), KNOTS_HU, KNOTS_GREY)).astype(np.uint8)
    return np.asarray(table[np.clip(hu, low, high).astype(np.int32) - low])


def _fine_slices(series: AssembledSeries, findings: Findings, most_bytes: float) -> tuple[int, ...]:
    """Measuring slices with their neighbours; where these are too many, without; or none."""
    for neighbours in (1, 0):
        slices = key_slices(findings, neighbours)
        if _estimate(slices, partial(_fine, series)) <= most_bytes:
            return slices
    return ()


def _estimate(slices: Sequence[int], encoded: Callable[[int], bytes]) -> float:
    """Bytes of all slices, from a few of them."""
    if not slices:
        return 0.0
    chosen = np.unique(np.linspace(0, len(slices) - 1, min(_SAMPLES, len(slices))).round().astype(int))
    sizes = [len(encoded(slices[place])) for place in chosen]
    return len(slices) * sum(sizes) / len(sizes)


def _fine(series: AssembledSeries, k: int) -> bytes:
    """A slice near a nodule."""
    return _encoded(series, k, _LARGEST_SIDE, _QUALITY_NEAR)


def _small(series: AssembledSeries, k: int, side: int) -> bytes:
    """Any other slice."""
    return _encoded(series, k, side, _QUALITY)


def _encoded(series: AssembledSeries, k: int, side: int, quality: int) -> bytes:
    grey = Image.fromarray(companded(slice_hu(series, k)))
    grey.thumbnail((side, side), Image.Resampling.BICUBIC)
    return jpeg(np.asarray(grey), quality)


def _marks(findings: Findings, frame: SliceFrame) -> list[dict[str, Any]]:
    return [_mark(nodule, frame) for nodule in findings.nodules if outlined_on(nodule, frame.k)]


def _mark(nodule: Nodule, frame: SliceFrame) -> dict[str, Any]:
    return {
        "id": nodule.id,
        "label": f"{nodule.id}   {nodule.measurement.mean_diameter_mm:.1f} mm",
        "outlines": [_points(line) for line in outlines_on(nodule, frame)],
        "axes": [_points(line) for line in axes_on(nodule, frame)],
    }


def _points(line: npt.NDArray[np.float64]) -> Points:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in line]


def _hex(nodule: Nodule) -> str:
    return "#" + bytes(colour_of(nodule.id)).hex()
