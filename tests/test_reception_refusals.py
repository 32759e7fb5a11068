"""Data sets that are wrong, cut off or hostile: refused with their status, and the association lives."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage
from pynetdicom.association import Association

from tests.raw_sender import Node, associate, command_pdu, context_id, send_raw, send_wire
from tests.reception_rig import (
    CANNOT_UNDERSTAND,
    CT,
    MISMATCH,
    SUCCESS,
    ct,
    encoded,
    receiving_node,
    send,
    sending_association,
)

node = pytest.fixture(receiving_node)
association = pytest.fixture(sending_association)


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("SOPInstanceUID", "1.2.3.99", MISMATCH),
        ("SOPClassUID", MRImageStorage, MISMATCH),
        ("SOPInstanceUID", "", CANNOT_UNDERSTAND),
        ("SeriesInstanceUID", "", CANNOT_UNDERSTAND),
        ("SeriesInstanceUID", "../../x", CANNOT_UNDERSTAND),
        ("StudyInstanceUID", "..", CANNOT_UNDERSTAND),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_data_set_that_is_not_what_it_should_be_is_refused(
    node: Node, association: Association, keyword: str, value: str, status: int
) -> None:
    dataset = ct()
    announced = Dataset()
    announced.SOPInstanceUID = dataset.SOPInstanceUID
    setattr(dataset, keyword, value)

    assert send(association, announced, encoded(dataset)) == status
    assert send(association, ct()) == SUCCESS
    assert len(node.stored_files()) == len(node.ledger.refusals) == 1
    assert node.files_aside() == []


@pytest.mark.parametrize("cut", [1, 5, 20, 31, 33, 90])
def test_a_data_set_that_is_cut_off_is_refused(node: Node, association: Association, cut: int) -> None:
    dataset = ct()

    assert send(association, dataset, encoded(dataset)[:-cut]) == CANNOT_UNDERSTAND
    assert node.stored_files() == node.files_aside() == []


def test_encapsulated_pixels_that_are_cut_off_are_refused(node: Node) -> None:
    dataset = ct()
    head = encoded(dataset)[: -(32 + 12)]
    offsets, fragment = struct.pack("<HHL", 0xFFFE, 0xE000, 0), struct.pack("<HHL", 0xFFFE, 0xE000, 8) + bytes(8)
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    pixels = struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF) + offsets + fragment
    opened = associate(node.port, [(CT[0], JPEG2000Lossless)])
    context = context_id(opened, CT[0], JPEG2000Lossless)
    assert context is not None

    def status(data: bytes) -> int | None:
        return send_raw(opened, context, CT[0], dataset.SOPInstanceUID, data)

    assert status(head + pixels[:-3]) == CANNOT_UNDERSTAND
    assert status(head + pixels + end) == SUCCESS
    opened.release()


@pytest.mark.parametrize(
    "garbage", [b"\xff\xff", b"\x00", b"garbage" * 100, bytes(4096), b"\x00" * 128 + b"DICM" + b"\x02" * 99]
)
def test_garbage_is_refused_and_the_association_lives(node: Node, association: Association, garbage: bytes) -> None:
    status = send(association, ct(), garbage)

    assert status == CANNOT_UNDERSTAND
    assert send(association, ct()) == SUCCESS


def test_a_deflated_bomb_does_not_fill_the_memory(node: Node) -> None:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    opened = associate(node.port, [(CT[0], DeflatedExplicitVRLittleEndian)])
    context = context_id(opened, CT[0], DeflatedExplicitVRLittleEndian)
    assert context is not None
    tracemalloc.start()
    status = send_raw(opened, context, CT[0], "1.2.3", bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    opened.release()

    assert status == CANNOT_UNDERSTAND
    assert peak < 200 << 20


def test_a_claimed_length_of_gigabytes_takes_no_memory(node: Node, association: Association) -> None:
    dataset = ct()
    data = encoded(dataset)[: -(32 + 12)]
    claims = struct.pack("<HH2sxxL", 0x5200, 0x9229, b"SQ", 0xFFFFFFF0)  # SharedFunctionalGroupsSequence
    tracemalloc.start()
    status = send(association, dataset, data + claims)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert status == CANNOT_UNDERSTAND
    assert peak < 16 << 20


def test_sequences_without_end_in_each_other_are_refused(node: Node, association: Association) -> None:
    dataset = ct()
    nested = struct.pack("<HH2sxxLHHL", 0x0008, 0x1140, b"SQ", 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 3000

    assert send(association, dataset, encoded(dataset)[: -(32 + 12)] + nested) == CANNOT_UNDERSTAND
    assert send(association, ct()) == SUCCESS


def test_a_request_without_a_data_set_is_refused(node: Node, association: Association) -> None:
    """PS3.7 Table 9.3-1: (0000,0800) 0101H says that there is none."""
    context = context_id(association, *CT)
    assert context is not None
    command = command_pdu(context, CT[0], "1.2.3")
    present = struct.pack("<HHLH", 0, 0x0800, 2, 1)
    assert command.count(present) == 1

    status = send_wire(association, command.replace(present, struct.pack("<HHLH", 0, 0x0800, 2, 0x0101)))

    assert status == CANNOT_UNDERSTAND
    assert send(association, ct()) == SUCCESS


def test_private_notes_do_not_reach_the_log(
    node: Node, association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ct(PatientName="Secret^Name", PatientID="ID-4711")
    send(association, dataset)
    dataset.Modality = "XX"
    send(association, dataset)

    assert "refused" in caplog.text
    assert "Secret" not in caplog.text
    assert "4711" not in caplog.text
