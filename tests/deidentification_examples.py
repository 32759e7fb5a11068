"""What the tests of de-identification share: a keyed double of the pseudonyms, small objects, images of noise."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options

SHIFT = timedelta(days=-100)
EVERYTHING = Options(
    safe_private=True,
    device_identity=True,
    institution_identity=True,
    patient_characteristics=True,
    dates=Dates.MODIFIED,
    clean_descriptors=True,
    clean_structured_content=True,
    clean_graphics=True,
)


class Double:
    """Stands for the pseudonyms of a project: the same in, the same out."""

    def uid(self, original: str) -> str:
        return original if not original or UID(original).type else f"2.25.{self._number(original)}"

    def patient_id(self, original: str) -> str:
        return f"P{self._number(original) % 10**8}" if original else ""

    def identifier(self, kind: str, original: str) -> str:
        return f"I{self._number(kind + original) % 10**8}" if original else ""

    def name(self, original: str) -> str:
        return f"N{self._number(original) % 10**8}" if original else ""

    def shift(self, patient_id: str) -> timedelta:
        return SHIFT

    def _number(self, original: str) -> int:
        return int.from_bytes(hashlib.blake2b(original.encode(), key=b"double", digest_size=12).digest(), "big")


def instance(sop_class_uid: str = CTImageStorage, **values: Any) -> Dataset:
    """A small object of one SOP class with the attributes given by keyword."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = "1.2.3.4"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def ct(**values: Any) -> Dataset:
    return instance(
        **{
            "PatientName": "DOE^JANE",
            "PatientID": "4711",
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.1",
            "Rows": 2,
            "Columns": 2,
            "BitsAllocated": 8,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "PixelRepresentation": 0,
            "KVP": "120",
            "PixelData": b"abcd",
            **values,
        }
    )


def image(
    pixels: np.ndarray, sop_class: str = CTImageStorage, photometric: str = "MONOCHROME2", **attributes: object
) -> Dataset:
    """(frames, rows, columns, samples), or (rows, columns)."""
    if pixels.ndim == 2:
        pixels = pixels[None, ..., None]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = pixels.shape
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.shape[3] > 1:
        dataset.PlanarConfiguration = 0
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    content = pixels.tobytes()
    dataset.add_new("PixelData", "OW", content + b"\0" * (len(content) % 2))
    return dataset


def noise(rows: int = 32, columns: int = 40, dtype: type = np.uint8, frames: int = 1, samples: int = 1) -> np.ndarray:
    dice = np.random.default_rng(1)
    return dice.integers(1, 100, (frames, rows, columns, samples)).astype(dtype)


def nested(item: Dataset) -> Dataset:
    """An object that holds ``item`` two sequences deep, in sequences that the profile keeps."""
    inner, dataset = Dataset(), instance()
    inner.ReferencedSeriesSequence = [item]
    dataset.ContributingEquipmentSequence = [inner]
    return dataset


def unnested(dataset: Dataset) -> Dataset:
    return dataset.ContributingEquipmentSequence[0].ReferencedSeriesSequence[0]


def item_of(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def through(dataset: Dataset, **options: Any) -> Dataset:
    return deidentify(dataset, Rules(Options(**options)), Double())


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def reread(dataset: Dataset) -> Dataset:
    """The object as another program finds it: written into a file and read."""
    return dcmread(BytesIO(encoded(dataset)))
