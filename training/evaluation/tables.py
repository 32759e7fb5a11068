"""The CSV tables of LUNA16: marks, annotations, excluded annotations and the list of scans."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from training.errors import TrainingError
from training.evaluation.froc import Annotation, Mark

_PLACE = ("coordX", "coordY", "coordZ")  # world mm
_SERIES, _DIAMETER, _PROBABILITY = "seriesuid", "diameter_mm", "probability"


def read_annotations(path: Path) -> list[Annotation]:
    """Read ``seriesuid,coordX,coordY,coordZ,diameter_mm``."""
    return [Annotation(series, (x, y, z), diameter) for series, (x, y, z, diameter) in _rows(path, _DIAMETER)]


def read_marks(path: Path) -> list[Mark]:
    """Read ``seriesuid,coordX,coordY,coordZ,probability``."""
    return [Mark(series, (x, y, z), probability) for series, (x, y, z, probability) in _rows(path, _PROBABILITY)]


def read_series(path: Path) -> list[str]:
    """Read one series a line, with or without the heading ``seriesuid``.

    Raises
    ------
    TrainingError
        The file cannot be read or names no series.
    """
    names = [line.strip() for line in _text(path).splitlines()]
    found = [name for name in names if name and name != _SERIES]
    if not found:
        raise TrainingError(f"{path}: names no series")
    return found


def _rows(path: Path, last: str) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Give the series, the place and the last column of each row.

    Raises
    ------
    TrainingError
        A column is missing or a cell is no number; file and line are named.
    """
    reader = csv.DictReader(_text(path).splitlines())
    missing = [name for name in (_SERIES, *_PLACE, last) if name not in (reader.fieldnames or ())]
    if missing:
        raise TrainingError(f"{path}: lacks the column {', '.join(missing)}")
    for row in reader:
        x, y, z, value = (_number(row[name], name, path, reader.line_num) for name in (*_PLACE, last))
        yield row[_SERIES], (x, y, z, value)


def _number(cell: str | None, column: str, path: Path, line: int) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TrainingError(f"{path}, line {line}: {column} is no number")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error})") from None
