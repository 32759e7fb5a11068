"""What a de-identified object still says: every element looked at, whoever made the object.

It judges the object by the profile and the options that the object itself declares in (0012,0064), and
by shapes that identities have. It names attributes and never shows a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from pydicom import DataElement, Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID
from pydicom.valuerep import VR

from node.deidentification.burned_in import reason_for_text, reason_never_to_leave
from node.deidentification.dummies import UNKNOWN_UID, dummy
from node.deidentification.identity import values_of
from node.deidentification.option_names import options_by_codes
from node.deidentification.plan import Rules, Step
from node.deidentification.private import is_creator
from node.deidentification.profile import PROFILE_CODE, Action

_FILE_META: Final = frozenset({0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013})
_PSEUDONYM: Final = re.compile(r"(P-[A-Z2-7]{14}|[A-Z2-7]{16}|Pseudonym\^[A-Z2-7]{16})?")
_SHAPES: Final = MappingProxyType(
    {
        "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}"),
        "an IP address": re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
        "a person name": re.compile(r"(?<!\w)(?!Pseudonym\^)[^\W\d_]{2,}\^[^\W\d_]{2,}"),
    }
)
_NUMBERS: Final = frozenset(
    {VR.OD, VR.OF, VR.OL, VR.OV, VR.OW, VR.DS, VR.IS, VR.UI}
)  # hold such shapes by chance alone
_SOFTWARE_VERSIONS: Final = 0x00181020  # four numbers with dots between them are a version here
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LONGEST_SCANNED: Final = 1 << 20  # characters of one element outside of pixels


def findings(dataset: Dataset) -> list[str]:
    """Say what in an object speaks against its leaving; an empty list: nothing was found.

    Parameters
    ----------
    dataset
        As read from a file, with preamble and file meta information.
    """
    codes = _method_codes(dataset)
    rules = Rules(options_by_codes(frozenset(codes)))
    sop_class = str(dataset.get("SOPClassUID", ""))
    found = [*_of_marks(dataset, codes), *_of_file(dataset), *_of_pixels(dataset)]
    return list(dict.fromkeys([*found, *_of_elements(dataset, rules, sop_class, "")]))


def doubts(dataset: Dataset) -> list[str]:
    """Say which attributes hold what has the shape of an identity; somebody has to look whether it is one."""
    return list(dict.fromkeys(doubt for element in dataset.iterall() for doubt in _of_shape(element)))


def _method_codes(dataset: Dataset) -> list[str]:
    items = dataset.get("DeidentificationMethodCodeSequence") or []
    return [str(item.get("CodeValue")) for item in items if item.get("CodingSchemeDesignator") == "DCM"]


def _of_marks(dataset: Dataset, codes: list[str]) -> Iterator[str]:
    if dataset.get("PatientIdentityRemoved") != "YES":
        yield "PatientIdentityRemoved (0012,0062) is not YES"
    if PROFILE_CODE.value not in codes:
        yield "DeidentificationMethodCodeSequence (0012,0064) does not name the Basic Profile"


def _of_file(dataset: Dataset) -> Iterator[str]:
    if (dataset.preamble or b"").strip(b"\0"):
        yield "the preamble is not empty"
    for tag in dataset.file_meta:
        if tag.tag not in _FILE_META:
            yield f"{_named(tag.tag)} stands in the file meta information"


def _of_pixels(dataset: Dataset) -> Iterator[str]:
    for reason in (reason_never_to_leave(dataset), reason_for_text(dataset)):
        if reason is not None:
            yield f"pixels: {reason}"


def _of_elements(dataset: Dataset, rules: Rules, sop_class: str, path: str) -> Iterator[str]:
    plan = rules.plan(sop_class, path)
    for element in dataset:
        step = plan[element.tag]
        if element.tag.is_private:
            if not rules.options.safe_private or not (is_creator(element.tag) or element.VR != VR.UN):
                yield f"private ({element.tag.group:04X},xxxx) is there"
        elif element.VR == VR.SQ:
            yield from _of_sequence(element, step, rules, sop_class)
        elif not _is_fine(element, step):
            yield f"{_named(element.tag)} is there; the profile says {step.action.value}"


def _of_sequence(element: DataElement, step: Step, rules: Rules, sop_class: str) -> Iterator[str]:
    if step.action is Action.REMOVE:
        yield f"{_named(element.tag)} is there; the profile says X"
    for item in element.value:
        yield from _of_elements(item, rules, sop_class, step.path)


def _is_fine(element: DataElement, step: Step) -> bool:
    """Tell whether an element is what its action leaves; cleaned text is judged by its shape alone."""
    if step.action in (Action.KEEP, Action.CLEAN):
        return True
    if element.is_empty:
        return step.action is not Action.REMOVE
    if element.VR == VR.UI:
        return step.action is not Action.REMOVE and all(_is_pseudonymous(uid) for uid in values_of(element))
    if step.action is Action.REMOVE:
        return False
    of_dummy = dummy(element.tag, step.vr)
    return element.value == of_dummy.value or all(_PSEUDONYM.fullmatch(value) for value in values_of(element))


def _is_pseudonymous(uid: str) -> bool:
    """Tell whether a UID names nobody: registered, or a UUID of version 8 in decimals, as our pseudonyms are."""
    number = uid.removeprefix("2.25.")
    if UID(uid, 0).type or uid in ("", UNKNOWN_UID):
        return True
    return number != uid and number.isdigit() and (int(number) >> 76) & 0xF == 8


def _of_shape(element: DataElement) -> Iterator[str]:
    if element.VR == VR.SQ or element.VR in _NUMBERS or element.tag in _PIXELS:
        return
    text = _text(element)[:_LONGEST_SCANNED]
    for shape, pattern in _SHAPES.items():
        is_version = element.tag == _SOFTWARE_VERSIONS and shape == "an IP address"
        if not is_version and pattern.search(text):
            yield f"{_named(element.tag)} holds what looks like {shape}"


def _text(element: DataElement) -> str:
    """Give a value as text; bytes of whatever meaning character by character."""
    if isinstance(element.value, bytes):
        return element.value.decode("latin-1")
    return "\\".join(values_of(element))


def _named(tag: int) -> str:
    return f"{keyword_for_tag(tag) or 'unknown'} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
