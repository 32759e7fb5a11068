"""One page that says it all: result, nodule table, lungs, views and warnings, drawn for a dark reading room."""

from __future__ import annotations

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
    picture_of,
    shade,
    text_width,
    wrapped,
    write,
)
from node.results.pictures import models_line, nodule_picture
from node.results.rendering import render_lungs
from node.results.views import Plane, Upright, aspect, plane_of, projection_view, upright
from node.results.wording import (
    NO_NODULE,
    all_warnings,
    category_text,
    nodule_row,
    score_meanings,
    unknown_inputs,
)

# Landscape, because the viewport of a PACS viewer is: at 1600 x 1200 the smallest text stays
# readable on a Full HD monitor. All numbers below are pixels of this page.
PAGE_SIZE = (1600, 1200)
_LEFT, _MIDDLE, _RIGHT = 40, 1060, 1560  # left column 40..1060, right column 1100..1560
_RIGHT_COLUMN = 1100
_LINE = (48, 56, 66, 255)
_PANEL = (22, 28, 36, 255)
_MOST_ROWS, _ROW = 9, 36
_THUMBNAILS, _THUMBNAIL = 4, 240
_TALLEST_PLANE, _LOWEST_PLANE = 330, 150
_SMALL = 15
# Table columns: heading, field of NoduleRow, x, anchored on the left or the right.
_COLUMNS = (
    ("No.", "number", 60, "l"),
    ("Place", "place", 100, "l"),
    ("Type", "type", 272, "l"),
    ("Mean mm", "mean_mm", 500, "r"),
    ("Axes mm", "axes_mm", 615, "r"),
    ("mm³", "volume_mm3", 685, "r"),
    ("Prob.", "probability", 752, "r"),
    ("Brock", "brock", 868, "r"),
    ("Susp.", "suspicion", 928, "r"),
    ("Lung-RADS", "lung_rads", 1056, "r"),
)


def summary_page(series: AssembledSeries, findings: Findings) -> Picture:
    """Draw the summary page, (1200, 1600, 3) uint8 RGB. Nothing that tells who the patient is is drawn."""
    canvas = Image.new("RGBA", PAGE_SIZE, (*BACKGROUND, 255))
    view = upright(series.volume, findings.lungs)
    _title(canvas)
    _headline(canvas, findings)
    bottom = _table(canvas, findings) if findings.nodules else _no_nodule(canvas)
    close_ups = [nodule_picture(series, nodule, _THUMBNAIL) for nodule in _largest(findings)]
    captions = [(f"{n.id}   {n.measurement.mean_diameter_mm:.1f} mm", colour_of(n.id)) for n in _largest(findings)]
    bottom = _row_of_pictures(canvas, bottom + 20, close_ups, captions)
    print_height = _small_print(Image.new("RGBA", PAGE_SIZE), 0, series, findings)
    bottom = _planes(canvas, bottom, PAGE_SIZE[1] - 24 - print_height, findings, view)
    _small_print(canvas, bottom + 10, series, findings)
    _right_column(canvas, series, findings, view)
    return picture_of(canvas)


def _title(canvas: Image.Image) -> None:
    _text(canvas, (_LEFT, 30), "Chest CT: lungs and nodules", 32, WHITE, bold=True)
    width = text_width(DISCLAIMER, 22, bold=True)
    shade(canvas, (_RIGHT - width - 40, 24, _RIGHT, 74), (*AMBER, 255))
    _text(canvas, (_RIGHT - 20, 49), DISCLAIMER, 22, (20, 20, 20), anchor="rm", bold=True)
    shade(canvas, (_LEFT, 90, _RIGHT, 92), _LINE)


def _headline(canvas: Image.Image, findings: Findings) -> None:
    """Three panels: category, count, lung volumes; the reason for the category below."""
    lungs = findings.lungs
    panels = (
        ("Lung-RADS v2022", category_text(findings.lung_rads), ""),
        ("Nodules marked", str(len(findings.nodules) or "none"), ""),
        ("Lung volume", f"{lungs.volume_ml:.0f} ml", f"R {lungs.right_ml:.0f}, L {lungs.left_ml:.0f} ml"),
    )
    for number, (name, value, more) in enumerate(panels):
        left = _LEFT + number * 347
        shade(canvas, (left, 110, left + 326, 206), _PANEL)
        _text(canvas, (left + 16, 120), name, 17, GREY)
        _text(canvas, (left + 16, 176), value, 30, WHITE, anchor="ls", bold=True)
        _text(canvas, (left + 310, 176), more, 15, GREY, anchor="rs")
    _paragraph(canvas, (_LEFT, 218), findings.lung_rads.basis, 17, GREY, most=2)


def _table(canvas: Image.Image, findings: Findings) -> float:
    """The nodules, most probable first; give the lower edge."""
    y = 274.0
    for heading, _, x, side in _COLUMNS:
        _text(canvas, (x, y), heading, 15, GREY, anchor=f"{side}a")
    y += 26
    for nodule in findings.nodules[:_MOST_ROWS]:
        _table_row(canvas, y, nodule)
        y += _ROW
    more = len(findings.nodules) - _MOST_ROWS
    if more > 0:
        _text(canvas, (_LEFT, y + 4), f"and {more} more in the structured report", 17, AMBER)
        y += _ROW
    return y


