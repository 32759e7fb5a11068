"""Where the data set of a file begins and how it is encoded, also where the head of the file is careless or absent.

PS3.10 section 7.1 wants a preamble, the letters DICM and a meta header in group 0002. Old archives and
de-identifiers leave some of it away, state wrong lengths, or repeat group 0002 inside the data set. What
does not look like a data set from its first tags on is not DICOM, whatever its name.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

_PREFIX, _PREFIX_AT = b"DICM", 128  # PS3.10 Table 7.1-1
_TRANSFER_SYNTAX = 0x0010  # (0002,0010)
_MOST_META_ELEMENTS = 200  # there are less than 30; private information is one element
_LONGEST_UID = 64  # bytes, PS3.5 section 9.1
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"})
_SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
    | {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_VRS = _LONG_VRS | _SHORT_VRS  # PS3.5 Table 6.2-1
_FIRST_GROUP = 0x0008  # every composite instance begins there: the SOP Class UID is (0008,0016)
_UNDEFINED_LENGTH = 0xFFFFFFFF
# Elements that must follow each other in ascending order, each with a VR or a length that fits, before bytes
# without a head count as a data set. Four headers are 32 bytes that all have to agree.
_PROVING_ELEMENTS = 4


class Careless(StrEnum):
    """What was read although it is not as the standard has it; the words are for a note."""

    NO_PREAMBLE = "an absent preamble"
    NO_META_HEADER = "an absent meta header"
    WRONG_META_LENGTH = "a wrong length of the meta header"
    STRAY_GROUP_TWO = "group 0002 inside the data set"
    OTHER_ENCODING = "another encoding than the meta header says"
    NO_TRANSFER_SYNTAX = "an absent transfer syntax"
    OTHER_PIXEL_ENCODING = "pixels in another encoding than the meta header says"


def careless_notes(files: Iterable[Sequence[Careless]]) -> list[str]:
    """Say of how many files each carelessness was forgiven; empty if all are as the standard has it."""
    counts = Counter(kind for kinds in files for kind in kinds)
    return [f"{counts[kind]} file(s) read in spite of {kind}" for kind in Careless if counts[kind]]


@dataclass(frozen=True)
class Encoding:
    """How the elements of a data set are written (PS3.5 section 7.1)."""

    implicit_vr: bool
    little_endian: bool


@dataclass(frozen=True)
class Framing:
    """The head of a file.

    Parameters
    ----------
    meta
        The elements of the meta header as bytes, Explicit VR Little Endian; empty if there is none.
    transfer_syntax_uid
        As the meta header has it; empty if there is none.
    data_set_offset
        Bytes from the start of the file.
    """

    meta: bytes
    transfer_syntax_uid: str
    data_set_offset: int
    careless: tuple[Careless, ...]


@dataclass(frozen=True)
class _MetaElement:
    number: int
    value: bytes
    start: int
    end: int
    explicit: bool


def find_framing(file: BinaryIO) -> Framing:
    """Read the head of a file, and leave the file at any position.

    Raises
    ------
    InvalidDicomError
        The bytes do not look like DICOM.
    """
    file.seek(0)
    head = file.read(_PREFIX_AT + len(_PREFIX) + 8)
    if head[_PREFIX_AT : _PREFIX_AT + 4] == _PREFIX:
        return _with_meta(file, _PREFIX_AT + 4, ())
    if head[:4] == _PREFIX:
        return _with_meta(file, 4, (Careless.NO_PREAMBLE,))
    for start in (0, _PREFIX_AT):
        if _is_meta(head[start : start + 8]):
            return _with_meta(file, start, (Careless.NO_PREAMBLE,))
        if looks_like_data_set(file, start):
            careless = (Careless.NO_META_HEADER, Careless.NO_TRANSFER_SYNTAX)
            return Framing(b"", "", start, careless)
    raise InvalidDicomError("neither the head of a DICOM file nor a data set")


def encoding_at(file: BinaryIO, offset: int) -> Encoding:
    """Tell from its first element how a data set is encoded; nothing else can be believed.

    Two letters that are a VR stand where an implicit VR has the low bytes of a length of 16 kB and more, which
    no first element has. The first group is low, so that the byte order in which it is lower is the right one.
    """
    file.seek(offset)
    start = file.read(6)
    if len(start) < 6:
        return Encoding(implicit_vr=False, little_endian=True)
    little_endian = int.from_bytes(start[:2], "little") <= int.from_bytes(start[:2], "big")
    return Encoding(start[4:6] not in _VRS, little_endian)


def looks_like_data_set(file: BinaryIO, offset: int) -> bool:
    """Tell whether elements of group 0008 begin at ``offset``, in ascending order, with VRs and lengths that fit."""
    file.seek(0, 2)
    size = file.tell()
    encoding = encoding_at(file, offset)
    last, position = -1, offset
    for count in range(_PROVING_ELEMENTS):
        file.seek(position)
        found = _element_at(file.read(12), encoding)
        if found is None:
            return False
        tag, header_bytes, length = found
        is_first_wrong = count == 0 and tag >> 16 != _FIRST_GROUP
        if is_first_wrong or tag <= last or (length == _UNDEFINED_LENGTH and count == 0):
            return False
        if length == _UNDEFINED_LENGTH:
            return True  # a sequence or pixels, behind elements that fit
        last, position = tag, position + header_bytes + length
        if position > size:
            return False
    return True


def _element_at(header: bytes, encoding: Encoding) -> tuple[int, int, int] | None:
    """Give tag, bytes of the element's header, and length of its value; None if these are no header."""
    endian = "<" if encoding.little_endian else ">"
    if len(header) < 8:
        return None
    group, number = struct.unpack_from(f"{endian}HH", header)
    tag = group << 16 | number
    if encoding.implicit_vr:
        return tag, 8, int(struct.unpack_from(f"{endian}L", header, 4)[0])
    if header[4:6] in _LONG_VRS and len(header) == 12:
        return tag, 12, int(struct.unpack_from(f"{endian}L", header, 8)[0])
    if header[4:6] in _SHORT_VRS:
        return tag, 8, int(struct.unpack_from(f"{endian}H", header, 6)[0])
    return None


