"""Instances on disk, undecoded: ``root/<series_instance_uid>/<sop_instance_uid>.dcm``.

A corrected instance has a name of its own, ``<sop_instance_uid>.c<sha256>.dcm`` with the first characters of the
digest, so that a file once acknowledged is never written over: which of them counts, the ledger says.

A file under its final name is complete and durable. Files are written aside in ``root/.incoming`` (the
same file system, so that the rename is atomic); what is left there, and every file that the ledger does
not know, was never acknowledged and is removed at the next start.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.durable import make_folder_durably, rename_durably, sync_folder
from node.errors import CannotUnderstand, OutOfResources
from node.reception.incoming import IncomingInstance
from node.reception.part10 import Announcement
from node.series.instances import is_valid_uid

_SUFFIX = ".dcm"
_ASIDE = ".incoming"
_DIGEST_CHARACTERS = 16  # of a sha256 in a file's name: 64 bits, among the contents of one instance


@dataclass(frozen=True)
class StoredInstance:
    """Where an instance stands; ``path`` is relative to the folder that holds the store (data_dir)."""

    path: str
    sha256: str
    size: int


class InstanceStore:
    """The folder of received instances. Safe to use from several associations at once."""

    def __init__(self, root: Path, minimum_free_bytes: int = 0) -> None:
        self.root = root
        self._minimum_free_bytes = minimum_free_bytes
        self._storing = 0
        self._gate = threading.Condition()
        self._aside = root / _ASIDE
        self._numbers = itertools.count()
        self._folders = threading.Lock()

    def sweep(self, known_paths: frozenset[str]) -> int:
        """Get ready at start: remove what was never acknowledged, and give the number of files removed.

        Parameters
        ----------
        known_paths
            The ``path`` of every instance in the ledger, as in StoredInstance.
        """
        shutil.rmtree(self._aside, ignore_errors=True)
        make_folder_durably(self._aside)
        orphans = [file for file in self.root.glob(f"*/*{_SUFFIX}") if self._relative(file) not in known_paths]
        for orphan in orphans:
            orphan.unlink()
        return len(orphans)

    def receive(self, announcement: Announcement) -> IncomingInstance:
        """Open a file aside for an instance that is announced."""
        return IncomingInstance(self._aside / f"{next(self._numbers)}{_SUFFIX}", announcement)

    def keep(self, incoming: IncomingInstance, series_instance_uid: str, at: str | None = None) -> StoredInstance:
        """Give an instance its final name; when this returns, the file survives a power cut.

        Parameters
        ----------
        at
            Path as in StoredInstance, where it is not that of an instance that comes for the first time.

        Raises
        ------
        CannotUnderstand
            A UID is none, and would not be a safe file name.
        OutOfResources
            The disk is full or fails. Nothing stands under the final name.
        """
        path = self.file(at) if at else self._path(series_instance_uid, incoming.announcement.sop_instance_uid)
        self._check_room()
        incoming.sync()
        try:
            with self._folders:  # nobody uses a folder whose own name is not durable yet
                make_folder_durably(path.parent)
            rename_durably(incoming.path, path)
        except OSError as error:
            raise OutOfResources(f"the instance cannot be stored: {error.strerror}") from None
        return StoredInstance(self._relative(path), incoming.sha256, incoming.size)

    def path_of_corrected(self, incoming: IncomingInstance, series_instance_uid: str) -> str:
        """Give the path, as in StoredInstance, of an instance that takes the place of another."""
        path = self._path(series_instance_uid, incoming.announcement.sop_instance_uid)
        return self._relative(path.with_suffix(f".c{incoming.sha256[:_DIGEST_CHARACTERS]}{_SUFFIX}"))

    def file(self, path: str) -> Path:
        """Give the file at a path as in StoredInstance."""
        return self.root.parent / path

    def holds(self, path: str) -> bool:
        """Tell whether there is a file at a path as in StoredInstance."""
        return self.file(path).is_file()

    def paths(self, series_instance_uid: str) -> tuple[Path, ...]:
        """Give the files of a series, sorted by name; those that were replaced are among them."""
        return tuple(sorted(self._folder(series_instance_uid).glob(f"*{_SUFFIX}")))

    def drop(self, path: str) -> None:
        """Take back an instance that could not be recorded."""
        self.file(path).unlink(missing_ok=True)

    def remove(self, series_instance_uid: str) -> None:
        """Remove the files of a series (retention)."""
        folder = self._folder(series_instance_uid)
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(self.root)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Keep ``removing`` out from before a file gets its name until its row is recorded."""
        with self._gate:
            self._storing += 1
        try:
            yield
        finally:
            with self._gate:
                self._storing -= 1
                self._gate.notify_all()

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Keep ``storing`` out: an instance that is sent again just now must not be removed with the old ones."""
        with self._gate:
            self._gate.wait_for(lambda: self._storing == 0)
            yield

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.root).free
        if free < self._minimum_free_bytes:
            raise OutOfResources(f"{free / 1e9:.1f} GB free on the disk, retention.minimum_free_gb asks for more")

    def _path(self, series_instance_uid: str, sop_instance_uid: str) -> Path:
        return self._folder(series_instance_uid) / f"{_checked(sop_instance_uid, 'SOP')}{_SUFFIX}"

    def _folder(self, series_instance_uid: str) -> Path:
        return self.root / _checked(series_instance_uid, "Series")

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root.parent).as_posix()


def _checked(uid: str, kind: str) -> str:
    """Let only digits and dots become a file name: no path leaves the root."""
    if not is_valid_uid(uid):
        raise CannotUnderstand(f"the {kind} Instance UID is not a UID (PS3.5 section 9.1)")
    return uid
