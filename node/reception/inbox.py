"""The inbox: what makes an instance ours. File first, then the row in the ledger, then the answer.

The rule of the same instance: two instances are the same when their *encoded data sets* are equal byte
for byte (sha256; the file meta information is ours and does not count). Sent again they are stored once.
The same SOP Instance UID with other bytes, also when only the transfer syntax, a group length or a
private element differs, is refused: which of the two is right is not ours to say, and an analysis may
already stand on the first.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from node.errors import ContentConflict, DataSetMismatch, LedgerError, OutOfResources
from node.ledger.records import RefusalRecord
from node.reception.headers import read_header
from node.reception.incoming import IncomingInstance
from node.reception.instance_store import InstanceStore
from node.series.instances import InstanceHeader

logger = logging.getLogger(__name__)

_SYNCS_AT_ONCE = 32  # associations whose files can be synced side by side


class InstanceLedger(Protocol):
    """What reception needs of the ledger. Every call is durable when it returns and raises LedgerError when not."""

    def find_instance_digest(self, sop_instance_uid: str) -> str | None:
        """Give the sha256 of the stored data set, or None when the instance is not known."""

    def record_instance(
        self,
        header: InstanceHeader,
        *,
        sha256: str,
        size: int,
        path: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
        association_id: str,
        received_at: datetime,
    ) -> None:
        """Add the row of one instance."""

    def record_refusal(self, refusal: RefusalRecord) -> None:
        """Note that an instance or an association was turned away, and why."""


@dataclass(frozen=True)
class ReceivedInstance:
    """A data set that has arrived whole, still aside."""

    incoming: IncomingInstance
    association_id: str
    received_at: datetime


class Inbox:
    """Takes received instances into the store and the ledger. Safe to use from several associations at once."""

    def __init__(
        self, store: InstanceStore, ledger: InstanceLedger, on_arrival: Callable[[InstanceHeader], None]
    ) -> None:
        self.store = store
        self._ledger = ledger
        self._on_arrival = on_arrival
        self._under_way: set[str] = set()
        self._changed = threading.Condition()
        self._disk = ThreadPoolExecutor(_SYNCS_AT_ONCE, "instance-sync")  # waits for the disk, uses no CPU

    def add(self, received: ReceivedInstance) -> None:
        """Store one instance; file and row are durable when this returns.

        Raises
        ------
        ReceptionError
            The instance is refused; nothing of it is left.
        """
        incoming = received.incoming
        try:
            incoming.check()
            incoming.begin_sync(self._disk)
            header = read_header(incoming.path, incoming.data_set_offset, incoming.announcement.transfer_syntax_uid)
            _check_announced(header, incoming)
            with self._alone_with(header.sop_instance_uid), self.store.storing():
                is_new = self._store(received, header)
        finally:
            incoming.discard()
        if is_new:
            self._on_arrival(header)

    def note_refusal(self, refusal: RefusalRecord) -> None:
        """Record what was turned away; the sender gets its answer also when the ledger cannot be written."""
        try:
            self._ledger.record_refusal(refusal)
        except LedgerError as failure:
            logger.error("a refusal could not be recorded: %s", failure)

    def _store(self, received: ReceivedInstance, header: InstanceHeader) -> bool:
        """Store what is not stored yet; tell whether a row was added."""
        incoming = received.incoming
        known = self._find(header.sop_instance_uid)
        if known is not None and known != incoming.sha256:
            raise ContentConflict("this SOP Instance UID is already stored with other content")
        if known is not None and self.store.holds(header.series_instance_uid, header.sop_instance_uid):
            return False
        stored = self.store.keep(incoming, header.series_instance_uid)
        if known is None:
            self._record(received, header, stored.path)
        return known is None

    def _record(self, received: ReceivedInstance, header: InstanceHeader, path: str) -> None:
        incoming = received.incoming
        try:
            self._ledger.record_instance(
                header,
                sha256=incoming.sha256,
                size=incoming.size,
                path=path,
                transfer_syntax_uid=incoming.announcement.transfer_syntax_uid,
                calling_ae_title=incoming.announcement.calling_ae_title,
                association_id=received.association_id,
                received_at=received.received_at,
            )
        except LedgerError as error:
            self.store.drop(header.series_instance_uid, header.sop_instance_uid)
            raise OutOfResources(str(error)) from error

    def _find(self, sop_instance_uid: str) -> str | None:
        try:
            return self._ledger.find_instance_digest(sop_instance_uid)
        except LedgerError as error:
            raise OutOfResources(str(error)) from error

    @contextmanager
    def _alone_with(self, sop_instance_uid: str) -> Iterator[None]:
        """Let one association at a time handle a SOP Instance UID."""
        with self._changed:
            self._changed.wait_for(lambda: sop_instance_uid not in self._under_way)
            self._under_way.add(sop_instance_uid)
        try:
            yield
        finally:
            with self._changed:
                self._under_way.remove(sop_instance_uid)
                self._changed.notify_all()


def _check_announced(header: InstanceHeader, incoming: IncomingInstance) -> None:
    """Check that the data set is what the C-STORE request announced (PS3.4 Table B.2-1: A9xx)."""
    announced = incoming.announcement
    if header.sop_class_uid != announced.sop_class_uid:
        raise DataSetMismatch("SOPClassUID (0008,0016) differs from the Affected SOP Class UID of the request")
    if header.sop_instance_uid != announced.sop_instance_uid:
        raise DataSetMismatch("SOPInstanceUID (0008,0018) differs from the Affected SOP Instance UID of the request")
