"""Tracked nodules from a file: a report.json, or a TID 1500 structured report of ours or of somebody else's.

A structured report names the place of a nodule by coordinates on an image. Where the image lies is taken from the
report's own image library (TID 1604), else from the headers at hand; a nodule whose place cannot be found is
passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import dist
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from highdicom.spatial import ImageToReferenceTransformer
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code

from node.assembly.assembled import AssembledSeries
from node.errors import ConfigError
from node.malformed import MALFORMED
from node.results import codes
from node.results.content_items import children, descendants, measurement_groups, number_of
from node.results.prior import TrackedNodule, tracked_nodules
from node.results.tracking import is_comparable
from node.series.instances import is_valid_uid

_JSON_BEGINS: Final = (b"{", b"[", b"\xef\xbb\xbf{")
_PLANE: Final = (*codes.IMAGE_POSITION_XYZ, *codes.IMAGE_ORIENTATION_XYZ)
_SPACINGS: Final = (codes.VERTICAL_PIXEL_SPACING, codes.HORIZONTAL_PIXEL_SPACING)
_SIZES: Final = (codes.DIAMETER, codes.LONG_AXIS)
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Plane:
    """Where an image lies: from column and row in its pixels (PS3.3 C.18.6.1.1) to LPS mm of a frame of reference."""

    to_patient: ImageToReferenceTransformer
    frame_of_reference_uid: str


@dataclass(frozen=True)
class SuppliedPrior:
    """What a prior report says, and why it, or a part of it, was not used."""

    nodules: tuple[TrackedNodule, ...] = ()
    warnings: tuple[str, ...] = ()


def prior_nodules(path: Path, headers: Sequence[Dataset] = ()) -> tuple[TrackedNodule, ...]:
    """Read a prior report from a JSON or DICOM file.

    Parameters
    ----------
    headers
        Of images that the report may refer to.

    Raises
    ------
    ConfigError
        The file cannot be read, or is no such report.
    """
    try:
        if path.read_bytes()[:4].lstrip().startswith(_JSON_BEGINS):
            return tracked_nodules(json.loads(path.read_text(encoding="utf-8-sig")))
        return document_nodules(dcmread(path), headers)
    except MALFORMED as error:
        raise ConfigError(f"{type(error).__name__}; see docs/settings.md") from None


def supplied_prior(path: Path | None, series: AssembledSeries) -> SuppliedPrior:
    """Read the prior report that was handed in for a series.

    A file that cannot be used never stops an analysis: the nodules get UIDs of their own, and the report says why.
    """
    if path is None or not path.exists():
        return SuppliedPrior()
    try:
        nodules = prior_nodules(path, series.headers)
    except ConfigError as error:
        return SuppliedPrior(warnings=(f"the prior report was not used: {str(error).partition(';')[0]}",))
    frame = str(series.headers[0].get("FrameOfReferenceUID") or "")
    elsewhere = sum(not is_comparable(nodule, frame) for nodule in nodules)
    said = f"{elsewhere} nodule(s) of the prior report lie in another frame of reference: not compared"
    return SuppliedPrior(nodules, (said,) if elsewhere else ())


def document_nodules(document: Dataset, headers: Sequence[Dataset] = ()) -> tuple[TrackedNodule, ...]:
    """Read the measurement groups of a structured report; those without a tracking UID or a place are passed over."""
    planes = {**dict(_planes_of_headers(headers)), **dict(_planes_of_library(document))}
    found = (_tracked(group, planes) for group in measurement_groups(document))
    return tuple(nodule for nodule in found if nodule is not None)


def _tracked(group: Dataset, planes: Mapping[tuple[str, int], _Plane]) -> TrackedNodule | None:
    uids = [str(item.get("UID", "")) for item in children(group, codes.TRACKING_UNIQUE_IDENTIFIER)]
    placed = next(_placed(group, planes), None)
    if placed is None or not uids or not is_valid_uid(uids[0]):
        return None
    points, frame_of_reference_uid = placed
    reach = max(dist(a, b) for a in points for b in points)
    x, y, z = map(float, (points.min(axis=0) + points.max(axis=0)) / 2)
    diameter_mm = _size_mm(group) or reach
    return TrackedNodule(uids[0], (x, y, z), diameter_mm, frame_of_reference_uid) if diameter_mm > 0 else None


def _placed(group: Dataset, planes: Mapping[tuple[str, int], _Plane]) -> Iterator[tuple[Points, str]]:
    """The coordinates of a group in space, (N, 3) LPS mm, and their frame of reference; those of the first NUM lead."""
    for item in descendants(group):
        if item.get("ValueType") == "SCOORD3D":
            points = np.asarray(item.GraphicData, dtype=np.float64).reshape(-1, 3)
            yield points, str(item.get("ReferencedFrameOfReferenceUID", ""))
        elif item.get("ValueType") == "SCOORD":
            plane = next((planes[key] for key in map(_key, descendants(item)) if key in planes), None)
            if plane is not None:
                points = np.asarray(item.GraphicData, dtype=np.float64).reshape(-1, 2)
                yield plane.to_patient(points), plane.frame_of_reference_uid


def _size_mm(group: Dataset) -> float | None:
    """The mean diameter, else the long axis, where it is given in mm."""
    for concept in _SIZES:
        for item in children(group, concept):
            value, unit = number_of(item) or ("", "")
            if unit == codes.MILLIMETRE.value:
                return float(value)
    return None


def _planes_of_library(document: Dataset) -> Iterator[tuple[tuple[str, int], _Plane]]:
    for library in children(document, codes.IMAGE_LIBRARY):
        for entry in descendants(library):
            values = [_value(entry, concept) for concept in (*_PLANE, *_SPACINGS)]
            known = [value for value in values if value is not None]
            if entry.get("ValueType") == "IMAGE" and len(known) == len(values):
                frames = [str(item.get("UID", "")) for item in children(entry, codes.FRAME_OF_REFERENCE_UID)]
                yield _key(entry), _plane(known, frames[0] if frames else "")


def _planes_of_headers(headers: Sequence[Dataset]) -> Iterator[tuple[tuple[str, int], _Plane]]:
    """Single-frame images; a header that lacks its geometry places nothing."""
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    for header in headers:
        if all(header.get(name) for name in names):
            values = [float(value) for name in names for value in header.get(name)]
            yield (str(header.SOPInstanceUID), 1), _plane(values, str(header.get("FrameOfReferenceUID", "")))


def _plane(values: Sequence[float], frame_of_reference_uid: str) -> _Plane:
    """From position, orientation and spacing between rows and between columns, eleven numbers."""
    return _Plane(ImageToReferenceTransformer(values[:3], values[3:9], values[9:]), frame_of_reference_uid)


def _key(item: Dataset) -> tuple[str, int]:
    """Instance and frame that an IMAGE item refers to."""
    reference = (item.get("ReferencedSOPSequence") or [Dataset()])[0]
    frames = reference.get("ReferencedFrameNumber") or 1
    return str(reference.get("ReferencedSOPInstanceUID", "")), int(frames if isinstance(frames, int) else frames[0])


def _value(entry: Dataset, concept: Code) -> float | None:
    items = children(entry, concept)
    measured = number_of(items[0]) if items else None
    return None if measured is None else float(measured[0])
