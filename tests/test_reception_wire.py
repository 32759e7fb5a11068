"""The bytes on the wire: cut connections, what is no DICOM, huge PDUs, and the responses."""

from __future__ import annotations

import struct
import threading
import tracemalloc

import pytest
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE

from node.reception.responses import store_response
from tests.raw_sender import Node, associate, command_pdu, context_id, data_pdu, data_pdu_head, wait_until
from tests.reception_rig import CT, SUCCESS, ct, encoded, receiving_node, send, sending_association

node = pytest.fixture(receiving_node)
association = pytest.fixture(sending_association)


def test_a_connection_cut_within_an_instance_leaves_nothing(node: Node) -> None:
    opened = associate(node.port, [CT])
    context = context_id(opened, *CT)
    assert context is not None
    wire = opened.dul.socket.socket
    wire.sendall(command_pdu(context, CT[0], "1.2.3") + data_pdu(context, bytes(5000), last=False))
    wait_until(node.files_aside)
    wire.sendall(data_pdu_head(context, 10_000, last=True) + bytes(100))
    wire.close()

    wait_until(lambda: not node.files_aside())
    assert node.ledger.rows == {}


@pytest.mark.parametrize(
    "wire",
    [
        b"\xff" * 40,
        struct.pack(">BxL", 4, 3) + b"abc",
        struct.pack(">BxLLBB", 4, 10, 4000, 3, 2) + bytes(4),
        struct.pack(">BxLLBB", 4, 0xFFFFFFFF, 0xFFFFFFF0, 3, 1),
        struct.pack(">BxLLBB", 4, 6, 0, 3, 2),
        data_pdu(3, b"a data set without a command", last=True),
        data_pdu_head(3, 4, last=False).replace(b"\x03\x00", b"\x03\x03") + b"\x00\x00\x00\x00",
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_bytes_that_are_no_dicom_end_only_their_own_association(node: Node, wire: bytes) -> None:
    hostile, other = associate(node.port, [CT]), associate(node.port, [CT])
    hostile.dul.socket.socket.sendall(wire)
    wait_until(lambda: len(node.receiver.open_associations()) == 1)

    assert send(other, ct()) == SUCCESS
    other.release()
    assert node.files_aside() == []


def test_an_instance_of_any_size_takes_no_memory(node: Node) -> None:
    """64 MB in one PDU: neither the PDU nor the data set is ever held."""
    dataset = ct()
    del dataset.PixelData
    size = 64 << 20
    head = encoded(dataset) + struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OW", size)
    opened = associate(node.port, [CT])
    context = context_id(opened, *CT)
    assert context is not None
    block = bytes(1 << 20)
    tracemalloc.start()
    wire = opened.dul.socket.socket
    wire.sendall(command_pdu(context, CT[0], dataset.SOPInstanceUID))
    wire.sendall(data_pdu_head(context, len(head) + size, last=True) + head)
    for _ in range(size // len(block)):
        wire.sendall(block)
    wait_until(lambda: node.arrivals)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    opened.abort()

    assert node.ledger.rows[dataset.SOPInstanceUID]["size"] == len(head) + size
    assert peak < 8 << 20


def test_an_answer_does_not_wait_for_a_second_packet(node: Node, association: Association) -> None:
    """TCP_NODELAY on the accepting side: 40 ms an instance otherwise."""
    accepted = [one for one in threading.enumerate() if getattr(one, "association_id", None)]

    assert all(one.dul.socket.socket.getsockopt(6, 1) for one in accepted)  # type: ignore[attr-defined]
    assert accepted


@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xC000])
def test_the_short_response_is_what_pynetdicom_would_send(status: int) -> None:
    response = C_STORE()
    response.MessageIDBeingRespondedTo, response.Status = 4711, status
    response.AffectedSOPClassUID, response.AffectedSOPInstanceUID = CT[0], "1.2.3.4"
    message = C_STORE_RSP()
    message.primitive_to_message(response)

    ((_, expected),) = next(iter(message.encode_msg(1, 0))).presentation_data_value_list

    assert store_response(4711, CT[0], "1.2.3.4", status) == expected[1:]
