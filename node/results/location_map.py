"""A map of where the nodules are: the outline of the lungs from the front, in thirds, a disc for each nodule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.findings import LungLabel, Nodule
from node.results.drawing import GREY, Picture, colour_of, picture_of, stroke
from node.results.views import (
    Flat,
    Plane,
    Upright,
    flat_canvas,
    flat_of,
    letter_edges,
    number_nodules,
    numbered_mark,
    ring,
)

_LUNG_GREY: Final = 70
_LEAST_DISC_PX: Final = 5.0  # radius; a smaller nodule is drawn this large, else nobody sees it


def location_view(view: Upright, nodules: Sequence[Nodule], width: int, text_px: int) -> Picture:
    """Map the lungs from the front, with thirds, and a numbered disc for each nodule, (H, ``width``, 3) RGB."""
    shadow = np.bitwise_or.reduce(view.lungs[view.span], axis=Plane.CORONAL.along)  # bit 0 right lung, bit 1 left
    flat = flat_of(view, Plane.CORONAL, np.where(shadow > 0, _LUNG_GREY, 0).astype(np.uint8), width)
    canvas = flat_canvas(flat)
    stroke(canvas, _thirds(view, shadow, flat), GREY, 1.0)
    marks = []
    for nodule in nodules:
        radius = max(_LEAST_DISC_PX, nodule.measurement.mean_diameter_mm / 2 * flat.pixels_per_mm)
        x, y = flat.xy(view.volume.to_index(nodule.center_lps_mm))
        stroke(canvas, [[(x, y - 0.01), (x, y + 0.01)], ring((x, y), radius / 2)], colour_of(nodule.id), radius)
        marks.append(numbered_mark(nodule, (x, y), radius + 1, text_px))
    number_nodules(canvas, nodules, marks, text_px, letter_edges(canvas, Plane.CORONAL, text_px))
    return picture_of(canvas)


def _thirds(view: Upright, shadow: npt.NDArray[np.uint8], flat: Flat) -> list[npt.NDArray[np.float64]]:
    """Lines between the thirds of each lung, of equal height as ``models.place.third_of`` has them."""
    first, lines = [part.start for part in view.span], []
    for label in (LungLabel.RIGHT, LungLabel.LEFT):
        heights, columns = np.nonzero(shadow & label)
        for share in (1 / 3, 2 / 3) if heights.size else ():
            z = heights.min() + share * (heights.max() - heights.min())
            ends = ((z, 0, columns.min()), (z, 0, columns.max()))
            lines.append(np.array([flat.xy(np.add(end, first)) for end in ends]))
    return lines
