"""Fonts, styles and colours of the report on paper."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import matplotlib as mpl
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from node.results.language import Language

INK: Final = HexColor(0x17202A)
SOFT: Final = HexColor(0x55616E)
LINE: Final = HexColor(0xC9D2DB)
PANEL: Final = HexColor(0xF1F4F7)
AMBER: Final = HexColor(0xFFC857)
AMBER_INK: Final = HexColor(0x1D1600)
TEXT, TABLE, SMALL, TINY = 8.5, 7.6, 7.2, 6.5  # sizes in points
_CHINESE_FONT = "STSong-Light"  # of Adobe GB1, the reader's own: a font of all signs would be 20 times the report
_CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]+")  # CJK signs and their punctuation, full-width forms


@dataclass(frozen=True)
class PaperType:
    """The styles of one language, and the name of the bold font."""

    text: ParagraphStyle
    small: ParagraphStyle
    cell: ParagraphStyle
    figure: ParagraphStyle
    heading: ParagraphStyle
    title: ParagraphStyle
    big: ParagraphStyle
    band: ParagraphStyle
    foot: ParagraphStyle
    page: ParagraphStyle
    bold: str


def paper_type(language: Language) -> PaperType:
    """Styles in DejaVu Sans, which comes with matplotlib and is embedded; Chinese lines may break anywhere."""
    breaking = {"wordWrap": "CJK"} if language is Language.CHINESE else {}
    regular, bold = _fonts()
    text = ParagraphStyle("text", fontName=regular, fontSize=TEXT, leading=11.5, textColor=INK, **breaking)
    return PaperType(
        text=text,
        small=ParagraphStyle("small", text, fontSize=SMALL, leading=9.4, textColor=SOFT),
        cell=ParagraphStyle("cell", text, fontSize=TABLE, leading=10),
        figure=ParagraphStyle("figure", text, fontSize=TABLE, leading=10, alignment=TA_RIGHT),
        heading=ParagraphStyle("heading", text, fontName=bold, fontSize=11, leading=15, spaceAfter=2),
        title=ParagraphStyle("title", text, fontName=bold, fontSize=17, leading=25),
        big=ParagraphStyle("big", text, fontName=bold, fontSize=15, leading=20),
        band=ParagraphStyle("band", text, fontName=bold, fontSize=11, textColor=AMBER_INK, alignment=TA_CENTER),
        foot=ParagraphStyle("foot", text, fontSize=TINY, leading=8.5, textColor=SOFT),
        page=ParagraphStyle("page", text, fontSize=TINY, leading=8.5, textColor=SOFT, alignment=TA_RIGHT),
        bold=bold,
    )


def _fonts() -> tuple[str, str]:
    """Make the fonts known to the library and give the names of the Latin ones, regular and bold."""
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:
        pdfmetrics.registerFont(TTFont(name, Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")))
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE_FONT))
    return names


def markup(text: str) -> str:
    """The text for a Paragraph: special signs escaped, Chinese in its own font."""
    return _CHINESE.sub(rf"<font name='{_CHINESE_FONT}'>\g<0></font>", escape(text))
