"""Every kind of result is valid whatever the source is: character sets, missing, illegal and extreme values."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.checks import check
from node.results.forms import Kind
from tests.accepted_messages import not_accepted
from tests.all_kinds import SEGMENTATIONS, every_kind, write_objects
from tests.conftest import skip_or_fail
from tests.request_examples import ASKED
from tests.result_examples import as_enhanced, encoded, example_findings, in_pieces, with_raw


def switched(escape: str, name: str, codec: str) -> bytes:
    """A name with code extensions: after ``^`` and ``=`` the first set holds again (PS3.5 6.1.2.5.3)."""
    groups = [[f"\x1b{escape}".encode() + part.encode(codec) for part in group.split("^")] for group in name.split("=")]
    return b"=".join(b"^".join(group) for group in groups)


KANJI = "山田^太郎".encode("iso2022_jp")
# The set declared, the bytes of the name, what they say. PS3.5 Annex H to K where one is there.
KEPT_SETS = [
    ("ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
    ("ISO_IR 101", "Dvořák^Jiří".encode("iso8859_2"), "Dvořák^Jiří"),
    ("ISO_IR 109", "Żahra^Ġorġ".encode("iso8859_3"), "Żahra^Ġorġ"),
    ("ISO_IR 110", "Bērziņš^Jānis".encode("iso8859_4"), "Bērziņš^Jānis"),
    ("ISO_IR 126", "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
    ("ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
    ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
    ("ISO_IR 148", "Çavuşoğlu^Işıl".encode("iso8859_9"), "Çavuşoğlu^Işıl"),
    ("ISO_IR 166", "นามสกุล^ชื่อ".encode("iso8859_11"), "นามสกุล^ชื่อ"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
]
SAME_BYTES_IN_ANOTHER_SET = [
    ("ISO_IR 6", b"ADAMS^JOHN", None),
    ("ISO 2022 IR 6", b"ADAMS^JOHN", None),
    ("GBK", "Wang^XiaoDong=王^小东".encode("gbk"), "GB18030"),
    ("ISO 2022 IR 100", "Buc^Jérôme".encode("latin-1"), "ISO_IR 100"),
    ("ISO_IR100", "Buc^Jérôme".encode("latin-1"), "ISO_IR 100"),
]
TRANSCODED_SETS = [
    ("ISO_IR 203", "Œuvre^Šime".encode("iso8859_15"), "Œuvre^Šime"),
    ("ISO 2022 IR 6\\ISO 2022 IR 100", switched("-A", "Buc^Jérôme", "latin-1"), "Buc^Jérôme"),
    ("\\ISO 2022 IR 101", switched("-B", "Dvořák^Jiří", "iso8859_2"), "Dvořák^Jiří"),
    ("\\ISO 2022 IR 109", switched("-C", "Żahra^Ġorġ", "iso8859_3"), "Żahra^Ġorġ"),
    ("\\ISO 2022 IR 110", switched("-D", "Bērziņš^Jānis", "iso8859_4"), "Bērziņš^Jānis"),
    ("\\ISO 2022 IR 126", switched("-F", "Διονυσιος", "iso8859_7"), "Διονυσιος"),
    ("\\ISO 2022 IR 127", switched("-G", "قباني^لنزار", "iso8859_6"), "قباني^لنزار"),
    ("\\ISO 2022 IR 138", switched("-H", "שרון^דבורה", "iso8859_8"), "שרון^דבורה"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144", switched("-L", "Иванов^Иван", "iso8859_5"), "Иванов^Иван"),
    ("\\ISO 2022 IR 148", switched("-M", "Çavuşoğlu^Işıl", "iso8859_9"), "Çavuşoğlu^Işıl"),
    ("\\ISO 2022 IR 166", switched("-T", "นามสกุล^ชื่อ", "iso8859_11"), "นามสกุล^ชื่อ"),
    ("\\ISO 2022 IR 203", switched("-b", "Œuvre^Šime", "iso8859_15"), "Œuvre^Šime"),
    ("\\ISO 2022 IR 87", b"Yamada^Tarou=" + KANJI + b"=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
     "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=" + KANJI.replace(b"\x1b(B", b"\x1b(J"),
     "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
    ("\\ISO 2022 IR 87", b"=" + "秀樹".encode("iso2022_jp"), "=秀樹"),  # the first byte of 秀 looks like "="
    ("\\ISO 2022 IR 159", "丂".encode("iso2022_jp_2"), "丂"),
    ("\\ISO 2022 IR 149", b"Hong^Gildong=" + switched("$)C", "洪^吉洞=홍^길동", "euc_kr"),
     "Hong^Gildong=洪^吉洞=홍^길동"),
    ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=" + switched("$)A", "张^小东", "gb2312"), "Zhang^XiaoDong=张^小东"),
]  # fmt: skip
MISNAMED_SETS = [
    ("", "Müller^Zoë".encode("latin-1"), "Müller^Zoë"),
    ("", "Müller^Zoë".encode(), "Müller^Zoë"),
    ("ISO_IR 192", "Müller^Zoë".encode("latin-1"), "Müller^Zoë"),
    ("ISO_IR 6", "Müller^Zoë".encode("latin-1"), "Müller^Zoë"),
    ("ISO_IR 999", "Müller^Zoë".encode("latin-1"), "Müller^Zoë"),
]
LONG = "x" * 64
OTHER_ID = Dataset()
OTHER_ID.PatientID = "OTHER"  # Type of Patient ID, Type 1 of the item, is missing
NO_CODE = Dataset()
NO_CODE.CodeMeaning = "Basic"
NOT_ESSENTIAL = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "SliceThickness", "BodyPartExamined",
    "PositionReferenceIndicator", "SpecificCharacterSet",
)  # fmt: skip
# Attributes of the source by keyword: bytes of the value, None where the attribute is absent.
POOR_SOURCES: dict[str, dict[str, Any]] = {
    "nothing but UIDs": dict.fromkeys(NOT_ESSENTIAL),
    "everything empty": dict.fromkeys(NOT_ESSENTIAL, b""),
    "no frame of reference": {"FrameOfReferenceUID": None},
    "empty frame of reference": {"FrameOfReferenceUID": b""},
    "illegal frame of reference": {"FrameOfReferenceUID": b"1.2..3"},
    "age without leading zero": {"PatientAge": b"70Y "},
    "age without unit": {"PatientAge": b"70"},
    "decimal strings too long": {"PatientWeight": b"70.50000000000000000", "SliceThickness": b"7.0000000000000000000"},
    "decimal comma": {"PatientSize": b"1,75", "SliceThickness": b"7,0 "},
    "thickness of nothing": {"SliceThickness": b"0 "},
    "dates of old": {"PatientBirthDate": b"1955.07.04", "StudyDate": b"2026.01.05", "StudyTime": b"10:15:00"},
    "dates that are none": {"PatientBirthDate": b"19550000", "StudyDate": b"20261345", "StudyTime": b"256161"},
    "words for dates": {"PatientBirthDate": b"UNKNOWN ", "StudyDate": b"today ", "StudyTime": b"noon"},
    "sex in words": {"PatientSex": b"FEMALE"},
    "description too long": {"StudyDescription": b"y" * 200, "ReferringPhysicianName": b"z" * 90},
    "description of two values": {"StudyDescription": b"Thorax\\Abdomen"},
    "description of two lines": {"StudyDescription": b"Thorax\r\nnative"},
    "body part in small letters": {"BodyPartExamined": b"Chest^routine"},
    "body part too long": {"BodyPartExamined": b"CHEST AND UPPER ABDOMEN "},
    "body parts": {"BodyPartExamined": b"CHEST\\ABDOMEN"},
    "position reference too long": {"PositionReferenceIndicator": b"s" * 70},
    "lossy of unknown ratio": {"LossyImageCompression": b"01", "LossyImageCompressionRatio": b"about ten",
                               "LossyImageCompressionMethod": b"jpeg of some kind "},
    "lossy": {"LossyImageCompression": b"01", "LossyImageCompressionRatio": b"10", "LossyImageCompressionMethod":
              b"ISO_10918_1 "},
    "values of 64 characters": {"PatientName": LONG.encode(), "PatientID": LONG.encode(), "IssuerOfPatientID":
                                LONG.encode(), "StudyDescription": LONG.encode(), "AccessionNumber": b"a" * 16,
                                "StudyID": b"i" * 16, "ReferringPhysicianName": LONG.encode()},
    "21 characters of three bytes": {"SpecificCharacterSet": b"ISO_IR 192", "PatientName": ("王" * 21).encode(),
                                     "PatientID": ("王" * 21).encode(), "StudyDescription": ("王" * 21).encode()},
    "UIDs of 64 characters": {"StudyInstanceUID": b"1." + b"2" * 62, "FrameOfReferenceUID": b"1." + b"3" * 62},
    "leading and trailing spaces": {"PatientID": b" 007  ", "AccessionNumber": b"  42", "PatientName": b"DOE^JANE  "},
    "other patient IDs without type": {"OtherPatientIDsSequence": [OTHER_ID]},
    "sequences of empty items": {keyword: [Dataset()] for keyword in (
        "OtherPatientIDsSequence", "IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence",
        "DeidentificationMethodCodeSequence")},
    "de-identified, badly said": {"PatientIdentityRemoved": b"yes ", "DeidentificationMethodCodeSequence": [NO_CODE],
                                  "LongitudinalTemporalInformationModified": b"SHIFTED "},
    "de-identified": {"PatientIdentityRemoved": b"YES ", "DeidentificationMethod": b"A\\B ",
                      "LongitudinalTemporalInformationModified": b"REMOVED "},
}  # fmt: skip
SLOW = (Kind.PDF, *SEGMENTATIONS)  # to draw and to encode; the header of all kinds is written by one function
WITH_PDF = ("nothing but UIDs", "no frame of reference", "description too long", "values of 64 characters", "lossy",
            "several requests", "issuers", "a zone")  # fmt: skip


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        skip_or_fail(f"{name} is not installed")
    return str(found)


@pytest.fixture(scope="module")
def findings(series: AssembledSeries) -> Findings:
    return example_findings(series.volume, 1)


def made_of(
    source: AssembledSeries, findings: Findings, folder: Path, leave_out: Collection[Kind] = SLOW
) -> dict[str, list[Dataset]]:
    """Build every kind, let our own check and dciodvfy and dcentvfy judge it, and read it back from its bytes."""
    made = every_kind(source, findings, leave_out)
    for is_notice in (False, True):
        chosen = [datasets for kind, datasets in made.items() if kind.startswith("NOTICE") is is_notice]
        check([dataset for datasets in chosen for dataset in datasets], source.headers)
    paths = write_objects(made, folder)
    for path in paths:
        assert not_accepted("dciodvfy", path.stem, said_by("dciodvfy", path)) == [], path.name
    known = [path for path in paths if "LABELMAP" not in path.name]  # a SOP class that the program does not know
    assert not_accepted("dcentvfy", "", said_by("dcentvfy", *known)) == []
    return {kind: [dcmread(BytesIO(encoded(dataset))) for dataset in datasets] for kind, datasets in made.items()}


def said_by(program: str, *paths: Path) -> list[str]:
    done = subprocess.run([tool(program), *paths], capture_output=True, check=False, timeout=60)
    return done.stderr.decode(errors="replace").splitlines()


def everything(made: dict[str, list[Dataset]]) -> list[Dataset]:
    return [dataset for datasets in made.values() for dataset in datasets]


@pytest.mark.parametrize(("declared", "name", "text"), KEPT_SETS, ids=[row[0] for row in KEPT_SETS])
def test_a_set_without_extensions_is_kept_byte_for_byte(
    series: AssembledSeries, findings: Findings, tmp_path: Path, declared: str, name: bytes, text: str
) -> None:
    values = {"PatientName": name, "PatientID": name.split(b"^")[0]}
    source = with_raw(series, values | {"SpecificCharacterSet": declared.encode()})
    for dataset in everything(made_of(source, findings, tmp_path)):
        assert all(dataset.get_item(keyword).value.rstrip() == value for keyword, value in values.items())
        assert (dataset.SpecificCharacterSet, str(dataset.PatientName)) == (declared, text)


@pytest.mark.parametrize(
    ("declared", "name", "written"), SAME_BYTES_IN_ANOTHER_SET, ids=[row[0] for row in SAME_BYTES_IN_ANOTHER_SET]
)
def test_the_same_bytes_under_the_defined_term(
    series: AssembledSeries, findings: Findings, tmp_path: Path, declared: str, name: bytes, written: str | None
) -> None:
    values = {"SpecificCharacterSet": declared.encode(), "PatientName": name}
    for dataset in everything(made_of(with_raw(series, values), findings, tmp_path)):
        assert dataset.get_item("PatientName").value.rstrip() == name
        assert dataset.get("SpecificCharacterSet") == written


@pytest.mark.parametrize(
    ("declared", "name", "text"),
    TRANSCODED_SETS + MISNAMED_SETS,
    ids=[row[0] or "no set" for row in TRANSCODED_SETS + MISNAMED_SETS],
)
def test_text_of_other_sets_is_written_in_utf8(
    series: AssembledSeries, findings: Findings, tmp_path: Path, declared: str, name: bytes, text: str
) -> None:
    values = {"SpecificCharacterSet": declared.encode(), "PatientName": name, "StudyDescription": name}
    for dataset in everything(made_of(with_raw(series, values), findings, tmp_path)):
        assert dataset.SpecificCharacterSet == "ISO_IR 192"
        assert dataset.get_item("PatientName").value.decode().rstrip() == text


@pytest.mark.parametrize("poor", POOR_SOURCES)
def test_a_poor_source_gives_valid_results(
    series: AssembledSeries, findings: Findings, tmp_path: Path, poor: str
) -> None:
    source = with_raw(series, POOR_SOURCES[poor])
    for dataset in everything(made_of(source, findings, tmp_path, () if poor in WITH_PDF else (Kind.PDF,))):
        assert dataset.StudyInstanceUID == source.study_instance_uid


@pytest.mark.parametrize("asked", ASKED)
def test_whatever_was_requested_the_results_are_valid(
    series: AssembledSeries, findings: Findings, tmp_path: Path, asked: str
) -> None:
    source = with_raw(series, ASKED[asked])
    for dataset in everything(made_of(source, findings, tmp_path, () if asked in WITH_PDF else (Kind.PDF,))):
        assert dataset.AccessionNumber == source.headers[0].AccessionNumber
        assert dataset.PatientID == source.headers[0].PatientID


def test_an_enhanced_source_gives_valid_results(series: AssembledSeries, findings: Findings, tmp_path: Path) -> None:
    made = made_of(as_enhanced(series), findings, tmp_path, leave_out=())
    assert len(made["SEG"]) == 1


def test_an_enhanced_source_in_pieces_gives_valid_results(
    series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    slices = range(len(series.frames))
    made = made_of(in_pieces(series, [slices[::3], slices[1::3], slices[2::3]]), findings, tmp_path, leave_out=())
    assert len(made["SEG"]) == 1
