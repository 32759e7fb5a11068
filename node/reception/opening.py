"""The first PDU of a connection: an association request, or the cause why there is none.

Old senders pad AE titles with NUL, leave rubbish behind it, or name none. pynetdicom would abort such a
connection, so it gets the request with plain titles; the answer echoes the bytes that came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pynetdicom.pdu import A_ASSOCIATE_RQ

from node.malformed import MALFORMED

# Offsets in an A-ASSOCIATE-RQ, and in the A-ASSOCIATE-AC that sends them back: PS3.8 Tables 9-11 and 9-17.
VERSION = slice(6, 8)
CALLED, CALLING = slice(10, 26), slice(26, 42)
ECHOED = slice(
    10, 74
)  # both titles and 32 reserved bytes: "shall be sent with a value identical to the value received"

_HEAD_BYTES = 6  # type, reserved, length of what follows
_REQUEST = 0x01  # PS3.8 Table 9-11
_SHORTEST, _LONGEST = 68, 1 << 20  # bytes that follow the head; 128 contexts of 30 transfer syntaxes are 270 kB
_VERSION_1 = 0x0001  # "only bit 0 shall be tested"
UNDECODABLE: tuple[type[Exception], ...] = (*MALFORMED, AssertionError)  # what pynetdicom raises; it asserts lengths
_NO_TITLE = b"?"  # what pynetdicom gets for a blank title, which it has no form for
_OTHER_PROTOCOLS = {
    b"\x16\x03": "a TLS handshake; this port takes DICOM without TLS",
    b"SSH-": "an SSH client",
    **dict.fromkeys((b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"DELE", b"CONN", b"PRI "), "an HTTP request"),
}


class NothingSaid(Exception):
    """The peer closed the connection before its first byte: a port scan, or a check whether the port is open."""


class NoAssociation(Exception):
    """What came is no association request; the message says what it is, and nothing that the peer wrote."""


class Source(Protocol):
    """What bytes are read from."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, or fewer when the peer closes before."""


@dataclass(frozen=True)
class Opening:
    """An association request.

    Parameters
    ----------
    calling_ae_title, called_ae_title
        As the peer means them; empty when blank.
    echoed
        The 64 bytes that the answer has to repeat.
    """

    request: A_ASSOCIATE_RQ
    calling_ae_title: str
    called_ae_title: str
    echoed: bytes


def read_opening(source: Source) -> Opening:
    """Read the first PDU.

    Raises
    ------
    NothingSaid, NoAssociation
    """
    head = _head(source)
    length = int.from_bytes(head[2:], "big")
    if not _SHORTEST <= length <= _LONGEST:
        raise NoAssociation(f"an A-ASSOCIATE-RQ PDU cannot be {length} bytes long")
    try:
        body = source.recv(length)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise NoAssociation(f"the rest of the A-ASSOCIATE-RQ PDU did not come ({why})") from None
    if len(body) < length:
        raise NoAssociation(f"the connection was closed after {len(body)} of {length} bytes of the A-ASSOCIATE-RQ PDU")
    return opening_of(bytes(head + body))


def opening_of(pdu: bytes) -> Opening:
    """Decode a whole A-ASSOCIATE-RQ PDU; raises NoAssociation."""
    calling, called = title_of(pdu[CALLING]), title_of(pdu[CALLED])
    plain = bytearray(pdu)
    plain[CALLING], plain[CALLED] = _field(calling), _field(called)
    if int.from_bytes(pdu[VERSION], "big") & _VERSION_1:
        plain[VERSION] = _VERSION_1.to_bytes(2, "big")
    try:
        request = A_ASSOCIATE_RQ()
        request.decode(bytes(plain))
        primitive = request.to_primitive()
    except UNDECODABLE as error:
        raise NoAssociation(f"the A-ASSOCIATE-RQ PDU cannot be decoded ({type(error).__name__})") from None
    if not primitive.presentation_context_definition_list:
        raise NoAssociation("the A-ASSOCIATE-RQ PDU proposes no presentation context")
    if not int.from_bytes(pdu[VERSION], "big") & _VERSION_1:
        raise NoAssociation("the A-ASSOCIATE-RQ PDU asks for a version of the protocol that nobody has")
    return Opening(request, calling, called, pdu[ECHOED])


def title_of(field: bytes) -> str:
    """Read an AE title as C programs do: to the first NUL, without blanks at its ends; ``?`` is what is not shown."""
    text = field.split(b"\0", 1)[0].decode("latin-1").strip()
    return "".join(character if character.isprintable() else "?" for character in text)


def _head(source: Source) -> bytearray:
    """Read type and length of an A-ASSOCIATE-RQ PDU."""
    try:
        head = source.recv(_HEAD_BYTES)
    except TimeoutError:
        raise NoAssociation("no association request came in time") from None
    except OSError:
        raise NothingSaid from None
    if not head:
        raise NothingSaid
    for start, protocol in _OTHER_PROTOCOLS.items():
        if head.startswith(start):
            raise NoAssociation(f"what came is {protocol}")
    if head[0] != _REQUEST:
        raise NoAssociation(f"the first PDU is of type 0x{head[0]:02X}, an A-ASSOCIATE-RQ (0x01) is expected")
    if len(head) < _HEAD_BYTES:
        raise NoAssociation("the connection was closed within the head of the A-ASSOCIATE-RQ PDU")
    return head


def _field(title: str) -> bytes:
    """Write a title in a way that pynetdicom takes."""
    return (title.encode("ascii", "replace").replace(b"\\", b"?") or _NO_TITLE).ljust(CALLED.stop - CALLED.start)
