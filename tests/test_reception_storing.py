"""Reception over real sockets: what is acknowledged is stored once, on the disk and in the ledger, or refused."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)
from pynetdicom.association import Association

from node.durable import sync_folder
from tests.raw_sender import Node, associate, context_id, send_raw
from tests.reception_rig import (
    CT,
    MISMATCH,
    OUT_OF_RESOURCES,
    SUCCESS,
    ct,
    encoded,
    receiving_node,
    send,
    sending_association,
)

node = pytest.fixture(receiving_node)
association = pytest.fixture(sending_association)


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
    dataset.PatientName, dataset.SeriesDescription = "Roe^Richard", "Roe"

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
