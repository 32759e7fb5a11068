"""The header of a received instance, read from its file without touching the pixels.

Law of this file: no bytes whatever make it raise anything but CannotUnderstand, or take memory that
grows with what a length field claims.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from node.errors import CannotUnderstand
from node.malformed import MALFORMED
from node.series.instances import InstanceHeader, header_of

# What header_of reads; a test compares it with the whole data set.
HEADER_KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "StudyDescription",
    "ProtocolName",
    "RequestedProcedureDescription",
    "BodyPartExamined",
    "PatientPosition",
    "ScanOptions",
    "KVP",
    "TriggerTime",
    "SliceThickness",
    "ConvolutionKernel",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "ImagesInAcquisition",
    "NumberOfSeriesRelatedInstances",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_HEADER_TAGS: list[BaseTag | int] = [BaseTag(cast(int, tag_for_keyword(keyword))) for keyword in HEADER_KEYWORDS]
_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # Float, Double Float, (integer) Pixel Data
_UNDEFINED_LENGTH = 0xFFFFFFFF  # PS3.5 section 7.1.1
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD  # PS3.5 Table A.4-1
_LONGEST_VALUE = 64 << 20  # bytes; the functional groups of 4,000 frames with converted attributes take 40 MB
_FILE_META = {b"\x02\x00": "<", b"\x00\x02": ">"}  # group 0002 in either byte order; there is no group 0200
_MOST_FILE_META = 64  # elements; PS3.10 Table 7.1-1 has 15
_LONG_VRS = frozenset({b"OB", b"OW", b"UN", b"UT", b"SQ"})  # of 32-bit length (PS3.5 section 7.1.2)
_MOST_ELEMENTS = 50_000  # of a data set, without those in sequences; a hundred times what images have
_LONGEST_INFLATED_HEADER = 16 << 20  # bytes; a deflated data set may grow a thousandfold


def read_header(path: Path, data_set_offset: int, transfer_syntax_uid: str) -> InstanceHeader:
    """Read the attributes that the rules for series need.

    Parameters
    ----------
    path
        A DICOM file; its data set begins at ``data_set_offset`` bytes.

    Raises
    ------
    CannotUnderstand
        The bytes are not a data set in this transfer syntax, a value is cut off, or a UID is missing.
    OSError
        The file cannot be opened.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        content.seek(data_set_offset)
        try:
            return header_of(_read(cast(BinaryIO, content), transfer_syntax_uid))
        except MALFORMED as error:
            raise CannotUnderstand(f"the data set cannot be read ({type(error).__name__})") from None


def _read(content: BinaryIO, transfer_syntax_uid: str) -> Dataset:
    if transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
        return _elements(content, transfer_syntax_uid)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # PS3.5 section A.5: raw deflate (RFC 1951)
    inflated = inflater.decompress(content.read(_LONGEST_INFLATED_HEADER), _LONGEST_INFLATED_HEADER)
    return _elements(BytesIO(inflated), transfer_syntax_uid, complete=inflater.eof)


def _elements(content: BinaryIO, transfer_syntax_uid: str, *, complete: bool = True) -> Dataset:
    """Read the wanted elements, and check that the last value is all there."""
    little_endian = transfer_syntax_uid != ExplicitVRBigEndian
    _pass_file_meta(content)
    found: dict[BaseTag, Any] = {}
    pixels = _PixelsReached()
    for element in data_element_generator(
        content,
        is_implicit(content, transfer_syntax_uid),
        little_endian,
        stop_when=pixels,
        defer_size=_LONGEST_VALUE,
        specific_tags=_HEADER_TAGS,
    ):
        _check_whole(element)
        found[element.tag] = element
    if complete:
        _check_end(content, pixels, "<" if little_endian else ">")
    return Dataset(found)


class _PixelsReached:
    """Stops the reading at the pixel data and remembers how long they are said to be."""

    def __init__(self) -> None:
        self._elements = 0
        self.length: int | None = None
        self.value_offset = 12  # bytes from the tag to the value: explicit VR with a 32-bit length

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise CannotUnderstand(f"the data set has more than {_MOST_ELEMENTS} elements")
        if tag not in _PIXEL_TAGS:
            return False
        self.length = length
        self.value_offset = 8 if vr is None else 12  # PS3.5 section 7.1.2 and 7.1.3
        return True


def _pass_file_meta(content: BinaryIO) -> None:
    """Go to the first element that is no file meta information (group 0002), which has no place in a data set.

    Senders that copy a file leave it there, or a part of it. What it says of the transfer syntax does not
    count: that was negotiated. It may be as it is in files, explicit VR little endian, whatever the data set is.
    """
    start, elements = content.tell(), 0
    while (skipped := _file_meta_length(content.read(12))) and elements < _MOST_FILE_META:
        elements += 1
        start += skipped
        content.seek(start)
    content.seek(start)


def _file_meta_length(head: bytes) -> int:
    """Give the length of an element of group 0002 by its first 12 bytes; 0 when it is none (PS3.5 section 7.1)."""
    endian = _FILE_META.get(head[:2])
    if endian is None or len(head) < 8:
        return 0
    if not (head[4:6].isalpha() and head[4:6].isupper()):
        return 8 + int(struct.unpack(f"{endian}L", head[4:8])[0])
    if head[4:6] in _LONG_VRS:
        return 12 + int(struct.unpack(f"{endian}L", head[8:12])[0]) if len(head) == 12 else 0
    return 8 + int(struct.unpack(f"{endian}H", head[6:8])[0])


def is_implicit(content: BinaryIO, transfer_syntax_uid: str) -> bool:
    """Tell how the data set is encoded; some senders use implicit VR whatever was agreed, and the other way round.

    Two capital letters after the first tag are a VR: as a length they would be more than 16 kB, which no
    first element of a data set has.
    """
    start = content.tell()
    vr = content.read(6)[4:]
    content.seek(start)
    if len(vr) < 2:
        return bool(transfer_syntax_uid == ImplicitVRLittleEndian)
    return not (vr.isalpha() and vr.isupper())


def _check_whole(element: Any) -> None:
    """Refuse a value that the data set ends within, or that is longer than any of these can be."""
    value = element.value
    length = getattr(element, "length", None)  # a sequence of undefined length has none
    if length and length != _UNDEFINED_LENGTH and (value is None or len(value) != length):
        raise CannotUnderstand(f"{element.tag} claims {length} bytes that are not there")


def _check_end(content: BinaryIO, pixels: _PixelsReached, endian: str) -> None:
    """Refuse a data set that ends within its last value."""
    size = _size(content)
    if pixels.length is None:
        whole = content.tell() <= size
    elif pixels.length == _UNDEFINED_LENGTH:
        whole = _fragments_are_whole(content, content.tell() + pixels.value_offset, size, endian)
    else:
        whole = content.tell() + pixels.value_offset + pixels.length <= size
    if not whole:
        raise CannotUnderstand("the data set ends within a value")


def _fragments_are_whole(content: BinaryIO, position: int, size: int, endian: str) -> bool:
    """Walk the items of encapsulated pixel data (PS3.5 section A.4); a missing end marker is forgiven."""
    while position + 8 <= size:
        content.seek(position)
        group, number, length = struct.unpack(f"{endian}HHL", content.read(8))
        tag = group << 16 | number
        if tag == _SEQUENCE_END:
            return True
        if tag != _ITEM or length == _UNDEFINED_LENGTH:
            return False
        position += 8 + length
    return position <= size


def _size(content: BinaryIO) -> int:
    here = content.tell()
    size = content.seek(0, 2) or content.tell()
    content.seek(here)
    return size
