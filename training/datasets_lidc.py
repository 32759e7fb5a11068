"""LIDC-IDRI: CT series and the XML of their four readers (Armato 2011, doi:10.1118/1.3528204).

As LUNA16 does, marks of different readers that lie closer than the sum of their radii are one
nodule, its centre and diameter their mean; what three or more readers outlined is a nodule, the
rest is excluded: fewer readers, nodules below 3 mm, and what is no nodule (Setio 2017,
doi:10.1016/j.media.2017.06.015). A mark's diameter is that of the sphere of the outlined volume.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from math import pi
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components
from skimage.draw import polygon2mask

from training.datasets_images import Series, find_series
from training.errors import TrainingError
from training.evaluation.froc import Annotation

CONSENSUS_READERS = 3  # of 4, as in LUNA16
_UNKNOWN_MM = -1.0  # diameter of what no reader outlined, as in annotations_excluded.csv
_LIDC, _NAMESPACE = "LidcReadMessage", "{*}"


class Reading(NamedTuple):
    """What one reader marked: centre x, y, z in LPS mm, diameter in mm (negative: a point only), and who."""

    center_lps_mm: tuple[float, float, float]
    diameter_mm: float
    reader: int


class Marked(NamedTuple):
    """A series with its nodules and what is not counted either way."""

    series: Series
    included: tuple[Annotation, ...]
    excluded: tuple[Annotation, ...]


def lidc_series(folder: Path) -> Iterator[Marked]:
    """Go through all CT series under a folder, the XML beside the slices or apart from them.

    Raises
    ------
    TrainingError
        If a series has no XML, or two that differ; if an XML file cannot be read.
    """
    found = find_series(folder)
    if not found:
        raise TrainingError(f"{folder}: holds no CT series; give the folder with the patients' folders")
    documents = _documents(folder)
    for series in found:
        path = documents.get(series.series_instance_uid)
        if path is None:
            raise TrainingError(f"{series.files[0].parent}: no XML of the readers for this series under {folder}")
        yield Marked(series, *consensus(read_readings(path, series), series.series_instance_uid))


def read_readings(path: Path, series: Series) -> list[Reading]:
    """Read every mark of every reader.

    Raises
    ------
    TrainingError
        If the file is no readable LIDC XML.
    """
    root = _root(path)
    try:
        return [
            reading
            for reader, session in enumerate(root.iterfind(f"{_NAMESPACE}readingSession"))
            for reading in _session(session, reader, series)
        ]
    except (ValueError, IndexError, AttributeError) as error:
        raise TrainingError(f"{path}: a mark lacks a place or a number ({error})") from None


def consensus(readings: list[Reading], series: str) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...]]:
    """Join the readers' marks: nodules of three readers or more, and what is excluded."""
    outlined = [reading for reading in readings if reading.diameter_mm > 0]
    included: list[Annotation] = []
    excluded: list[Annotation] = []
    for group in _groups(outlined):
        members = [outlined[n] for n in group]
        readers = len({member.reader for member in members})
        (included if readers >= CONSENSUS_READERS else excluded).append(_mean(members, series))
    points = [_mean([reading], series) for reading in readings if reading.diameter_mm <= 0]
    return tuple(included), tuple(excluded + points)


def _documents(folder: Path) -> dict[str, Path]:
    """Path of the readers' XML by series; other XML, such as that of the chest radiographs, is passed over."""
    documents: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.xml")):
        root = _root(path)
        if root.tag.rpartition("}")[2] != _LIDC:
            continue
        uid = (root.findtext(f"{_NAMESPACE}ResponseHeader/{_NAMESPACE}SeriesInstanceUid") or "").strip()
        known = documents.setdefault(uid, path)
        if known.read_bytes() != path.read_bytes():
            raise TrainingError(f"{path}: differs from {known.name} for the same series; keep one of them")
    return documents


def _root(path: Path) -> ET.Element:
    try:
        content = path.read_bytes()
        if b"<!ENTITY" in content:  # the readers' files declare none; what does may grow without end when read
            raise TrainingError(f"{path}: declares entities, which no LIDC file does; remove it")
        return ET.fromstring(content)  # noqa: S314
    except (ET.ParseError, OSError) as error:
        raise TrainingError(f"{path}: cannot be read as XML ({error})") from None


