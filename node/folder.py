"""A folder, a .zip or a .tar archive of DICOM files on disk, as the command line gets it."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.assembly.reading import read_instance
from node.errors import CannotUnderstand, ConfigError, UndecodableSlice
from node.malformed import MALFORMED
from node.series.instances import InstanceHeader, header_of

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


@dataclass(frozen=True)
class FolderScan:
    """The DICOM instances below a folder, by series, and how many files are none."""

    series: dict[str, tuple[tuple[Path, InstanceHeader], ...]]
    other_files: int

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
    """Read the header of every file below ``folder``; what is not DICOM is counted, not an error."""
    found: dict[str, list[tuple[Path, InstanceHeader]]] = {}
    others = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = _header(path)
        if header is None:
            others += 1
        else:
            found.setdefault(header.series_instance_uid, []).append((path, header))
    return FolderScan({uid: tuple(rows) for uid, rows in found.items()}, others)


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
