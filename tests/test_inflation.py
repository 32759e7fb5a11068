"""Compressed data that would grow beyond its image: refused by name, at the cost of the image."""

from __future__ import annotations

import copy
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from models.volume import Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.codestreams import check_frame, codestream_of, same_family, syntax_of
from node.assembly.files import assemble_files, decode_slice_hu
from node.assembly.headers import readable_headers
from node.assembly.reading import read_instance
from node.folder import scan
from node.reception.part10 import Announcement, file_head
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

MARGIN_BYTES = 64 << 20  # that a hostile slice may cost more than a harmless one
BOMB = bytes(1 << 20)  # as often as it takes


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), (8, 64, 48), (2.5, 3.0, 3.0)).volume


@pytest.fixture
def slices(volume: Volume) -> list[Dataset]:
    return ct_datasets(volume, signed=False)


def encoded(dataset: Dataset) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_dataset(stream, copy.deepcopy(dataset))
    return bytes(stream.getvalue())


def deflated_file(data_set: bytes, behind_mb: int = 0) -> bytes:
    deflater = zlib.compressobj(9, wbits=-15)
    parts = [deflater.compress(data_set), *(deflater.compress(BOMB) for _ in range(behind_mb)), deflater.flush()]
    head = file_head(Announcement("1.2.840.10008.5.1.4.1.1.2", "1.2.3", DeflatedExplicitVRLittleEndian, "SENDER"))
    return head + b"".join(parts)


def long_pixels(dataset: Dataset) -> bytes:
    """Pixel data that says it has 300 MB."""
    content = encoded(dataset)
    at = content.rindex(b"\xe0\x7f\x10\x00OW")
    return content[: at + 8] + struct.pack("<L", 300 << 20) + content[at + 12 :]


def long_private(dataset: Dataset) -> bytes:
    """A private element of 300 MB before the pixels."""
    content = encoded(dataset)
    at = content.rindex(b"\x28\x00\x02\x00US")
    return content[:at] + struct.pack("<HH2sHL", 0x0027, 0x0010, b"OB", 0, 300 << 20)


BOMBS: dict[str, Callable[[Dataset], bytes]] = {
    "behind the data set": encoded,
    "in the pixel data": long_pixels,
    "in the header": long_private,
}


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except errors.AssemblyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_deflate_bomb_costs_no_more_than_its_image_and_is_named(
    slices: list[Dataset], tmp_path: Path, bomb: Callable[[Dataset], bytes]
) -> None:
    paths = write_series(slices, tmp_path)
    paths[3].write_bytes(deflated_file(encoded(slices[3])))
    works: list[Callable[[], object]] = [
        lambda: scan(tmp_path),
        lambda: outcome(lambda: assemble_files(paths)),
        lambda: readable_headers(paths),
        lambda: outcome(lambda: decode_slice_hu(paths[3])),
    ]
    harmless = [peak_bytes(work) for work in works]
    assert not outcome(lambda: assemble_files(paths))
    paths[3].write_bytes(deflated_file(bomb(slices[3]), behind_mb=300))
    assert paths[3].stat().st_size < 1 << 20
    hostile = [peak_bytes(work) for work in works]
    assert [more - less < MARGIN_BYTES for more, less in zip(hostile, harmless, strict=True)] == [True] * 4
    message = outcome(lambda: assemble_files(paths))
    assert message
    assert outcome(lambda: read_instance(paths[3], pixels=True))


def test_a_deflated_slice_with_padding_behind_its_pixels_is_read(
    volume: Volume, slices: list[Dataset], tmp_path: Path
) -> None:
    slices[3].DataSetTrailingPadding = bytes(5000)
    paths = write_series(slices, tmp_path)
    paths[3].write_bytes(deflated_file(encoded(slices[3])))
    assert np.array_equal(assemble_files(paths).volume.hu, volume.hu)


def refused(slices: list[Dataset], frame: bytes, syntax: str) -> str:
    slices[2].PixelData = encapsulate([frame])
    slices[2]["PixelData"].is_undefined_length = True
    slices[2].file_meta.TransferSyntaxUID = UID(syntax)
    with pytest.raises(errors.UndecodableSlice) as caught:
        assemble(slices)
    assert "instance number 3" in str(caught.value)
    return str(caught.value)


def rle_frame(*segments: bytes) -> bytes:
    starts = np.cumsum([64, *map(len, segments)])[:-1].tolist()
    return struct.pack("<16L", len(segments), *starts, *([0] * (15 - len(segments)))) + b"".join(segments)


