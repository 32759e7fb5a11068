"""Who is trained on and who is kept apart: one rule for every data set, by patient."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

_HELD_OUT_PERCENT = 20
# Whole scans of these judge the finished node, so that nothing may ever be trained on them: by patient, and by
# series for the data sets that do not tell the patient.
JUDGES = frozenset({
    "LIDC-IDRI-0001",
    "LIDC-IDRI-0002",
    "LIDC-IDRI-0003",
    "LUNG1-001",
    "1.3.6.1.4.1.14519.5.2.1.6279.6001.179049373636438705059720603192",
    "1.3.6.1.4.1.14519.5.2.1.6279.6001.170706757615202213033480003264",
    "1.3.6.1.4.1.40744.29.298991776521342375010861296712563382046",
})  # fmt: skip


class Split(StrEnum):
    """Patients to train with, and those kept apart to measure on."""

    TRAIN = "train"
    HELD_OUT = "held_out"


def patients_of_split(patients: Iterable[str], split: Split) -> tuple[str, ...]:
    """Choose the patients of one split: by a hash of the identifier, so that no list and no order matters.

    Returns
    -------
    Sorted identifiers; about 20 of 100 patients are held out, and with them those who judge the node.
    """
    return tuple(sorted(patient for patient in set(patients) if split_of(patient) is split))


def split_of(patient: str) -> Split:
    """Tell on which side a patient stands, whatever the data set."""
    number = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big")
    held_out = patient in JUDGES or number % 100 < _HELD_OUT_PERCENT
    return Split.HELD_OUT if held_out else Split.TRAIN
