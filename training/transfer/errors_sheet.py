"""Pictures of what the network said about single images: each image beside the bars of its most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from training.page import figure_png, new_figure

_COLUMNS = 3


@dataclass(frozen=True, eq=False)
class Said:
    """One image, its most probable classes with their probabilities, falling, and the true class where it is known."""

    image: Image.Image
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    truth: str | None = None


def sheet_png(cases: Sequence[Said]) -> bytes:
    """Draw all cases; the bar of the true class is green."""
    rows = -(-len(cases) // _COLUMNS)
    figure = new_figure(3.6 * _COLUMNS, 1.9 * rows)
    panels = figure.subplots(rows, 2 * _COLUMNS, squeeze=False).ravel()
    for panel in panels[2 * len(cases) :]:
        panel.set_axis_off()
    for number, case in enumerate(cases):
        _draw(panels[2 * number], panels[2 * number + 1], case)
    return figure_png(figure)


def _draw(picture: Any, bars: Any, case: Said) -> None:
    picture.imshow(np.asarray(case.image))
    picture.set_axis_off()
    picture.set_title(case.truth or "", fontsize=9)
    colours = ["#2a9d5c" if name == case.truth else "#0b5fa5" for name in case.classes]
    bars.barh(range(len(case.classes)), case.probabilities, color=colours)
    bars.set_yticks(range(len(case.classes)), case.classes, fontsize=8)
    bars.set(xlim=(0, 1))
    bars.invert_yaxis()
