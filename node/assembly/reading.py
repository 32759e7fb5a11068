"""The one reader of foreign files: a data set from a file that may be careless in its head, or hostile in its sizes.

Law of this file: what is read grows with the file or with the image that it announces, never with what a
length or a deflated stream claims.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from node.assembly.framing import Careless, Encoding, Framing, encoding_at, find_framing, looks_like_data_set
from node.assembly.pixel_stream import (
    PixelElement,
    PixelStream,
    announced_bytes,
    is_compressed,
    is_standard,
    located,
    syntax_of_pixels,
)
from node.errors import UndecodableSlice

_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # Float, Double Float, (integer) Pixel Data
_PIXEL_DATA = BaseTag(0x7FE00010)
_SPECIFIC_CHARACTER_SET = BaseTag(0x00080005)
_UNDEFINED_LENGTH = 0xFFFFFFFF  # PS3.5 section 7.1.1
# Longer values than this are no header but payload (raw data of vendors, previews, documents) and are passed
# over, sequences excepted: functional groups of thousands of frames are megabytes.
_LONGEST_VALUE = 64 * 1024
_MOST_ELEMENTS = 50_000  # of a data set, without those in sequences; a hundred times what images have
_INFLATED_HEADER = 16 << 20  # bytes; a deflated data set may grow a thousandfold
_INFLATED_MARGIN = 1 << 20  # bytes behind the pixels: padding of the data set, a signature
_COMPRESSED_CHUNK = 64 * 1024
# Text is text whatever VR of text it is written with: the VR of the dictionary counts (PS3.6).
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)


@dataclass(frozen=True, eq=False)
class OpenInstance:
    """An instance whose file is open.

    Parameters
    ----------
    dataset
        Without pixel data, with ``file_meta``, whose Transfer Syntax UID says how the pixels really are.
    careless
        What was read although it is not as the standard has it.
    """

    dataset: Dataset
    careless: tuple[Careless, ...]
    _file: BinaryIO
    _data_set_offset: int
    _is_deflated: bool
    _pixels: PixelElement | None

    def pixel_stream(self) -> PixelStream:
        """Give the pixel data.

        Raises
        ------
        UndecodableSlice
            A deflated data set goes on beyond what its image needs.
        EOFError
            The pixel data is absent, or ends before its length.
        """
        if self._pixels is None or self._pixels.tag != _PIXEL_DATA:
            raise EOFError("there is no Pixel Data")
        stream = self._file
        if self._is_deflated:
            needed = self._pixels.offset + announced_bytes(self.dataset) + _INFLATED_MARGIN
            stream = BytesIO(_inflated_whole(self._file, self._data_set_offset, needed))
        return PixelStream.of(stream, self._pixels, self.dataset)


def read_instance(path: Path, *, pixels: bool) -> Dataset:
    """Read a file that somebody else wrote, tolerantly.

    Parameters
    ----------
    pixels
        With Pixel Data; else the header alone.

    Raises
    ------
    InvalidDicomError
        The bytes do not look like DICOM.
    UndecodableSlice
        A deflated data set is larger than any header, or than its image needs.
    Exception
        What ``node.malformed.MALFORMED`` lists: the data set is cut off or makes no sense.
    """
    with open_instance(path) as instance:
        if pixels:
            needed = announced_bytes(instance.dataset)
            instance.dataset[_PIXEL_DATA] = instance.pixel_stream().as_element(needed)
        return instance.dataset


@contextmanager
def open_instance(path: Path, only: Sequence[BaseTag] = ()) -> Iterator[OpenInstance]:
    """Open a file and read its header, or ``only`` these elements of it; raises as ``read_instance``."""
    with path.open("rb") as file:
        yield _opened(file, only)


def _opened(file: BinaryIO, only: Sequence[BaseTag]) -> OpenInstance:
    framing = find_framing(file)
    offset, syntax = framing.data_set_offset, framing.transfer_syntax_uid
    is_deflated = syntax == DeflatedExplicitVRLittleEndian and not looks_like_data_set(file, offset)
    stream, start = (BytesIO(_inflated(file, offset, _INFLATED_HEADER)[0]), 0) if is_deflated else (file, offset)
    encoding = encoding_at(stream, start)
    stream.seek(start)
    try:
        dataset, pixels = _header(stream, encoding, only)
    except EOFError:
        if _size(stream) < _INFLATED_HEADER or not is_deflated:
            raise
        raise UndecodableSlice(f"the deflated header is larger than {_INFLATED_HEADER / 1e6:.0f} MB") from None
    if pixels is not None and is_compressed(syntax):
        pixels = located(stream, pixels)
    actual = syntax if is_deflated else _actual_syntax(stream, framing, encoding, pixels)
    dataset.file_meta = _file_meta(framing, actual)
    careless = (*framing.careless, *_differences(framing, encoding, actual))
    return OpenInstance(dataset, careless, file, offset, is_deflated, pixels)


def _actual_syntax(stream: BinaryIO, framing: Framing, encoding: Encoding, pixels: PixelElement | None) -> str:
    """Tell how the pixels are encoded: as the meta header says, unless the bytes say otherwise."""
    declared = framing.transfer_syntax_uid
    if pixels is not None and pixels.length is None:
        return syntax_of_pixels(stream, pixels, declared)
    if declared and not is_standard(declared):
        return declared  # a vendor's own: nothing is known of its pixels
    if pixels is None and is_compressed(declared):
        return declared  # an object without pixels
    if not encoding.little_endian:
        return str(ExplicitVRBigEndian)
    return str(ImplicitVRLittleEndian if encoding.implicit_vr else ExplicitVRLittleEndian)


def _differences(framing: Framing, encoding: Encoding, actual: str) -> list[Careless]:
    declared = framing.transfer_syntax_uid
    found = []
    if declared:
        told = Encoding(declared == ImplicitVRLittleEndian, declared != ExplicitVRBigEndian)
        is_inflated = declared == DeflatedExplicitVRLittleEndian != actual
        found += [Careless.OTHER_ENCODING] if told != encoding or is_inflated else []
        if actual != declared and (is_compressed(actual) or is_compressed(declared)):
            found.append(Careless.OTHER_PIXEL_ENCODING)
    return found


def _file_meta(framing: Framing, transfer_syntax_uid: str) -> FileMetaDataset:
    elements = data_element_generator(BytesIO(framing.meta), is_implicit_VR=False, is_little_endian=True)
    meta = FileMetaDataset({element.tag: element for element in elements if element.tag.element})
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    return meta


class _Stop:
    """Stops the reading at the pixel data, and remembers where they are."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._elements = 0
        self.pixels: PixelElement | None = None

    def __call__(self, tag: BaseTag, _vr: str | None, length: int) -> bool:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise ValueError(f"the data set has more than {_MOST_ELEMENTS} elements")
        if tag in _PIXEL_TAGS:
            whole = None if length == _UNDEFINED_LENGTH else length
            self.pixels = PixelElement(tag, self._stream.tell(), whole)
        return self.pixels is not None


