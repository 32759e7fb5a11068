"""Read attributes of a header: numbers or a named error, never a surprise from a malformed value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_description

from node.errors import AssemblyError
from node.malformed import MALFORMED

_SHOWN_CHARACTERS = 40  # of a malformed value in a message


def numbers(dataset: Dataset, keyword: str, count: int, error: type[AssemblyError], where: str) -> tuple[float, ...]:
    """Give the ``count`` finite numbers of an attribute.

    Parameters
    ----------
    dataset
        The header, or an item of one of its sequences.
    keyword
        Such as ``ImagePositionPatient``.
    count
        How many values the attribute must have.
    error, where
        What to raise, and which slice the message shall name, if the attribute is absent, has
        another number of values, or holds something that is not a finite number.
    """
    found = value(dataset, keyword, error, where)
    values = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    try:
        parsed = tuple(float(item) for item in values)
    except MALFORMED:
        parsed = ()
    if len(parsed) != count or not all(map(math.isfinite, parsed)):
        raise error(f"{name_of(keyword)} of {where} is {str(found)[:_SHOWN_CHARACTERS]!r}: expected {count} number(s)")
    return parsed


def whole_number(dataset: Dataset, keyword: str, error: type[AssemblyError], where: str) -> int:
    """Give the one integer of an attribute; raise ``error`` if it is absent or not an integer."""
    (number,) = numbers(dataset, keyword, 1, error, where)
    if not number.is_integer():
        raise error(f"{name_of(keyword)} of {where} is {number}: expected a whole number")
    return int(number)


def value(dataset: Dataset, keyword: str, error: type[AssemblyError], where: str) -> Any:
    """Give the value of an attribute; raise ``error`` if it is absent, empty or cannot be parsed."""
    try:
        found = dataset.get(keyword)
    except MALFORMED:
        raise error(f"{name_of(keyword)} of {where} is malformed") from None
    if found is None or found == "" or (isinstance(found, Sequence) and len(found) == 0):
        raise error(f"{name_of(keyword)} of {where} is absent")
    return found


def text(dataset: Dataset, keyword: str) -> str:
    """Give the value of an attribute as text; empty if it is absent or cannot be parsed."""
    try:
        found = dataset.get(keyword)
    except MALFORMED:
        return ""
    return "" if found is None else str(found).strip()


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Give the values of a multi-valued attribute as text; empty if it is absent or cannot be parsed."""
    try:
        found = dataset.get(keyword) or ()
    except MALFORMED:
        return ()
    return (found,) if isinstance(found, str) else tuple(str(item) for item in found)


def name_of(keyword: str) -> str:
    """Give the name and tag of an attribute as the standard writes it."""
    return dictionary_description(keyword)
