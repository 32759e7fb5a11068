"""Where each element of an encoded data set begins and ends, without reading a value.

Law of this file: no bytes whatever make it raise anything but CannotUnderstand, and the memory it takes
does not grow with a length that a field claims.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap

from node.errors import CannotUnderstand

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # Float, Double Float, (integer) Pixel Data
_UNDEFINED_LENGTH = 0xFFFFFFFF  # PS3.5 section 7.1.1
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD  # PS3.5 Table A.4-1
# VRs whose length takes four bytes after two reserved ones, PS3.5 section 7.1.2.
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_MOST_ELEMENTS = 50_000  # of a data set, without those in sequences; a hundred times what images have
_DEEPEST = 16  # sequences in sequences; structured reports of this node reach 8

Content = bytes | mmap


@dataclass(frozen=True)
class Encoding:
    """How a data set is encoded."""

    is_implicit_vr: bool
    is_little_endian: bool


@dataclass(frozen=True)
class Span:
    """One element: offsets of its tag, of its value, and behind its value. ``vr`` is empty in implicit VR."""

    tag: int
    vr: str
    begin: int
    value: int
    end: int


def spans_of(content: Content, begin: int, encoding: Encoding) -> Mapping[int, Span]:
    """Find the elements of a data set by their tags, up to its pixel data.

    Behind the pixel data stand only signatures and padding (PS3.5 Table 6.2-1), and private elements.

    Raises
    ------
    CannotUnderstand
        The bytes are no data set in this encoding, or a tag stands twice.
    """
    found: dict[int, Span] = {}
    position = begin
    while position < len(content):
        span = _span(content, position, encoding)
        if span.tag in found or len(found) >= _MOST_ELEMENTS:
            raise CannotUnderstand("the data set holds a tag twice, or too many elements")
        found[span.tag] = span
        if span.tag in PIXEL_TAGS:
            break
        position = span.end
    return found


def _span(content: Content, begin: int, encoding: Encoding, depth: int = 0) -> Span:
    """Measure the element that begins here."""
    order = "<" if encoding.is_little_endian else ">"
    tag = _tag(content, begin, order)
    if encoding.is_implicit_vr:
        vr, value = "", begin + 8
        length = _number(content, begin + 4, f"{order}L")
    else:
        vr = content[begin + 4 : begin + 6].decode("ascii", errors="replace")
        is_long = vr in _LONG_VRS
        value = begin + (12 if is_long else 8)
        length = _number(content, begin + 8, f"{order}L") if is_long else _number(content, begin + 6, f"{order}H")
    if length == _UNDEFINED_LENGTH:
        # What is in an unknown VR of undefined length is implicit, whatever the rest is (PS3.5 section 6.2.2).
        inner = Encoding(encoding.is_implicit_vr or vr == "UN", encoding.is_little_endian)
        return Span(tag, vr, begin, value, _end_of_items(content, value, inner, depth + 1))
    if value + length > len(content):
        raise CannotUnderstand("the data set ends within a value")
    return Span(tag, vr, begin, value, value + length)


def _end_of_items(content: Content, position: int, encoding: Encoding, depth: int) -> int:
    """Walk items, of a sequence or of encapsulated pixel data, to behind their end marker."""
    if depth > _DEEPEST:
        raise CannotUnderstand(f"sequences are nested more than {_DEEPEST} deep")
    order = "<" if encoding.is_little_endian else ">"
    while position < len(content):  # where the data set ends, a missing end marker is forgiven
        tag, length = _tag(content, position, order), _number(content, position + 4, f"{order}L")
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise CannotUnderstand("something that is no item stands among items")
        position = (
            _end_of_item(content, position, encoding, depth) if length == _UNDEFINED_LENGTH else position + length
        )
    if position > len(content):
        raise CannotUnderstand("the data set ends within an item")
    return position


def _end_of_item(content: Content, position: int, encoding: Encoding, depth: int) -> int:
    order = "<" if encoding.is_little_endian else ">"
    while _tag(content, position, order) != _ITEM_END:
        position = _span(content, position, encoding, depth).end
    return position + 8


def _tag(content: Content, position: int, order: str) -> int:
    return _number(content, position, f"{order}H") << 16 | _number(content, position + 2, f"{order}H")


def _number(content: Content, position: int, form: str) -> int:
    try:
        (number,) = struct.unpack_from(form, content, position)
    except struct.error:
        raise CannotUnderstand("the data set ends within an element") from None
    return int(number)