def _table_row(canvas: Image.Image, y: float, nodule: Nodule) -> None:
    shade(canvas, (_LEFT, y - 1, _MIDDLE, y), _LINE)
    shade(canvas, (_LEFT, y + 5, _LEFT + 6, y + _ROW - 6), (*colour_of(nodule.id), 255))
    row = nodule_row(nodule)
    for _, name, x, side in _COLUMNS:
        text = str(getattr(row, name))
        size = 17 if name != "type" or text_width(text, 17) < 190 else 14
        bold = name in {"number", "mean_mm"}
        _text(canvas, (x, y + _ROW / 2), text, size, WHITE, anchor=f"{side}m", bold=bold)


def _no_nodule(canvas: Image.Image) -> float:
    shade(canvas, (_LEFT, 280, _MIDDLE, 350), _PANEL)
    _text(canvas, (_LEFT + 20, 315), NO_NODULE, 22, WHITE, anchor="lm", bold=True)
    return 360


def _largest(findings: Findings) -> list[Nodule]:
    """The nodules that are shown from near, in the order of the table."""
    by_size = sorted(findings.nodules, key=lambda nodule: -nodule.measurement.mean_diameter_mm)
    return sorted(by_size[:_THUMBNAILS], key=lambda nodule: nodule.id)


def _planes(canvas: Image.Image, top: float, lowest: float, findings: Findings, view: Upright) -> float:
    """Three planes of one height through the most probable nodule (ids fall with it), where there is room."""
    shares = [aspect(view, plane) for plane in Plane]
    height = min(_TALLEST_PLANE, lowest - top - 60, (_MIDDLE - _LEFT - 40) / sum(shares))
    if height < _LOWEST_PLANE:
        return top
    pictures = [
        plane_of(view, findings, plane, int(share * height)) for plane, share in zip(Plane, shares, strict=True)
    ]
    subject = "through nodule 1" if findings.nodules else "through the middle of the lungs"
    captions = [
        (f"{plane.name.lower()}, {subject}" if plane is Plane.AXIAL else plane.name.lower(), GREY) for plane in Plane
    ]
    return _row_of_pictures(canvas, top + 20, pictures, captions)


def _row_of_pictures(
    canvas: Image.Image, top: float, pictures: list[Picture], captions: list[tuple[str, Colour]]
) -> float:
    """Lay pictures side by side with their captions below; give the lower edge."""
    if not pictures:
        return top - 20
    left = float(_LEFT)
    for picture, (caption, colour) in zip(pictures, captions, strict=True):
        canvas.paste(canvas_of(picture), (round(left), round(top)))
        _text(canvas, (left, top + picture.shape[0] + 5), caption, 15, colour, bold=True)
        left += picture.shape[1] + 20
    return top + max(len(picture) for picture in pictures) + 26


def _small_print(canvas: Image.Image, y: float, series: AssembledSeries, findings: Findings) -> float:
    """Warnings, what the risk does not know, models; give the lower edge. What does not fit is said to be elsewhere."""
    paragraphs = [(models_line(findings), GREY)]
    if unknown := unknown_inputs(findings):
        paragraphs.append((f"Brock model 2a; not known, so given as a range: {', '.join(unknown)}.", GREY))
    paragraphs += [(f"Susp.: probability of being {meaning}.", GREY) for meaning in score_meanings(findings)]
    paragraphs += [(text, AMBER) for text in all_warnings(findings, series.notes)]
    for number, (text, colour) in enumerate(paragraphs):
        room = int((PAGE_SIZE[1] - 16 - y) // (_SMALL * 1.4))
        if room < 2 and number < len(paragraphs) - 1:
            return _paragraph(
                canvas, (_LEFT, y), "More warnings stand in the structured report.", _SMALL, AMBER, most=1
            )
        y = _paragraph(canvas, (_LEFT, y), text, _SMALL, colour, most=max(1, room)) + 4
    return y


def _right_column(canvas: Image.Image, series: AssembledSeries, findings: Findings, view: Upright) -> None:
    """Through the lungs from the front and from below, and the lungs in 3D, each in its own third."""
    width = _RIGHT - _RIGHT_COLUMN
    thirds = (
        (projection_view(view, Plane.CORONAL, findings.nodules, width), "Coronal, highest HU in the lungs"),
        (projection_view(view, Plane.AXIAL, findings.nodules, width), "Axial, highest HU in the lungs"),
        (render_lungs(findings.lungs, series.volume, findings.nodules, 0.0, 340), "Lungs from the front"),
    )
    y = 110
    for (picture, caption), height in zip(thirds, (380, 300, 340), strict=True):
        _fitted(canvas, picture, (_RIGHT_COLUMN, y, _RIGHT, y + height))
        _text(canvas, (_RIGHT_COLUMN, y + height + 3), caption, 14, GREY)
        y += height + 24


def _fitted(canvas: Image.Image, picture: Picture, box: Box) -> None:
    """Lay a picture into the middle of a black box, shrunk where it is too large."""
    left, top, right, bottom = (int(edge) for edge in box)
    image = canvas_of(picture)
    image.thumbnail((right - left, bottom - top), Image.Resampling.LANCZOS)
    fill = tuple(int(value) for value in np.asarray(image)[0, 0])
    shade(canvas, box, (fill[0], fill[1], fill[2], 255))
    canvas.paste(image, (left + (right - left - image.width) // 2, top + (bottom - top - image.height) // 2))


def _paragraph(
    canvas: Image.Image, at: tuple[float, float], text: str, size: int, colour: Colour, *, most: int
) -> float:
    """Write a text broken to the left column, at most ``most`` lines; give the y below it."""
    lines = wrapped(text, size, _MIDDLE - at[0])
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} ..."]
    for number, line in enumerate(lines):
        _text(canvas, (at[0], at[1] + number * size * 1.4), line, size, colour)
    return at[1] + len(lines) * size * 1.4


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
