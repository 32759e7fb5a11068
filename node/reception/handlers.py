"""What pynetdicom calls for C-STORE: thin, it hands the instance to the inbox and answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pynetdicom.events import Event

from node.errors import CannotUnderstand, OutOfResources, ReceptionError
from node.ledger.records import RefusalRecord
from node.reception.inbox import ReceivedInstance

logger = logging.getLogger(__name__)

SUCCESS = 0x0000


class StoreInbox(Protocol):
    """What a handler needs of the inbox."""

    def add(self, received: ReceivedInstance) -> None:
        """Store one instance, or raise ReceptionError."""

    def note_refusal(self, refusal: RefusalRecord) -> None:
        """Record a refusal."""


def handle_store(event: Event, inbox: StoreInbox, clock: Callable[[], datetime]) -> int:
    """Store one instance undecoded and return its DIMSE status (PS3.4 Table B.2-1)."""
    incoming = getattr(event.request, "incoming", None)
    try:
        if incoming is None:
            raise CannotUnderstand("a C-STORE request without a data set")
        inbox.add(ReceivedInstance(incoming, event.assoc.association_id, clock()))
    except ReceptionError as error:
        return _refused(event, inbox, error, clock())
    except OSError as error:
        failure = OutOfResources(f"the instance cannot be stored: {error.strerror}")
        return _refused(event, inbox, failure, clock())
    return SUCCESS


def _refused(event: Event, inbox: StoreInbox, error: ReceptionError, at: datetime) -> int:
    """Log without a UID, which stands in the ledger, and at debug; give the status."""
    calling, address = event.assoc.dul.calling_ae_title, str(event.assoc.requestor.address)
    uid = str(event.request.AffectedSOPInstanceUID)
    logger.warning("instance from %r at %s refused with 0x%04X: %s", calling, address, error.status, error)
    logger.debug("refused SOP Instance UID: %s", uid)
    inbox.note_refusal(RefusalRecord(calling, address, error.code, str(error), at, error.status, uid))
    return error.status