def _session(session: ET.Element, reader: int, series: Series) -> Iterator[Reading]:
    for nodule in session.iterfind(f"{_NAMESPACE}unblindedReadNodule"):
        yield _nodule(nodule, reader, series)
    for other in session.iterfind(f"{_NAMESPACE}nonNodule"):
        place = [*_points(other, "locus")[0], _number(other, "imageZposition")]
        yield Reading(_to_lps(np.array(place), series), _UNKNOWN_MM, reader)


def _nodule(nodule: ET.Element, reader: int, series: Series) -> Reading:
    """Centre and diameter of one reader's outline; a single point stands for a nodule below 3 mm."""
    inside, area = np.empty((0, 3)), 0.0
    rois = nodule.findall(f"{_NAMESPACE}roi")
    for roi in rois:
        points, z = _points(roi, "edgeMap"), _number(roi, "imageZposition")
        sign = 1.0 if (roi.findtext(f"{_NAMESPACE}inclusion") or "TRUE").strip() == "TRUE" else -1.0
        pixels = _enclosed(points)
        area += sign * len(pixels)
        inside = np.concatenate([inside, np.column_stack([pixels, np.full(len(pixels), z)])] if sign > 0 else [inside])
    is_point = max(len(roi.findall(f"{_NAMESPACE}edgeMap")) for roi in rois) == 1
    volume = max(area, 1.0) * float(np.prod(series.spacing_kji_mm))
    diameter = _UNKNOWN_MM if is_point else (6 * volume / pi) ** (1 / 3)
    return Reading(_to_lps(inside.mean(axis=0), series), diameter, reader)


def _enclosed(points: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N, 2) pixels x, y within an outline, which itself lies outside the nodule; the outline if it encloses none."""
    low = points.min(axis=0) - 1
    shape = points.max(axis=0) - low + 2
    mask = polygon2mask(tuple(shape), points - low) if len(points) > 2 else np.zeros(tuple(shape), bool)
    mask[tuple((points - low).T)] = False
    return np.argwhere(mask) + low if mask.any() else points


def _points(element: ET.Element, name: str) -> npt.NDArray[np.int64]:
    """(N, 2) zero-based column and row."""
    found = element.findall(f"{_NAMESPACE}{name}")
    if not found:
        raise ValueError(f"no {name}")
    return np.array([[int(_number(point, "xCoord")), int(_number(point, "yCoord"))] for point in found])


def _number(element: ET.Element, name: str) -> float:
    return float(element.findtext(f"{_NAMESPACE}{name}") or "")


def _to_lps(place: npt.NDArray[np.float64], series: Series) -> tuple[float, float, float]:
    """Column, row and z in mm to LPS mm; LIDC-IDRI's slices are all plain axial ones."""
    x, y, _ = series.origin_lps_mm
    return (
        x + float(place[0]) * series.spacing_kji_mm[2],
        y + float(place[1]) * series.spacing_kji_mm[1],
        float(place[2]),
    )


def _groups(readings: list[Reading]) -> Iterator[npt.NDArray[np.int64]]:
    """Positions of the marks that are one nodule: of different readers and closer than the sum of their radii."""
    if not readings:
        return
    centers = np.array([reading.center_lps_mm for reading in readings])
    diameters = np.array([reading.diameter_mm for reading in readings])
    readers = np.array([reading.reader for reading in readings])
    apart = np.linalg.norm(centers[:, None] - centers, axis=2)
    linked = (apart < (diameters[:, None] + diameters) / 2) & (readers[:, None] != readers)
    count, group = connected_components(linked, directed=False)
    for number in range(count):
        yield np.flatnonzero(group == number)


def _mean(members: list[Reading], series: str) -> Annotation:
    x, y, z = (round(float(c), 3) for c in np.mean([member.center_lps_mm for member in members], axis=0))
    return Annotation(series, (x, y, z), round(float(np.mean([member.diameter_mm for member in members])), 3))
