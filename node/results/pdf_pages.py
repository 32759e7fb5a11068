"""The report on paper: the content of report.html on A4 pages, as the bytes of a PDF file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from reportlab.lib.colors import Color
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from node.results.context import MANUFACTURER, MODEL_NAME
from node.results.drawing import Colour
from node.results.page_content import COLUMNS, HASH_DIGITS, WORD_COLUMNS, ContentRow, Headline, PageContent
from node.results.pdf_type import AMBER, LINE, PANEL, SMALL, PaperType, markup, paper_type
from node.results.wording import NO_NODULE

# Lengths in points of 1/72 inch, as the library has them.
_MARGIN: Final = 12 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_BAND: Final = 9 * mm  # the disclaimer at the head of every page
_FOOT: Final = 13 * mm
_GAP: Final = 3 * mm
_COLUMN_MM = (8, 20, 20.5, 18, 19, 14, 12, 17, 19, 16, 22.5)  # of the nodule table, as COLUMNS; together the width
_MODEL_MM = (30, 14, 70, 46, 26)
_TALLEST_MAP, _CLOSE_UP = 62 * mm, 28.4 * mm
_FRAME_PADDING = 6  # the library's own, inside the margins


@dataclass(frozen=True)
class PagePicture:
    """A picture as JPEG with its width over its height, and what stands below it."""

    jpeg: bytes
    aspect: float
    caption: str
    colour: Colour | None = None


def render_pdf(content: PageContent, maps: Sequence[PagePicture], close_ups: Sequence[PagePicture]) -> bytes:
    """Lay the content out; the same content gives the same bytes.

    Parameters
    ----------
    maps
        Large pictures that show where the nodules are, in one row.
    close_ups
        Small pictures, one per nodule, as many to a row as fit.

    Returns
    -------
    A PDF 1.4 file: disclaimer at the head of every page, no patient anywhere.
    """
    look = paper_type(content.language)
    frames = [replace(picture, jpeg=b"") for picture in maps], [replace(picture, jpeg=b"") for picture in close_ups]
    count, _ = _built(content, look, _story(content, look, *frames), 0)
    return _built(content, look, _story(content, look, maps, close_ups), count)[1]


def _built(content: PageContent, look: PaperType, story: list[Flowable], count: int) -> tuple[int, bytes]:
    """The number of pages and the file; ``count`` is what the pages say how many there are."""
    buffer = io.BytesIO()

    def on_page(canvas: Any, document: Any) -> None:
        _page_frame(canvas, content, look, (document.page, count))

    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME_PADDING,
        rightMargin=_MARGIN - _FRAME_PADDING,
        topMargin=_BAND + 2 * mm,
        bottomMargin=_FOOT,
        title=content.say("Chest CT: lungs and nodules"),
        author=MANUFACTURER,
        subject=content.disclaimer,
        creator=MODEL_NAME,
        lang=str(content.language),
        invariant=1,  # no date and no random identifier in the file
    )
    document.build(story, onFirstPage=on_page, onLaterPages=on_page)
    return document.page, buffer.getvalue()


def _story(
    content: PageContent, look: PaperType, maps: Sequence[PagePicture], close_ups: Sequence[PagePicture]
) -> list[Flowable]:
    say, remarks = content.say, [Paragraph(markup(text), look.small) for text in content.remarks]
    nodules = [_nodule_table(content, look), *remarks] if content.rows else _listed([say(NO_NODULE)], look)
    return [
        Paragraph(markup(say("Chest CT: lungs and nodules")), look.title),
        _headlines(content.headlines, look),
        *_section(say("Read this first"), _listed(content.warnings, look), look),
        *_section(say("Nodules"), nodules, look),
        *_section(say("Risk and follow-up"), _listed(content.advice, look), look),
        *_section(
            say("Where the nodules are" if content.rows else "Looking through the lungs"),
            _in_rows(maps, _map_height(maps), look),
            look,
        ),
        *_section(say("Each nodule from near"), _in_rows(close_ups, _CLOSE_UP, look), look),
        *_section(say("Limits"), _listed(content.limits, look), look),
        *_section(say("Models"), [_model_table(content, look)], look),
        *_section(say("Where the time went"), [_times(content, look)] if content.timings else [], look),
    ]


def _listed(sentences: Sequence[str], look: PaperType) -> list[Flowable]:
    return [Paragraph(f"•&nbsp; {markup(text)}", look.text) for text in sentences]


def _section(heading: str, parts: Sequence[Flowable], look: PaperType) -> list[Flowable]:
    """A heading stays with what follows it; a section without parts is left out."""
    if not parts:
        return []
    return [Spacer(0, _GAP), KeepTogether([Paragraph(markup(heading), look.heading), parts[0]]), *parts[1:]]


def _headlines(headlines: Sequence[Headline], look: PaperType) -> Table:
    cells = [
        [
            Paragraph(markup(h.name), look.small),
            Paragraph(markup(h.value), look.big),
            Paragraph(markup(h.more), look.small),
        ]
        for h in headlines
    ]
    width = _WIDTH / len(cells)
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), PANEL),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEAFTER", (0, 0), (-2, -1), 3, Color(1, 1, 1)),
    ]
    return Table([cells], colWidths=[width] * len(cells), style=style)


def _nodule_table(content: PageContent, look: PaperType) -> Table:
    """Repeats its headings on every page; a bar in the colour of the marks stands before each row."""
    styles = [look.cell if place < WORD_COLUMNS else look.figure for place in range(len(COLUMNS))]
    head = [
        Paragraph(f"<font name='{look.bold}' size='{SMALL - 0.6}'>{markup(content.say(heading))}</font>", style)
        for heading, style in zip(COLUMNS.values(), styles, strict=True)
    ]
    rows = [
        [Paragraph(markup(cell), style) for cell, style in zip(_cells(item), styles, strict=True)]
        for item in content.rows
    ]
    bars = [
        ("LINEBEFORE", (0, place), (0, place), 3, _css(item.colour)) for place, item in enumerate(content.rows, start=1)
    ]
    return Table([head, *rows], [width * mm for width in _COLUMN_MM], repeatRows=1, style=[*_LINED, *bars])


def _cells(item: ContentRow) -> list[str]:
    texts = {name: str(getattr(item.row, name)) for name in COLUMNS}
    texts["mean_mm"] = f"{item.row.mean_mm} {item.row.sure_mm}".strip()
    return list(texts.values())


def _model_table(content: PageContent, look: PaperType) -> Table:
    names = [content.say(name) for name in ("Name", "Version", "Learned from", "Intended use")] + ["sha256"]
    head = [Paragraph(f"<font name='{look.bold}'>{markup(name)}</font>", look.small) for name in names]
    rows = [
        [
            Paragraph(markup(text), look.small)
            for text in (m.name, m.version, m.training_data, m.intended_use, m.sha256[:HASH_DIGITS])
        ]
        for m in content.findings.models
    ]
    return Table([head, *rows], [width * mm for width in _MODEL_MM], repeatRows=1, style=_LINED)


def _times(content: PageContent, look: PaperType) -> Paragraph:
    said = [f"{name.replace('_', ' ')} {seconds:.2f} s" for name, seconds in content.timings]
    return Paragraph(markup("; ".join(said)), look.text)


def _map_height(maps: Sequence[PagePicture]) -> float:
    """The height at which all maps stand in one row."""
    room = _WIDTH - _GAP * (len(maps) - 1)
    return float(min(_TALLEST_MAP, room / sum(picture.aspect for picture in maps)))


def _in_rows(pictures: Sequence[PagePicture], height: float, look: PaperType) -> list[Flowable]:
    """Pictures of one height side by side, as many as fit, each with its caption."""
    rows: list[list[PagePicture]] = []
    used = _WIDTH
    for picture in pictures:
        width = picture.aspect * height + _GAP
        if used + width > _WIDTH + _GAP:
            rows, used = [*rows, []], 0.0
        rows[-1].append(picture)
        used += width
    return [_picture_row(row, height, look) for row in rows]


def _picture_row(row: Sequence[PagePicture], height: float, look: PaperType) -> Table:
    images = [_image(picture, height) for picture in row]
    captions = [Paragraph(_chip(p.colour) + markup(p.caption), look.small) for p in row]
    widths = [p.aspect * height + _GAP for p in row]
    padding = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), _GAP)]
    vertical = [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
    return Table([images, captions], widths, hAlign="LEFT", style=[*padding, *vertical])


def _image(picture: PagePicture, height: float) -> Flowable:
    """The picture, or its room where only pages are counted."""
    width = picture.aspect * height
    return Image(io.BytesIO(picture.jpeg), width, height) if picture.jpeg else Spacer(width, height)


def _chip(colour: Colour | None) -> str:
    """A small square in the colour of the marks."""
    return "" if colour is None else f"<font color='#{bytes(colour).hex()}'>■</font> "


def _page_frame(canvas: Any, content: PageContent, look: PaperType, page: tuple[int, int]) -> None:
    """The disclaimer above, program, series and page number below; on every page."""
    width, height = A4
    canvas.saveState()
    canvas.setFillColor(AMBER)
    canvas.rect(0, height - _BAND, width, _BAND, stroke=0, fill=1)
    number = content.say("Page {number} of {count}", number=page[0], count=page[1])
    _draw(canvas, Paragraph(markup(content.disclaimer), look.band), height - _BAND + 3 * mm)
    _draw(canvas, Paragraph("<br/>".join(map(markup, content.footer)), look.foot), 4 * mm)
    _draw(canvas, Paragraph(markup(number), look.page), 4 * mm)
    canvas.restoreState()


def _draw(canvas: Any, paragraph: Paragraph, bottom: float) -> None:
    paragraph.wrapOn(canvas, _WIDTH, A4[1])
    paragraph.drawOn(canvas, _MARGIN, bottom)


_LINED = (
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 4),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
)


def _css(colour: Colour) -> Color:
    return Color(*(share / 255 for share in colour))
