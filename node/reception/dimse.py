"""pynetdicom's DIMSE provider for an association that receives.

The fragments of a C-STORE data set go into a file instead of memory, and the request is answered by the
thread that read it. Everything else is pynetdicom's; ``upper_layer`` feeds it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.service_class import StorageServiceClass

from node.reception.incoming import IncomingInstance
from node.reception.part10 import Announcement
from node.reception.responses import store_response

COMMAND, LAST = 0x01, 0x02  # bits of the message control header, PS3.8 section E.2
_LOOK_S = 0.1  # longest time before an association looks at its timers
LONGEST_COMMAND = 1 << 16  # bytes; a command set has a dozen short elements
_LONGEST_IDENTIFIER = 1 << 24  # bytes of a data set of any service but C-STORE


class InvalidPdu(ValueError):
    """The bytes are not a P-DATA-TF PDU, or one that does not belong here."""


class StreamingDimse(DIMSEServiceProvider):
    """Puts C-STORE data sets into files as their fragments come."""

    def __init__(self, assoc: Any, receive: Callable[[Announcement], IncomingInstance]) -> None:
        super().__init__(assoc)
        self.message: Any = None
        self.established = threading.Event()
        self._receive = receive
        self._incoming: IncomingInstance | None = None

    def add_command(self, context_id: int, control: int, data: bytes) -> None:
        """Take a fragment of a command set."""
        self._check_command(len(data))
        self._give(context_id, control, data)
        if self._expects_instance() and context_id in self.assoc._accepted_cx:
            self._incoming = self._receive(self._announcement(context_id))

    def add_data(self, data: memoryview) -> None:
        """Take a piece of a data set."""
        if self._incoming is not None:
            self._incoming.write(data)
        elif self.message is None or self.message.context_id is None:
            raise InvalidPdu("a data set without a command")
        elif self.message.data_set.tell() + len(data) > _LONGEST_IDENTIFIER:
            raise InvalidPdu("a data set longer than this service can have")
        else:
            self.message.data_set.write(data)

    def end_data(self, context_id: int) -> None:
        """Take note that the data set is complete, and serve the request."""
        if self._incoming is None:
            self._give(context_id, LAST, b"")
            return
        incoming, self._incoming = self._incoming, None
        try:
            self._serve(context_id, incoming)
        finally:
            incoming.discard()

    def discard(self) -> None:
        """Drop what has arrived of an instance whose association has ended."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def get_msg(self, block: bool = False) -> Any:
        """Wait a moment for a message instead of returning at once: the caller would only sleep."""
        if block:
            return super().get_msg(block=True)
        try:
            return self.msg_queue.get(timeout=_LOOK_S)
        except queue.Empty:
            return None, None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message; the answer to a C-STORE the short way."""
        if not isinstance(primitive, C_STORE) or primitive.MessageIDBeingRespondedTo is None:
            super().send_msg(primitive, context_id)
            return
        command = store_response(
            primitive.MessageIDBeingRespondedTo,
            primitive.AffectedSOPClassUID,
            primitive.AffectedSOPInstanceUID,
            primitive.Status,
        )
        response = P_DATA()
        response.presentation_data_value_list.append((context_id, bytes([COMMAND | LAST]) + command))
        self.dul.send_pdu(response)

    def _check_command(self, size: int) -> None:
        if self.message is None:
            return
        if self.message.context_id is not None:
            raise InvalidPdu("a command within the data set of another")
        if self.message.encoded_command_set.tell() + size > LONGEST_COMMAND:
            raise InvalidPdu("a command set longer than any")

    def _give(self, context_id: int, control: int, data: bytes) -> None:
        """Hand a fragment to pynetdicom."""
        primitive = P_DATA()
        primitive.presentation_data_value_list.append((context_id, bytes([control]) + data))
        self.receive_primitive(primitive)

    def _expects_instance(self) -> bool:
        return isinstance(self.message, C_STORE_RQ) and self.message.context_id is not None

    def _announcement(self, context_id: int) -> Announcement:
        command = self.message.command_set
        return Announcement(
            sop_class_uid=str(command.get("AffectedSOPClassUID", "")),
            sop_instance_uid=str(command.get("AffectedSOPInstanceUID", "")),
            transfer_syntax_uid=str(self.assoc._accepted_cx[context_id].transfer_syntax[0]),
            calling_ae_title=self.assoc.dul.calling_ae_title,
        )

    def _serve(self, context_id: int, incoming: IncomingInstance) -> None:
        request = self.message.message_to_primitive()
        self.message = None
        if not request.is_valid_request:
            raise InvalidPdu("a C-STORE request without a mandatory parameter")  # no response could be built
        request.incoming = incoming
        # The peer may be faster than the thread that has just accepted the association.
        self.established.wait(_LOOK_S * 100)
        StorageServiceClass(self.assoc).SCP(request, self.assoc._accepted_cx[context_id])
