"""Reading CT images of public data sets into volumes: MetaImage files and folders of DICOM slices.

A training room reads what it is given; it is not the node's assembly, which judges every attribute.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK
from pydicom.errors import InvalidDicomError

from models.volume import AIR_HU, Volume
from training.errors import TrainingError

_TAGS = [
    "Modality",
    "SeriesInstanceUID",
    "PatientID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
]
_GAP_SHARE = 0.1  # slice distances may differ by this share of their median
_HIGHEST_HU = 32767  # of int16


@dataclass(frozen=True, eq=False)
class Series:
    """One CT series in a folder, from its headers alone.

    Parameters
    ----------
    files
        In the order of their position along the normal of the slices.
    origin_lps_mm
        Position of the first slice's first pixel.
    spacing_kji_mm
        Distance of slices, rows and columns.
    """

    series_instance_uid: str
    patient_id: str
    files: tuple[Path, ...]
    origin_lps_mm: tuple[float, float, float]
    spacing_kji_mm: tuple[float, float, float]


def read_image(path: Path) -> Volume:
    """Read a MetaImage (``.mhd`` with its ``.raw`` or ``.zraw``) or any other image file in LPS.

    Returns
    -------
    HU, cut at ``AIR_HU`` below: what lies under it is padding.

    Raises
    ------
    TrainingError
        If the file cannot be read, is no 3D image, or its axes are not perpendicular.
    """
    try:
        return _volume(SimpleITK.ReadImage(str(path)))
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{path}: cannot be read as a CT image ({_last_line(error)})") from None


def read_series(series: Series) -> Volume:
    """Read the slices of a series into HU by their rescale attributes, cut at ``AIR_HU`` below.

    Raises
    ------
    TrainingError
        If a slice cannot be decoded.
    """
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in series.files])
    try:
        volume = _volume(reader.Execute())
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{series.files[0].parent}: cannot be read as a CT series ({_last_line(error)})") from None
    affine = volume.affine.copy()
    affine[:3, 0] = volume.directions[:, 0] * series.spacing_kji_mm[0]
    return Volume(volume.hu, affine)


def find_series(folder: Path) -> list[Series]:
    """Find every CT series under a folder by reading headers; other objects beside them are passed over.

    Raises
    ------
    TrainingError
        If the folder is not there, or a series has a gap.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: is not a folder; give the folder of the data set")
    slices: dict[str, list[tuple[Path, pydicom.Dataset]]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in {".dcm", ""} and path.is_file():
            header = _header(path)
            if header is not None:
                slices[str(header.SeriesInstanceUID)].append((path, header))
    return [_ordered(uid, found) for uid, found in sorted(slices.items()) if len(found) > 1]


def _header(path: Path) -> pydicom.Dataset | None:
    """Read what orders a CT slice; None for anything else."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
    except (InvalidDicomError, EOFError, OSError):
        return None
    is_slice = header.get("Modality") == "CT" and all(header.get(tag) for tag in _TAGS)
    return header if is_slice else None


def _ordered(uid: str, found: list[tuple[Path, pydicom.Dataset]]) -> Series:
    """Order slices along their normal, and refuse a gap or a slice that is there twice."""
    first = found[0][1]
    row, column = np.split(np.asarray(first.ImageOrientationPatient, dtype=np.float64), 2)
    heights = np.array([np.cross(row, column) @ np.asarray(h.ImagePositionPatient, dtype=np.float64) for _, h in found])
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > _GAP_SHARE * step:
        raise TrainingError(f"{found[0][0].parent}: slices are missing or there twice; fetch the series again")
    x, y, z = (float(value) for value in found[int(order[0])][1].ImagePositionPatient)
    rows, columns = (float(value) for value in first.PixelSpacing)
    files = tuple(found[int(n)][0] for n in order)
    return Series(uid, str(first.PatientID), files, (x, y, z), (step, rows, columns))


def _volume(image: SimpleITK.Image) -> Volume:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError("not one 3D image of one channel")
    array: npt.NDArray[np.generic] = SimpleITK.GetArrayFromImage(image)
    hu = np.clip(np.rint(array) if array.dtype.kind == "f" else array, AIR_HU, _HIGHEST_HU)
    directions = np.asarray(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = (directions * np.asarray(image.GetSpacing()))[:, ::-1]  # ITK: columns x, y, z; ours k, j, i
    affine[:3, 3] = image.GetOrigin()
    return Volume(hu.astype(np.int16), affine)


def _last_line(error: Exception) -> str:
    """Give the end of an ITK message, which is where it says what is wrong."""
    return str(error).strip().splitlines()[-1].strip()
