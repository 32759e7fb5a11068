"""Reception over real sockets: what is acknowledged is stored, what is not is refused with its status."""

from __future__ import annotations

import hashlib
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE

from node.durable import sync_folder
from node.errors import ConfigError
from node.reception.contexts import TRANSFER_SYNTAXES
from node.reception.peers import Peer, rejection_of
from node.reception.responses import store_response
from node.reception.scp import Receiver, ReceptionSettings
from tests.raw_sender import (
    VERIFICATION,
    Node,
    associate,
    command_pdu,
    context_id,
    data_pdu,
    data_pdu_head,
    running_node,
    send_raw,
    send_wire,
    wait_until,
)

CT = (str(CTImageStorage), str(ExplicitVRLittleEndian))
SUCCESS, OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xA900, 0xC000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running_node(tmp_path) as running:
        yield running


@pytest.fixture
def association(node: Node) -> Iterator[Association]:
    opened = associate(node.port, [CT])
    assert opened.is_established
    yield opened
    if opened.is_established:
        opened.release()


def ct(**attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.Modality, dataset.PatientName, dataset.Rows, dataset.Columns = "CT", "Doe^Jane", 4, 4
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OW", bytes(range(32)))
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = UID(syntax).is_implicit_VR, UID(syntax).is_little_endian
    write_dataset(buffer, dataset)
    data: bytes = buffer.getvalue()
    if syntax == DeflatedExplicitVRLittleEndian:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(data) + packer.flush()
    return data


def send(association: Association, dataset: Dataset, data: bytes | None = None) -> int | None:
    content = encoded(dataset) if data is None else data
    context = context_id(association, *CT)
    assert context is not None
    return send_raw(association, context, CT[0], dataset.SOPInstanceUID, content)


def test_an_instance_is_stored_as_received_and_recorded(node: Node, association: Association) -> None:
    dataset = ct()

    status = send(association, dataset)

    row = node.ledger.rows[dataset.SOPInstanceUID]
    (path,) = node.stored_files()
    assert status == SUCCESS
    assert path.read_bytes().endswith(encoded(dataset))
    assert row["sha256"] == hashlib.sha256(encoded(dataset)).hexdigest()
    assert row["size"] == len(encoded(dataset))
    assert (node.store.root.parent / row["path"]) == path
    assert (row["calling_ae_title"], row["transfer_syntax_uid"]) == ("SENDER", CT[1])
    assert row["association_id"] in node.receiver.open_associations()
    assert [header.sop_instance_uid for header in node.arrivals] == [dataset.SOPInstanceUID]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_encoding_of_a_data_set_is_read(node: Node, syntax: str) -> None:
    dataset = ct(SeriesDescription="Lung")
    opened = associate(node.port, [(CT[0], syntax)])
    context = context_id(opened, CT[0], syntax)
    assert context is not None

    status = send_raw(opened, context, CT[0], dataset.SOPInstanceUID, encoded(dataset, syntax))
    opened.release()

    assert status == SUCCESS
    assert node.arrivals[0].series_description == "Lung"
    assert dcmread(node.stored_files()[0]).PatientName == "Doe^Jane"


def test_the_file_and_its_name_are_durable_before_the_row_is_written(
    node: Node, association: Association, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    record = node.ledger.record_instance

    def note_record(header: object, **row: object) -> None:
        order.append(f"row, {len(node.stored_files())} file")
        record(header, **row)  # type: ignore[arg-type]

    def note_sync(folder: Path) -> None:
        sync_folder(folder)
        order.append("name synced")

    monkeypatch.setattr(node.ledger, "record_instance", note_record)
    monkeypatch.setattr("node.durable.sync_folder", note_sync)
    send(association, ct())

    assert order == ["name synced", "name synced", "row, 1 file"]


def test_the_same_instance_again_is_success_and_stored_once(node: Node, association: Association) -> None:
    dataset = ct()

    assert [send(association, dataset), send(association, dataset)] == [SUCCESS, SUCCESS]
    assert len(node.stored_files()) == len(node.arrivals) == 1


def test_the_same_uid_with_other_content_is_refused_and_recorded(node: Node, association: Association) -> None:
    dataset = ct()
    send(association, dataset)
    before = node.stored_files()[0].read_bytes()
    dataset.PatientName = "Roe^Richard"

    assert send(association, dataset) == MISMATCH
    assert node.ledger.refusals[0]["code"] == "CONTENT_CONFLICT"
    assert "Roe" not in str(node.ledger.refusals)
    assert node.stored_files()[0].read_bytes() == before


def test_the_same_uid_in_another_series_is_refused(node: Node, association: Association) -> None:
    dataset = ct()
    send(association, dataset)
    dataset.SeriesInstanceUID = "1.2.3.5"

    assert send(association, dataset) == MISMATCH
    assert len(node.stored_files()) == 1


def test_a_file_that_was_lost_is_stored_again(node: Node, association: Association) -> None:
    dataset = ct()
    send(association, dataset)
    node.stored_files()[0].unlink()

    assert send(association, dataset) == SUCCESS
    assert len(node.stored_files()) == 1


def test_the_same_instance_on_many_associations_at_once_is_stored_once(node: Node) -> None:
    dataset = ct()
    opened = [associate(node.port, [CT]) for _ in range(6)]
    statuses: list[int | None] = []
    threads = [threading.Thread(target=lambda one=one: statuses.append(send(one, dataset))) for one in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in opened:
        one.release()

    assert statuses == [SUCCESS] * 6
    assert len(node.ledger.rows) == len(node.arrivals) == len(node.stored_files()) == 1


def test_a_ledger_that_cannot_be_written_is_out_of_resources_and_leaves_no_file(
    node: Node, association: Association
) -> None:
    dataset = ct()
    node.ledger.fails = True
    assert send(association, dataset) == OUT_OF_RESOURCES
    assert node.stored_files() == node.files_aside() == []

    node.ledger.fails = False
    assert send(association, dataset) == SUCCESS


def test_a_full_disk_is_out_of_resources_and_the_association_lives(
    node: Node, association: Association, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("node.reception.incoming.os.write", full)
        assert send(association, ct()) == OUT_OF_RESOURCES

    assert send(association, ct()) == SUCCESS
    assert node.files_aside() == []


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


def test_a_sequence_of_undefined_length_and_bytes_behind_the_pixels_are_taken(
    node: Node, association: Association
) -> None:
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    dataset = ct(ReferencedImageSequence=[inner])
    dataset["ReferencedImageSequence"].is_undefined_length = True

    assert send(association, dataset, encoded(dataset) + b"\xfc\xff\xfc\xffOB\x00\x00\x04\x00\x00\x00abcd") == SUCCESS


def test_objects_that_are_no_images_are_stored(node: Node) -> None:
    dataset = ct(SOPClassUID=RTStructureSetStorage)
    del dataset.PixelData, dataset.Rows, dataset.Columns
    opened = associate(node.port, [(RTStructureSetStorage, CT[1])])
    context = context_id(opened, RTStructureSetStorage, CT[1])
    assert context is not None

    assert send_raw(opened, context, RTStructureSetStorage, dataset.SOPInstanceUID, encoded(dataset)) == SUCCESS
    opened.release()


def test_on_request_only_ct_is_accepted(tmp_path: Path) -> None:
    with running_node(tmp_path, any_storage_class=False) as node:
        opened = associate(node.port, [CT, (RTStructureSetStorage, CT[1])])
        contexts = {context.abstract_syntax for context in opened.accepted_contexts}
        opened.release()

    assert contexts == {VERIFICATION, CTImageStorage}


def test_every_transfer_syntax_that_we_can_decode_is_accepted(node: Node) -> None:
    opened = associate(node.port, [(CT[0], str(syntax)) for syntax in TRANSFER_SYNTAXES])
    accepted = {context.transfer_syntax[0] for context in opened.accepted_contexts}
    opened.release()

    assert set(TRANSFER_SYNTAXES) <= accepted


def test_a_wrong_called_ae_title_is_rejected(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    assert associate(node.port, [CT], called="OTHER").is_rejected
    assert "'OTHER'" in caplog.text
    assert "'NODE'" in caplog.text


def test_a_stranger_is_rejected_once_a_list_of_peers_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_node(tmp_path, peers=(Peer("SCANNER", "localhost"),)) as node:
        known = associate(node.port, [CT], calling="SCANNER")
        stranger = associate(node.port, [CT], calling="STRANGER")
        known.release()

    assert stranger.is_rejected
    assert known.is_released
    assert "'STRANGER' at 127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("calling", "address", "accepted"),
    [
        ("CT1", "10.0.0.1", True),
        ("CT1 ", "::ffff:10.0.0.1", True),
        ("CT1", "10.0.0.2", False),
        ("CT2", "10.9.9.9", True),
        ("CT3", "10.0.0.1", False),
    ],
)
def test_a_peer_is_its_ae_title_and_its_address(calling: str, address: str, accepted: bool) -> None:
    peers = (Peer("CT1", "10.0.0.1"), Peer("CT2"))

    assert (rejection_of(calling, "NODE", address, peers, "NODE") is None) == accepted


def test_an_address_in_use_stops_the_start_with_one_line(node: Node) -> None:
    with pytest.raises(ConfigError, match="cannot listen there"):
        Receiver(ReceptionSettings("X", port=node.port), node.inbox, lambda _: None).start()


def test_the_end_of_an_association_is_told_once_however_it_ends(node: Node) -> None:
    released, aborted, cut = (associate(node.port, [CT]) for _ in range(3))
    wait_until(lambda: len(node.receiver.open_associations()) == 3)
    ids = node.receiver.open_associations()

    released.release()
    aborted.abort()
    cut.dul.socket.socket.close()
    wait_until(lambda: not node.receiver.open_associations())
    wait_until(lambda: len(node.ended) == 3)

    assert sorted(node.ended) == sorted(ids)


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


def test_shutting_down_lets_an_open_association_finish(tmp_path: Path) -> None:
    node = Node(tmp_path, drain_s=20.0)
    opened = associate(node.port, [CT])
    wait_until(node.receiver.open_associations)
    stopping = threading.Thread(target=node.receiver.shutdown)
    stopping.start()
    wait_until(lambda: not associate(node.port, [CT]).is_established)

    assert send(opened, ct()) == SUCCESS
    opened.release()
    stopping.join(10)
    assert not stopping.is_alive()


def test_shutting_down_aborts_what_does_not_finish(tmp_path: Path) -> None:
    node = Node(tmp_path, drain_s=0.1)
    opened = associate(node.port, [CT])
    wait_until(node.receiver.open_associations)

    node.receiver.shutdown()

    wait_until(lambda: not opened.is_established)
    assert node.receiver.open_associations() == set()


def test_more_associations_than_allowed_are_turned_away_for_now(tmp_path: Path) -> None:
    """PS3.8 Table 9-21: rejected transient, local limit exceeded."""
    with running_node(tmp_path, maximum_associations=1) as node:
        first = associate(node.port, [CT])
        second = associate(node.port, [CT])
        first.release()

    assert second.is_rejected
    assert second.acceptor.primitive.result == 0x02


def test_an_answer_does_not_wait_for_a_second_packet(node: Node, association: Association) -> None:
    """TCP_NODELAY on the accepting side: 40 ms an instance otherwise."""
    accepted = [one for one in threading.enumerate() if getattr(one, "association_id", None)]

    assert all(one.dul.socket.socket.getsockopt(6, 1) for one in accepted)  # type: ignore[attr-defined]
    assert accepted


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


@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xC000])
def test_the_short_response_is_what_pynetdicom_would_send(status: int) -> None:
    response = C_STORE()
    response.MessageIDBeingRespondedTo, response.Status = 4711, status
    response.AffectedSOPClassUID, response.AffectedSOPInstanceUID = CT[0], "1.2.3.4"
    message = C_STORE_RSP()
    message.primitive_to_message(response)

    ((_, expected),) = next(iter(message.encode_msg(1, 0))).presentation_data_value_list

    assert store_response(4711, CT[0], "1.2.3.4", status) == expected[1:]
