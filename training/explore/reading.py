"""Stored values to HU by the padding rule of system 001, slices in the order of their position."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from models.volume import AIR_HU, Volume
from training.datasets_images import Series, find_series
from training.errors import TrainingError

ROUND_FIELD_PADDING = -2000  # stored value that scanners with a round field of view write outside it
_HIGHEST_HU = np.iinfo(np.int16).max


@dataclass(frozen=True, eq=False)
class Explored:
    """A series as it was read.

    Parameters
    ----------
    volume
        HU.
    padded
        Voxels that held a padding value, or were below ``AIR_HU``.
    thickness_mm
        SliceThickness, which is not the distance of the slices; None where the header has none.
    kernel
        ConvolutionKernel, empty where the header has none.
    others
        Slices of each further CT series in the folder.
    """

    volume: Volume
    padded: int
    thickness_mm: float | None
    kernel: str
    others: tuple[int, ...]


def explored(folder: Path) -> Explored:
    """Read the CT series of a folder that has the most slices.

    Raises
    ------
    TrainingError
        The folder holds no CT series, the slices have a gap, or one of them cannot be decoded.
    """
    found = sorted(find_series(folder), key=lambda series: -len(series.files))
    if not found:
        raise TrainingError(f"{folder}: holds no CT series of two slices or more; give a folder of DICOM files")
    series = found[0]
    first = _read(series.files[0])
    slices, padded = _stacked(_read(path) for path in series.files)
    return Explored(
        volume=Volume(slices, _affine(series, first)),
        padded=padded,
        thickness_mm=float(first.SliceThickness) if first.get("SliceThickness") else None,
        kernel=_words(first.get("ConvolutionKernel")),
        others=tuple(len(other.files) for other in found[1:]),
    )


def hounsfield(
    stored: npt.NDArray[np.integer], slope: float, intercept: float, padding: int | None = None
) -> tuple[npt.NDArray[np.int16], int]:
    """Turn stored values into HU: padding is set to 0 first, then slope and intercept are applied.

    So -2000 with slope 1 and intercept -1024 becomes -1024 HU, air. The rule takes for granted that 0 is air: where
    the intercept is above that (values stored as HU), padding becomes ``AIR_HU`` all the same, not water. No tissue is
    below ``AIR_HU``, so what is (some scanners write a padding that they do not declare) is padding too.

    Parameters
    ----------
    padding
        PixelPaddingValue, a further value that means padding.

    Returns
    -------
    HU, and the number of voxels that were padding.
    """
    declared = stored == ROUND_FIELD_PADDING
    if padding is not None:
        declared |= stored == padding
    hu = np.rint(np.where(declared, 0, stored) * slope + intercept)
    is_padding = declared | (hu < AIR_HU)
    hu[is_padding] = AIR_HU
    return np.asarray(np.minimum(hu, _HIGHEST_HU), dtype=np.int16), int(is_padding.sum())


def _stacked(slices: Iterable[pydicom.Dataset]) -> tuple[npt.NDArray[np.int16], int]:
    """HU (K, J, I) and the number of padded voxels; one decoded slice in memory beside the volume."""
    planes, padded = [], 0
    for dataset in slices:
        stored = _pixels(dataset)
        padding = dataset.get("PixelPaddingValue")
        number = int(padding) if padding is not None else None
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        hu, count = hounsfield(stored, slope, intercept, number)
        planes.append(hu)
        padded += count
    if len({plane.shape for plane in planes}) > 1:
        raise TrainingError("the slices of the series differ in rows or columns; it is not one volume")
    return np.stack(planes), padded


def _pixels(dataset: pydicom.Dataset) -> npt.NDArray[np.integer]:
    try:
        stored: npt.NDArray[np.integer] = dataset.pixel_array
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, TypeError) as error:
        raise TrainingError(f"{dataset.filename}: its pixels cannot be decoded ({_first_line(error)})") from None
    if stored.ndim != 2:
        raise TrainingError(f"{dataset.filename}: is no single grey slice")
    return stored


def _read(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path)
    except (InvalidDicomError, EOFError, OSError) as error:
        raise TrainingError(f"{path}: cannot be read as DICOM ({_first_line(error)})") from None


def _affine(series: Series, first: pydicom.Dataset) -> npt.NDArray[np.float64]:
    """(4, 4) from (k, j, i, 1) to LPS mm (PS3.3 C.7.6.2.1.1); slices run along their normal."""
    along_row, along_column = np.split(np.asarray(first.ImageOrientationPatient, dtype=np.float64), 2)
    affine = np.eye(4)
    directions = (np.cross(along_row, along_column), along_column, along_row)
    for axis, (direction, step) in enumerate(zip(directions, series.spacing_kji_mm, strict=True)):
        affine[:3, axis] = direction * step
    affine[:3, 3] = series.origin_lps_mm
    return affine


def _words(value: object) -> str:
    return str(value[0]) if isinstance(value, list | pydicom.multival.MultiValue) and value else str(value or "")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
