"""A folder, a .zip or a .tar archive of DICOM files on disk, as the command line gets it."""

from __future__ import annotations

import hashlib
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from node.assembly.reading import read_instance
from node.errors import CannotUnderstand, ConfigError, UndecodableSlice
from node.malformed import MALFORMED
from node.series.instances import InstanceHeader, header_of, is_ct

_DAMAGED = (
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    OSError,
    RuntimeError,  # an encrypted .zip
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_UNREADABLE: tuple[type[Exception], ...] = (CannotUnderstand, UndecodableSlice, *MALFORMED)


_DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
_PREAMBLE, _PREFIX = 128, b"DICM"  # PS3.10 section 7.1
_DIRECTORY_CLASS = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage
_LOOKED_AT = 1024  # bytes: the file meta information is shorter


class StrayKind(StrEnum):
    """Why a file is no instance, in words for a note."""

    EMPTY = "empty"
    DAMAGED = "damaged DICOM"
    DIRECTORY = "DICOMDIR"
    NOT_DICOM = "not DICOM"


@dataclass(frozen=True)
class StrayFile:
    """A file that is no readable instance."""

    path: Path
    kind: StrayKind


@dataclass(frozen=True)
class FolderScan:
    """The DICOM instances below a folder, by series, and the files that are none."""

    series: dict[str, tuple[tuple[Path, InstanceHeader], ...]]
    strays: tuple[StrayFile, ...] = ()

    @property
    def strays_by_kind(self) -> dict[str, int]:
        """How many files are no instance, by what they are instead."""
        counts = Counter(stray.kind for stray in self.strays)
        return {str(kind): counts[kind] for kind in StrayKind if counts[kind]}

    def headers(self, series_instance_uid: str) -> tuple[InstanceHeader, ...]:
        """Give the headers of one series."""
        return tuple(header for _, header in self.series[series_instance_uid])

    def files(self, series_instance_uid: str) -> tuple[Path, ...]:
        """Give the files of one series."""
        return tuple(path for path, _ in self.series[series_instance_uid])

    def study_of(self, series_instance_uid: str) -> str:
        """Give the Study Instance UID of a series."""
        return self.series[series_instance_uid][0][1].study_instance_uid


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Give a folder for ``source``: itself, or what an archive holds, unpacked aside and removed afterwards.

    Raises
    ------
    ConfigError
        There is no such folder or archive, or the archive is damaged.
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise ConfigError(f"{source}: there is no such folder or archive")
    with tempfile.TemporaryDirectory(prefix="pulmonode-") as unpacked:
        _unpack(source, Path(unpacked))
        yield Path(unpacked)


def scan(folder: Path) -> FolderScan:
    """Read the header of every file below ``folder``, once; what is no instance is told apart, not an error."""
    found: dict[str, list[tuple[Path, InstanceHeader]]] = {}
    others: list[Path] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = _header(path)
        if header is None:
            others.append(path)
        else:
            found.setdefault(header.series_instance_uid, []).append((path, header))
    shapes = {_shape(path) for rows in found.values() for path, _ in rows}
    strays = tuple(StrayFile(path, _kind(path, shapes)) for path in others)
    return FolderScan({uid: tuple(rows) for uid, rows in found.items()}, strays)


def beside(found: FolderScan, series_instance_uid: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what lay beside the slices of one series.

    Returns
    -------
    Notes, which count, and warnings of files that may be slices of this series. No name of a file stands in them.
    """
    others = Counter(
        header.modality[:16] or "none" for rows in found.series.values() for _, header in rows if not is_ct(header)
    )
    notes = [f"{count} file(s) in the folder left out: {kind}" for kind, count in found.strays_by_kind.items()]
    if others:
        listed = ", ".join(f"{modality} ({count})" for modality, count in sorted(others.items()))
        notes.append(f"{others.total()} object(s) in the folder that are no CT images left out: {listed}")
    slices = found.files(series_instance_uid)
    lost = sum(
        _may_be_slice(stray, {path.parent for path in slices}, set(map(_shape, slices))) for stray in found.strays
    )
    warning = f"{lost} damaged or empty file(s) lie beside the slices or are named like them: slices may be missing"
    return tuple(notes), (warning,) if lost else ()


def no_images(found: FolderScan) -> str:
    """Say that a folder holds no instance, and what it holds instead."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.strays_by_kind.items())
    return f"no DICOM image in the folder ({len(found.strays)} other files{': ' if kinds else ''}{kinds})"


def digest_of_files(files: tuple[Path, ...]) -> str:
    """Give one sha256 over the content of files, whatever their order and names."""
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)  # noqa: S202 - zipfile itself drops absolute paths and ".."
        else:
            with tarfile.open(archive) as packed_tar:
                packed_tar.extractall(folder, filter="data")
    except _DAMAGED as error:
        cause = type(error).__name__
        raise ConfigError(f"{archive}: neither a folder nor a readable .zip or .tar archive ({cause})") from None


def _header(path: Path) -> InstanceHeader | None:
    try:
        return header_of(read_instance(path, pixels=False))
    except _UNREADABLE:
        return None


def _kind(path: Path, shapes: set[tuple[Path, str]]) -> StrayKind:
    """Tell what a file is that is no readable instance; ``shapes`` are the places and names of those that are."""
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except OSError:
        return StrayKind.DAMAGED  # it is there and cannot be read
    if not start:
        return StrayKind.EMPTY
    is_dicom = start[_PREAMBLE:].startswith(_PREFIX)
    if path.name.upper() == "DICOMDIR" or (is_dicom and _DIRECTORY_CLASS in start):
        return StrayKind.DIRECTORY
    if is_dicom or path.suffix.lower() in _DICOM_SUFFIXES or _shape(path) in shapes:
        return StrayKind.DAMAGED
    return StrayKind.NOT_DICOM


def _shape(path: Path) -> tuple[Path, str]:
    """Give the folder of a file and its name without figures: slices are named ``IM0001``, ``IM0002``."""
    return path.parent, re.sub(r"[0-9]+", "#", path.name)


def _may_be_slice(stray: StrayFile, folders: set[Path], shapes: set[tuple[Path, str]]) -> bool:
    if _shape(stray.path) in shapes:
        return stray.kind in {StrayKind.EMPTY, StrayKind.DAMAGED}
    is_named = stray.path.suffix.lower() in _DICOM_SUFFIXES
    return stray.path.parent in folders and (
        stray.kind is StrayKind.DAMAGED or (stray.kind is StrayKind.EMPTY and is_named)
    )
