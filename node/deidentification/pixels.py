"""The pixels of an object that leaves: plain values of the image, and nothing beside them.

Compressed pixel data is decompressed: a stream of JPEG or JPEG 2000 may hold comments and other
segments that no attribute announces. Bits beside the stored ones (overlays of old devices, or what else
was put there) and bytes behind the last frame are taken away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import VR

from node.deidentification.pixel_signatures import Mask
from node.errors import DeidentificationError
from node.malformed import MALFORMED

_OF_COMPRESSION = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
_NEUTRAL_CHROMA = 128  # Cb and Cr of grey, PS3.3 C.7.6.3.1.2


def make_plain(dataset: Dataset) -> None:
    """Decompress the pixels of ``dataset`` in place, and take away what is not of the image.

    Raises
    ------
    DeidentificationError
        The pixels cannot be decoded, or their size is not told.
    """
    if "PixelData" not in dataset:
        return
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        _decompress(dataset)
    length = _frames_bytes(dataset)
    content = dataset.PixelData
    if len(content) > length + length % 2:
        content = content[:length] + b"\0" * (length % 2)
    dataset["PixelData"].value = _without_other_bits(dataset, content)


def blank(dataset: Dataset, masks: tuple[Mask, ...]) -> None:
    """Blank rectangles in every frame of plain pixels, in place; black, or white where 0 is white.

    Raises
    ------
    DeidentificationError
        A rectangle does not lie in the image, or the pixels are of a form that cannot be blanked.
    """
    frames = frames_of(dataset)
    is_luma_first = dataset.PhotometricInterpretation == "YBR_FULL"
    for column, row, width, height in masks:
        if column + width > dataset.Columns or row + height > dataset.Rows:
            raise DeidentificationError(f"a mask ends outside the image of {dataset.Columns} x {dataset.Rows}")
        part = frames[:, row : row + height, column : column + width]
        part[...] = 0
        if is_luma_first:
            part[..., 1:] = _NEUTRAL_CHROMA
    planar = dataset.get("PlanarConfiguration", 0) == 1 and dataset.SamplesPerPixel > 1
    content = (np.moveaxis(frames, 3, 1) if planar else frames).tobytes()
    dataset["PixelData"].value = content + b"\0" * (len(content) % 2)


def frames_of(dataset: Dataset) -> npt.NDArray[np.unsignedinteger]:
    """Give a copy of plain pixels as stored: (frames, rows, columns, samples), unsigned.

    Raises
    ------
    DeidentificationError
        The pixels are truncated, packed bits, or subsampled colours.
    """
    length = _frames_bytes(dataset)
    if dataset.BitsAllocated not in (8, 16, 32) or dataset.PhotometricInterpretation in _SUBSAMPLED:
        raise DeidentificationError("pixels of this form cannot be looked at: packed bits or subsampled colours")
    if len(dataset.PixelData) < length:
        raise DeidentificationError("the pixels are truncated")
    flat = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}", length // (dataset.BitsAllocated // 8))
    samples, planar = dataset.SamplesPerPixel, dataset.get("PlanarConfiguration", 0) == 1
    if planar and samples > 1:
        return np.moveaxis(flat.reshape(-1, samples, dataset.Rows, dataset.Columns), 1, 3).copy()
    return flat.reshape(-1, dataset.Rows, dataset.Columns, samples).copy()


def _decompress(dataset: Dataset) -> None:
    try:
        dataset.decompress(generate_instance_uid=False)
    except MALFORMED as error:
        raise DeidentificationError(f"the pixels cannot be decoded ({type(error).__name__})") from None
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in _OF_COMPRESSION:
        dataset.pop(keyword, None)


def _frames_bytes(dataset: Dataset) -> int:
    """Give how many bytes the frames take (PS3.5 8.1.1)."""
    try:
        pixels = dataset.Rows * dataset.Columns * int(dataset.get("NumberOfFrames") or 1)
        bits = int(pixels * dataset.SamplesPerPixel * dataset.BitsAllocated)
        photometric = dataset.PhotometricInterpretation
    except (AttributeError, TypeError, ValueError):
        raise DeidentificationError("it has pixels, but does not tell their size; nothing can check them") from None
    if not bits:
        raise DeidentificationError("it has pixels, but tells a size of nothing; nothing can check them")
    if photometric in _SUBSAMPLED:
        bits = bits // 2 if photometric == "YBR_PARTIAL_420" else bits * 2 // 3
    return (bits + 7) // 8


def _without_other_bits(dataset: Dataset, content: bytes) -> bytes:
    """Take away what stands in bits beside those of Bits Stored; a sign that goes on into them is no such thing.

    References
    ----------
    PS3.5 8.1.1, and 8.1.2 of editions before 2004: overlays in unused bits.
    """
    allocated, stored = int(dataset.BitsAllocated), int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if allocated not in (8, 16, 32) or stored >= allocated or dataset["PixelData"].VR == VR.UN:
        return content
    high = int(dataset.get("HighBit", stored - 1))
    even = len(content) - len(content) % (allocated // 8)
    values = np.frombuffer(content[:even], f"<i{allocated // 8}")
    mine = np.array(((1 << stored) - 1) << (high - stored + 1), np.uint32).astype(f"<u{allocated // 8}")
    plain = values & mine.view(values.dtype)
    signed = ((plain << (allocated - 1 - high)) >> (allocated - 1 - high)) if dataset.PixelRepresentation else plain
    if np.array_equal(values, plain) or np.array_equal(values, signed):
        return content
    result: bytes = signed.tobytes()
    return result