def _header(stream: BinaryIO, encoding: Encoding, only: Sequence[BaseTag]) -> tuple[Dataset, PixelElement | None]:
    """Read the elements before the pixels; groups 0000 and 0002 and group lengths have no place here."""
    stop = _Stop(stream)
    found: dict[BaseTag, RawDataElement | DataElement] = {}
    elements = data_element_generator(
        stream,
        encoding.implicit_vr,
        encoding.little_endian,
        stop_when=stop,
        defer_size=_LONGEST_VALUE,
        specific_tags=list(only) or None,
    )
    size = _size(stream)
    for element in elements:
        if element.tag.group > 0x0002 and element.tag.element and (kept := _kept(element, stream, size)) is not None:
            found[element.tag] = kept
    dataset = Dataset(found)
    dataset.set_original_encoding(encoding.implicit_vr, encoding.little_endian, _character_sets(found))
    return dataset, stop.pixels


def _kept(element: RawDataElement | DataElement, stream: BinaryIO, size: int) -> RawDataElement | DataElement | None:
    """Give an element with its value and the VR of its tag; None for payload that is no header."""
    if isinstance(element, DataElement) or element.length == _UNDEFINED_LENGTH:
        return element
    if element.length and element.value_tell + element.length > size:
        raise EOFError("the data set ends within a value")
    known = _dictionary_vr(element.tag)
    if element.value is None and element.length:
        if "SQ" not in (element.VR, known) or element.tag.is_private:
            return None
        here = stream.tell()
        stream.seek(element.value_tell)
        element = element._replace(value=stream.read(element.length))
        stream.seek(here)
    if known != element.VR and element.VR in _TEXT_VRS and known in _TEXT_VRS:
        return element._replace(VR=known)
    return element


def _dictionary_vr(tag: BaseTag) -> str:
    try:
        return "" if tag.is_private else dictionary_VR(tag)
    except KeyError:
        return ""


def _character_sets(found: dict[BaseTag, RawDataElement | DataElement]) -> str | list[str]:
    element = found.get(_SPECIFIC_CHARACTER_SET)
    if not isinstance(element, RawDataElement):
        return default_encoding
    return convert_encodings(cast(str, convert_raw_data_element(element).value))


def _size(stream: BinaryIO) -> int:
    here = stream.tell()
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(here)
    return size


def _inflated_whole(file: BinaryIO, offset: int, limit: int) -> bytes:
    inflated, is_whole = _inflated(file, offset, limit)
    if not is_whole:
        raise UndecodableSlice(
            f"the deflated data set goes on beyond the {limit / 1e6:.1f} MB that Rows, Columns and Number of Frames "
            "need"
        )
    return inflated


def _inflated(file: BinaryIO, offset: int, limit: int) -> tuple[bytes, bool]:
    """Inflate at most ``limit`` bytes from ``offset`` on, and tell whether that was all (PS3.5 section A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # raw deflate, RFC 1951
    file.seek(offset)
    parts: list[bytes] = []
    room = limit
    while not inflater.eof and room > 0:
        compressed = inflater.unconsumed_tail or file.read(_COMPRESSED_CHUNK)
        if not compressed:
            break  # cut off, or the final block is missing: what is there may be enough
        parts.append(inflater.decompress(compressed, room))
        room -= len(parts[-1])
    return b"".join(parts), room > 0
