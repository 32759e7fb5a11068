"""The inbox: what makes an instance ours. File first, then the row in the ledger, then the answer.

The rule of the same instance: two instances are the same when their *data sets* say the same; the file meta
information is ours and does not count. Sent again they are stored once, also when the second is encoded
otherwise, such as in another character set. The same SOP Instance UID with a corrected patient, study or
order takes the place of the one before (``series.changed``): first its file, under a name of its own, then
the row, which names the new file and keeps the old one in one transaction, then the answer. Whatever differs
in anything else is refused: which of the two is right is not ours to say.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from node.errors import CannotUnderstand, ContentConflict, DataSetMismatch, LedgerError, OutOfResources
from node.ledger.records import InstanceRecord, RefusalRecord, log_key
from node.reception.comparing import EncodedFile, change_between, stored_file
from node.reception.headers import read_header
from node.reception.incoming import IncomingInstance
from node.reception.instance_store import InstanceStore
from node.series.corrections import Change, Kind, WhenChanged, short_list
from node.series.instances import InstanceHeader

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

_CONFLICT = "this SOP Instance UID is already stored with other content"
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

    def find_instance(self, sop_instance_uid: str) -> InstanceRecord | None:
        """Give the row of an instance, or None when it is not known."""

    def replace_instance(self, corrected: InstanceRecord, replaced_sha256: str, attributes: Sequence[str]) -> bool:
        """Let a row name its corrected content; tell whether it is the first of its series that is corrected."""

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
        self,
        store: InstanceStore,
        ledger: InstanceLedger,
        on_arrival: Callable[[InstanceHeader], None],
        when_changed: WhenChanged = WhenChanged.REPLACE,
    ) -> None:
        self.store = store
        self._ledger = ledger
        self._on_arrival = on_arrival
        self._when_changed = when_changed
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
        """Store what is not stored yet; tell whether a row was added or changed."""
        incoming = received.incoming
        digest = self._asked(lambda: self._ledger.find_instance_digest(header.sop_instance_uid))
        if digest is None:
            stored = self.store.keep(incoming, header.series_instance_uid)
            self._record(received, header, stored.path)
            return True
        known = self._asked(lambda: self._ledger.find_instance(header.sop_instance_uid))
        if known is None:
            raise OutOfResources("the ledger lost the row of an instance just now")
        if digest != incoming.sha256:
            return self._correct(received, header, known)
        if not self.store.holds(known.path):
            self.store.keep(incoming, header.series_instance_uid, at=known.path)
        return False

    def _correct(self, received: ReceivedInstance, header: InstanceHeader, known: InstanceRecord) -> bool:
        """Let an instance take the place of the one that is stored, if it corrects no more than it may.

        After an error of the ledger the new file stays, because the row may name it all the same; a file that
        no row names is removed at the next start.
        """
        incoming = received.incoming
        change = self._change(known, incoming)
        if change.kind is Kind.ENCODING:
            return False
        if change.kind is not Kind.CORRECTION:
            raise ContentConflict(f"{_CONFLICT}: {change}; the first stays")
        if self._when_changed is WhenChanged.REFUSE:
            raise ContentConflict(f"{_CONFLICT}: {change}; the first stays, because series.changed is refuse")
        path = self.store.path_of_corrected(incoming, header.series_instance_uid)
        self.store.keep(incoming, header.series_instance_uid, at=path)
        corrected = _row(received, header, path)
        if self._asked(lambda: self._ledger.replace_instance(corrected, known.sha256, change.attributes)):
            logger.info(
                "series %s: %r corrects %s; it is received and analysed again",
                log_key(header.series_instance_uid),
                corrected.calling_ae_title,
                short_list(change.attributes),
            )
        return True

    def _change(self, known: InstanceRecord, incoming: IncomingInstance) -> Change:
        try:
            return change_between(
                stored_file(self.store.file(known.path), known.transfer_syntax_uid),
                EncodedFile(incoming.path, incoming.data_set_offset, incoming.announcement.transfer_syntax_uid),
            )
        except (CannotUnderstand, OSError):
            raise ContentConflict(f"{_CONFLICT}, and the two cannot be compared; the first stays") from None

    def _record(self, received: ReceivedInstance, header: InstanceHeader, path: str) -> None:
        try:
            self._ledger.record_instance(**vars(_row(received, header, path)))
        except LedgerError as error:
            self.store.drop(path)
            raise OutOfResources(str(error)) from error

    @staticmethod
    def _asked(question: Callable[[], _Answer]) -> _Answer:
        """Ask the ledger; what it cannot do is no fault of the sender, who may try again."""
        try:
            return question()
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


def _row(received: ReceivedInstance, header: InstanceHeader, path: str) -> InstanceRecord:
    incoming = received.incoming
    return InstanceRecord(
        header=header,
        sha256=incoming.sha256,
        size=incoming.size,
        path=path,
        transfer_syntax_uid=incoming.announcement.transfer_syntax_uid,
        calling_ae_title=incoming.announcement.calling_ae_title,
        association_id=received.association_id,
        received_at=received.received_at,
    )


def _check_announced(header: InstanceHeader, incoming: IncomingInstance) -> None:
    """Check that the data set is what the C-STORE request announced (PS3.4 Table B.2-1: A9xx)."""
    announced = incoming.announcement
    if header.sop_class_uid != announced.sop_class_uid:
        raise DataSetMismatch("SOPClassUID (0008,0016) differs from the Affected SOP Class UID of the request")
    if header.sop_instance_uid != announced.sop_instance_uid:
        raise DataSetMismatch("SOPInstanceUID (0008,0018) differs from the Affected SOP Instance UID of the request")
