"""What a compressed frame says of itself, read from its first bytes before anything is decoded. Pure.

A few hundred bytes can announce an image of gigabytes. A frame is decoded only if its own header agrees
with Rows and Columns, or, where it has none (RLE), if its runs add up to no more than the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

_JPEG_START, _J2K_START = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"  # SOI and a marker; SOC and SIZ
_J2K_CAPABILITIES = b"\xff\x50"  # CAP, which HTJ2K must have (ISO 15444-15)
_LONGEST_BOXES = 4096  # bytes of JP2 boxes that some writers leave in front of the codestream
_SOF_JPEG_LS = 0xF7  # ISO 14495-1
_SOF_JPEG = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ISO 10918-1 Table B.1, without DHT, JPG, DAC
_SOS, _BARE_MARKERS = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})
_RLE_HEADER_BYTES, _RLE_MOST_SEGMENTS = 64, 15  # PS3.5 section G.5
_RLE_MARGIN = 1024  # bytes that one segment may hold beyond the image: some writers pad the last run

_FAMILIES = (
    frozenset({JPEG2000Lossless, JPEG2000, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL}),
    frozenset({JPEGLossless, JPEGLosslessSV1}),
    frozenset({JPEGLSLossless, JPEGLSNearLossless}),
    frozenset({JPEGBaseline8Bit, JPEGExtended12Bit}),
)


@dataclass(frozen=True)
class Codestream:
    """The image that a compressed frame announces.

    Parameters
    ----------
    transfer_syntax_uid
        What such a codestream is stored as.
    bits
        Of one sample.
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples: int
    bits: int


def codestream_of(frame: bytes) -> Codestream | None:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 frame; None if it is neither, or has no header."""
    if frame.startswith(_JPEG_START):
        return _jpeg(frame)
    start = frame[: _LONGEST_BOXES + len(_J2K_START)].find(_J2K_START)
    return _jpeg_2000(frame[start:]) if start >= 0 else None


def syntax_of(frame: bytes) -> str:
    """Tell from its first bytes as what transfer syntax a frame is compressed; empty if they do not say."""
    found = codestream_of(frame)
    if found is not None:
        return found.transfer_syntax_uid
    return str(RLELossless) if _rle_offsets(frame) else ""


def same_family(first: str, second: str) -> bool:
    """Tell whether the same decoder reads both transfer syntaxes."""
    return first == second or any(first in family and second in family for family in _FAMILIES)


def check_frame(frame: bytes, transfer_syntax_uid: str, rows: int, columns: int, bits_allocated: int) -> None:
    """Raise ``ValueError`` with the cause if a frame would decode to something else than the announced image."""
    if transfer_syntax_uid == RLELossless:
        _check_runs(frame, rows * columns, bits_allocated // 8)
        return
    found = codestream_of(frame)
    if found is None:
        raise ValueError("the frame has no header of this compression")
    if (found.rows, found.columns) != (rows, columns):
        raise ValueError(
            f"the compressed frame holds {found.rows} x {found.columns} pixels where Rows and Columns are "
            f"{rows} and {columns}"
        )
    if found.samples != 1 or found.bits > bits_allocated:
        raise ValueError(
            f"the compressed frame holds {found.samples} sample(s) of {found.bits} bits where Bits Allocated is "
            f"{bits_allocated}"
        )


def _jpeg_2000(frame: bytes) -> Codestream | None:
    """Read SIZ (ISO 15444-1 A.5.1): it follows SOC at once."""
    if len(frame) < 46:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", frame, 8)
    samples = struct.unpack_from(">H", frame, 40)[0]
    size = 2 + 2 + struct.unpack_from(">H", frame, 4)[0]
    high_throughput = frame[size : size + 2] == _J2K_CAPABILITIES
    syntax = HTJ2K if high_throughput else JPEG2000
    return Codestream(str(syntax), bottom - top, right - left, samples, (frame[42] & 0x7F) + 1)


def _jpeg(frame: bytes) -> Codestream | None:
    """Read the frame header and, for the lossless ones, the scan header that tells the variants apart."""
    header: tuple[int, bytes] | None = None
    for marker, segment in _jpeg_segments(frame):
        if (marker in _SOF_JPEG or marker == _SOF_JPEG_LS) and len(segment) >= 6:
            header = marker, segment
        if marker == _SOS and header is not None:
            return _jpeg_codestream(header, segment)
    return None


def _jpeg_segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    position = 2
    while position + 4 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", frame, position + 2)
        yield marker, frame[position + 4 : position + 2 + length]
        position += 2 + max(length, 2)


def _jpeg_codestream(header: tuple[int, bytes], scan: bytes) -> Codestream:
    marker, segment = header
    bits, rows, columns, samples = struct.unpack_from(">BHHB", segment)
    # Ns, two bytes for each component, then the predictor (lossless JPEG) or NEAR (JPEG-LS)
    parameter = scan[1 + 2 * scan[0]] if scan and len(scan) > 1 + 2 * scan[0] else 0
    syntaxes = {
        0xC0: JPEGBaseline8Bit,
        0xC3: JPEGLosslessSV1 if parameter == 1 else JPEGLossless,
        _SOF_JPEG_LS: JPEGLSNearLossless if parameter else JPEGLSLossless,
    }
    return Codestream(str(syntaxes.get(marker, JPEGExtended12Bit)), rows, columns, samples, bits)


def _rle_offsets(frame: bytes) -> tuple[int, ...]:
    """Give the start of every RLE segment and the end of the last (PS3.5 section G.5); empty if this is no RLE."""
    if len(frame) < _RLE_HEADER_BYTES:
        return ()
    count, *offsets = struct.unpack_from("<16L", frame)
    starts = offsets[:count] if 1 <= count <= _RLE_MOST_SEGMENTS else []
    rising = [_RLE_HEADER_BYTES, *starts[1:], len(frame)]
    if not starts or starts[0] != _RLE_HEADER_BYTES or rising != sorted(rising):
        return ()
    return tuple(rising)


def _check_runs(frame: bytes, pixels: int, bytes_per_pixel: int) -> None:
    """Raise unless the segments, one for each byte of a pixel, expand to one image."""
    offsets = _rle_offsets(frame)
    if len(offsets) - 1 != bytes_per_pixel:
        raise ValueError(f"the frame has no RLE header with {bytes_per_pixel} segment(s)")
    for start, end in pairwise(offsets):
        if _expanded(frame[start:end], pixels + _RLE_MARGIN) > pixels + _RLE_MARGIN:
            raise ValueError(f"a run-length segment expands to more than the {pixels} pixels of the image")


def _expanded(segment: bytes, enough: int) -> int:
    """Count the bytes that a segment expands to, at most a little more than ``enough`` (PS3.5 section G.3.2)."""
    position, count, end = 0, 0, len(segment)
    while position < end and count <= enough:
        control = segment[position]
        if control < 128:
            count += control + 1
            position += control + 2
        else:
            count += 257 - control if control > 128 else 0
            position += 2 if control > 128 else 1
    return count