def _is_meta(header: bytes) -> bool:
    return header[:2] == b"\x02\x00" and header[4:6] in _VRS


def _with_meta(file: BinaryIO, start: int, careless: tuple[Careless, ...]) -> Framing:
    """Part the elements of group 0002 into the meta header and those that strayed into the data set.

    A group length that ends between two elements is right; any other is wrong, and all of group 0002 that
    follows without a break is the meta header.
    """
    elements = _group_two(file, start)
    end = _stated_end(elements)
    own = [element for element in elements if end is None or element.end <= end]
    stray = elements[len(own) :]
    if stray and not _syntax(own):
        own, stray, end = elements, [], None  # the stated length cuts off what a meta header must have
    if _syntax(own) == DeflatedExplicitVRLittleEndian:
        stray = []  # only chance makes deflated bytes look like an element
    found = list(careless)
    if elements and end is None:
        found.append(Careless.WRONG_META_LENGTH)
    if stray:
        found.append(Careless.STRAY_GROUP_TWO)
    syntax = _syntax(own)
    if not syntax:
        found.append(Careless.NO_TRANSFER_SYNTAX if own else Careless.NO_META_HEADER)
    file.seek(start)
    meta = file.read(own[-1].end - start) if own and all(element.explicit for element in own) else b""
    return Framing(meta, syntax, (stray or own)[-1].end if own else start, tuple(found))


def _group_two(file: BinaryIO, start: int) -> list[_MetaElement]:
    """List the elements of group 0002 from ``start`` on; those of a data set in implicit VR are known by their VR."""
    elements: list[_MetaElement] = []
    position = start
    while len(elements) < _MOST_META_ELEMENTS:
        file.seek(position)
        header = file.read(12)
        explicit = header[4:6] in _VRS
        found = _element_at(header, Encoding(not explicit, little_endian=True))
        if found is None or found[0] >> 16 != 0x0002:
            break
        tag, header_bytes, length = found
        file.seek(position + header_bytes)
        value = file.read(min(length, _LONGEST_UID))
        file.seek(0, 2)
        if position + header_bytes + length > file.tell():
            break  # no element: bytes of a deflated data set, or the end of a file that was cut off
        elements.append(_MetaElement(tag & 0xFFFF, value, position, position + header_bytes + length, explicit))
        position = elements[-1].end
    return elements


def _stated_end(elements: list[_MetaElement]) -> int | None:
    """Give the end that (0002,0000) states, if an element ends there."""
    if not elements or elements[0].number != 0 or len(elements[0].value) != 4:
        return None
    end = elements[0].end + int(struct.unpack("<L", elements[0].value)[0])
    return end if any(element.end == end for element in elements[1:]) else None


def _syntax(elements: list[_MetaElement]) -> str:
    value = next((element.value for element in elements if element.number == _TRANSFER_SYNTAX), b"")
    return value.decode("ascii", errors="replace").strip("\0 ")
