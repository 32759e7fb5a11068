"""Ink on pictures: colours, fonts, smooth lines, text with a halo. Nothing here knows a nodule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from node.results.language import Language

Picture = npt.NDArray[np.uint8]  # (H, W, 3) RGB unless a docstring says otherwise
Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

WHITE: Colour = (240, 243, 246)
GREY: Colour = (168, 178, 189)
AMBER: Colour = (255, 200, 87)
BACKGROUND: Colour = (13, 17, 23)
LUNG_WINDOW_HU = (-600.0, 1500.0)  # centre, width: the usual one for lungs

# Okabe and Ito, "Color Universal Design" (2008), without black, the blue that drowns in dark lung,
# and the yellow that drowns in soft tissue: told apart with any kind of colour vision.
_PALETTE: tuple[Colour, ...] = ((255, 176, 0), (86, 190, 245), (0, 200, 150), (250, 120, 60), (230, 150, 200))
_HALO = (0, 0, 0, 120)  # a dark rim keeps a bright line readable on white soft tissue
_SUPERSAMPLING = 4
# Files of free and of common fonts with Chinese signs, as Linux, macOS and Windows name them.
_CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "simhei.ttf",
)
_CHINESE_SIGN = re.compile("[\u2e80-\u9fff\uff00-\uffef]")  # radicals to unified ideographs, full-width forms
_BREAKABLE = re.compile("[\u2e80-\u9fff\uff00-\uffef]\\s*|[^\\s\u2e80-\u9fff\uff00-\uffef]+\\s*")  # one sign, or a word


def colour_of(number: int) -> Colour:
    """Give the colour of the nodule with this number (from 1); colours come round again after five."""
    return _PALETTE[(number - 1) % len(_PALETTE)]


def legible_px(size: tuple[int, int]) -> int:
    """Give the least font size on a picture of that width and height that is 10 pixels when fitted into 512 x 512."""
    return int(np.ceil(10 * max(size) / 512))


def drawable_language(language: str) -> Language:
    """Give the language in which pictures can be drawn here: Chinese only where a font with its signs is installed."""
    wanted = Language(language)
    return Language.ENGLISH if wanted is Language.CHINESE and chinese_font_file() is None else wanted


@cache
def chinese_font_file() -> str | None:
    """Look for a font with Chinese signs where the system keeps its fonts; no such font comes with this package."""
    for name in _CHINESE_FONTS:
        try:
            return str(ImageFont.truetype(name, 10).path)
        except OSError:
            continue
    return None


@cache
def font(size: int, bold: bool = False, chinese: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans in pixels: it comes with matplotlib, and has the signs × ³ ° that Pillow's own font lacks."""
    file = chinese_font_file() if chinese else None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(file or Path(mpl.get_data_path(), "fonts", "ttf", name), size)


def windowed(
    hu: npt.NDArray[np.generic], centre_hu: float = LUNG_WINDOW_HU[0], width_hu: float = LUNG_WINDOW_HU[1]
) -> npt.NDArray[np.uint8]:
    """Map HU to grey 0..255 (PS3.3 C.11.2.1.2)."""
    low = centre_hu - width_hu / 2
    grey = (hu.astype(np.float32) - low) * (255 / width_hu)
    return np.asarray(np.clip(np.rint(grey), 0, 255), dtype=np.uint8)


def letters_of(direction_lps: npt.NDArray[np.float64]) -> str:
    """Name a direction in the patient: R L A P H F, the strongest first, shares under sin 15 degrees left out.

    References
    ----------
    PS3.3 C.7.6.1.1.1 (Patient Orientation)
    """
    named = [(abs(c), letters[int(c > 0)]) for c, letters in zip(direction_lps, ("RL", "AP", "FH"), strict=True)]
    return "".join(letter for share, letter in sorted(named, reverse=True) if share > np.sin(np.radians(15)))


def stroke(canvas: Image.Image, lines: Sequence[npt.ArrayLike], colour: Colour, width: float) -> None:
    """Draw smooth lines with a thin dark halo on an RGBA picture, in place.

    Each line is (N, 2): x, y in pixels from the outer corner of the first pixel; ``width`` is in
    pixels, fractions allowed.
    """
    points = [np.asarray(line, dtype=np.float64) for line in lines]
    if not points:
        return
    _stroke_once(canvas, points, _HALO, width + 1.4)
    _stroke_once(canvas, points, (*colour, 255), width)


