"""Whether two elements of two data sets say the same, however each is encoded; pure.

The same are: values with and without padding, a text in two character sets, a number with more zeros, a
sequence of defined and of undefined length, and an attribute that is empty or absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from node.malformed import MALFORMED

_CHARACTER_SET, _LENGTH_TO_END, _PADDING = 0x00080005, 0x00080001, 0xFFFCFFFC  # PS3.6 chapter 6


def is_encoding(tag: int) -> bool:
    """Tell whether an element says how the data set is written, and nothing of what it is of.

    Group lengths (PS3.5 section 7.2), Specific Character Set, Length to End, Data Set Trailing Padding.
    """
    return tag & 0xFFFF == 0 or tag in {_CHARACTER_SET, _LENGTH_TO_END, _PADDING}


def same_element(first: Dataset, second: Dataset, tag: int) -> bool:
    """Tell whether two data sets say the same under one tag; false when a value cannot be read."""
    try:
        return _values(first.get(tag)) == _values(second.get(tag))
    except MALFORMED:
        return False


def _values(element: DataElement | None) -> tuple[Any, ...]:
    if element is None or element.is_empty:
        return ()
    if element.VR == "SQ":
        return tuple(map(_item, element.value))
    several = isinstance(element.value, Sequence) and not isinstance(element.value, str | bytes)
    return tuple(map(_single, element.value if several else [element.value]))


def _item(item: Dataset) -> dict[int, tuple[Any, ...]]:
    found = {int(tag): _values(item[tag]) for tag in item.keys() if not is_encoding(int(tag))}  # noqa: SIM118
    return {tag: values for tag, values in found.items() if values}


def _single(value: Any) -> Any:
    """Give a number or bytes as they are, and what is text without padding (PS3.5 section 6.2)."""
    if isinstance(value, int | float | bytes):
        return value
    return str(value).rstrip("^=").strip(" \0")
