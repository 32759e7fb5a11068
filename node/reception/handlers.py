"""What pynetdicom calls for C-STORE: thin, it hands the instance to the inbox and answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pynetdicom.events import Event

from node.errors import CannotUnderstand, OutOfResources, ReceptionError
from node.reception.inbox import ReceivedInstance

logger = logging.getLogger(__name__)

SUCCESS = 0x0000


class StoreInbox(Protocol):
    """What a handler needs of the inbox."""

    def add(self, received: ReceivedInstance) -> None:
        """Store one instance, or raise ReceptionError."""

    def refuse(self, received: ReceivedInstance, error: ReceptionError) -> None:
        """Record a refusal."""


def handle_store(event: Event, inbox: StoreInbox, clock: Callable[[], datetime]) -> int:
    """Store one instance undecoded and return its DIMSE status (PS3.4 Table B.2-1)."""
    incoming = getattr(event.request, "incoming", None)
    if incoming is None:
        logger.warning("a C-STORE request without a data set refused with 0x%04X", CannotUnderstand.status)
        return CannotUnderstand.status
    received = ReceivedInstance(incoming, event.assoc.association_id, clock())
    try:
        inbox.add(received)
    except ReceptionError as error:
        _note(received, inbox, error)
        return error.status
    except OSError as error:
        failure = OutOfResources(f"the instance cannot be stored: {error.strerror}")
        _note(received, inbox, failure)
        return failure.status
    return SUCCESS


def _note(received: ReceivedInstance, inbox: StoreInbox, error: ReceptionError) -> None:
    """Log without a UID; the UID stands in the ledger, and at debug."""
    announcement = received.incoming.announcement
    logger.warning("instance from %r refused with 0x%04X: %s", announcement.calling_ae_title, error.status, error)
    logger.debug("refused SOP Instance UID: %s", announcement.sop_instance_uid)
    inbox.refuse(received, error)