def _stroke_once(
    canvas: Image.Image, lines: list[npt.NDArray[np.float64]], colour: tuple[int, int, int, int], width: float
) -> None:
    """Draw on a patch four times as fine and shrink it: Pillow's own lines have hard edges."""
    every = np.concatenate(lines)
    left, top = np.floor(every.min(axis=0) - width - 1).astype(int)
    right, bottom = np.ceil(every.max(axis=0) + width + 1).astype(int)
    n = _SUPERSAMPLING
    fine = Image.new("L", ((right - left) * n, (bottom - top) * n))
    pen = ImageDraw.Draw(fine)
    for line in lines:
        corners = [(float(x), float(y)) for x, y in (line - (left, top)) * n]
        pen.line(corners, fill=colour[3], width=max(1, round(width * n)), joint="curve")
    patch = Image.new("RGBA", (right - left, bottom - top), colour[:3])
    patch.putalpha(fine.reduce(n))
    _compose(canvas, patch, int(left), int(top))


def _compose(canvas: Image.Image, patch: Image.Image, left: int, top: int) -> None:
    """Lay a patch over the canvas, cut at its edges."""
    crop = (max(0, -left), max(0, -top), min(patch.width, canvas.width - left), min(patch.height, canvas.height - top))
    if crop[0] < crop[2] and crop[1] < crop[3]:
        canvas.alpha_composite(patch.crop(crop), (left + crop[0], top + crop[1]))


def shade(canvas: Image.Image, box: Box, colour: tuple[int, int, int, int]) -> None:
    """Lay a translucent rectangle over an RGBA picture, in place."""
    left, top, right, bottom = (round(edge) for edge in box)
    if right > left and bottom > top:
        _compose(canvas, Image.new("RGBA", (right - left, bottom - top), colour), left, top)


def write(
    canvas: Image.Image,
    at: Point,
    text: str,
    size: int,
    colour: Colour = WHITE,
    *,
    anchor: str = "la",
    bold: bool = False,
    halo: bool = True,
) -> None:
    """Write one line of text, in place; ``anchor`` as in Pillow, the halo makes it readable on any grey."""
    patch, (left, top) = _lettering(text, size, colour, anchor, bold, halo)
    _compose(canvas, patch, round(at[0]) + left, round(at[1]) + top)


@lru_cache(maxsize=512)
def _lettering(
    text: str, size: int, colour: Colour, anchor: str, bold: bool, halo: bool
) -> tuple[Image.Image, tuple[int, int]]:
    """One line of text on clear ground and its place from the anchor; kept, as most lines stand on every slice."""
    rim = max(1, round(size / 12)) if halo else 0
    face = font(size, bold, _is_chinese(text))
    left, top, right, bottom = face.getbbox(text, anchor=anchor, stroke_width=rim)
    origin = int(np.floor(left)), int(np.floor(top))
    extent = max(1, int(np.ceil(right)) - origin[0]), max(1, int(np.ceil(bottom)) - origin[1])
    rimmed, filled = Image.new("L", extent), Image.new("L", extent)
    at = (-origin[0], -origin[1])
    ImageDraw.Draw(rimmed).text(at, text, 255, face, anchor, stroke_width=rim)
    ImageDraw.Draw(filled).text(at, text, 255, face, anchor)
    patch = Image.new("RGB", extent)
    patch.paste(colour, mask=filled)
    patch.putalpha(rimmed)
    return patch, origin


def text_width(text: str, size: int, bold: bool = False) -> float:
    """Width of a line of text in pixels."""
    return float(font(size, bold, _is_chinese(text)).getlength(text))


def wrapped(text: str, size: int, width: float, bold: bool = False) -> list[str]:
    """Break a text into lines no wider than ``width`` pixels; Chinese anywhere, a longer word stands alone."""
    lines = [""]
    for part in _BREAKABLE.findall(text.strip()):
        longer = lines[-1] + part
        if not lines[-1] or text_width(longer.rstrip(), size, bold) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return [line.rstrip() for line in lines if line.strip()]


def _is_chinese(text: str) -> bool:
    return _CHINESE_SIGN.search(text) is not None


def canvas_of(picture: Picture) -> Image.Image:
    """Make an RGBA canvas of grey (H, W) or RGB (H, W, 3)."""
    return Image.fromarray(np.ascontiguousarray(picture)).convert("RGBA")


def picture_of(canvas: Image.Image) -> Picture:
    """Give the RGB array of a canvas; what is still transparent becomes black."""
    opaque = Image.new("RGBA", canvas.size, (0, 0, 0, 255))
    opaque.alpha_composite(canvas)
    return np.asarray(opaque.convert("RGB"), dtype=np.uint8)
