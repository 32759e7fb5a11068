"""Public data sets in the layouts that they come in: scans and where their nodules lie.

=========  =====================================================================================
LUNA16     ``subset*/*.mhd``, ``annotations.csv`` and, if there, ``annotations_excluded.csv``
Tianchi    ``train_subset*/*.mhd`` (and ``val_``, ``test_``), ``annotations.csv`` under ``csv``
LIDC-IDRI  DICOM series and the readers' XML, beside the slices or apart
=========  =====================================================================================

Listing reads tables and headers; the voxels of a scan are read when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from models.volume import Volume
from training.datasets_images import Series, read_image, read_series
from training.datasets_lidc import lidc_series
from training.errors import TrainingError
from training.evaluation.froc import Annotation
from training.evaluation.tables import read_annotations

_CHUNK = 1 << 20  # bytes hashed at once


class Layout(StrEnum):
    """How a data set lies in its folder."""

    LUNA16 = "luna16"
    TIANCHI = "tianchi"
    LIDC = "lidc"


_SUBSETS = {Layout.LUNA16: ("subset*",), Layout.TIANCHI: ("train_subset*", "val_subset*", "test_subset*")}


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan of a data set, its voxels still on disk.

    Parameters
    ----------
    name
        Series instance UID, or the file's name where the data set goes by that.
    patient
        To split by; the scan's name where the data set does not tell the patient.
    image
        The MetaImage file, or the DICOM series.
    included
        The nodules; none is a scan without nodules.
    excluded
        Places that count neither as nodule nor as false positive.
    """

    name: str
    patient: str
    image: Path | Series
    included: tuple[Annotation, ...]
    excluded: tuple[Annotation, ...] = ()


def scans_of(folder: Path, layout: Layout) -> tuple[Scan, ...]:
    """List the scans of a data set, ordered by name.

    Raises
    ------
    TrainingError
        If the folder holds no scan or no annotations in this layout; the message names the file.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: is not a folder; give the folder of the data set")
    return _lidc_scans(folder) if layout is Layout.LIDC else _metaimage_scans(folder, layout)


def read_case(scan: Scan) -> tuple[Volume, tuple[Annotation, ...]]:
    """Read the voxels of a scan; its nodules, centres in LPS mm, come with it.

    Raises
    ------
    TrainingError
        If the image is broken.
    """
    image = scan.image
    return read_series(image) if isinstance(image, Series) else read_image(image), scan.included


def fingerprint(paths: Iterable[Path]) -> str:
    """Hash files, and all files in folders, by name, size and content: the same data give the same, wherever they lie.

    Returns
    -------
    SHA-256 in hexadecimal digits.

    Raises
    ------
    TrainingError
        If a path is not there, a file cannot be read, or there is no file at all.
    """
    total, count = hashlib.sha256(), 0
    for given in sorted(paths, key=lambda path: path.name):
        for file in _files(given):
            name = f"{given.name}/{file.relative_to(given).as_posix()}"
            total.update(f"{name}\0{file.stat().st_size}\0{_sha256(file)}\n".encode())
            count += 1
    if not count:
        raise TrainingError("fingerprint: there is no file to train on; name the data")
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise TrainingError(f"{path}: is not there; name the data")
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()


def _metaimage_scans(folder: Path, layout: Layout) -> tuple[Scan, ...]:
    """Join images and tables by the name of the image; rows of scans that are not here are passed over."""
    subsets = [folder, *(found for pattern in _SUBSETS[layout] for found in folder.rglob(pattern) if found.is_dir())]
    images = {path.stem: path for subset in subsets for path in sorted(subset.glob("*.mhd"))}
    if not images:
        raise TrainingError(f"{folder}: no .mhd image here or in {' or '.join(_SUBSETS[layout])}; unpack the data set")
    included, excluded = _table(folder, "annotations.csv"), _table(folder, "annotations_excluded.csv")
    if included is None:
        raise TrainingError(f"{folder}: annotations.csv is missing; without it no scan has a label")
    scans = [Scan(name, name, path, _of(name, included), _of(name, excluded or [])) for name, path in images.items()]
    if not any(scan.included for scan in scans):
        raise TrainingError(f"{folder}: no row of annotations.csv names one of the {len(scans)} scans here")
    return tuple(sorted(scans, key=lambda scan: scan.name))


def _table(folder: Path, name: str) -> list[Annotation] | None:
    """Read all tables of a name under a folder; None if there is none."""
    paths = sorted(folder.rglob(name))
    # LUNA16 has its table twice, the second time in the folder of the evaluation
    return list(dict.fromkeys(row for path in paths for row in read_annotations(path))) if paths else None


def _of(name: str, rows: list[Annotation]) -> tuple[Annotation, ...]:
    return tuple(row for row in rows if row.series == name)


def _lidc_scans(folder: Path) -> tuple[Scan, ...]:
    return tuple(
        Scan(series.series_instance_uid, series.patient_id, series, included, excluded)
        for series, included, excluded in lidc_series(folder)
    )
