"""A receiving node on a real socket, an association to it, and CT instances; tests make fixtures of the first two."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from pynetdicom.association import Association

from tests.raw_sender import Node, associate, context_id, running_node, send_raw

CT = (str(CTImageStorage), str(ExplicitVRLittleEndian))
SUCCESS, OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xA900, 0xC000


def receiving_node(tmp_path: Path) -> Iterator[Node]:
    with running_node(tmp_path) as running:
        yield running


def sending_association(node: Node) -> Iterator[Association]:
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
