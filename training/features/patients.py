"""The DSB-2017 layout: a folder of DICOM slices for each patient, and ``stage1_labels.csv``."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from training.errors import TrainingError
from training.explore.reading import hounsfield

LABELS_FILE = "stage1_labels.csv"
_ID, _LABEL = "id", "cancer"


@dataclass(frozen=True)
class Patient:
    """One folder; ``cancer`` is None where the table does not know."""

    name: str
    folder: Path
    cancer: bool | None


def read_patients(folder: Path, labels: Path | None = None) -> tuple[Patient, ...]:
    """Find the patients under a folder, by name, with their labels.

    Parameters
    ----------
    labels
        A table ``id,cancer``; by default ``stage1_labels.csv`` in the folder or beside it.

    Raises
    ------
    TrainingError
        There is no patient, no table, a label that is neither 0 nor 1, or no patient of one of both classes.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: is not a folder; give the folder that holds one folder for each patient")
    table = read_labels(labels or _labels_path(folder))
    patients = tuple(Patient(p.name, p, table.get(p.name)) for p in sorted(folder.iterdir()) if _is_patient(p))
    if not patients:
        raise TrainingError(f"{folder}: holds no folder of a patient")
    for wanted, word in ((True, "with cancer"), (False, "without cancer")):
        if not any(patient.cancer is wanted for patient in patients):
            raise TrainingError(f"{folder}: no folder of a patient {word}; both classes are needed")
    return patients


def read_labels(path: Path) -> dict[str, bool]:
    """Read ``id,cancer`` with 0 or 1.

    Raises
    ------
    TrainingError
        The table is missing, lacks a column, names a patient twice, or holds another label; the line is named.
    """
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: the table of labels cannot be read ({error})") from None
    if not {_ID, _LABEL} <= set(reader.fieldnames or ()):
        raise TrainingError(f"{path}: needs the columns {_ID} and {_LABEL}")
    labels: dict[str, bool] = {}
    for row in reader:
        name, label = (row[_ID] or "").strip(), (row[_LABEL] or "").strip()
        if label not in ("0", "1"):
            raise TrainingError(f"{path}: line {reader.line_num}: {_LABEL} is {label!r}, not 0 or 1")
        if name in labels:
            raise TrainingError(f"{path}: line {reader.line_num}: a patient that is there twice")
        labels[name] = label == "1"
    return labels


def read_slices(folder: Path) -> npt.NDArray[np.int16]:
    """Read the slices of one patient, the larger series where there are two, ordered along their normal.

    Padding is treated as system 001 does. Slices at one position are taken once; gaps do no harm here.

    Returns
    -------
    (K, J, I) HU, feet first for axial slices.

    Raises
    ------
    TrainingError
        There are fewer than three slices, one cannot be decoded, or they differ in size.
    """
    series: dict[str, list[pydicom.Dataset]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            dataset = _slice(path)
            if dataset is not None:
                series[str(dataset.get("SeriesInstanceUID", ""))].append(dataset)
    largest = max(series.values(), key=len, default=[])
    planes = [_hu(dataset) for dataset in _ordered(largest)]
    if len(planes) < 3:
        raise TrainingError(f"{folder}: {len(planes)} CT slices; three make a picture")
    if len({plane.shape for plane in planes}) > 1:
        raise TrainingError(f"{folder}: slices of one series differ in rows or columns")
    return np.stack(planes)


def _is_patient(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _labels_path(folder: Path) -> Path:
    places = (folder / LABELS_FILE, folder.parent / LABELS_FILE)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise TrainingError(f"{LABELS_FILE}: neither in {folder} nor beside it; name the table with --labels")
    return found


def _slice(path: Path) -> pydicom.Dataset | None:
    """Read a file; None for what is no positioned image, such as a DICOMDIR or a text file."""
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        return None
    except (EOFError, OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); fetch it again") from None
    return dataset if dataset.get("ImagePositionPatient") and "Rows" in dataset else None


def _ordered(datasets: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Order slices along the normal of the first one; of two at one position the first is kept."""
    if not datasets:
        return []
    axes = np.asarray(datasets[0].get("ImageOrientationPatient") or (1, 0, 0, 0, 1, 0), dtype=np.float64)
    normal = np.cross(axes[:3], axes[3:])
    heights = np.array([normal @ np.asarray(d.ImagePositionPatient, dtype=np.float64) for d in datasets])
    _, first = np.unique(np.round(heights, 3), return_index=True)  # to 1 um
    return [datasets[int(n)] for n in first]


def _hu(dataset: pydicom.Dataset) -> npt.NDArray[np.int16]:
    try:
        stored = dataset.pixel_array
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, TypeError, KeyError, EOFError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{dataset.filename}: its pixels cannot be decoded ({first_line})") from None
    if stored.ndim != 2:
        raise TrainingError(f"{dataset.filename}: is no single grey slice")
    padding = dataset.get("PixelPaddingValue")
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return hounsfield(stored, slope, intercept, None if padding is None else int(padding))[0]
