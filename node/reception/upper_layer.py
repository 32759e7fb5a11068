"""pynetdicom's upper layer for an association that receives.

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

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ASSOCIATE_AC

from node.reception.dimse import COMMAND, LAST, LONGEST_COMMAND, InvalidPdu
from node.reception.opening import ECHOED, UNDECODABLE, NoAssociation, NothingSaid, Opening, read_opening
from node.reception.peers import RefusalCode

logger = logging.getLogger(__name__)

# PS3.8 Table 9-22: what may come once an association is requested: data, release and its answer, abort
_P_DATA_TF, _WITHOUT_DATA = b"\x04", frozenset({0x05, 0x06, 0x07})
_LONGEST_WITHOUT_DATA = 1 << 10  # bytes that follow the head; the standard has 4
_DROPPED_AT_ONCE = 1 << 16  # bytes
# PS3.8 Table 9-1: awaiting A-ASSOCIATE-RQ; established, ready for data transfer; awaiting the end of the connection
_AWAITING_REQUEST, _ESTABLISHED, _AWAITING_CLOSE = "Sta2", "Sta6", "Sta13"
_REQUESTED, _CLOSED, _INVALID_PDU = "Evt6", "Evt17", "Evt19"  # PS3.8 Table 9-10
_PDU_HEAD = struct.Struct(">BxL")
_PDV_HEAD = struct.Struct(">LBB")  # item length, presentation context ID, message control header


class StreamingProvider(DULServiceProvider):
    """Reads P-DATA-TF PDUs piece by piece; a PDU may be of any length."""

    def __init__(self, assoc: Any, on_end: Callable[[], None], on_refusal: Callable[[RefusalCode, str], None]) -> None:
        super().__init__(assoc)
        self.daemon = True
        self.opening: Opening | None = None
        self._run_loop_delay = 0  # WaitingSocket.ready does the waiting
        self._on_end = on_end
        self._on_refusal = on_refusal
        self._is_judged = False  # it is known what the first PDU is, or that none will come
        self._serving = False
        self.to_user_queue = _AnnouncingQueue(lambda: assoc.dimse.msg_queue.put((None, None)))

    @property
    def calling_ae_title(self) -> str:
        """The calling AE title; empty when it is blank, or none was said."""
        return self.opening.calling_ae_title if self.opening else ""

    def run_reactor(self) -> None:
        """Run until the connection is closed."""
        try:
            super().run_reactor()
        finally:
            if not self._is_judged:
                self._on_refusal(RefusalCode.NO_ASSOCIATION_REQUEST, "no association request came in time")
            if self.opening is None:
                self.to_user_queue.put(None)  # the association need not wait for a request any more
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

    def _send(self, pdu: Any) -> None:
        """Send a PDU; an acceptance repeats the titles as they came, rubbish included (PS3.8 Table 9-17)."""
        if not isinstance(pdu, A_ASSOCIATE_AC) or self.opening is None:
            super()._send(pdu)
            return
        encoded = bytearray(pdu.encode())
        encoded[ECHOED] = self.opening.echoed
        self.socket.send(bytes(encoded))

    def _read_pdu_data(self) -> None:
        """Read what has come, and put the event that it is for the state machine into its queue."""
        state = self.state_machine.current_state
        try:
            if state == _AWAITING_REQUEST:
                self._receive_opening()
            elif state == _AWAITING_CLOSE:
                self._drop()
            elif state == _ESTABLISHED and self.socket.next_byte() == _P_DATA_TF:
                self._receive_p_data()
            else:
                self._receive_without_data()
        except OSError:
            self.event_queue.put(_CLOSED)
        except InvalidPdu as error:
            self._abort(str(error))
        except UNDECODABLE as error:
            self._abort(f"a PDU that cannot be decoded ({type(error).__name__})")

    def _abort(self, cause: str) -> None:
        self._on_refusal(RefusalCode.INVALID_PDU, cause)
        self.event_queue.put(_INVALID_PDU)

    def _receive_opening(self) -> None:
        """Read the association request that a connection begins with."""
        self._is_judged = True
        try:
            self.opening = read_opening(self.socket)
        except NothingSaid:
            logger.debug("a connection from %s was closed before its first byte", self.assoc.requestor.address)
            self.event_queue.put(_CLOSED)
        except NoAssociation as error:
            self._on_refusal(RefusalCode.NO_ASSOCIATION_REQUEST, str(error))
            self.event_queue.put(_INVALID_PDU)
        else:
            self.event_queue.put(_REQUESTED)
            self._recv_pdu.put(self.opening.request)

    def _drop(self) -> None:
        """Take what still comes, so that the peer gets our last PDU instead of a reset."""
        if not self.socket.some(_DROPPED_AT_ONCE):
            self.event_queue.put(_CLOSED)

    def _receive_without_data(self) -> None:
        """Read a PDU that releases or aborts (PS3.8 sections 9.3.6 to 9.3.8)."""
        head = self.socket.exactly(_PDU_HEAD.size)
        kind, length = _PDU_HEAD.unpack(head)
        if kind not in _WITHOUT_DATA or length > _LONGEST_WITHOUT_DATA:
            raise InvalidPdu(f"a PDU of type 0x{kind:02X} and {length} bytes has no place in an association")
        pdu, event = self._decode_pdu(bytearray(head + self.socket.exactly(length)))
        self.event_queue.put(event)
        self._recv_pdu.put(pdu)

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
        if control & COMMAND:
            if size > LONGEST_COMMAND:
                raise InvalidPdu("a command set longer than any")
            dimse.add_command(context_id, control, self.socket.exactly(size))
            return
        for piece in self.socket.pieces(size):
            dimse.add_data(piece)
            self._idle_timer.restart()
        if control & LAST:
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
