"""What the tests of de-identification share: a keyed double of the pseudonyms, objects to put attributes into."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Options

SHIFT = timedelta(days=-100)


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