def run(count: int) -> bytes:
    """Zeros as runs of 128."""
    return b"\x81\x00" * -(-count // 128)


def test_runs_that_expand_beyond_the_image_are_cut(volume: Volume, slices: list[Dataset]) -> None:
    pixels = volume.shape[1] * volume.shape[2]
    bomb = rle_frame(run(pixels), run(200 << 20))
    peak = peak_bytes(lambda: refused(slices, bomb, RLELossless))
    assert peak < 10 * len(bomb) + (8 << 20)
    assert "expands to more" in refused(slices, bomb, RLELossless)
    assert "RLE header" in refused(slices, rle_frame(run(pixels)), RLELossless)
    assert "RLE header" in refused(slices, b"\x02" + bytes(200), RLELossless)


def test_runs_padded_to_the_even_are_read() -> None:
    check_frame(rle_frame(run(64 * 48) + b"\x00", run(64 * 48)), RLELossless, 64, 48, 16)


def j2k(rows: int, columns: int, samples: int = 1, bits: int = 16) -> bytes:
    components = struct.pack("BBB", bits - 1, 1, 1) * samples
    size = struct.pack(">HHLLLLLLLLH", 38 + 3 * samples, 0, columns, rows, 0, 0, columns, rows, 0, 0, samples)
    return b"\xff\x4f\xff\x51" + size + components + b"\xff\x52" + bytes(100)


def jpeg(marker: int, rows: int, columns: int, samples: int = 1, bits: int = 16, parameter: int = 1) -> bytes:
    components = b"\x01\x11\x00" * samples
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 8 + 3 * samples, bits, rows, columns, samples) + components
    scan_header = struct.pack(">BBHB", 0xFF, 0xDA, 6 + 2 * samples, samples) + b"\x01\x00" * samples
    return b"\xff\xd8\xff\xe1\x00\x06abcd" + frame + scan_header + bytes([parameter, 0, 0]) + bytes(100)


Make = Callable[[int, int], bytes]
CODESTREAMS: dict[str, tuple[Make, str]] = {
    "JPEG 2000": (j2k, JPEG2000Lossless),
    "JPEG-LS": (lambda rows, columns: jpeg(0xF7, rows, columns, parameter=0), JPEGLSLossless),
    "lossless JPEG": (lambda rows, columns: jpeg(0xC3, rows, columns, parameter=6), JPEGLossless),
    "JPEG": (lambda rows, columns: jpeg(0xC0, rows, columns, bits=8), JPEGBaseline8Bit),
}


@pytest.mark.parametrize(("make", "syntax"), CODESTREAMS.values(), ids=CODESTREAMS.keys())
@pytest.mark.parametrize("size", [(65535, 65535), (64, 65535), (48, 64), (0, 48), (65, 48)])
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(
    slices: list[Dataset], make: Make, syntax: str, size: tuple[int, int]
) -> None:
    message = refused(slices, make(*size), syntax)
    assert f"holds {size[0]} x {size[1]} pixels where Rows and Columns are 64 and 48" in message


@pytest.mark.parametrize(("samples", "bits"), [(3, 16), (1, 32), (4, 38)])
def test_a_codestream_of_more_samples_or_bits_is_refused(slices: list[Dataset], samples: int, bits: int) -> None:
    assert f"{samples} sample(s) of {bits} bits" in refused(slices, j2k(64, 48, samples, bits), JPEG2000Lossless)


def test_a_frame_without_a_header_is_refused(slices: list[Dataset]) -> None:
    for frame in (b"\xff\x4f", b"\xff\xd8\xff\xda\x00", b"\xff\xd8" + b"\xff" * 500, bytes(500)):
        assert "no header of this compression" in refused(slices, frame + bytes(len(frame) % 2), JPEG2000Lossless)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_what_encoders_make_tells_its_size_and_kind(slices: list[Dataset], syntax: str) -> None:
    slices[0].compress(syntax, generate_instance_uid=False)
    frame = next(generate_frames(slices[0].PixelData, number_of_frames=1))
    assert same_family(syntax_of(frame), syntax)
    found = codestream_of(frame)
    assert (found is None) == (syntax == RLELossless)
    assert found is None or (found.rows, found.columns, found.samples) == (64, 48, 1)


def test_a_codestream_in_its_file_format_is_found_behind_the_boxes() -> None:
    found = codestream_of(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(60) + j2k(64, 48))
    assert found is not None
    assert (found.rows, found.columns) == (64, 48)


def test_native_pixels_of_a_matrix_that_is_not_there_are_named(slices: list[Dataset], tmp_path: Path) -> None:
    for dataset in slices:
        dataset.Rows = dataset.Columns = 8000
    paths = write_series(slices, tmp_path)
    peaks = [
        peak_bytes(lambda: outcome(lambda: assemble(slices))),
        peak_bytes(lambda: outcome(lambda: decode_slice_hu(paths[0]))),
    ]
    assert "the pixel data has" in outcome(lambda: assemble(slices))
    assert "the pixel data has" in outcome(lambda: decode_slice_hu(paths[0]))
    assert peaks[1] < 8 << 20
