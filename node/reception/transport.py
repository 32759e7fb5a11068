"""The socket of one association: waits instead of polling, and reads in large pieces.

pynetdicom's own socket reads 4 kB at a time and its threads sleep a millisecond between looks, which
costs more than storing a CT slice. Nothing here changes the protocol.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from typing import Any

from pynetdicom.transport import AssociationSocket

_BUFFER_BYTES = 1 << 18  # one read; two PDUs of the size that DCMTK sends
_WAIT_S = 0.1  # longest wait for data before timers are looked at
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_IDLE_S = 0.001  # between looks at a socket that is not open


class ConnectionLost(OSError):
    """The peer closed the connection within a PDU."""


class WaitingSocket(AssociationSocket):
    """An association socket whose ``ready`` waits for data or for ``wake``."""

    def __init__(self, assoc: Any, client_socket: socket.socket) -> None:
        super().__init__(assoc, client_socket=client_socket)
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)  # a full pipe wakes too
        self._poll = select.poll()  # select() takes no descriptor above 1023
        self._poll.register(client_socket, select.POLLIN)
        self._poll.register(self._wakened, select.POLLIN)

    @property
    def ready(self) -> bool:
        """Wait until data is there, ``wake`` is called or a moment has passed; tell whether data is there."""
        if self.socket is None or not self._is_connected:
            time.sleep(_IDLE_S)
            return False
        try:
            found = {descriptor for descriptor, _ in self._poll.poll(_WAIT_S * 1000)}
            if self._wakened.fileno() in found:
                self._wakened.recv(4096)
            return self.socket.fileno() in found
        except (OSError, ValueError):
            self.event_queue.put("Evt17")  # transport connection closed, PS3.8 Table 9-10
            return False

    def wake(self) -> None:
        """End a wait in ``ready``; callable from any thread, also after the end."""
        try:
            self._waker.send(b"\x00")
        except OSError:  # full, so it wakes anyway; or closed, so nobody waits
            return

    def close_waker(self) -> None:
        """Let go of the descriptors that ``wake`` uses."""
        self._waker.close()
        self._wakened.close()

    def next_byte(self) -> bytes:
        """Look at the next byte without taking it; empty when the peer has closed."""
        return self._open_socket().recv(1, socket.MSG_PEEK)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, or fewer when the peer closes before."""
        data = bytearray()
        try:
            for piece in self.pieces(nr_bytes):
                data += piece
        except ConnectionLost:
            pass  # the caller looks at the length, as with pynetdicom's own socket
        return data

    def some(self, most: int) -> bytes:
        """Read what is there, at most ``most`` bytes; empty when the peer has closed."""
        return self._open_socket().recv(most)

    def exactly(self, count: int) -> bytes:
        """Read ``count`` bytes.

        Raises
        ------
        ConnectionLost
            The peer closed before.
        """
        return b"".join(bytes(piece) for piece in self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Read ``count`` bytes piece by piece; each piece is valid until the next one is asked for."""
        source = self._open_socket()
        while count > 0:
            received = source.recv_into(self._buffer[: min(count, _BUFFER_BYTES)])
            if received == 0:
                raise ConnectionLost("the peer closed the connection within a PDU")
            _acknowledge(source)
            count -= received
            yield self._buffer[:received]

    def _open_socket(self) -> socket.socket:
        if self.socket is None:
            raise ConnectionLost("the connection is closed")
        opened: socket.socket = self.socket
        return opened


def _acknowledge(source: socket.socket) -> None:
    """Send the TCP acknowledgement now: many senders leave Nagle's algorithm on and wait 40 ms for it.

    The kernel falls back to delayed acknowledgements by itself, so this is said with each read (tcp(7)).
    """
    if _QUICK_ACK is not None:
        source.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
