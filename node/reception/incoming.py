"""One instance on its way to disk: its bytes go straight into a file, so that memory stays flat."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Executor, Future, wait
from pathlib import Path

from node.errors import OutOfResources
from node.reception.part10 import Announcement, file_head


class IncomingInstance:
    """A file aside that an instance is being written to.

    Writing never raises: when the disk is full the rest of the data set is read from the network and
    dropped, so that the association lives and the sender gets its 0xA700 (``check``).
    """

    def __init__(self, path: Path, announcement: Announcement) -> None:
        self.path = path
        self.announcement = announcement
        self.size = 0  # bytes of the data set
        self._digest = hashlib.sha256()
        self._failure: OSError | None = None
        self._descriptor: int | None = None
        self._syncing: Future[None] | None = None
        head = file_head(announcement)
        self.data_set_offset = len(head)
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._write(head)
        except OSError as error:
            self._failure = error

    @property
    def sha256(self) -> str:
        """Digest of the encoded data set, without the file meta information."""
        return self._digest.hexdigest()

    def write(self, fragment: bytes | memoryview) -> None:
        """Append a fragment of the encoded data set."""
        self.size += len(fragment)
        self._digest.update(fragment)
        if self._failure is None:
            try:
                self._write(fragment)
            except OSError as error:
                self._failure = error

    def begin_sync(self, executor: Executor) -> None:
        """Let the disk begin, while the caller reads the header; nothing more may be written."""
        self._syncing = executor.submit(self._sync)

    def sync(self) -> None:
        """Make the content durable and close the file.

        Raises
        ------
        OutOfResources
            Some byte did not reach the disk.
        """
        if self._syncing is None:
            self._sync()
        self._close()
        self.check()

    def check(self) -> None:
        """Raise OutOfResources when a write has failed."""
        if self._failure is not None:
            reason = self._failure.strerror or type(self._failure).__name__
            raise OutOfResources(f"the instance cannot be written to disk: {reason}")

    def discard(self) -> None:
        """Remove the file; nothing to do when it has got its final name."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _sync(self) -> None:
        try:
            if self._descriptor is not None:
                os.fsync(self._descriptor)
        except OSError as error:
            self._failure = error

    def _write(self, data: bytes | memoryview) -> None:
        remaining = memoryview(data)
        while remaining and self._descriptor is not None:
            remaining = remaining[os.write(self._descriptor, remaining) :]

    def _close(self) -> None:
        if self._syncing is not None:
            wait([self._syncing])
            self._syncing = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
