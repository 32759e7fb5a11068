"""What careless senders put into a data set, or send that no analysis can use: stored as it came, read right."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)
from pynetdicom.association import Association

from node.series.instances import CT_CLASSES, FOR_PROCESSING_CLASSES
from tests.raw_sender import VERIFICATION, Node, associate, context_id, running_node, send_raw
from tests.reception_rig import (
    CANNOT_UNDERSTAND,
    CT,
    SUCCESS,
    ct,
    encoded,
    receiving_node,
    send,
    sending_association,
)

node = pytest.fixture(receiving_node)
association = pytest.fixture(sending_association)

OLD_SYNTAX = str(JPEGLosslessSV1).encode()
VERSION = struct.pack("<HH2sxxL", 2, 1, b"OB", 2) + b"\x00\x01"


def explicit(number: int, vr: bytes, value: bytes, endian: str = "<") -> bytes:
    return struct.pack(f"{endian}HH2sH", 2, number, vr, len(value)) + value


def implicit(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 2, number, len(value)) + value


SYNTAX = explicit(0x10, b"UI", OLD_SYNTAX)
STRAYS = {
    "transfer syntax": SYNTAX,
    "without VR": implicit(0x10, OLD_SYNTAX),
    "big endian": explicit(0x10, b"UI", OLD_SYNTAX, ">"),
    "group length": explicit(0, b"UL", struct.pack("<L", len(SYNTAX))) + SYNTAX,
    "all of it": explicit(0, b"UL", struct.pack("<L", len(VERSION + SYNTAX))) + VERSION + SYNTAX,
    "empty": explicit(0x10, b"UI", b""),
    "text": explicit(0x16, b"AE", b"OLD ARCHIVE ") + explicit(0x13, b"SH", b"V1"),
    "of two minds": SYNTAX + implicit(0x13, b"V1"),
}


def store(node: Node, dataset: Dataset, data: bytes, syntax: str) -> int | None:
    opened = associate(node.port, [(CT[0], syntax)])
    context = context_id(opened, CT[0], syntax)
    assert context is not None
    status = send_raw(opened, context, CT[0], dataset.SOPInstanceUID, data)
    opened.release()
    return status


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("stray", STRAYS)
def test_file_meta_information_in_a_data_set_is_passed_over(node: Node, stray: str, syntax: str) -> None:
    dataset = ct(Modality="CT", BodyPartExamined="CHEST")
    data = STRAYS[stray] + encoded(dataset, syntax)

    assert store(node, dataset, data, syntax) == SUCCESS

    (header,) = node.arrivals
    assert (header.modality, header.body_part_examined, header.rows) == ("CT", "CHEST", 4)
    row = node.ledger.rows[dataset.SOPInstanceUID]
    assert row["transfer_syntax_uid"] == syntax
    (path,) = node.stored_files()
    assert path.read_bytes().endswith(data)


def test_the_length_in_our_file_meta_information_tells_where_the_data_set_begins(
    node: Node, association: Association
) -> None:
    dataset = ct()
    data = STRAYS["all of it"] + encoded(dataset)
    send(association, dataset, data)

    content = node.stored_files()[0].read_bytes()

    (length,) = struct.unpack("<L", content[140:144])  # 128 preamble, 4 prefix, 8 of (0002,0000)
    assert content[144 + length :] == data
    meta = read_dataset_of(content[144 : 144 + length])
    assert meta.TransferSyntaxUID == CT[1]


def read_dataset_of(content: bytes) -> Dataset:
    return read_dataset(BytesIO(content), is_implicit_VR=False, is_little_endian=True)


def test_file_meta_information_is_passed_over_in_a_deflated_data_set(node: Node) -> None:
    dataset = ct()
    plain = SYNTAX + encoded(dataset)

    assert store(node, dataset, deflated(plain), DeflatedExplicitVRLittleEndian) == SUCCESS
    assert node.arrivals[0].rows == 4


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "rubbish",
    [
        struct.pack("<HH2sH", 2, 0x10, b"UI", 60000),
        struct.pack("<HH2sxxL", 2, 1, b"OB", 0xFFFFFFFF),
        struct.pack("<HHL", 2, 0x10, 0xFFFFFFF0),
        b"\x02\x00\x10",
    ],
)
def test_file_meta_information_that_claims_more_than_there_is_is_refused(
    node: Node, association: Association, rubbish: bytes
) -> None:
    dataset = ct()

    assert send(association, dataset, rubbish + encoded(dataset)[:40]) == CANNOT_UNDERSTAND
    assert send(association, ct()) == SUCCESS


@pytest.mark.parametrize(
    ("agreed", "sent"),
    [(ExplicitVRLittleEndian, ImplicitVRLittleEndian), (ImplicitVRLittleEndian, ExplicitVRLittleEndian)],
)
@pytest.mark.parametrize("stray", [b"", SYNTAX])
def test_a_data_set_in_the_other_kind_of_vr_than_was_agreed_is_read(
    node: Node, agreed: str, sent: str, stray: bytes
) -> None:
    dataset = ct()

    assert store(node, dataset, stray + encoded(dataset, sent), agreed) == SUCCESS
    assert node.arrivals[0].rows == 4


def test_group_lengths_are_passed_over(node: Node, association: Association) -> None:
    """PS3.5 section 7.2: retired, and wrong wherever somebody has edited the data set."""
    dataset = ct()
    length = struct.pack("<HH2sHL", 8, 0, b"UL", 4, 4711)

    assert send(association, dataset, length + encoded(dataset)) == SUCCESS
    assert node.arrivals[0].modality == "CT"


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("Rows", b"US", b""),
        ("Rows", b"SS", b"\xff\xff"),
        ("InstanceNumber", b"IS", b"one "),
        ("NumberOfFrames", b"IS", b"0 "),
        ("PixelSpacing", b"DS", b"0,7\\0,7 "),
        ("ImagePositionPatient", b"DS", b"1\\2\\3\\4 "),
        ("ImageType", b"CS", b"original\\primary\\"),
        ("Modality", b"LO", b"CT"),
        ("SliceThickness", b"UN", b"\xff\xfe"),
    ],
)
def test_odd_values_do_not_stop_an_instance(
    node: Node, association: Association, keyword: str, vr: bytes, value: bytes
) -> None:
    dataset = ct()
    dataset.pop(keyword, None)
    whole = encoded(dataset)
    tag = struct.pack("<L", _tag(keyword))
    odd = tag[2:] + tag[:2]
    odd += vr + (struct.pack("<xxL", len(value)) if vr == b"UN" else struct.pack("<H", len(value))) + value
    pixels = whole.index(struct.pack("<HH", 0x7FE0, 0x0010))

    assert send(association, dataset, whole[:pixels] + odd + whole[pixels:]) == SUCCESS
    assert len(node.arrivals) == 1


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag


@pytest.mark.parametrize("any_storage_class", [True, False])
def test_ct_for_processing_is_taken_and_is_no_ct_to_analyse(tmp_path: Path, any_storage_class: bool) -> None:
    """PS3.4 Table B.5-1 as of Supplement 252; a name is not known to pydicom 3.0."""
    assert not FOR_PROCESSING_CLASSES & CT_CLASSES
    with running_node(tmp_path, any_storage_class=any_storage_class) as node:
        opened = associate(node.port, [(uid, CT[1]) for uid in sorted(FOR_PROCESSING_CLASSES)])
        accepted = {context.abstract_syntax for context in opened.accepted_contexts}
        for uid in sorted(FOR_PROCESSING_CLASSES):
            dataset = ct(SOPClassUID=uid)
            context = context_id(opened, uid, CT[1])
            assert context is not None
            assert send_raw(opened, context, uid, dataset.SOPInstanceUID, encoded(dataset)) == SUCCESS
        opened.release()

        assert accepted == FOR_PROCESSING_CLASSES | {VERIFICATION}
        assert {header.sop_class_uid for header in node.arrivals} == FOR_PROCESSING_CLASSES
        assert len(node.stored_files()) == 3


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"])
@pytest.mark.parametrize("uid", ["1.2.826.0.1.007", "00.1", "1.00", "7"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_are_kept_as_they_came(node: Node, association: Association, keyword: str, uid: str) -> None:
    dataset = ct(**{keyword: uid})

    assert send(association, dataset) == SUCCESS
    (header,) = node.arrivals
    said = {
        "StudyInstanceUID": header.study_instance_uid,
        "SeriesInstanceUID": header.series_instance_uid,
        "SOPInstanceUID": header.sop_instance_uid,
        "FrameOfReferenceUID": header.frame_of_reference_uid,
    }
    assert said[keyword] == uid
    assert node.ledger.rows[dataset.SOPInstanceUID]["path"].endswith(f"{dataset.SOPInstanceUID}.dcm")
