"""What leaves as pixels is pixels and nothing else: no comment, no trailing bytes, no overlay in unused bits."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEGBaseline8Bit,
)

from node.deidentification.pixels import make_plain
from node.errors import DeidentificationError
from tests.deidentification_examples import image, noise


def test_a_comment_in_a_jpeg_stream_does_not_leave() -> None:
    picture = Image.fromarray(noise(64, 64)[0, ..., 0])
    buffer = BytesIO()
    picture.save(buffer, "JPEG", comment=b"Canary^Jpeg")
    stream = buffer.getvalue()
    assert b"Canary" in stream
    dataset = image(noise(64, 64))
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    make_plain(dataset)

    assert b"Canary" not in dataset.PixelData
    assert len(dataset.PixelData) == 64 * 64


def test_pixels_that_cannot_be_decoded_do_not_leave() -> None:
    dataset = image(noise())
    dataset.PixelData = encapsulate([b"no JPEG at all"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(DeidentificationError, match="cannot be decoded"):
        make_plain(dataset)


def test_bytes_behind_the_last_frame_do_not_leave() -> None:
    dataset = image(noise())
    before = dataset.PixelData
    dataset.PixelData = before + b"Canary^Behind"
    make_plain(dataset)

    assert dataset.PixelData == before


@pytest.mark.parametrize("representation", [0, 1])
def test_an_overlay_in_the_unused_bits_does_not_leave(representation: int) -> None:
    values = (
        np.arange(-600, 680, dtype=np.int16).reshape(32, 40) if representation else noise(dtype=np.uint16)[0, ..., 0]
    )
    dataset = image(values.view(np.uint16) & 0x0FFF | 0x8000)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, representation
    make_plain(dataset)

    assert np.array_equal(np.frombuffer(dataset.PixelData, values.dtype).reshape(32, 40), values)


@pytest.mark.parametrize("extended", [True, False])
def test_a_sign_in_the_unused_bits_is_left_as_it_is(extended: bool) -> None:
    values = np.arange(-600, 680, dtype=np.int16).reshape(32, 40)
    stored = values.view(np.uint16) if extended else values.view(np.uint16) & 0x0FFF
    dataset = image(stored)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
    make_plain(dataset)

    assert dataset.PixelData == stored.tobytes()


@pytest.mark.parametrize("keyword", ["Rows", "BitsAllocated", "PhotometricInterpretation"])
def test_pixels_of_unknown_size_do_not_leave(keyword: str) -> None:
    dataset = image(noise())
    del dataset[keyword]
    with pytest.raises(DeidentificationError, match="does not tell their size"):
        make_plain(dataset)
