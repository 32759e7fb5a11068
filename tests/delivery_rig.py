"""A destination on loopback that behaves as it is told to, and instances to send there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import AE, evt

from node.delivery.scu import Destination, SendResult, send

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
