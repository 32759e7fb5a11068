"""The nodule table of the summary page: columns as wide as their words; where room ends, the last in rank go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from models.findings import Findings
from node.results.drawing import AMBER, GREY, WHITE, colour_of, shade, text_width, write
from node.results.language import say
from node.results.wording import NoduleRow, nodule_row

# Heading, field of NoduleRow, anchored on the left or the right, rank: 0 always stays, the highest goes first.
_COLUMNS: Final = (
    ("No.", "number", "l", 0),
    ("Place", "place", "l", 0),
    ("Type", "type", "l", 0),
    ("Mean mm", "mean_mm", "r", 0),
    ("Axes mm", "axes_mm", "r", 2),
    ("mm³", "volume_mm3", "r", 3),
    ("Prob.", "probability", "r", 0),
    ("Brock", "brock", "r", 0),
    ("Susp.", "suspicion", "r", 1),
    ("Lung-RADS", "lung_rads", "r", 0),
)
_RULE: Final = (48, 56, 66, 255)
_LEAST_GAP_PX: Final = 14.0


@dataclass(frozen=True)
class _Column:
    """Words of one column, heading first, and its left edge and width in pixels."""

    words: tuple[str, ...]
    side: str
    rank: int
    width: float


def draw_table(
    canvas: Image.Image, span: tuple[float, float, float, float], findings: Findings, text_px: int, language: str
) -> float:
    """Draw the nodules, most probable first, into ``span`` (left, top, right, lowest); give the lower edge.

    Nodules for which there is no room are counted in a last line.
    """
    left, top, right, lowest = span
    row_px = round(text_px * 1.5)
    most = int((lowest - top) // row_px) - 1
    count = len(findings.nodules) if len(findings.nodules) <= most else max(0, most - 1)
    shown = findings.nodules[:count]
    columns = _columns([nodule_row(nodule, language) for nodule in shown], right - left, text_px, language)
    gap = (right - left - sum(column.width for column in columns)) / max(1, len(columns) - 1)
    for number, nodule in enumerate(shown, start=1):
        y = top + number * row_px
        shade(canvas, (left, y - 1, right, y), _RULE)
        shade(canvas, (left, y + 5, left + 6, y + row_px - 5), (*colour_of(nodule.id), 255))
    x = left
    for column in columns:
        _write_column(canvas, column, x, top + row_px / 2, text_px)
        x += column.width + gap
    more, y = len(findings.nodules) - count, top + (count + 1) * row_px
    if more:
        said = say(language, "and {count} more in the structured report", count=more)
        write(canvas, (left, y + row_px / 2), said, text_px, AMBER, anchor="lm", halo=False)
    return y + (row_px if more else 0)


def _columns(rows: Sequence[NoduleRow], room: float, text_px: int, language: str) -> list[_Column]:
    """The columns that fit; the first leaves room for the colour of the nodule."""
    columns = []
    for heading, name, side, rank in _COLUMNS:
        words = (say(language, heading), *(str(getattr(row, name)) for row in rows))
        width = max(text_width(word, text_px, bold=name == "mean_mm") for word in words)
        columns.append(_Column(words, side, rank, width + (14 if name == "number" else 0)))
    for leaving in (3, 2, 1):
        if sum(column.width + _LEAST_GAP_PX for column in columns) > room + _LEAST_GAP_PX:
            columns = [column for column in columns if column.rank != leaving]
    return columns


def _write_column(canvas: Image.Image, column: _Column, left: float, middle: float, text_px: int) -> None:
    x = left + column.width if column.side == "r" else left + (14 if column.words[0] in {"No.", "Nr."} else 0)
    for number, word in enumerate(column.words):
        at, colour = (x, middle + number * round(text_px * 1.5)), WHITE if number else GREY
        write(canvas, at, word, text_px, colour, anchor=f"{column.side}m", halo=False)
