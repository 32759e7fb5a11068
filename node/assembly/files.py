"""Files of one series to a volume: the thin shell around the pure assembly."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from node.assembly.assemble import header_of
from node.assembly.assembled import AssembledSeries
from node.assembly.attributes import text
from node.assembly.decoding import build, slice_hu
from node.assembly.framing import Careless, careless_notes
from node.assembly.identity import check_one_person
from node.assembly.layout import instance_headers, lay_out
from node.assembly.limits import DEFAULT_LIMITS, AssemblyLimits
from node.assembly.planes import is_ct_image, pixel_plane
from node.assembly.reading import open_instance
from node.errors import MissingGeometry, NoImages, NotCT, UndecodableSlice
from node.malformed import MALFORMED
from node.series.planes import read_planes

# Two, so that one slice is read from disk while another is decoded. The decoders of pydicom 3.0 hold the
# interpreter lock (measured: gdcm, pylibjpeg, pyjpegls), so that more threads only hold more slices.
_THREADS = 2
_DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})


@dataclass(frozen=True, eq=False)
class _Instance:
    path: Path
    header: Dataset
    careless: tuple[Careless, ...]


def assemble_files(paths: Sequence[Path], limits: AssemblyLimits = DEFAULT_LIMITS) -> AssembledSeries:
    """Read the CT series in a list of files; memory holds one copy of the voxels.

    Objects that are not CT images (structures, plans, dose), files that are not DICOM, and copies
    of an instance are left out, each with a note.

    Parameters
    ----------
    paths
        In any order.
    limits
        Bounds of what is read.

    Raises
    ------
    NoImages
        No file is a DICOM image.
    UndecodableSlice
        A file that is named as DICOM cannot be read, or its pixel data cannot be decoded.
    AssemblyError
        As ``assemble``.
    """
    instances, not_dicom = _read_headers(paths)
    images, others = _ct_images(instances, len(paths))
    own = {text(image.header, "SeriesInstanceUID") for image in images}
    check_one_person([one.header for one in instances if text(one.header, "SeriesInstanceUID") in own])
    unique, copies = _without_copies(images)
    layout = lay_out([image.header for image in unique], limits)
    series = build(layout, [image.path for image in unique], _THREADS)
    notes = (*_notes(not_dicom, others, copies), *careless_notes(image.careless for image in unique))
    return replace(series, notes=(*notes, *series.notes))


def decode_slice_hu(path: Path) -> tuple[npt.NDArray[np.int16], tuple[float, float]]:
    """Decode one single-frame CT instance on its own, for example the ends of a series.

    Returns
    -------
    (J, I) int16 HU, and the distances between rows and between columns in mm.

    Raises
    ------
    NoImages, NotCT, MissingGeometry, WrongRescale, UndecodableSlice
    """
    instance = _read_header(path, "the file")
    if instance is None:
        raise NoImages("the file is not DICOM")
    header = instance.header
    read, strays = instance_headers([header])
    planes, unplaced = read_planes(0, read[0]) if read else ([], [])
    for stray in (*strays, *unplaced):
        raise stray.cause
    if len(planes) != 1:
        raise MissingGeometry(f"the instance has {len(planes)} frames: a single-frame CT is expected")
    row_mm, column_mm = planes[0].spacing_ji_mm
    return slice_hu(path, pixel_plane(planes[0], header)), (row_mm, column_mm)


def _read_headers(paths: Sequence[Path]) -> tuple[list[_Instance], int]:
    """Read every header; count the files that are not DICOM."""
    named = [(path, f"file {number} of {len(paths)}") for number, path in enumerate(paths, start=1)]
    instances = [read for path, where in named if (read := _read_header(path, where)) is not None]
    return instances, len(paths) - len(instances)


def _read_header(path: Path, where: str) -> _Instance | None:
    """Read a header without pixel data, or give None if the file does not even claim to be DICOM.

    A file name may hold a patient's name, so that messages count files instead.
    """
    try:
        with open_instance(path) as opened:
            return _Instance(path, header_of(opened.dataset), opened.careless)
    except InvalidDicomError:
        if path.suffix.lower() not in _DICOM_SUFFIXES:
            return None
        raise UndecodableSlice(f"{where} is named as DICOM and is not: truncated or damaged") from None
    except MALFORMED as error:
        raise UndecodableSlice(f"{where} cannot be read: {type(error).__name__}") from error


def _ct_images(instances: Sequence[_Instance], files: int) -> tuple[list[_Instance], Counter[str]]:
    """Keep the CT images; count the other objects by modality."""
    images = [instance for instance in instances if is_ct_image(instance.header)]
    others = [instance.header for instance in instances if not is_ct_image(instance.header)]
    modalities = Counter(text(header, "Modality")[:16] or "none" for header in others)
    if not images and any("Rows" in header for header in others):
        raise NotCT(f"no CT image among {files} file(s): Modality {_listed(modalities)}")
    if not images:
        raise NoImages(f"no DICOM image among {files} file(s)" + (f": {_listed(modalities)}" if others else ""))
    return images, modalities


def _without_copies(images: Sequence[_Instance]) -> tuple[list[_Instance], int]:
    """Keep one of several equal files; where files of one SOP Instance UID differ, the pixels decide later."""
    kept: dict[str, list[_Instance]] = {}
    for image in images:
        same = kept.setdefault(text(image.header, "SOPInstanceUID"), [])
        if not any(filecmp.cmp(first.path, image.path, shallow=False) for first in same):
            same.append(image)
    unique = [image for same in kept.values() for image in same]
    return unique, len(images) - len(unique)


def _notes(not_dicom: int, others: Counter[str], copies: int) -> list[str]:
    notes = []
    if others:
        notes.append(f"{others.total()} object(s) that are not CT images left out: {_listed(others)}")
    if not_dicom:
        notes.append(f"{not_dicom} file(s) that are not DICOM left out")
    if copies:
        notes.append(f"{copies} file(s) that repeat an instance left out")
    return notes


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
