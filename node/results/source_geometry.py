"""Where each slice lies in the source image: plane, matrix and references, single-frame or multi-frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.assembly.attributes import numbers
from node.errors import AssemblyError, MissingGeometry, ResultError, WrongRescale
from node.malformed import MALFORMED
from node.results.legal_values import legal_value

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # towards +x, -x, +y, -y, +z, -z (PS3.3 C.7.6.1.1.1)
_UNREADABLE: Final[tuple[type[Exception], ...]] = (*MALFORMED, AssemblyError)
_OBLIQUE_COSINE = 1e-2  # a direction with less than this (0.6 deg) along an axis does not name the axis


@dataclass(frozen=True, eq=False)
class SourcePlane:
    """The image plane of one source image or frame (PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    position_lps_mm
        (3,) centre of the first pixel.
    orientation
        (6,) direction of a row (growing column index), then of a column.
    spacing_mm
        Distance between rows, then between columns.
    """

    position_lps_mm: npt.NDArray[np.float64]
    orientation: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float]
    slice_thickness_mm: float

    def at_pixel(self, row: float, column: float) -> npt.NDArray[np.float64]:
        """Map a zero-based fractional pixel index to LPS millimetres, (3,)."""
        along_row, along_column = self.orientation[:3], self.orientation[3:]
        offset = along_row * column * self.spacing_mm[1] + along_column * row * self.spacing_mm[0]
        return np.asarray(self.position_lps_mm + offset)

    @property
    def patient_orientation(self) -> list[str]:
        """Anatomical direction of the rows and of the columns (PS3.3 C.7.6.1.1.1)."""
        return [_letters(self.orientation[:3]), _letters(self.orientation[3:])]


def source_plane(series: AssembledSeries, k: int) -> SourcePlane:
    """Give the plane of slice ``k`` as its header has it, to the last digit.

    A header that a strict reader refuses was read by the assembly all the same: then the plane is that
    of the volume's grid, where the source image lies on it.
    """
    try:
        return _read_plane(series, k)
    except _UNREADABLE:
        return _grid_plane(series, k)


def source_matrix(series: AssembledSeries) -> tuple[int, int]:
    """Rows and columns of the source images."""
    header = series.headers[0]
    return int(header.get("Rows", series.volume.shape[1])), int(header.get("Columns", series.volume.shape[2]))


def source_reference(series: AssembledSeries, k: int) -> Dataset:
    """Image SOP Instance Reference Macro of slice ``k`` (PS3.3 Table 10-3)."""
    frame, item = series.frames[k], Dataset()
    item.ReferencedSOPClassUID = frame.sop_class_uid
    item.ReferencedSOPInstanceUID = frame.sop_instance_uid
    if frame.frame_number is not None:
        item.ReferencedFrameNumber = frame.frame_number
    return item


def instance_references(series: AssembledSeries) -> list[Dataset]:
    """Every instance of the series once, whole (SOP Instance Reference Macro, PS3.3 Table 10-11)."""
    named: dict[str, Dataset] = {}
    for k, frame in enumerate(series.frames):
        item = source_reference(series, k)
        item.pop("ReferencedFrameNumber", None)
        named.setdefault(frame.sop_instance_uid, item)
    return list(named.values())


def source_rescale(series: AssembledSeries, k: int) -> tuple[float, float]:
    """RescaleSlope and RescaleIntercept of slice ``k``.

    Raises
    ------
    ResultError
        If its header does not hold them.
    """
    try:
        values = _holder(series, k, "PixelValueTransformationSequence", "RescaleSlope")
        slope, intercept = (
            numbers(values, keyword, 1, WrongRescale, f"slice {k}")[0]
            for keyword in ("RescaleSlope", "RescaleIntercept")
        )
    except _UNREADABLE as error:
        raise ResultError(
            f"the rescale values of slice {k} cannot be read from its source: {type(error).__name__}"
        ) from error
    return slope, intercept


def _read_plane(series: AssembledSeries, k: int) -> SourcePlane:
    where = f"slice {k}"
    measures = _holder(series, k, "PixelMeasuresSequence", "PixelSpacing")
    position = _holder(series, k, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _holder(series, k, "PlaneOrientationSequence", "ImageOrientationPatient")
    rows_mm, columns_mm = numbers(measures, "PixelSpacing", 2, MissingGeometry, where)
    return SourcePlane(
        np.array(numbers(position, "ImagePositionPatient", 3, MissingGeometry, where)),
        np.array(numbers(orientation, "ImageOrientationPatient", 6, MissingGeometry, where)),
        (rows_mm, columns_mm),
        _thickness_mm(series, measures),
    )


def _grid_plane(series: AssembledSeries, k: int) -> SourcePlane:
    volume = series.volume
    corner = volume.to_patient((k, *-series.shifts_ji_px[k] / series.pixel_step))
    orientation = np.concatenate([volume.directions[:, 2], volume.directions[:, 1]])
    return SourcePlane(corner, orientation, series.source_spacing_ji_mm, volume.spacing_kji_mm[0])


def _thickness_mm(series: AssembledSeries, measures: Dataset) -> float:
    """Slice Thickness, or the slice distance where it says none."""
    thickness = float(legal_value(measures, "SliceThickness") or 0)
    return thickness if thickness > 0 else series.volume.spacing_kji_mm[0]


def _holder(series: AssembledSeries, k: int, group: str, keyword: str) -> Dataset:
    """Give what holds an attribute of slice ``k``: its frame's own group, the shared one, or the header itself."""
    header, frame_number = series.header_of(k), series.frames[k].frame_number
    if frame_number is None:
        return header
    groups = (
        header.PerFrameFunctionalGroupsSequence[frame_number - 1],
        *(header.get("SharedFunctionalGroupsSequence") or []),
    )
    items = [item for held in groups for item in held.get(group) or []]
    return next((item for item in items if keyword in item), header)


def _letters(direction: npt.NDArray[np.float64]) -> str:
    """Letters of the axes along a direction, the strongest first."""
    strongest_first = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    named = [axis for axis in strongest_first if abs(direction[axis]) > _OBLIQUE_COSINE]
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in named)
