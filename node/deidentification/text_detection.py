"""Finding text in images with Tesseract (Apache 2.0), where that program is installed.

The picture goes through a pipe: no temporary file ever holds it. What Tesseract does not see stays;
a device whose images show text wants a signature of its own.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess

import numpy as np
import numpy.typing as npt

from node.deidentification.pixel_signatures import Mask
from node.errors import DeidentificationError

_PROGRAM = "tesseract"
_SPARSE_TEXT = "11"  # page segmentation mode: find as much text as possible, in no order
_LEAST_CONFIDENCE = 20.0  # of 100; low, for a wrong mask costs pixels and a missed word a name
_LEAST_CHARACTERS = 2  # edges of organs are taken for single characters
_SCALE = 3  # devices write about 10 pixels high, Tesseract reads best from 30
_MARGIN = 4  # pixels around a word, for what its box cuts off
_TIMEOUT_S = 120.0


def is_installed() -> bool:
    """Tell whether text can be looked for."""
    return shutil.which(_PROGRAM) is not None


def text_in(frame: npt.NDArray[np.unsignedinteger]) -> tuple[Mask, ...]:
    """Find words in a frame.

    Parameters
    ----------
    frame
        (rows, columns, samples), values of any range.

    Returns
    -------
    A rectangle around each word: column, row, width, height in pixels.

    Raises
    ------
    DeidentificationError
        Tesseract is not installed or fails.
    """
    grey = _stretched(frame)
    rows, columns = grey.shape
    table = io.StringIO(_run(np.kron(grey, np.ones((_SCALE, _SCALE), np.uint8))))
    words = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(_around(word, rows, columns) for word in words if _is_text(word))


def _stretched(frame: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.uint8]:
    """Give the brightest sample of each pixel, stretched to 0..255."""
    grey = frame.max(axis=2).astype(np.float64)
    low, high = grey.min(), grey.max()
    stretched: npt.NDArray[np.uint8] = ((grey - low) * (255 / max(high - low, 1))).astype(np.uint8)
    return stretched


def _run(grey: npt.NDArray[np.uint8]) -> str:
    program = shutil.which(_PROGRAM)
    if program is None:
        raise DeidentificationError("text cannot be looked for: tesseract is not installed")
    rows, columns = grey.shape
    picture = f"P5 {columns} {rows} 255\n".encode("ascii") + grey.tobytes()  # PGM, which Leptonica reads from a pipe
    command = [program, "stdin", "stdout", "--psm", _SPARSE_TEXT, "tsv"]
    try:
        done = subprocess.run(command, input=picture, capture_output=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603 - found in PATH, no shell, no data among the arguments
    except (OSError, subprocess.SubprocessError) as error:
        raise DeidentificationError(f"text cannot be looked for: tesseract failed ({type(error).__name__})") from None
    return done.stdout.decode("utf-8", "replace")


def _is_text(word: dict[str, str]) -> bool:
    characters = sum(character.isalnum() for character in word.get("text") or "")
    return float(word["conf"]) >= _LEAST_CONFIDENCE and characters >= _LEAST_CHARACTERS


def _around(word: dict[str, str], rows: int, columns: int) -> Mask:
    left, top = int(word["left"]) // _SCALE - _MARGIN, int(word["top"]) // _SCALE - _MARGIN
    right = -(-(int(word["left"]) + int(word["width"])) // _SCALE) + _MARGIN
    bottom = -(-(int(word["top"]) + int(word["height"])) // _SCALE) + _MARGIN
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns), min(bottom, rows)
    return left, top, right - left, bottom - top
