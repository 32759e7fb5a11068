"""The report on paper: the content of report.html on A4 pages, as the bytes of a PDF file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib as mpl
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from node.results.context import MANUFACTURER, MODEL_NAME
from node.results.drawing import Colour
from node.results.page_content import COLUMNS, ContentRow, Headline, PageContent

# Lengths in points of 1/72 inch, as the library has them.
_MARGIN: Final = 12 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_BAND: Final = 9 * mm  # the disclaimer at the head of every page
_FOOT: Final = 13 * mm
_TEXT, _TABLE, _SMALL = 8.5, 7.6, 7.2
_GAP: Final = 3 * mm
_INK, _SOFT, _LINE, _PANEL = HexColor(0x17202A), HexColor(0x55616E), HexColor(0xC9D2DB), HexColor(0xF1F4F7)
_AMBER, _AMBER_INK = HexColor(0xFFC857), HexColor(0x1D1600)
_COLUMN_MM = (8, 21, 21, 18, 18, 14, 10, 18, 20, 17, 21)  # of the nodule table, as COLUMNS; together the page's width
_MODEL_MM = (30, 14, 70, 46, 26)
_WORD_COLUMNS = 3  # the first columns of the nodule table hold words, the others figures
_HASH_DIGITS = 12
_TALLEST_MAP, _CLOSE_UP = 62 * mm, 28.4 * mm
_FRAME_PADDING = 6  # the library's own, inside the margins
_CHINESE_FONT = "STSong-Light"  # Adobe GB1; PDF readers bring it, so that nothing is embedded


@dataclass(frozen=True)
class PagePicture:
    """A picture as JPEG with its width over its height, and what stands below it."""

    jpeg: bytes
    aspect: float
    caption: str
    colour: Colour | None = None


@dataclass(frozen=True)
class _Type:
    """The styles of one language."""

    text: ParagraphStyle
    small: ParagraphStyle
    cell: ParagraphStyle
    figure: ParagraphStyle
    heading: ParagraphStyle
    title: ParagraphStyle
    big: ParagraphStyle
    bold: str


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
    count, _ = _built(content, maps, close_ups, 0)
    return _built(content, maps, close_ups, count)[1]


def _built(
    content: PageContent, maps: Sequence[PagePicture], close_ups: Sequence[PagePicture], count: int
) -> tuple[int, bytes]:
    """The number of pages and the file; ``count`` is what the pages say how many there are."""
    look, buffer = _type_of(content.words["lang"]), io.BytesIO()

    def on_page(canvas: Any, document: Any) -> None:
        _page_frame(canvas, content, look, (document.page, count))

    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME_PADDING,
        rightMargin=_MARGIN - _FRAME_PADDING,
        topMargin=_BAND + 2 * mm,
        bottomMargin=_FOOT,
        title=content.words["title"],
        author=MANUFACTURER,
        subject=content.disclaimer,
        creator=MODEL_NAME,
        lang=content.words["lang"],
        invariant=1,  # no date and no random identifier in the file
    )
    document.build(_story(content, look, maps, close_ups), onFirstPage=on_page, onLaterPages=on_page)
    return document.page, buffer.getvalue()


def _story(
    content: PageContent, look: _Type, maps: Sequence[PagePicture], close_ups: Sequence[PagePicture]
) -> list[Flowable]:
    words = content.words
    warnings = [Paragraph(f"•&nbsp; {escape(text)}", look.text) for text in content.warnings]
    advice = [Paragraph(escape(text), look.text) for text in content.advice]
    remarks = [Paragraph(escape(text), look.small) for text in content.remarks]
    limits = [Paragraph(f"•&nbsp; {escape(text)}", look.text) for text in content.limits]
    nodules = [_nodule_table(content, look), *remarks] if content.rows else [Paragraph(words["no_nodule"], look.big)]
    return [
        Paragraph(escape(words["title"]), look.title),
        _headlines(content.headlines, look),
        *_section(words["read_first"], warnings, look),
        *_section(words["nodules"], nodules, look),
        *_section(words["advice"], advice, look),
        *_section(words["through"], _in_rows(maps, _map_height(maps), look), look),
        *_section(words["close_ups"], _in_rows(close_ups, _CLOSE_UP, look), look),
        *_section(words["limits"], limits, look),
        *_section(words["models"], [_model_table(content, look)], look),
        *_section(words["times"], [_times(content, look)] if content.timings else [], look),
    ]


def _section(heading: str, parts: Sequence[Flowable], look: _Type) -> list[Flowable]:
    """A heading stays with what follows it; a section without parts is left out."""
    if not parts:
        return []
    return [Spacer(0, _GAP), KeepTogether([Paragraph(escape(heading), look.heading), parts[0]]), *parts[1:]]


def _headlines(headlines: Sequence[Headline], look: _Type) -> Table:
    cells = [
        [
            Paragraph(escape(h.name), look.small),
            Paragraph(escape(h.value), look.big),
            Paragraph(escape(h.more), look.small),
        ]
        for h in headlines
    ]
    width = _WIDTH / len(cells)
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), _PANEL),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEAFTER", (0, 0), (-2, -1), 3, Color(1, 1, 1)),
    ]
    return Table([cells], colWidths=[width] * len(cells), style=style)


def _nodule_table(content: PageContent, look: _Type) -> Table:
    """Repeats its headings on every page; a bar in the colour of the marks stands before each row."""
    words = content.words
    styles = [look.cell if place < _WORD_COLUMNS else look.figure for place in range(len(COLUMNS))]
    head = [
        Paragraph(f"<font name='{look.bold}' size='{_SMALL - 0.6}'>{escape(words[name])}</font>", style)
        for name, style in zip(COLUMNS, styles, strict=True)
    ]
    rows = [
        [Paragraph(escape(cell), style) for cell, style in zip(_cells(item, content), styles, strict=True)]
        for item in content.rows
    ]
    bars = [
        ("LINEBEFORE", (0, place), (0, place), 3, _css(item.colour)) for place, item in enumerate(content.rows, start=1)
    ]
    return Table([head, *rows], [width * mm for width in _COLUMN_MM], repeatRows=1, style=[*_LINED, *bars])


def _cells(item: ContentRow, content: PageContent) -> list[str]:
    row = item.row
    texts = {name: str(getattr(row, name)) for name in COLUMNS}
    texts["mean_mm"] = f"{row.mean_mm} {row.sure_mm}".strip()
    texts["suspicion"] = row.suspicion or content.words["not_scored"]
    return [texts[name] for name in COLUMNS]


def _model_table(content: PageContent, look: _Type) -> Table:
    words = content.words
    names = [words["model_name"], words["model_version"], words["model_data"], words["model_use"], "sha256"]
    head = [Paragraph(f"<font name='{look.bold}'>{escape(name)}</font>", look.small) for name in names]
    rows = [
        [
            Paragraph(escape(text), look.small)
            for text in (m.name, m.version, m.training_data, m.intended_use, m.sha256[:_HASH_DIGITS])
        ]
        for m in content.findings.models
    ]
    return Table([head, *rows], [width * mm for width in _MODEL_MM], repeatRows=1, style=_LINED)


def _times(content: PageContent, look: _Type) -> Paragraph:
    said = [f"{name.replace('_', ' ')} {seconds:.2f} s" for name, seconds in content.timings]
    return Paragraph(escape("; ".join(said)), look.text)


def _map_height(maps: Sequence[PagePicture]) -> float:
    """The height at which all maps stand in one row."""
    room = _WIDTH - _GAP * (len(maps) - 1)
    return float(min(_TALLEST_MAP, room / sum(picture.aspect for picture in maps)))


def _in_rows(pictures: Sequence[PagePicture], height: float, look: _Type) -> list[Flowable]:
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


def _picture_row(row: Sequence[PagePicture], height: float, look: _Type) -> Table:
    images = [Image(io.BytesIO(p.jpeg), width=p.aspect * height, height=height) for p in row]
    captions = [Paragraph(_chip(p.colour) + escape(p.caption), look.small) for p in row]
    widths = [p.aspect * height + _GAP for p in row]
    padding = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), _GAP)]
    vertical = [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
    return Table([images, captions], widths, hAlign="LEFT", style=[*padding, *vertical])


def _chip(colour: Colour | None) -> str:
    """A small square in the colour of the marks."""
    return "" if colour is None else f"<font color='#{bytes(colour).hex()}'>■</font> "


def _page_frame(canvas: Any, content: PageContent, look: _Type, page: tuple[int, int]) -> None:
    """The disclaimer above, program, series and page number below; on every page."""
    width, height = A4
    canvas.saveState()
    canvas.setFillColor(_AMBER)
    canvas.rect(0, height - _BAND, width, _BAND, stroke=0, fill=1)
    canvas.setFillColor(_AMBER_INK)
    canvas.setFont(look.bold, 11)
    canvas.drawCentredString(width / 2, height - _BAND / 2 - 4, content.disclaimer)
    canvas.setFillColor(_SOFT)
    canvas.setFont(look.text.fontName, 6.5)
    for number, line in enumerate(reversed(content.footer)):
        canvas.drawString(_MARGIN, 5 * mm + number * 3 * mm, line)
    said = content.words["page"].format(number=page[0], count=page[1])
    canvas.drawRightString(width - _MARGIN, 5 * mm, said)
    canvas.restoreState()


_LINED = (
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 4),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
)


def _css(colour: Colour) -> Color:
    return Color(*(share / 255 for share in colour))


def _type_of(language: str) -> _Type:
    """Styles in DejaVu Sans, which is embedded; in Chinese in the font that readers bring."""
    regular, bold = _fonts(language)
    breaking = {"wordWrap": "CJK"} if language == "zh" else {}
    text = ParagraphStyle("text", fontName=regular, fontSize=_TEXT, leading=11.5, textColor=_INK, **breaking)
    return _Type(
        text=text,
        small=ParagraphStyle("small", text, fontSize=_SMALL, leading=9.4, textColor=_SOFT),
        cell=ParagraphStyle("cell", text, fontSize=_TABLE, leading=10),
        figure=ParagraphStyle("figure", text, fontSize=_TABLE, leading=10, alignment=TA_RIGHT),
        heading=ParagraphStyle("heading", text, fontName=bold, fontSize=11, leading=15, spaceAfter=2),
        title=ParagraphStyle("title", text, fontName=bold, fontSize=17, leading=25),
        big=ParagraphStyle("big", text, fontName=bold, fontSize=15, leading=20),
        bold=bold,
    )


def _fonts(language: str) -> tuple[str, str]:
    """Make the fonts known to the library and give their names, regular and bold."""
    if language == "zh":
        pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE_FONT))
        return _CHINESE_FONT, _CHINESE_FONT
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:  # they come with matplotlib, as on the pictures
        pdfmetrics.registerFont(TTFont(name, Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")))
    return names
