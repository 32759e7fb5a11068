"""The actions on one attribute that is no sequence: its old value in, a new element out, or none."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Protocol

from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue

from node.deidentification.cleaning import TEXT_VRS, cleaned_text
from node.deidentification.dummies import REMOVED, dummy
from node.deidentification.plan import Step
from node.deidentification.profile import Action
from node.deidentification.temporal import moved

Element = DataElement | RawDataElement
PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER = 0x00100010, 0x00100020, 0x00080050
_OVERLAYS, _CURVES = 0x60, 0x50
_DRAWN: Final = 0x3000  # the element with the bits of an overlay, and that with the points of a curve
_NUMBERS: Final = frozenset({"CS", "DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"})
_KINDS: Final = MappingProxyType({ACCESSION_NUMBER: "accession number"})


class Pseudonymiser(Protocol):
    """Gives what stands for an original: always the same under one key, and nothing without it."""

    def uid(self, original: str) -> str:
        """Give a UID; a registered one stays."""

    def patient_id(self, original: str) -> str:
        """Give a Patient ID (LO)."""

    def identifier(self, kind: str, original: str) -> str:
        """Give an identifier of at most 16 characters, legal in every text VR."""

    def name(self, original: str) -> str:
        """Give a person name (PN)."""

    def shift(self, patient_id: str) -> timedelta:
        """Give by how many whole days the dates of a patient move."""


@dataclass(frozen=True)
class Secrets:
    """What depends on the key: the pseudonyms, and by how much the dates of this patient move."""

    pseudonyms: Pseudonymiser
    shift: timedelta


def changed(source: Dataset, tag: int, step: Step, secrets: Secrets) -> Element | None:
    """Apply the action of ``step`` to one attribute of ``source`` that is no sequence.

    Returns
    -------
    The element for the new data set, never one that ``source`` holds and could see changed; None: removed.
    """
    if step.action is Action.REMOVE:
        return None
    if step.action is Action.KEEP:
        return _kept(source, tag)
    if step.action is Action.MAP:
        return _element(tag, "UI", [secrets.pseudonyms.uid(uid) for uid in _texts(source, tag)])
    if step.action is Action.CLEAN:
        return _cleaned(source, tag, step, secrets)
    return _pseudonym(source, tag, step.vr, secrets) or _anonymous(source, tag, step, secrets)


def cleaned_words(source: Dataset, tag: int, vr: str) -> Element:
    """Clean a text that has no row of its own but stands in something that is cleaned."""
    texts = [cleaned_text(text) or (REMOVED if text.strip() else "") for text in _texts(source, tag)]
    return _element(tag, vr, texts)


def _kept(source: Dataset, tag: int) -> Element:
    element = source.get_item(tag)
    return copy(element) if isinstance(element, DataElement) else element


def _anonymous(source: Dataset, tag: int, step: Step, secrets: Secrets) -> DataElement:
    if step.action is Action.EMPTY:
        return DataElement(tag, step.vr, None)
    if step.vr == "UI":
        uids = [secrets.pseudonyms.uid(uid) for uid in _texts(source, tag)]
        return _element(tag, "UI", uids) if any(uids) else dummy(tag, "UI")
    return dummy(tag, step.vr)


def _pseudonym(source: Dataset, tag: int, vr: str, secrets: Secrets) -> DataElement | None:
    """Give the three by which objects of one patient and order are found together a pseudonym (Z allows it)."""
    if tag not in {PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER}:
        return None
    original = "\\".join(_texts(source, tag))
    if tag == PATIENT_NAME:
        value = secrets.pseudonyms.name(original)
    elif tag == PATIENT_ID:
        value = secrets.pseudonyms.patient_id(original)
    else:
        value = secrets.pseudonyms.identifier(_KINDS[tag], original)
    return DataElement(tag, vr, value) if value else None


def _cleaned(source: Dataset, tag: int, step: Step, secrets: Secrets) -> Element | None:
    """Clean, or do what the Basic Profile does where nothing of meaning can be kept."""
    values: list[str | None]
    if tag >> 24 in {_OVERLAYS, _CURVES}:
        return _cleaned_graphics(source, tag)
    if step.is_moved:
        values = [moved(tag, step.vr, text, secrets.shift) for text in _texts(source, tag)]
    elif step.vr == "AE":
        values = [secrets.pseudonyms.identifier("AE title", text) for text in _texts(source, tag)]
    elif step.vr in TEXT_VRS:
        values = [cleaned_text(text) for text in _texts(source, tag) if text.strip()]
    else:
        values = [None]
    legal = [value for value in values if value is not None]
    if legal and (len(legal) == len(values) or step.vr in TEXT_VRS):
        return _element(tag, step.vr, legal)
    return _by_profile(source, tag, step, secrets)


def _by_profile(source: Dataset, tag: int, step: Step, secrets: Secrets) -> Element | None:
    if step.fallback in {Action.REMOVE, Action.MAP}:
        return None
    plain = Step(step.fallback, step.fallback, step.vr, step.path, step.is_listed, is_moved=False)
    return changed(source, tag, plain, secrets)


def _cleaned_graphics(source: Dataset, tag: int) -> Element | None:
    """Clean an overlay or a curve: it keeps its place and its numbers, and loses its bits or points: they can write."""
    element = source[tag]
    if tag & 0xFFFF == _DRAWN:
        return DataElement(tag, element.VR, bytes(len(element.value or b"")))
    if element.VR in TEXT_VRS:
        return cleaned_words(source, tag, element.VR)
    return copy(element) if element.VR in _NUMBERS else None


def _element(tag: int, vr: str, values: list[str]) -> DataElement:
    return DataElement(tag, vr, values[0] if len(values) == 1 else values or None)


def _texts(source: Dataset, tag: int) -> list[str]:
    """Give the values of one attribute as text, each; none for an empty one."""
    value = source[tag].value
    if value is None or value == "":
        return []
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    parts = value if isinstance(value, MultiValue | list) else [value]
    return [str(part).rstrip("\0 ") for part in parts]
