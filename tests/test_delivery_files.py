"""Delivery of files as they are, decoded where they must be, and of whole folders."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from node.delivery.outgoing import MAXIMUM_CONTEXTS, Outgoing, plan, syntax_for
from node.delivery.scu import send_folder
from node.delivery.statuses import Outcome
from node.results.envelope import CAPTURE_JPEG, CAPTURE_JPEG_LS, ObjectKind
from node.results.secondary_capture import CapturePicture, build_captures
from tests.delivery_rig import PIXELS, TIMEOUT_S, archive, deliver, write_instance
from tests.result_examples import CONTEXT, encoded, phantom_series


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


@pytest.mark.parametrize("kind", [CAPTURE_JPEG, CAPTURE_JPEG_LS])
def test_a_compressed_capture_keeps_its_colours_when_it_is_decoded_on_the_way(tmp_path: Path, kind: ObjectKind) -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:32, :32], rgb[:32, 32:], rgb[32:, :32] = (230, 20, 20), (20, 230, 20), (20, 20, 230)
    series = phantom_series()
    (capture,) = build_captures(series, [CapturePicture(rgb, None, "Colours")], CONTEXT, kind=kind)
    path = tmp_path / "capture.dcm"
    path.write_bytes(encoded(capture))
    calls: list[Any] = []
    with archive(calls=calls) as destination:
        (result,) = deliver([path], destination)

    assert result.outcome is Outcome.STORED
    arrived = dcmread(BytesIO(calls[0][2]), force=True)
    arrived.file_meta = FileMetaDataset()
    arrived.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert (arrived.PhotometricInterpretation, arrived.PlanarConfiguration) == ("RGB", 0)
    assert arrived.LossyImageCompression == ("01" if kind is CAPTURE_JPEG else "00")
    assert np.abs(arrived.pixel_array.astype(int) - rgb).max() <= (16 if kind is CAPTURE_JPEG else 0)


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
