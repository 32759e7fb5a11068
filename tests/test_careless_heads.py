"""Files whose head is not as PS3.10 has it: read where they are DICOM, left alone where they are not."""

from __future__ import annotations

import copy
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from models.volume import Volume
from node.assembly.files import assemble_files, decode_slice_hu
from node.assembly.framing import Careless, careless_notes
from node.assembly.reading import open_instance, read_instance
from node.folder import scan
from node.malformed import MALFORMED
from node.reception.part10 import Announcement, file_head
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity

Edit = Callable[[bytes], bytes]
SYNTAX = b"\x02\x00\x10\x00UI"


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), (8, 64, 48), (2.5, 3.0, 3.0)).volume


@pytest.fixture(scope="module")
def first(volume: Volume) -> Dataset:
    return ct_datasets(volume)[0]


def whole_file(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def body(dataset: Dataset, *, implicit: bool = False, little: bool = True) -> bytes:
    """The data set alone, in an encoding of one's own choice."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    plain = copy.deepcopy(dataset)
    if not little:
        plain.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    write_dataset(stream, plain)
    return bytes(stream.getvalue())


def head(content: bytes) -> bytes:
    (length,) = struct.unpack_from("<L", content, 140)
    return content[: 144 + length]


def meta_head(syntax: str) -> bytes:
    return file_head(Announcement("1.2.840.10008.5.1.4.1.1.2", "1.2.3", syntax, "SENDER"))


def hu_of(content: bytes, folder: Path) -> tuple[np.ndarray, tuple[Careless, ...]]:
    path = folder / "slice"
    path.write_bytes(content)
    with open_instance(path) as instance:
        careless = instance.careless
    assert read_instance(path, pixels=False).SOPInstanceUID == read_instance(path, pixels=True).SOPInstanceUID
    hu, _ = decode_slice_hu(path)
    return hu, careless


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def implicit_element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", group, number, len(value)) + value


def with_meta_length(content: bytes, length: int) -> bytes:
    return content[:140] + struct.pack("<L", length) + content[144:]


EDITS: dict[str, tuple[Edit, set[Careless]]] = {
    "as it should be": (lambda b: b, set()),
    "no preamble": (lambda b: b[128:], {Careless.NO_PREAMBLE}),
    "no preamble and no DICM": (lambda b: b[132:], {Careless.NO_PREAMBLE}),
    "preamble without DICM": (lambda b: b[:128] + b[132:], {Careless.NO_PREAMBLE}),
    "no meta header": (lambda b: b[len(head(b)) :], {Careless.NO_META_HEADER, Careless.NO_TRANSFER_SYNTAX}),
    "preamble, then the data set": (
        lambda b: b[:128] + b[len(head(b)) :],
        {Careless.NO_META_HEADER, Careless.NO_TRANSFER_SYNTAX},
    ),
    "preamble, DICM, then the data set": (lambda b: b[:132] + b[len(head(b)) :], {Careless.NO_META_HEADER}),
    "no transfer syntax": (
        lambda b: without_syntax(b),
        {Careless.NO_TRANSFER_SYNTAX},
    ),
    "meta header too short by its length": (lambda b: with_meta_length(b, 12), {Careless.WRONG_META_LENGTH}),
    "meta header of length 0": (lambda b: with_meta_length(b, 0), {Careless.WRONG_META_LENGTH}),
    "meta header too long by its length": (lambda b: with_meta_length(b, 5000), {Careless.WRONG_META_LENGTH}),
    "meta header without its length": (lambda b: b[:132] + b[144:], {Careless.WRONG_META_LENGTH}),
    "meta header whose length ends in its midst": (
        lambda b: with_meta_length(b, 14),
        {Careless.WRONG_META_LENGTH},
    ),
    "trailing zeros": (lambda b: b + bytes(1000), set()),
    "trailing text": (lambda b: b + b"end of file\n" * 9, set()),
    "group lengths": (lambda b: head(b) + b"\x08\0\0\0UL\x04\0\xff\xff\0\0" + b[len(head(b)) :], set()),
    "a stray transfer syntax": (
        lambda b: head(b) + element(2, 0x10, b"UI", b"1.2.840.10008.1.2.4.90") + b[len(head(b)) :],
        {Careless.STRAY_GROUP_TWO},
    ),
    "a stray meta header": (
        lambda b: (
            head(b)
            + element(2, 0, b"UL", b"\x1e\0\0\0")
            + element(2, 2, b"UI", b"1.2\0")
            + element(2, 0x10, b"UI", b"1.2.840.10008.1.2\0")
            + b[len(head(b)) :]
        ),
        {Careless.STRAY_GROUP_TWO},
    ),
}


def without_syntax(content: bytes) -> bytes:
    start = content.index(SYNTAX)
    (length,) = struct.unpack_from("<H", content, start + 6)
    whole = 8 + length
    (meta,) = struct.unpack_from("<L", content, 140)
    return with_meta_length(content, meta - whole)[:start] + content[start + whole :]


@pytest.mark.parametrize(("edit", "expected"), EDITS.values(), ids=EDITS.keys())
def test_a_careless_head_is_read(
    volume: Volume, first: Dataset, tmp_path: Path, edit: Edit, expected: set[Careless]
) -> None:
    hu, careless = hu_of(edit(whole_file(first)), tmp_path)
    assert np.array_equal(hu, volume.hu[0])
    assert set(careless) == expected


@pytest.mark.parametrize(  # there is no implicit VR in big endian
    ("implicit", "little"), [(True, True), (False, True), (False, False)]
)
@pytest.mark.parametrize(
    "declared",
    ["", ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_a_data_set_is_read_as_it_is_encoded_whatever_the_head_says(
    volume: Volume, first: Dataset, tmp_path: Path, declared: str, implicit: bool, little: bool
) -> None:
    content = (meta_head(declared) if declared else b"") + body(first, implicit=implicit, little=little)
    hu, careless = hu_of(content, tmp_path)
    assert np.array_equal(hu, volume.hu[0])
    right = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    actual = read_instance(tmp_path / "slice", pixels=False).file_meta.TransferSyntaxUID
    assert actual == right
    assert (Careless.OTHER_ENCODING in careless) == bool(declared and declared != right)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("other", [b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.2\0"])
def test_the_negotiated_transfer_syntax_counts_and_not_a_stray_one(
    volume: Volume, first: Dataset, tmp_path: Path, other: bytes, implicit: bool
) -> None:
    """Our own node puts a right head before what it received, stray elements and all."""
    declared = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    stray = implicit_element(2, 0x10, other) if implicit else element(2, 0x10, b"UI", other)
    hu, careless = hu_of(meta_head(declared) + stray + body(first, implicit=implicit), tmp_path)
    assert np.array_equal(hu, volume.hu[0])
    assert set(careless) == {Careless.STRAY_GROUP_TWO}
    header = read_instance(tmp_path / "slice", pixels=False)
    assert header.file_meta.TransferSyntaxUID == declared
    assert (0x0002, 0x0010) not in header


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("declared", ["", ExplicitVRLittleEndian, ImplicitVRLittleEndian, "1.2.840.10008.1.2.4.50"])
def test_the_pixels_tell_as_what_they_are_compressed(
    volume: Volume, tmp_path: Path, syntax: str, declared: str
) -> None:
    dataset = ct_datasets(volume, signed=False)[0]
    dataset.compress(syntax, generate_instance_uid=False)
    content = whole_file(dataset)
    hu, _ = hu_of((meta_head(declared) if declared else b"") + content[len(head(content)) :], tmp_path)
    assert np.array_equal(hu, volume.hu[0])


def test_pixels_that_are_not_compressed_as_the_head_says(volume: Volume, first: Dataset, tmp_path: Path) -> None:
    hu, careless = hu_of(meta_head(JPEG2000Lossless) + body(first), tmp_path)
    assert np.array_equal(hu, volume.hu[0])
    assert Careless.OTHER_PIXEL_ENCODING in careless


def test_a_deflated_data_set_with_and_without_its_last_block(volume: Volume, first: Dataset, tmp_path: Path) -> None:
    deflater = zlib.compressobj(wbits=-15)
    flushed = deflater.compress(body(first)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    for deflated in (flushed, flushed + deflater.flush()):
        hu, careless = hu_of(meta_head(DeflatedExplicitVRLittleEndian) + deflated, tmp_path)
        assert np.array_equal(hu, volume.hu[0])
        assert careless == ()


def test_pixel_data_longer_than_the_image(volume: Volume, first: Dataset, tmp_path: Path) -> None:
    longer = copy.deepcopy(first)
    longer.PixelData = bytes(first.PixelData) + bytes(512)
    for implicit in (True, False):
        hu, _ = hu_of(meta_head(ExplicitVRLittleEndian) + body(longer, implicit=implicit), tmp_path)
        assert np.array_equal(hu, volume.hu[0])


def changed_vr(content: bytes, group: int, number: int, vr: bytes, value: bytes | None = None) -> bytes:
    """Write an element with another VR, and another value if one is given."""
    at = content.index(struct.pack("<HH", group, number), len(head(content)))
    (length,) = struct.unpack_from("<H", content, at + 6)
    old = content[at + 8 : at + 8 + length]
    new = old if value is None else value
    long = vr in (b"UN", b"OB", b"UT")
    written = struct.pack("<HH2sHL", group, number, vr, 0, len(new)) + new if long else element(group, number, vr, new)
    return content[:at] + written + content[at + 8 + length :]


@pytest.mark.parametrize(
    ("group", "number", "vr", "value"),
    [
        (0x0020, 0x0032, b"LO", None),
        (0x0020, 0x0032, b"UN", None),
        (0x0020, 0x0032, b"UT", None),
        (0x0028, 0x1052, b"SH", None),
        (0x0028, 0x1053, b"FD", struct.pack("<d", 1.0)),
        (0x0028, 0x0010, b"SS", struct.pack("<h", 64)),
        (0x0028, 0x0010, b"UL", struct.pack("<L", 64)),
        (0x0028, 0x0010, b"UN", struct.pack("<H", 64)),
        (0x0028, 0x0010, b"IS", b"64"),
        (0x0028, 0x0103, b"SS", b"\x01\x00"),
        (0x0028, 0x0101, b"UN", b"\x10\x00"),
        (0x0008, 0x0016, b"LO", None),
        (0x0008, 0x0060, b"SH", None),
        (0x0008, 0x0005, b"CS", b"ISO_IR 999"),
        (0x0008, 0x0005, b"CS", b"\\nonsense "),
    ],
)
def test_a_value_with_the_vr_of_another(
    volume: Volume, first: Dataset, tmp_path: Path, group: int, number: int, vr: bytes, value: bytes | None
) -> None:
    hu, _ = hu_of(changed_vr(whole_file(first), group, number, vr, value), tmp_path)
    assert np.array_equal(hu, volume.hu[0])


def zip_file() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("slice.dcm", b"x" * 1000)
    return buffer.getvalue()


FOREIGN = {
    "empty": b"",
    "one byte": b"\x08",
    "zeros": bytes(4000),
    "ones": b"\xff" * 4000,
    "text": b"This is a README of a folder of CT slices.\n" * 40,
    "text with tabs": b"\x08\x00 text that begins like group 0008\n" * 40,
    "XML": b"<?xml version='1.0'?><LidcReadMessage/>" * 20,
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 8,
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8,
    "PDF": b"%PDF-1.4\n" + b"1 0 obj\n" * 100,
    "zip": zip_file(),
    "NIfTI": struct.pack("<L", 348) + bytes(344) + b"n+1\0" + bytes(4000),
    "NumPy": b"\x93NUMPY\x01\x00" + b"{'descr': '<i2'}" + bytes(1000),
    "SQLite": b"SQLite format 3\0" + bytes(4000),
    "Mac resource": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000),
    "one element of group 0008": b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
    "group 0008 that goes down": (element(8, 0x18, b"UI", b"1.2\0") + element(8, 0x16, b"UI", b"1.2\0")) * 4,
    "lengths beyond the end": element(8, 5, b"CS", b"ISO_IR 100") + b"\x08\x00\x08\x00CS\xff\xffORIGINAL" + bytes(99),
    "noise": np.random.default_rng(1).bytes(5000),
    "noise behind group 0008": b"\x08\x00\x05\x00" + np.random.default_rng(2).bytes(5000),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_dicom_is_not_taken_for_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InvalidDicomError):
        read_instance(path, pixels=False)
    assert scan(tmp_path).series == {}


@pytest.mark.parametrize("kept", [1, 131, 133, 150, 300, 340, 600, 1000])
@pytest.mark.parametrize("edit", ["as it should be", "no meta header", "no preamble and no DICM"])
def test_a_file_that_is_cut_off_is_an_error_that_is_known(first: Dataset, tmp_path: Path, kept: int, edit: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(EDITS[edit][0](whole_file(first))[:kept])
    with pytest.raises(MALFORMED):
        read_instance(path, pixels=True)


def test_a_folder_without_heads_is_the_same_volume(volume: Volume, tmp_path: Path) -> None:
    paths = write_series(ct_datasets(volume), tmp_path)
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[len(head(content)) :])
    (series,) = scan(tmp_path).series
    assert len(scan(tmp_path).files(series)) == 8
    assert np.array_equal(assemble_files(paths).volume.hu, volume.hu)


def test_a_header_is_what_pydicom_reads(first: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file"
    first.save_as(path, enforce_file_format=True)
    ours, theirs = read_instance(path, pixels=True), dcmread(path)
    assert ours == theirs
    assert ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
    assert ours.original_encoding == theirs.original_encoding


def test_payload_is_no_header_and_sequences_are(first: Dataset, tmp_path: Path) -> None:
    dataset = copy.deepcopy(first)
    item = Dataset()
    item.FrameComments = "x" * 900
    dataset.private_block(0x0029, "VENDOR", create=True).add_new(1, "OB", bytes(100_000))
    dataset.SharedFunctionalGroupsSequence = [item] * 200
    path = tmp_path / "file"
    dataset.save_as(path, enforce_file_format=True)
    read = read_instance(path, pixels=False)
    assert (0x0029, 0x1001) not in read
    assert len(read.SharedFunctionalGroupsSequence) == 200


def test_a_note_counts_each_carelessness() -> None:
    files = [(), (Careless.NO_PREAMBLE,), (Careless.NO_PREAMBLE, Careless.STRAY_GROUP_TWO)]
    assert careless_notes(files) == [
        "2 file(s) read in spite of an absent preamble",
        "1 file(s) read in spite of group 0002 inside the data set",
    ]
