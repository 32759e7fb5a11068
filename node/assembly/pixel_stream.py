"""The Pixel Data of one instance: where its frames are, and each frame as it is encoded; nothing is decoded here."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from pydicom import DataElement, Dataset
from pydicom.encaps import get_frame
from pydicom.tag import BaseTag
from pydicom.uid import UID

from node.assembly.codestreams import same_family, syntax_of
from node.malformed import MALFORMED

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD  # PS3.5 Table A.4-1
_UNDEFINED_LENGTH = 0xFFFFFFFF
_LOOKED_AT = 64 * 1024  # bytes of a frame in which its header stands, behind application data
_PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True)
class PixelElement:
    """Where the value of a pixel data element is in its stream; ``length`` is None for encapsulated pixels."""

    tag: BaseTag
    offset: int
    length: int | None


@dataclass(frozen=True, eq=False)
class PixelStream:
    """The pixel data of one instance.

    Parameters
    ----------
    transfer_syntax_uid
        As which the frames are encoded.
    number_of_frames
        As announced; at least 1.
    extended_offsets
        (7FE0,0001) and (7FE0,0002), if they are there.
    """

    stream: BinaryIO
    element: PixelElement
    transfer_syntax_uid: str
    number_of_frames: int
    extended_offsets: tuple[bytes, bytes] | None

    @classmethod
    def of(cls, stream: BinaryIO, element: PixelElement, header: Dataset) -> PixelStream:
        """Give the pixels in ``stream`` with what the header says of them.

        Raises
        ------
        EOFError
            Encapsulated pixels end within a fragment.
        """
        if element.length is None:
            _check_fragments(stream, element.offset)
        frames = max(1, _number(header, "NumberOfFrames", 1))
        syntax = str(header.file_meta.get("TransferSyntaxUID") or "") if hasattr(header, "file_meta") else ""
        return cls(stream, element, syntax, frames, _extended_offsets(header))

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> PixelStream:
        """Give the pixels that a data set holds in memory.

        Raises
        ------
        EOFError
            There are none.
        """
        value = dataset.get("PixelData")
        if not isinstance(value, bytes):
            raise EOFError("there is no Pixel Data")
        syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "") if hasattr(dataset, "file_meta") else ""
        is_encapsulated = is_compressed(syntax) or dataset["PixelData"].is_undefined_length
        element = PixelElement(BaseTag(_PIXEL_DATA), 0, None if is_encapsulated else len(value))
        return cls.of(BytesIO(value), element, dataset)

    def as_element(self, longest: int) -> DataElement:
        """Give the pixel data as an element, at most ``longest`` bytes where it is not compressed.

        Raises
        ------
        EOFError
            The file ends before.
        """
        start, length = self.element.offset, self.element.length
        end = _check_fragments(self.stream, start) if length is None else start + min(length, longest)
        self.stream.seek(start)
        value = self.stream.read(end - start)
        if len(value) < end - start:
            raise EOFError("the file ends within the pixel data")
        return DataElement(_PIXEL_DATA, "OW", value, is_undefined_length=length is None)

    def native_frame(self, index: int, frame_bytes: int) -> bytes:
        """Give the bytes of one frame that is not compressed.

        Raises
        ------
        EOFError
            The pixel data ends before the end of the frame.
        """
        start, length = index * frame_bytes, self.element.length
        if length is not None and start + frame_bytes > length:
            raise EOFError(f"the pixel data has {length} bytes, frame {index + 1} ends at {start + frame_bytes}")
        self.stream.seek(self.element.offset + start)
        frame = self.stream.read(frame_bytes)
        if len(frame) < frame_bytes:
            raise EOFError("the file ends within the pixel data")
        return frame

    def encoded_frame(self, index: int) -> bytes:
        """Give one compressed frame, its fragments joined."""
        self.stream.seek(self.element.offset)
        return get_frame(
            self.stream, index, number_of_frames=self.number_of_frames, extended_offsets=self.extended_offsets
        )


def announced_bytes(header: Dataset) -> int:
    """Give the size of the image that a header announces, decoded, in bytes; 0 if it does not say."""
    size = 1
    for keyword in ("Rows", "Columns"):
        size *= max(0, _number(header, keyword, 0))
    for keyword in ("NumberOfFrames", "SamplesPerPixel"):
        size *= max(1, _number(header, keyword, 1))
    return size * -(-max(8, _number(header, "BitsAllocated", 16)) // 8)


def is_standard(transfer_syntax_uid: str) -> bool:
    """Tell whether this is a transfer syntax of the standard, of which it is known how its pixels are written."""
    uid = UID(transfer_syntax_uid)
    return not uid.is_private and uid.is_transfer_syntax


def is_compressed(transfer_syntax_uid: str) -> bool:
    """Tell whether the frames of this transfer syntax are compressed each on its own."""
    return is_standard(transfer_syntax_uid) and UID(transfer_syntax_uid).is_encapsulated


def located(stream: BinaryIO, element: PixelElement) -> PixelElement:
    """Tell fragments by their first item where a writer gave their common length instead of leaving it undefined."""
    is_items = element.length is not None and _item(stream, element.offset)[0] == _ITEM
    return PixelElement(element.tag, element.offset, None) if is_items else element


def syntax_of_pixels(stream: BinaryIO, element: PixelElement, declared: str) -> str:
    """Tell as what encapsulated pixels are compressed: as declared, unless the first frame is something else."""
    found = syntax_of(_first_bytes(stream, element.offset))
    if not found or same_family(found, declared):
        return declared
    return found


def _first_bytes(stream: BinaryIO, offset: int) -> bytes:
    """Give the first bytes of the first fragment, behind the basic offset table."""
    position = offset
    for _ in range(2):
        tag, length = _item(stream, position)
        if tag != _ITEM or length == _UNDEFINED_LENGTH:
            return b""
        start, position = position + 8, position + 8 + length
    stream.seek(start)
    return stream.read(min(length, _LOOKED_AT))


def _check_fragments(stream: BinaryIO, offset: int) -> int:
    """Walk the items of encapsulated pixel data (PS3.5 section A.4) to their end; a missing end marker is forgiven."""
    size = stream.seek(0, 2)
    position = offset
    while position + 8 <= size:
        tag, length = _item(stream, position)
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM or length == _UNDEFINED_LENGTH:
            raise EOFError("the fragments of the pixel data are damaged")
        position += 8 + length
    if position > size:
        raise EOFError("the file ends within the pixel data")
    return position


def _item(stream: BinaryIO, position: int) -> tuple[int, int]:
    stream.seek(position)
    header = stream.read(8)
    if len(header) < 8:
        return 0, 0
    group, number, length = struct.unpack("<HHL", header)
    return group << 16 | number, length


def _extended_offsets(header: Dataset) -> tuple[bytes, bytes] | None:
    offsets, lengths = header.get("ExtendedOffsetTable"), header.get("ExtendedOffsetTableLengths")
    return (offsets, lengths) if isinstance(offsets, bytes) and isinstance(lengths, bytes) else None


def _number(header: Dataset, keyword: str, otherwise: int) -> int:
    try:
        value: Any = header.get(keyword)
        return otherwise if value in (None, "") else int(value)
    except MALFORMED:
        return otherwise
