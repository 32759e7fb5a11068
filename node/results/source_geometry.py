"""Where each slice lies in the source image: plane, matrix and references, single-frame or multi-frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.legal_values import legal_value

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # towards +x, -x, +y, -y, +z, -z (PS3.3 C.7.6.1.1.1)
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
    """Read the plane of slice ``k`` from the header it came from.

    Raises
    ------
    ResultError
        If the header does not hold it.
    """
    try:
        return _read_plane(series, k)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ResultError(f"the image plane of slice {k} cannot be read from its source: {error}") from error


def source_matrix(series: AssembledSeries) -> tuple[int, int]:
    """Rows and columns of the source images."""
    header = series.headers[0]
    return int(header.get("Rows", series.volume.shape[1])), int(header.get("Columns", series.volume.shape[2]))


def source_header(series: AssembledSeries, k: int) -> Dataset:
    """The header of the instance that slice ``k`` came from."""
    return series.headers[k] if len(series.headers) == len(series.frames) else series.headers[0]


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
        values = _macro(source_header(series, k), series.frames[k].frame_number, "PixelValueTransformationSequence")
        return float(values.RescaleSlope), float(values.RescaleIntercept)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ResultError(f"the rescale values of slice {k} cannot be read from its source: {error}") from error


def _read_plane(series: AssembledSeries, k: int) -> SourcePlane:
    header = source_header(series, k)
    measures = _macro(header, series.frames[k].frame_number, "PixelMeasuresSequence")
    position = _macro(header, series.frames[k].frame_number, "PlanePositionSequence")
    orientation = _macro(header, series.frames[k].frame_number, "PlaneOrientationSequence")
    rows_mm, columns_mm = (float(value) for value in measures.PixelSpacing)
    thickness = float(legal_value(measures, "SliceThickness") or 0)
    return SourcePlane(
        np.array([float(value) for value in position.ImagePositionPatient]),
        np.array([float(value) for value in orientation.ImageOrientationPatient]),
        (rows_mm, columns_mm),
        thickness if thickness > 0 else series.volume.spacing_kji_mm[0],
    )


def _macro(header: Dataset, frame_number: int | None, keyword: str) -> Dataset:
    """The item that holds a functional group of one frame; a single-frame header holds them all itself."""
    if frame_number is None:
        return header
    own = header.PerFrameFunctionalGroupsSequence[frame_number - 1]
    item: Dataset = (own if keyword in own else header.SharedFunctionalGroupsSequence[0])[keyword].value[0]
    return item


def _letters(direction: npt.NDArray[np.float64]) -> str:
    """Letters of the axes along a direction, the strongest first."""
    strongest_first = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    named = [axis for axis in strongest_first if abs(direction[axis]) > _OBLIQUE_COSINE]
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in named)
