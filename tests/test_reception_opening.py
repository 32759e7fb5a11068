"""The first PDU of a connection: AE titles as old senders write them, and what is no association request."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from node.reception.opening import NoAssociation, opening_of, title_of
from node.reception.peers import Peer, RefusalCode
from tests.raw_sender import DEADLINE_S, VERIFICATION, Node, associate, running_node, wait_until
from tests.reception_rig import CT, SUCCESS, ct, receiving_node, send

node = pytest.fixture(receiving_node)

ACCEPTED, REJECTED, ABORTED = 0x02, 0x03, 0x07  # PS3.8 Tables 9-17, 9-21, 9-26
RUBBISH = bytes(range(1, 33))


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


CONTEXT = item(0x20, b"\x01\0\0\0" + item(0x30, VERIFICATION.encode()) + item(0x40, b"1.2.840.10008.1.2"))
USER = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.826.0.1.3680043.10.777.1"))
APPLICATION = item(0x10, b"1.2.840.10008.3.1.1.1")


def request(
    called: bytes = b"NODE", calling: bytes = b"SENDER", items: bytes = APPLICATION + CONTEXT + USER, version: int = 1
) -> bytes:
    body = struct.pack(">HH", version, 0) + called.ljust(16) + calling.ljust(16) + RUBBISH + items
    return struct.pack(">BBL", 1, 0, len(body)) + body


@contextmanager
def connected(node: Node) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", node.port), DEADLINE_S) as wire:
        yield wire


def answer(node: Node, said: bytes) -> bytes:
    """Everything that comes until the node closes, or has accepted."""
    with connected(node) as wire:
        wire.sendall(said)
        got = b""
        while piece := _more(wire):
            got += piece
            if got[0] == ACCEPTED:
                break
        return got


def _more(wire: socket.socket) -> bytes:
    try:
        return wire.recv(4096)
    except ConnectionResetError:
        return b""


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("node.")]


@pytest.mark.parametrize(
    "called",
    [b"NODE", b"NODE".ljust(16, b"\0"), b"NODE\0E\xfe\x01\x02\x03\x04", b"  NODE", b"NODE \0  \0", b"NODE\r\n"],
)
@pytest.mark.parametrize(
    "calling", [b"EFILM", b"EFILM\0\0\0", b" EFILM\0\xff\xff", b"", b"\0" * 16, b"\0X", b"\xc4\\B"]
)
def test_ae_titles_are_taken_as_they_are_meant(node: Node, called: bytes, calling: bytes) -> None:
    assert answer(node, request(called, calling))[0] == ACCEPTED


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"CT1".ljust(16), "CT1"),
        (b"CT1".ljust(16, b"\0"), "CT1"),
        (b"  CT 1\0rubbish\xff", "CT 1"),
        (b" " * 16, ""),
        (b"\0" * 16, ""),
        (b"\0CT1            ", ""),
        (b"CT\x07\x1b[1m", "CT??[1m"),
        (b"R\xd6NTGEN         ", "RÖNTGEN"),
        (b"SIXTEEN_CHARS_16", "SIXTEEN_CHARS_16"),
    ],
)
def test_a_title_ends_at_its_first_nul_and_has_no_blanks_around_it(field: bytes, title: str) -> None:
    assert title_of(field) == title


def test_the_acceptance_repeats_what_was_sent_byte_for_byte(node: Node) -> None:
    """PS3.8 Table 9-17: reserved fields are sent with a value identical to that of the request."""
    said = request(b"NODE\0\xfe\x01\x02", b"")

    got = answer(node, said)

    assert got[0] == ACCEPTED
    assert got[10:74] == said[10:74]


def test_the_sender_is_recorded_under_its_plain_title(node: Node) -> None:
    opened = associate(node.port, [CT], calling="CT1     ")
    dataset = ct()
    assert send(opened, dataset) == SUCCESS
    opened.release()
    assert node.ledger.rows[dataset.SOPInstanceUID]["calling_ae_title"] == "CT1"


@pytest.mark.parametrize(
    ("calling", "accepted"),
    [(b"SCANNER\0\0", True), (b"SCANNER \0X", True), (b"SCANNE", False), (b"", False), (b"?", False), (b"\0", False)],
)
def test_a_list_of_peers_knows_padded_titles_and_lets_no_blank_one_in(
    tmp_path: Path, calling: bytes, accepted: bool
) -> None:
    with running_node(tmp_path, peers=(Peer("SCANNER"),)) as node:
        got = answer(node, request(calling=calling))

    assert got[0] == (ACCEPTED if accepted else REJECTED)


@pytest.mark.parametrize("called", [b"", b"\0NODE", b"NODE2\0", b"NO\0DE", b"node"])
def test_another_called_title_is_rejected_and_leaves_one_line(
    node: Node, caplog: pytest.LogCaptureFixture, called: bytes
) -> None:
    got = answer(node, request(called))

    assert got[0] == REJECTED
    assert got[7:10] == bytes((1, 1, 7))  # permanent, by the service user, called AE title not recognised
    (line,) = lines(caplog)
    assert "127.0.0.1" in line
    assert [row["code"] for row in node.ledger.refusals] == [RefusalCode.CALLED_AE_TITLE]


NO_REQUESTS = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", "an HTTP request"),
    "HTTP with a body": (b"POST /dicom HTTP/1.1\r\n\r\n" + b"x" * 100_000, "an HTTP request"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508), "TLS"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    "garbage": (b"\xff" * 4096, "type 0xFF"),
    "zeros": (bytes(64), "type 0x00"),
    "P-DATA": (struct.pack(">BBL", 4, 0, 6) + bytes(6), "type 0x04"),
    "release": (struct.pack(">BBLL", 5, 0, 4, 0), "type 0x05"),
    "abort": (struct.pack(">BBLL", 7, 0, 4, 0), "type 0x07"),
    "acceptance": (b"\x02" + request()[1:], "type 0x02"),
    "too long": (struct.pack(">BBL", 1, 0, 0xFFFFFFFF), "4294967295 bytes"),
    "too short": (struct.pack(">BBL", 1, 0, 4) + bytes(4), "4 bytes"),
    "no items": (request(items=b""), "no presentation context"),
    "no context": (request(items=APPLICATION + USER), "no presentation context"),
    "cut item": (request(items=APPLICATION + CONTEXT + b"\x50\x00\xff\xff"), "cannot be decoded"),
    "unknown item": (request(items=APPLICATION + CONTEXT + item(0x99, b"x") + USER), "cannot be decoded"),
    "another protocol": (request(version=2), "version"),
}


@pytest.mark.parametrize("name", NO_REQUESTS)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_is_no_association_request_leaves_one_line_with_address_and_cause(
    node: Node, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.INFO)
    said, cause = NO_REQUESTS[name]

    got = answer(node, said)
    wait_until(lambda: not _association_threads())

    assert got[:1] in (b"", bytes((ABORTED,)))
    (line,) = lines(caplog)
    assert "127.0.0.1" in line
    assert cause in line
    assert "\n" not in line
    assert not any(record.exc_info for record in caplog.records if record.name.startswith("node."))
    (row,) = node.ledger.refusals
    assert (row["code"], row["address"], row["calling_ae_title"]) == ("NO_ASSOCIATION_REQUEST", "127.0.0.1", "")


def test_a_request_that_is_cut_off_leaves_one_line(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    with connected(node) as wire:
        wire.sendall(request()[:60])
    wait_until(lambda: node.ledger.refusals)
    wait_until(lambda: not _association_threads())

    (line,) = lines(caplog)
    assert "closed after 54 of" in line


def test_a_port_that_is_only_looked_at_leaves_no_line(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with connected(node):
        wait_until(_association_threads)
    wait_until(lambda: not _association_threads())

    assert lines(caplog) == []
    assert node.ledger.refusals == []


def test_what_is_no_dicom_takes_no_association_from_those_who_are(tmp_path: Path) -> None:
    """Each would be held for 30 s while the node waits for a request that cannot come any more."""
    with running_node(tmp_path, maximum_associations=2) as node:
        for _ in range(6):
            answer(node, b"GET / HTTP/1.1\r\n\r\n")
        wait_until(lambda: not _association_threads())

        assert answer(node, request())[0] == ACCEPTED


def test_one_too_many_leaves_one_line_and_a_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_node(tmp_path, maximum_associations=1) as node:
        first = associate(node.port, [CT])
        got = answer(node, request())
        first.release()

    assert got[0] == REJECTED
    (line,) = lines(caplog)
    assert "node.maximum_associations = 1" in line
    assert [row["code"] for row in node.ledger.refusals] == [RefusalCode.TOO_MANY_ASSOCIATIONS]


def test_an_association_of_which_nothing_is_accepted_leaves_one_line(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    private = item(0x20, b"\x01\0\0\0" + item(0x30, b"1.2.3.4") + item(0x40, b"1.2.840.10008.1.2"))

    assert answer(node, request(items=APPLICATION + private + USER))[0] == ACCEPTED

    wait_until(lambda: node.ledger.refusals)
    (line,) = lines(caplog)
    assert "none of the SOP classes" in line
    assert node.ledger.refusals[0]["code"] == RefusalCode.NOTHING_ACCEPTED


@pytest.mark.parametrize(
    ("wire", "cause"),
    [
        (b"\xff" * 40, "type 0xFF"),
        (struct.pack(">BBLL", 6, 0, 0xFFFFFF, 0), "16777215 bytes"),
        (request(), "type 0x01"),
        (struct.pack(">BxL", 4, 3) + b"abc", "left over"),
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pdu_that_has_no_place_ends_an_association_with_one_line(
    node: Node, caplog: pytest.LogCaptureFixture, wire: bytes, cause: str
) -> None:
    opened = associate(node.port, [CT])
    opened.dul.socket.socket.sendall(wire)
    wait_until(lambda: not node.receiver.open_associations())
    wait_until(lambda: not opened.is_established)

    (line,) = lines(caplog)
    assert "'SENDER' at 127.0.0.1 aborted" in line
    assert cause in line
    assert [row["code"] for row in node.ledger.refusals] == [RefusalCode.INVALID_PDU]


def test_no_byte_of_a_request_makes_anything_else_of_it_than_a_request_or_a_cause() -> None:
    whole = request()
    changed = [
        whole[:place] + bytes((value,)) + whole[place + 1 :]
        for place in range(6, len(whole))
        for value in (0x00, 0x01, 0x5C, 0x7F, 0xFF)
    ]
    made = 0
    for pdu in changed:
        with suppress(NoAssociation):
            made += bool(opening_of(pdu).request.presentation_context)
    assert 0 < made < len(changed)


def _association_threads() -> list[threading.Thread]:
    return [
        one
        for one in threading.enumerate()
        if one.name.startswith("AcceptorThread") or "Provider" in type(one).__name__
    ]
