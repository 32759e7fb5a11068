"""pynetdicom's upper layer and DIMSE providers for an association that receives.

What differs from pynetdicom: the fragments of a C-STORE data set go straight from the socket into a file
instead of memory, and the request is answered by the thread that read it, without a detour over polling
threads. Everything else (negotiation, state machine, release, abort, other DIMSE services) is theirs.

    socket -> StreamingProvider (PS3.8 P-DATA-TF) -> StreamingDimse (PS3.7 C-STORE-RQ) -> IncomingInstance
                                                          -> StorageServiceClass -> handle_store -> response
"""

from __future__ import annotations

import logging
import queue
import struct
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.service_class import StorageServiceClass

from node.reception.incoming import IncomingInstance
from node.reception.part10 import Announcement
from node.reception.responses import store_response

logger = logging.getLogger(__name__)

_P_DATA_TF = b"\x04"  # PS3.8 Table 9-22
_ESTABLISHED = "Sta6"  # association established, ready for data transfer: PS3.8 Table 9-1
_CLOSED, _INVALID_PDU = "Evt17", "Evt19"  # PS3.8 Table 9-10
_COMMAND, _LAST = 0x01, 0x02  # bits of the message control header, PS3.8 section E.2
_PDU_HEAD = struct.Struct(">BxL")
_PDV_HEAD = struct.Struct(">LBB")  # item length, presentation context ID, message control header
_LOOK_S = 0.1  # longest time before an association looks at its timers
_LONGEST_COMMAND = 1 << 16  # bytes; a command set has a dozen short elements
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
            self._give(context_id, _LAST, b"")
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
        response.presentation_data_value_list.append((context_id, bytes([_COMMAND | _LAST]) + command))
        self.dul.send_pdu(response)

    def _check_command(self, size: int) -> None:
        if self.message is None:
            return
        if self.message.context_id is not None:
            raise InvalidPdu("a command within the data set of another")
        if self.message.encoded_command_set.tell() + size > _LONGEST_COMMAND:
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
            calling_ae_title=str(self.assoc.requestor.ae_title),
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


class StreamingProvider(DULServiceProvider):
    """Reads P-DATA-TF PDUs piece by piece; a PDU may be of any length."""

    def __init__(self, assoc: Any, on_end: Callable[[], None]) -> None:
        super().__init__(assoc)
        self.daemon = True
        self._run_loop_delay = 0  # WaitingSocket.ready does the waiting
        self._on_end = on_end
        self._serving = False
        self.to_user_queue = _AnnouncingQueue(lambda: assoc.dimse.msg_queue.put((None, None)))

    def run_reactor(self) -> None:
        """Run until the connection is closed."""
        try:
            super().run_reactor()
        finally:
            self.assoc.dimse.discard()
            self._on_end()
            self.socket.close_waker()

    def idle_timer_expired(self) -> bool:
        """Tell whether the peer has been silent too long; while it waits for our answer it is not."""
        return not self._serving and bool(super().idle_timer_expired())

    def send_pdu(self, primitive: Any) -> None:
        """Send, also while the thread waits for data."""
        super().send_pdu(primitive)
        if threading.current_thread() is not self:
            self.socket.wake()

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self.socket.wake()

    def stop_dul(self) -> bool:
        """End the thread when the association is idle; tell whether it was."""
        if self.state_machine.current_state != "Sta1":  # PS3.8 Table 9-1: idle
            return False
        self.kill_dul()
        if threading.current_thread() is not self:
            self.join()
        return True

    def _is_transport_event(self) -> bool:
        """Read PDUs until the state machine has something to do, or the peer nothing to say for a moment.

        pynetdicom's loop would yield the processor after each PDU, which costs 0.2 ms.
        """
        heard = False
        while not self._has_work() and super()._is_transport_event():
            heard = True
        return heard

    def _has_work(self) -> bool:
        return self._kill_thread or not self.event_queue.empty() or bool(self._process_recv_primitive())

    def _read_pdu_data(self) -> None:
        if self.state_machine.current_state != _ESTABLISHED:
            super()._read_pdu_data()
            return
        try:
            if self.socket.next_byte() == _P_DATA_TF:
                self._receive_p_data()
            else:
                super()._read_pdu_data()
        except OSError:
            self.event_queue.put(_CLOSED)
        except (ValueError, TypeError, LookupError, struct.error) as error:
            logger.warning("association aborted: %s", error)
            self.event_queue.put(_INVALID_PDU)

    def _receive_p_data(self) -> None:
        """Read one P-DATA-TF PDU (PS3.8 section 9.3.5) and pass its fragments on."""
        _, remaining = _PDU_HEAD.unpack(self.socket.exactly(_PDU_HEAD.size))
        while remaining >= _PDV_HEAD.size:
            length, context_id, control = _PDV_HEAD.unpack(self.socket.exactly(_PDV_HEAD.size))
            remaining -= length + 4  # the item length counts what follows it
            if length < 2 or remaining < 0:
                raise InvalidPdu("a presentation data value longer than its PDU")
            self._receive_fragment(context_id, control, length - 2)
        if remaining:
            raise InvalidPdu("a P-DATA-TF PDU with bytes left over")

    def _receive_fragment(self, context_id: int, control: int, size: int) -> None:
        dimse = self.assoc.dimse
        if control & _COMMAND:
            if size > _LONGEST_COMMAND:
                raise InvalidPdu("a command set longer than any")
            dimse.add_command(context_id, control, self.socket.exactly(size))
            return
        for piece in self.socket.pieces(size):
            dimse.add_data(piece)
            self._idle_timer.restart()
        if control & _LAST:
            self._serving = True
            try:
                dimse.end_data(context_id)
            finally:
                self._serving = False
                self._idle_timer.restart()


class _AnnouncingQueue(queue.Queue[Any]):
    """A queue that tells when something was put in."""

    def __init__(self, announce: Callable[[], None]) -> None:
        super().__init__()
        self._announce = announce

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._announce()
