"""Pixel data of colour pictures: as they are, JPEG with loss, JPEG-LS without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.multival import MultiValue
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLSLossless
from pydicom.valuerep import format_number_as_ds

from node.errors import ResultError
from node.results import codes
from node.results.envelope import code_item
from node.results.picture_files import jpeg

CAPTURE_QUALITY: Final = 95  # of libjpeg; at 90 thin coloured contours lose twice as much for a third fewer bytes


def write_pixels(dataset: Dataset, rgb: npt.NDArray[np.uint8], transfer_syntax_uid: UID) -> None:
    """Write PixelData of one (H, W, 3) picture, and what its compression changes in the Image Pixel module.

    Raises
    ------
    ResultError
        If pictures are not written in this transfer syntax.
    """
    if transfer_syntax_uid == ExplicitVRLittleEndian:
        _write_native(dataset, rgb)
    elif transfer_syntax_uid == JPEGLSLossless:
        dataset.add_new("PixelData", "OB", encapsulate([_jpeg_ls(dataset, rgb)]))
    elif transfer_syntax_uid == JPEGBaseline8Bit:
        _write_jpeg(dataset, rgb)
    else:
        raise ResultError(f"pictures are not written in transfer syntax {transfer_syntax_uid}")
    dataset["PixelData"].is_undefined_length = transfer_syntax_uid.is_encapsulated


def _write_native(dataset: Dataset, rgb: npt.NDArray[np.uint8]) -> None:
    pixels = np.ascontiguousarray(rgb).tobytes()
    dataset.add_new("PixelData", "OB", pixels + b"\x00" * (len(pixels) % 2))


def _jpeg_ls(dataset: Dataset, rgb: npt.NDArray[np.uint8]) -> bytes:
    frame: bytes = get_encoder(JPEGLSLossless).encode(np.ascontiguousarray(rgb), **as_pixel_options(dataset))
    return frame


def _write_jpeg(dataset: Dataset, rgb: npt.NDArray[np.uint8]) -> None:
    """Loss is added to the history of the source's own (PS3.3 C.7.6.1.1.5)."""
    frame = jpeg(rgb, CAPTURE_QUALITY)
    # The one YBR value that PS3.5 8.2.1 allows with baseline JPEG; the stream itself says that it is 4:4:4.
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.LossyImageCompression = "01"
    ratio = format_number_as_ds(round(rgb.nbytes / len(frame), 2))
    dataset.LossyImageCompressionRatio = [*_values(dataset, "LossyImageCompressionRatio"), ratio]
    dataset.LossyImageCompressionMethod = [*_values(dataset, "LossyImageCompressionMethod"), "ISO_10918_1"]
    dataset.DerivationDescription += f". JPEG baseline 4:4:4, quality {CAPTURE_QUALITY}"
    dataset.DerivationCodeSequence = [code_item(codes.LOSSY_COMPRESSION)]
    dataset.add_new("PixelData", "OB", encapsulate([frame]))


def _values(dataset: Dataset, keyword: str) -> Iterable[str]:
    value = dataset.get(keyword)
    return value if isinstance(value, MultiValue) else [value] if value else []
