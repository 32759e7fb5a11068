"""One page that says it all: result, nodule table, lungs, views and warnings, drawn for a dark reading room.

The page is square, because a viewer fits it into a viewport of unknown shape, and no text is smaller
than ``legible_px`` says: shown on 512 x 512 pixels it can still be read.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from models.findings import Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.drawing import (
    AMBER,
    BACKGROUND,
    GREY,
    WHITE,
    Box,
    Colour,
    Picture,
    canvas_of,
    colour_of,
    drawable_language,
    legible_px,
    picture_of,
    shade,
    text_width,
    wrapped,
    write,
)
from node.results.language import say, translated
from node.results.location_map import location_view
from node.results.pictures import label_of, models_line, nodule_picture
from node.results.rendering import render_lungs
from node.results.summary_table import draw_table
from node.results.views import Plane, Upright, aspect, plane_of, projection_view, upright
from node.results.wording import NO_NODULE, all_warnings, category_text, score_meanings, unknown_inputs

# All numbers below are pixels of this page.
PAGE_SIZE: Final = (1024, 1024)
LEAST_TEXT_PX: Final = legible_px(PAGE_SIZE)
_LEFT, _RIGHT, _LOWEST = 24, 1000, 1012
_LINE_HEIGHT = 1.32
_PANEL = (22, 28, 36, 255)
_TABLE_LOWEST = 600
_GAP = 12
_QUARTER = (_RIGHT - _LEFT - 3 * _GAP) // 4
_CAPTION = round(LEAST_TEXT_PX * 1.5)
_MOST_PRINT_LINES = 6  # of the small print, where close-ups want the room
_LEAST_CLOSE_UP = 130


def summary_page(series: AssembledSeries, findings: Findings, language: str = "en") -> Picture:
    """Draw the summary page, (1024, 1024, 3) uint8 RGB. Nothing that tells who the patient is is drawn."""
    language = drawable_language(language)
    canvas = Image.new("RGBA", PAGE_SIZE, (*BACKGROUND, 255))
    view = upright(series.volume, findings.lungs)
    _title(canvas, language)
    bottom = _headline(canvas, findings, language)
    bottom = _result(canvas, bottom, findings, language)
    bottom = _row_of_pictures(canvas, bottom + _GAP, _lungs(series, findings, view, language), _QUARTER)
    print_lines = _small_print(series, findings, language)
    reserved = min(len(print_lines), _MOST_PRINT_LINES) * LEAST_TEXT_PX * _LINE_HEIGHT
    size = min(_QUARTER, int(_LOWEST - reserved - bottom - 2 * _GAP - _CAPTION))
    if size >= _LEAST_CLOSE_UP:
        bottom = _row_of_pictures(canvas, bottom + _GAP, _close_ups(series, findings, view, size), size)
    _print(canvas, bottom + _GAP, print_lines, language)
    return picture_of(canvas)


def _title(canvas: Image.Image, language: str) -> None:
    _text(canvas, (_LEFT, 10), say(language, "Chest CT: lungs and nodules"), 28, WHITE, bold=True)
    shade(canvas, (_LEFT, 52, _RIGHT, 94), (*AMBER, 255))
    said = translated(language, DISCLAIMER)
    _text(canvas, ((_LEFT + _RIGHT) / 2, 73), said, 26, (20, 20, 20), anchor="mm", bold=True)


def _headline(canvas: Image.Image, findings: Findings, language: str) -> float:
    """Three panels: category, count, lung volumes; the reason for the category below. Give the lower edge."""
    lungs = findings.lungs
    volumes = say(language, "R {right}, L {left} ml", right=f"{lungs.right_ml:.0f}", left=f"{lungs.left_ml:.0f}")
    none = say(language, "none")
    panels = (
        (_LEFT, 314, "Lung-RADS v2022", category_text(findings.lung_rads, language), ""),
        (330, 560, say(language, "Nodules marked"), str(len(findings.nodules) or none), ""),
        (576, _RIGHT, say(language, "Lung volume"), f"{lungs.volume_ml:.0f} ml", volumes),
    )
    for start, end, name, value, more in panels:
        shade(canvas, (start, 104, end, 182), _PANEL)
        _text(canvas, (start + 14, 110), name, LEAST_TEXT_PX, GREY)
        size = next((px for px in (30, 26, 22) if text_width(value, px, bold=True) < end - start - 28), LEAST_TEXT_PX)
        _text(canvas, (start + 14, 174), value, size, WHITE, anchor="ls", bold=True)
        _text(canvas, (end - 14, 174), more, LEAST_TEXT_PX, GREY, anchor="rs")
    basis = _cut(wrapped(translated(language, findings.lung_rads.basis), LEAST_TEXT_PX, _RIGHT - _LEFT), 2)
    for number, line in enumerate(basis):
        _text(canvas, (_LEFT, 190 + number * LEAST_TEXT_PX * _LINE_HEIGHT), line, LEAST_TEXT_PX, GREY)
    return 190 + len(basis) * LEAST_TEXT_PX * _LINE_HEIGHT


def _result(canvas: Image.Image, top: float, findings: Findings, language: str) -> float:
    """The nodules as a table, or that none was marked; give the lower edge."""
    if findings.nodules:
        return draw_table(canvas, (_LEFT, top + 4, _RIGHT, _TABLE_LOWEST), findings, LEAST_TEXT_PX, language)
    shade(canvas, (_LEFT, top + 4, _RIGHT, top + 64), _PANEL)
    _text(canvas, (_LEFT + 16, top + 34), translated(language, NO_NODULE), 24, WHITE, anchor="lm", bold=True)
    return top + 64


def _lungs(
    series: AssembledSeries, findings: Findings, view: Upright, language: str
) -> list[tuple[Picture, str, Colour]]:
    """Through the lungs from the front and from below, the places of the nodules, the lungs in 3D."""
    nodules, text_px = findings.nodules, LEAST_TEXT_PX
    coronal, axial = (projection_view(view, p, nodules, _QUARTER, text_px) for p in (Plane.CORONAL, Plane.AXIAL))
    solid = render_lungs(findings.lungs, series.volume, nodules, 0.0, _QUARTER, text_px)
    return [
        (coronal, say(language, "Coronal, highest HU"), GREY),
        (axial, say(language, "Axial, highest HU"), GREY),
        (location_view(view, nodules, _QUARTER, text_px), say(language, "Places, in thirds"), GREY),
        (solid, say(language, "3D, from the front"), GREY),
    ]


def _close_ups(
    series: AssembledSeries, findings: Findings, view: Upright, size: int
) -> list[tuple[Picture, str, Colour]]:
    """The largest nodules in the order of the table; without nodules three planes through the lungs."""
    by_size = sorted(findings.nodules, key=lambda nodule: -nodule.measurement.mean_diameter_mm)
    room = (_RIGHT - _LEFT + _GAP) // (size + _GAP)
    largest: list[Nodule] = sorted(by_size[:room], key=lambda nodule: nodule.id)
    if largest:
        return [(nodule_picture(series, n, size), label_of(n), colour_of(n.id)) for n in largest]
    widths = [min(size, int(aspect(view, plane) * size)) for plane in Plane]
    return [
        (plane_of(view, findings, p, width, LEAST_TEXT_PX), "", GREY) for p, width in zip(Plane, widths, strict=True)
    ]


def _row_of_pictures(canvas: Image.Image, top: float, pictures: list[tuple[Picture, str, Colour]], size: int) -> float:
    """Lay pictures side by side, each in the middle of its square, with their captions below; give the lower edge."""
    for number, (picture, caption, colour) in enumerate(pictures):
        left = _LEFT + number * (size + _GAP)
        _fitted(canvas, picture, (left, top, left + size, top + size))
        _text(canvas, (left, top + size + 3), caption, LEAST_TEXT_PX, colour)
    return top + size + _CAPTION


def _fitted(canvas: Image.Image, picture: Picture, box: Box) -> None:
    """Lay a picture into the middle of a box of its own background, shrunk where it is too large."""
    left, top, right, bottom = (int(edge) for edge in box)
    image = canvas_of(picture)
    image.thumbnail((right - left, bottom - top), Image.Resampling.LANCZOS)
    fill = tuple(int(value) for value in np.asarray(image)[0, 0])
    shade(canvas, box, (fill[0], fill[1], fill[2], 255))
    canvas.paste(image, (left + (right - left - image.width) // 2, top + (bottom - top - image.height) // 2))


def _small_print(series: AssembledSeries, findings: Findings, language: str) -> list[tuple[str, Colour]]:
    """Lines: the models, the warnings, then what the figures mean and do not know."""
    texts = [(models_line(findings), GREY)]
    texts += [(text, AMBER) for text in all_warnings(findings, series.notes, language)]
    if unknown := unknown_inputs(findings, language):
        said = say(language, "Brock model 2a; not known, so given as a range: {names}.", names=", ".join(unknown))
        texts.append((said, GREY))
    for meaning in score_meanings(findings, language):
        said = say(language, "Prob.: that a mark is a nodule. Susp.: of being {meaning}.", meaning=meaning)
        texts.append((said, GREY))
    width = _RIGHT - _LEFT
    return [(line, colour) for text, colour in texts for line in wrapped(text, LEAST_TEXT_PX, width)]


def _print(canvas: Image.Image, top: float, lines: list[tuple[str, Colour]], language: str) -> None:
    """Write what fits; what does not is said to be elsewhere."""
    step = LEAST_TEXT_PX * _LINE_HEIGHT
    most = int((_LOWEST - top) // step)
    if len(lines) > most:
        lines = [*lines[: most - 1], (say(language, "More warnings stand in the structured report."), AMBER)]
    for number, (line, colour) in enumerate(lines):
        _text(canvas, (_LEFT, top + number * step), line, LEAST_TEXT_PX, colour)


def _cut(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."]


def _text(
    canvas: Image.Image,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    anchor: str = "la",
    bold: bool = False,
) -> None:
    write(canvas, at, text, size, colour, anchor=anchor, bold=bold, halo=False)
