"""What became of each attribute, found by comparing the object that came with the one that leaves.

It asks neither the table nor the engine: it says what was done, not what was meant to be done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

from node.deidentification.identity import stored


class Verdict(Enum):
    """What became of an attribute."""

    REMOVED = "removed"
    EMPTIED = "emptied"
    REPLACED = "replaced"
    KEPT = "kept"
    ADDED = "added"


class Change(NamedTuple):
    """One attribute, wherever in the object it stands; private ones are one attribute for each group."""

    tag: str
    keyword: str
    verdict: Verdict


def changes(original: Dataset, leaving: Dataset) -> Counter[Change]:
    """Count what became of the attributes of an object, those in its sequences among them."""
    return Counter(_changes(original, leaving))


def _changes(original: Dataset, leaving: Dataset) -> Iterator[Change]:
    for tag in original.keys() | leaving.keys():
        if tag not in leaving:
            yield _change(tag, Verdict.REMOVED)
        elif tag not in original:
            yield _change(tag, Verdict.ADDED)
        else:
            yield from _of_both(original, leaving, tag)


def _of_both(original: Dataset, leaving: Dataset, tag: BaseTag) -> Iterator[Change]:
    old, new = stored(original, tag), stored(leaving, tag)
    if old is new:
        yield _change(tag, Verdict.KEPT)
    elif new.VR == VR.SQ and not isinstance(new, RawDataElement):
        yield from _of_sequence(original, leaving, tag)
    elif old.value == new.value or original[tag].value == leaving[tag].value:  # one may be decoded already
        yield _change(tag, Verdict.KEPT)
    else:
        yield _change(tag, Verdict.REPLACED if new.value else Verdict.EMPTIED)


def _of_sequence(original: Dataset, leaving: Dataset, tag: BaseTag) -> Iterator[Change]:
    old, new = original[tag].value, leaving[tag].value
    if len(old) != len(new):
        yield _change(tag, Verdict.REPLACED if new else Verdict.EMPTIED)
        return
    inside = [change for pair in zip(old, new, strict=True) for change in _changes(*pair)]
    is_same = all(change.verdict is Verdict.KEPT for change in inside)
    yield _change(tag, Verdict.KEPT if is_same else Verdict.REPLACED)
    yield from inside


def _change(tag: BaseTag, verdict: Verdict) -> Change:
    if tag.is_private:  # its number within the group may be anything, a name in ASCII among it
        return Change(f"({tag.group:04X},xxxx)", "private", verdict)
    return Change(f"({tag.group:04X},{tag.element:04X})", keyword_for_tag(tag) or "unknown", verdict)
