"""Frames of one instance, decoded one by one; none is decoded that announces another image than its header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian

from node.assembly.codestreams import check_frame
from node.assembly.pixel_stream import PixelStream, is_standard
from node.assembly.planes import Plane
from node.assembly.reading import open_instance
from node.errors import UndecodableSlice
from node.malformed import MALFORMED

Array = npt.NDArray[np.uint16]

_CAUSE_CHARACTERS = 200  # of a decoder's message that is shown
_NEEDED = tuple(
    BaseTag(tag_for_keyword(keyword) or 0)
    for keyword in (
        *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated"),
        *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    )
)


def stored_frames(source: Dataset | Path, planes: Sequence[Plane]) -> Iterator[Array]:
    """Yield the stored values of the given planes of one instance.

    Parameters
    ----------
    source
        The instance with pixel data, or its file.
    planes
        The frames wanted of it.

    Returns
    -------
    For each plane (J, I), the bits of the stored values read as unsigned numbers: what ``hu_table`` is indexed with.

    Raises
    ------
    UndecodableSlice
        Naming the slice, the transfer syntax and the decoder's cause.
    """
    with _pixels_of(source, planes[0]) as pixels:
        for plane in planes:
            try:
                yield _frame(pixels, plane)
            except MALFORMED as error:
                raise _undecodable(plane, pixels.transfer_syntax_uid, error) from error


@contextmanager
def _pixels_of(source: Dataset | Path, plane: Plane) -> Iterator[PixelStream]:
    """Open the pixel data; what a frame of it raises passes through."""
    try:
        if isinstance(source, Dataset):
            yield PixelStream.of_dataset(source)
            return
        with open_instance(source, only=_NEEDED) as instance:
            yield instance.pixel_stream()
    except MALFORMED as error:
        raise _undecodable(plane, plane.transfer_syntax, error) from error


def _frame(pixels: PixelStream, plane: Plane) -> Array:
    if plane.frame_index >= pixels.number_of_frames:
        raise EOFError("there is no such frame in the pixel data")
    if pixels.element.length is None:
        return _decoded(pixels, plane)
    syntax = pixels.transfer_syntax_uid
    if syntax and not is_standard(syntax):
        raise NotImplementedError("nothing is known of this transfer syntax")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    word = plane.stored.bits_allocated // 8
    if order == ">" and word == 1:
        raise NotImplementedError("8-bit pixels in big endian words are not read")
    raw = pixels.native_frame(plane.frame_index, plane.rows * plane.columns * word)
    return np.frombuffer(raw, f"{order}u{word}").reshape(plane.rows, plane.columns).astype(np.uint16, copy=False)


def _decoded(pixels: PixelStream, plane: Plane) -> Array:
    """Decode one compressed frame, once its header agrees with the image."""
    syntax, stored = UID(pixels.transfer_syntax_uid), plane.stored
    decoder = get_decoder(syntax)
    frame = pixels.encoded_frame(plane.frame_index)
    check_frame(frame, syntax, plane.rows, plane.columns, stored.bits_allocated)
    options: dict[str, Any] = {
        "rows": plane.rows,
        "columns": plane.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": stored.bits_allocated,
        "bits_stored": stored.bits_stored,
        "pixel_representation": int(stored.signed),
        "pixel_keyword": "PixelData",
        "correct_unused_bits": False,  # meaning_of does it, and knows values that use those bits
    }
    array, _ = decoder.as_array(encapsulate([frame], has_bot=False), index=0, raw=True, **options)
    return _bits_of(array, plane)


def _bits_of(stored: npt.NDArray[np.integer[Any]], plane: Plane) -> Array:
    """View stored values of 8 or 16 bits, in any byte order, as unsigned 16-bit patterns."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    unsigned = native.view(np.dtype(f"u{native.dtype.itemsize}"))
    if unsigned.dtype.itemsize > 2 or unsigned.shape != (plane.rows, plane.columns):
        raise ValueError(f"decoded to {stored.dtype} {stored.shape}: 8 or 16 bits of the announced size expected")
    return unsigned.astype(np.uint16, copy=False)


def _undecodable(plane: Plane, syntax: str, error: Exception) -> UndecodableSlice:
    one_line = " ".join((str(error) or type(error).__name__).split())[:_CAUSE_CHARACTERS]
    return UndecodableSlice(f"{plane.place} cannot be decoded from {_syntax_name(syntax)}: {one_line}")


def _syntax_name(syntax: str) -> str:
    if not syntax:
        return "an unnamed transfer syntax"
    name = UID(syntax).name
    return name if name == syntax else f"{name} ({syntax})"
