"""Patient and study are carried over exactly, in whatever character set and however poor the source is."""

from __future__ import annotations

import copy
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.notice import build_notice
from node.results.segmentation import build_segmentation
from node.results.source_attributes import ascii_text, carried_over
from node.results.structured_report import build_report
from node.series.instances import is_valid_uid
from tests.result_examples import CONTEXT, encoded, example_findings, with_headers

CHARACTER_SETS = [
    ("ISO_IR 100", "Müller^Zoë", "Thorax nüchtern", "ISO_IR 100"),
    ("ISO_IR 144", "Люкceмбypг", "Грудь", "ISO_IR 144"),
    ("ISO_IR 192", "Müller^Zoë=山田^太郎", "胸部", "ISO_IR 192"),
    ("GB18030", "Wang^XiaoDong=王^小东", "胸部", "GB18030"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部", "ISO_IR 192"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "흉부", "ISO_IR 192"),
]


def raw_header(*elements: tuple[int, str, bytes]) -> Dataset:
    """A header as read from a file, with values that no writer would write."""
    header = Dataset()
    for tag, vr, value in ((0x0020000D, "UI", b"1.2.3\0"), *elements):
        header[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
    return header


def reread(dataset: Dataset) -> Dataset:
    return dcmread(BytesIO(encoded(dataset)))


@pytest.mark.parametrize(("declared", "name", "description", "written"), CHARACTER_SETS)
def test_names_survive_in_every_object(
    series: AssembledSeries, declared: str | list[str], name: str, description: str, written: str
) -> None:
    source = with_headers(series, SpecificCharacterSet=declared, PatientName=name, StudyDescription=description)
    findings = example_findings(series.volume, 1)
    segmentation = build_segmentation(source, findings, CONTEXT)
    objects = [segmentation, build_report(source, findings, segmentation, CONTEXT)]
    objects += build_notice(source.headers, "SLICE_GAP", "a gap", CONTEXT)
    for dataset in map(reread, objects):
        assert dataset.SpecificCharacterSet == written
        assert str(dataset.PatientName) == name
        assert dataset.StudyDescription == description
    check(objects[:2], source.headers)


def test_a_character_set_without_extensions_keeps_the_bytes() -> None:
    name = "Müller^Zoë".encode("latin-1")
    header = raw_header((0x00080005, "CS", b"ISO_IR 100"), (0x00100010, "PN", name))
    buffer = BytesIO()
    dcmwrite(buffer, carried_over(header).dataset, implicit_vr=False, little_endian=True)
    assert name in buffer.getvalue()


def test_japanese_katakana_of_one_byte_keep_their_bytes() -> None:
    """ISO_IR 13 alone; dciodvfy takes its upper half for an error (PS3.3 Table C.12-2)."""
    name = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"
    carried = carried_over(raw_header((0x00080005, "CS", b"ISO_IR 13 "), (0x00100010, "PN", name))).dataset
    buffer = BytesIO()
    dcmwrite(buffer, carried, implicit_vr=False, little_endian=True)
    assert name in buffer.getvalue()
    assert str(carried.PatientName) == "ﾔﾏﾀﾞ^ﾀﾛｳ"


def test_64_characters_of_three_bytes_are_carried() -> None:
    identifier = "王" * 64
    carried = carried_over(raw_header((0x00080005, "CS", b"ISO_IR 192"), (0x00100020, "LO", identifier.encode())))
    assert carried.dataset.PatientID == identifier


def test_plain_ascii_without_a_character_set_stays_without() -> None:
    carried = carried_over(raw_header((0x00100010, "PN", b"PLAIN^NAME"))).dataset
    assert "SpecificCharacterSet" not in carried


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 999"])
def test_text_beyond_ascii_in_no_known_set_is_written_as_utf8(declared: bytes) -> None:
    elements = [(0x00100010, "PN", "Müller^Zoë".encode("latin-1"))]
    header = raw_header((0x00080005, "CS", declared), *elements)
    carried = carried_over(header).dataset
    assert carried.SpecificCharacterSet == "ISO_IR 192"
    assert str(carried.PatientName).startswith("M")


def test_missing_attributes_are_added_empty(series: AssembledSeries) -> None:
    absent = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
              "AccessionNumber", "ReferringPhysicianName")  # fmt: skip
    source = with_headers(series, **dict.fromkeys(absent))
    findings = example_findings(series.volume, 1)
    segmentation = build_segmentation(source, findings, CONTEXT)
    for dataset in (segmentation, build_report(source, findings, segmentation, CONTEXT)):
        assert all(dataset[keyword].is_empty for keyword in absent)


@pytest.mark.parametrize(
    ("tag", "vr", "found", "expected"),
    [
        (0x00101010, "AS", b"70Y ", "070Y"),
        (0x00101010, "AS", b"70", None),
        (0x00101030, "DS", b"70.500000000000000000", 70.5),
        (0x00101020, "DS", b"tall", None),
        (0x00100030, "DA", b"1955.07.04", "19550704"),
        (0x00100030, "DA", b"4 July  ", None),
        (0x00080030, "TM", b"10:15:00", "101500"),
        (0x00100040, "CS", b"f ", "F"),
        (0x00100040, "CS", b"FEMALE", None),
        (0x00081030, "LO", b"x" * 70, "x" * 64),
    ],
)
def test_illegal_values_are_put_right_or_left_out_and_named(
    tag: int, vr: str, found: bytes, expected: str | float | None
) -> None:
    carried = carried_over(raw_header((tag, vr, found)))
    element = carried.dataset.get(Tag(tag))
    assert (None if element is None or element.is_empty else element.value) == expected
    assert len(carried.changes) == 1


def test_what_a_pacs_matches_on_is_never_altered() -> None:
    header = raw_header((0x00080050, "SH", b"ACCESSION-NUMBER-20X"), (0x00100020, "LO", b"P" * 70))
    carried = carried_over(header)
    assert carried.dataset.AccessionNumber == "ACCESSION-NUMBER-20X"
    assert carried.dataset.PatientID == "P" * 70
    assert carried.changes == ()


def test_other_identifiers_come_along_without_private_attributes(series: AssembledSeries) -> None:
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = "OTHER-1", "ELSEWHERE"
    other.add_new(0x00091001, "LO", "private")
    source = with_headers(series, OtherPatientIDsSequence=[other], IssuerOfPatientID="HERE")
    carried = carried_over(source.headers[0]).dataset
    assert carried.IssuerOfPatientID == "HERE"
    assert carried.OtherPatientIDsSequence[0].PatientID == "OTHER-1"
    assert 0x00091001 not in carried.OtherPatientIDsSequence[0]


def test_the_source_header_is_left_as_it_was(series: AssembledSeries) -> None:
    before = copy.deepcopy(series.headers[0])
    carried_over(series.headers[0])
    assert series.headers[0] == before


@pytest.mark.parametrize("uid", ["", "1.2..3", "no uid", "1." + "2" * 64])
def test_without_a_valid_study_nothing_can_be_filed(uid: str) -> None:
    header = Dataset()
    header[0x0020000D] = RawDataElement(Tag(0x0020000D), "UI", len(uid), uid.encode(), 0, False, True)
    assert not is_valid_uid(uid)
    with pytest.raises(ResultError, match="StudyInstanceUID"):
        carried_over(header)


def test_own_text_becomes_ascii() -> None:
    assert ascii_text("Größe 5 mm³ \\ naïve\n text") == "Groe 5 mm3 / naive text"
