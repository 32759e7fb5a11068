"""Writing a file so that it is either wholly there after a crash, or not there at all.

The order is the whole point: write aside, fsync the file, rename, fsync the directory. The rename is
atomic (POSIX), so that no reader ever sees half a file under its final name; the last fsync makes the
name itself survive.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

ASIDE_PREFIX = ".writing-"  # a file of this name was never finished


def write_durably(path: Path, chunks: Iterable[bytes]) -> None:
    """Write ``chunks`` to ``path``; when this returns, the file survives a power cut.

    A file that stood there before is replaced in one step. Folders on the way are made, durably.

    Raises
    ------
    OSError
        Nothing was written under ``path``, and nothing is left beside it.
    """
    make_folder_durably(path.parent)
    descriptor, aside = tempfile.mkstemp(prefix=ASIDE_PREFIX, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        rename_durably(Path(aside), path)
    except BaseException:  # also when interrupted: leave nothing behind
        Path(aside).unlink(missing_ok=True)
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Give a file that is already synced its final name; the name is durable when this returns."""
    source.replace(target)
    sync_folder(target.parent)


def make_folder_durably(folder: Path) -> None:
    """Make ``folder`` and what lacks above it, and sync the folder that each name stands in."""
    if folder.is_dir():
        return
    make_folder_durably(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable (fsync(2): syncing a file does not sync its directory entry)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
