"""Delivery against destinations that behave badly, each in its own way."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)
from pynetdicom import AE, evt

from node.delivery.outgoing import MAXIMUM_CONTEXTS, Outgoing, plan, syntax_for
from node.delivery.scu import Destination, SendResult, echo, parse_peer, send, send_folder
from node.delivery.statuses import Outcome, classify
from node.errors import ConfigError, DeliveryError

TIMEOUT_S = 5.0
PIXELS = np.arange(64, dtype=np.uint16).reshape(8, 8)


@contextmanager
def archive(
    store: Callable[[Any], int] | None = None,
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    classes: tuple[str, ...] = (CTImageStorage, SecondaryCaptureImageStorage),
    calls: list[Any] | None = None,
    **attributes: Any,
) -> Iterator[Destination]:
    """A destination on loopback; ``store`` answers each C-STORE, ``calls`` collects the events."""
    entity = AE("ARCHIVE")
    entity.add_supported_context("1.2.840.10008.1.1")
    for uid in classes:
        entity.add_supported_context(uid, list(syntaxes))
    for name, value in attributes.items():
        setattr(entity, name, value)

    def answer(event: Any) -> int:
        if calls is not None:
            calls.append((event.assoc, event.request.AffectedSOPInstanceUID, event.encoded_dataset(False)))
        return store(event) if store else 0x0000

    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)])
    try:
        yield Destination("archive", "ARCHIVE", "127.0.0.1", server.server_address[1])
    finally:
        entity.shutdown()


def write_instance(folder: Path, sop_class: str = CTImageStorage, syntax: str = ExplicitVRLittleEndian) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(None, Dataset(), file_meta=meta, preamble=b"\x00" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 16, 16, 15
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = PIXELS.tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def deliver(files: list[Path], destination: Destination) -> list[SendResult]:
    results: list[SendResult] = []
    send(files, destination, calling_ae_title="PULMONODE", timeout_s=TIMEOUT_S, on_result=results.append)
    return results


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0xB000, Outcome.STORED_WITH_WARNING),
        (0xB007, Outcome.STORED_WITH_WARNING),
        (0xA700, Outcome.RETRY),
        (0xA7FF, Outcome.RETRY),
        (0x0110, Outcome.RETRY),
        (0xA900, Outcome.REFUSED),
        (0xC123, Outcome.REFUSED),
        (0x0122, Outcome.REFUSED),
        (0x0124, Outcome.REFUSED),
        (0x0117, Outcome.REFUSED),
    ],
)
def test_each_class_of_status_has_its_outcome(tmp_path: Path, status: int, outcome: Outcome) -> None:
    with archive(lambda _: status) as destination:
        (result,) = deliver([write_instance(tmp_path)], destination)

    assert (result.outcome, result.status) == (outcome, status)


def test_no_failure_status_counts_as_stored() -> None:
    """PS3.7 Annex C: success is 0000, warnings are 0001, 0107, 0116 and Bxxx; everything else is not stored."""
    stored = {status for status in range(0x10000) if classify(status) in {Outcome.STORED, Outcome.STORED_WITH_WARNING}}

    assert stored == {0x0000, 0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000)}


def test_a_batch_goes_over_one_association_and_arrives_byte_for_byte(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(5)]
    calls: list[Any] = []
    with archive(calls=calls) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED] * 5
    assert len({association for association, _, _ in calls}) == 1
    assert all(path.read_bytes().endswith(content) for path, (_, _, content) in zip(files, calls, strict=True))


def test_one_refused_instance_does_not_stop_the_others(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(3)]
    bad = files[1].stem
    with archive(lambda event: 0xC000 if event.request.AffectedSOPInstanceUID == bad else 0) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED, Outcome.REFUSED, Outcome.STORED]


def test_an_abort_in_the_middle_leaves_the_unanswered_for_another_try(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(4)]

    def abort_at_second(event: Any) -> int:
        if event.request.AffectedSOPInstanceUID == files[1].stem:
            event.assoc.abort()
        return 0x0000

    with archive(abort_at_second) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED, *[Outcome.RETRY] * 3]
    assert [result.sop_instance_uid for result in results] == [path.stem for path in files]


def test_a_destination_that_is_down_is_tried_again(tmp_path: Path) -> None:
    (result,) = deliver([write_instance(tmp_path)], Destination("x", "X", "127.0.0.1", closed_port()))

    assert (result.outcome, result.status) == (Outcome.RETRY, None)
    assert "no connection" in result.message


def test_a_wrong_ae_title_is_said_in_the_message(tmp_path: Path) -> None:
    with archive(require_called_aet=True) as destination:
        wrong = Destination("x", "WRONG", destination.host, destination.port)
        (result,) = deliver([write_instance(tmp_path)], wrong)

    assert result.outcome is Outcome.RETRY
    assert "WRONG" in result.message
    assert "rejected" in result.message


def test_a_destination_that_never_answers_the_request_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        results: list[SendResult] = []
        destination = Destination("x", "X", "127.0.0.1", silent.getsockname()[1])
        send([write_instance(tmp_path)], destination, calling_ae_title="P", timeout_s=0.2, on_result=results.append)

    assert [result.outcome for result in results] == [Outcome.RETRY]


def test_an_archive_without_segmentations_refuses_only_these(tmp_path: Path) -> None:
    files = [write_instance(tmp_path, SegmentationStorage), write_instance(tmp_path, SecondaryCaptureImageStorage)]
    with archive() as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.STORED]
    assert "accepts no Segmentation Storage" in results[0].message


def test_an_archive_that_takes_nothing_of_ours_is_not_asked_again(tmp_path: Path) -> None:
    with archive() as destination:
        (result,) = deliver([write_instance(tmp_path, SegmentationStorage)], destination)

    assert result.outcome is Outcome.REFUSED
    assert "accepts no Segmentation Storage" in result.message


def test_sending_twice_sends_the_same_bytes(tmp_path: Path) -> None:
    path = write_instance(tmp_path)
    calls: list[Any] = []
    with archive(calls=calls) as destination:
        deliver([path], destination)
        deliver([path], destination)

    assert calls[0][1:] == calls[1][1:]


def test_a_compressed_file_goes_as_it_is_where_it_is_taken(tmp_path: Path) -> None:
    path = write_instance(tmp_path, syntax=RLELossless)
    calls: list[Any] = []
    with archive(calls=calls, syntaxes=(ExplicitVRLittleEndian, RLELossless)) as destination:
        deliver([path], destination)

    assert path.read_bytes().endswith(calls[0][2])


@pytest.mark.parametrize("taken", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_compressed_file_is_decoded_for_an_archive_that_takes_no_compression(tmp_path: Path, taken: str) -> None:
    path = write_instance(tmp_path, syntax=RLELossless)
    calls: list[Any] = []
    with archive(calls=calls, syntaxes=(taken,)) as destination:
        (result,) = deliver([path], destination)

    assert result.outcome is Outcome.STORED
    assert result.sop_instance_uid == path.stem
    assert PIXELS.tobytes() in calls[0][2]


def test_a_damaged_compressed_file_is_refused_and_the_next_one_is_sent(tmp_path: Path) -> None:
    damaged, sound = write_instance(tmp_path, syntax=RLELossless), write_instance(tmp_path)
    dataset = dcmread(damaged)
    dataset.PixelData = dataset.PixelData[:24] + b"\xff" * (len(dataset.PixelData) - 24)
    dataset.save_as(damaged)
    with archive() as destination:
        results = deliver([damaged, sound], destination)

    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.STORED]


def test_more_contexts_than_one_association_can_hold_take_several() -> None:
    files = [Outgoing(Path(str(n)), f"1.2.{n}", f"1.3.{n}", ExplicitVRLittleEndian) for n in range(100)]

    batches = list(plan(files))

    assert len(batches) > 1
    assert all(len(batch.contexts) <= MAXIMUM_CONTEXTS for batch in batches)
    assert [file for batch in batches for file in batch.files] == files


def test_big_endian_is_not_converted() -> None:
    file = Outgoing(Path("x"), CTImageStorage, "1.2", "1.2.840.10008.1.2.2")

    assert syntax_for(file, [ExplicitVRLittleEndian]) is None


def test_a_file_that_is_no_dicom_is_refused_with_its_name(tmp_path: Path) -> None:
    junk = tmp_path / "junk.dcm"
    junk.write_bytes(b"not DICOM at all" * 20)
    with archive() as destination:
        (result,) = deliver([junk], destination)

    assert (result.outcome, result.path) == (Outcome.REFUSED, junk)


def test_a_folder_is_sent_and_other_files_are_counted(tmp_path: Path) -> None:
    write_instance(tmp_path)
    (tmp_path / "below").mkdir()
    shutil.copy(write_instance(tmp_path), tmp_path / "below" / "no-suffix")
    (tmp_path / "notes.txt").write_text("no image")
    seen: list[tuple[Outcome, int]] = []
    with archive() as destination:
        others = send_folder(
            tmp_path,
            destination,
            calling_ae_title="P",
            timeout_s=TIMEOUT_S,
            on_result=lambda result, total: seen.append((result.outcome, total)),
        )

    assert others == 1
    assert seen == [(Outcome.STORED, 3)] * 3


def test_a_bare_data_set_is_sent_too(tmp_path: Path) -> None:
    dataset = dcmread(write_instance(tmp_path))
    bare = tmp_path / "bare"
    Dataset(dataset).save_as(bare, implicit_vr=True, little_endian=True)
    calls: list[Any] = []
    with archive(calls=calls) as destination:
        (result,) = deliver([bare], destination)

    assert result.outcome is Outcome.STORED
    assert calls[0][2] == bare.read_bytes()


def test_echo_is_answered() -> None:
    with archive() as destination:
        echo(destination, "PULMONODE", TIMEOUT_S)


@pytest.mark.parametrize(("fault", "words"), [("down", "no connection"), ("title", "rejected"), ("silent", "in time")])
def test_echo_says_in_one_line_what_is_wrong(fault: str, words: str) -> None:
    with archive(require_called_aet=True) as good, socket.create_server(("127.0.0.1", 0)) as silent:
        port = {"down": closed_port(), "title": good.port, "silent": silent.getsockname()[1]}[fault]
        with pytest.raises(DeliveryError) as caught:
            echo(Destination("x", "WRONG", "127.0.0.1", port), "PULMONODE", 0.5)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.may_retry


def test_a_peer_is_read_from_the_command_line() -> None:
    assert parse_peer("ORTHANC@pacs.example:4242") == Destination(
        "ORTHANC@pacs.example:4242", "ORTHANC", "pacs.example", 4242
    )
    assert parse_peer("A B@[::1]:104").host == "::1"


@pytest.mark.parametrize(
    "text", ["", "ORTHANC", "ORTHANC@host", "@host:104", "A@host:0", "A@host:70000", "A" * 17 + "@h:1"]
)
def test_a_malformed_peer_is_explained(text: str) -> None:
    with pytest.raises(ConfigError, match="AET@host:port"):
        parse_peer(text)
