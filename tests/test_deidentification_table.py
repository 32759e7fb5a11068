"""Every row of PS3.15 Table E.1-1 under every option that changes it: what happens is read off the output.

What must happen is worked out here from the standard's own table (shared/standard) and the Types of PS3.3 as highdicom
carries them, without the program's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedCTImageStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    RTPlanStorage,
    SegmentationStorage,
)

from node.deidentification.engine import deidentify
from node.deidentification.generate import highdicom_tables, profile_table, types_table
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options, rows
from tests.conftest import SHARED_DATA, skip_or_fail
from tests.deidentification_examples import Double, instance, item_of, nested, reread, unnested

TABLE = SHARED_DATA.parent / "standard" / "confidentiality_profile_attributes.json"
STANDARD: list[dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else []
OPTIONS: dict[str, dict[str, Any]] = {
    "rtnSafePrivOpt": {"safe_private": True},
    "rtnUIDsOpt": {"uids": True},
    "rtnDevIdOpt": {"device_identity": True},
    "rtnInstIdOpt": {"institution_identity": True},
    "rtnPatCharsOpt": {"patient_characteristics": True},
    "rtnLongFullDatesOpt": {"dates": Dates.FULL},
    "rtnLongModifDatesOpt": {"dates": Dates.MODIFIED},
    "cleanDescOpt": {"clean_descriptors": True},
    "cleanStructContOpt": {"clean_structured_content": True},
    "cleanGraphOpt": {"clean_graphics": True},
}
PRIVATE_SOP_CLASS = "1.2.3.4.5.6.7"  # nobody knows its IOD
KINDS = (
    CTImageStorage,
    EnhancedCTImageStorage,
    ComprehensiveSRStorage,
    SegmentationStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    RTPlanStorage,
    PRIVATE_SOP_CLASS,
)
TAGS = {
    "50xxxxxx": [0x50000022, 0x50020010, 0x500A3000, 0x501E2500],
    "60xx3000": [0x60003000, 0x601E3000],
    "60xx4000": [0x60004000, 0x60064000],
    "ggggeeee-where-gggg-is-odd": [0x00091001],
}
ORIGINALS: dict[str, Any] = {
    "AE": "CANARY",
    "AS": "045Y",
    "CS": "CANARY",
    "DA": "20200315",
    "DS": "1.5",
    "DT": "20200315101112.5",
    "IS": "7",
    "LO": "CT CHEST CANARY",
    "LT": "CT CHEST CANARY",
    "OB": b"CANARY",
    "OB or OW": b"CANARY",
    "PN": "CANARY^C",
    "SH": "CT CANARY",
    "ST": "CT CHEST CANARY",
    "TM": "101112.5",
    "UC": "CANARY",
    "UI": "1.2.3.4.5",
    "UN": b"CANARY",
    "UR": "http://canary",
    "US": 5,
    "UT": "CT CHEST CANARY",
}
WORDS = {"SH": "CT"}  # what cleaning leaves of an original; of the others CT CHEST
MOVED = {"DA": "20191206", "DT": "20191206101112.5", "TM": "101112.5"}  # 100 days earlier, the time of day as it was
ZONE = "+0100"


def chosen(*columns: str) -> Options:
    values: dict[str, Any] = {}
    for column in columns:
        values |= OPTIONS[column]
    return Options(**values)


def option_sets(entry: dict[str, str]) -> Iterator[tuple[frozenset[str], Options]]:
    """The profile alone, each option that has an entry in the row, each two of them, and all that have none."""
    own = [column for column in OPTIONS if column in entry]
    for count in range(3):
        for columns in combinations(own, count):
            if {"rtnLongFullDatesOpt", "rtnLongModifDatesOpt"} - set(columns):  # of these two at most one
                yield frozenset(columns), chosen(*columns)
    others = [column for column in OPTIONS if column not in entry and column != "rtnLongFullDatesOpt"]
    yield frozenset(), chosen(*others)


@cache
def tables() -> tuple[Any, Any, Any]:
    folder = files("highdicom") / "_standard"
    names = ("module_attribute_map.json", "iod_module_map.json", "sop_class_iod_map.json")
    first, second, third = (json.loads((folder / name).read_text()) for name in names)
    return first, second, third


@cache
def types(sop_class_uid: str) -> dict[str, int]:
    """The Type by path in one IOD: the strictest of its modules, conditions taken as met."""
    modules, iods, classes = tables()
    found: dict[str, int] = {}
    for module in iods[classes[sop_class_uid]]:
        for attribute in modules[module["key"]]:
            path = ".".join([*attribute["path"], attribute["keyword"]])
            found[path] = min(int(attribute["type"][0]), found.get(path, 3))
    return found


def expected(entry: dict[str, str], columns: frozenset[str], rank: int | None) -> str:
    """One letter: C over K over the profile; a compound code by the Type, the last letter where nobody knows it.

    Z is "zero length, or a non-zero length value that may be a dummy": for references (U*) it is the mapped ones.
    """
    letters = {entry[column] for column in columns}
    code = "C" if "C" in letters else "K" if "K" in letters else entry["basicProfile"]
    parts = code.rstrip("*").split("/")
    if rank == 3:
        return parts[0]
    return "Z" if rank == 2 and "Z" in parts and "U" not in parts else parts[-1]


def original(tag: int) -> DataElement:
    if tag == 0x00091001:
        return DataElement(tag, "LO", "CANARY")
    if tag == 0x00080201:
        return DataElement(tag, "SH", ZONE)
    vr = dictionary_VR(tag)
    if vr != "SQ":
        return DataElement(tag, vr.split(" or ")[0], ORIGINALS[vr])
    probe = item_of(PatientName="CANARY^C", ReferencedSOPInstanceUID="1.2.3.4.5", Rows=77)
    return DataElement(tag, "SQ", [probe])


def holder(tag: int) -> Dataset:
    dataset = Dataset()
    if tag >> 16 & 1:
        dataset.add_new(tag & 0xFFFF0000 | 0x10, "LO", "SOMEBODY")
    dataset.add(original(tag))
    return dataset


def check(tag: int, letter: str, options: Options, out: Dataset) -> None:
    """Compare what is there after with what was there before."""
    element = out.get(tag)
    if letter == "X":
        assert element is None
        return
    if element is None:  # only cleaning may leave nothing
        assert letter == "C"
        assert original(tag).VR == "OB" or tag == 0x00091001, "this can be cleaned"
        return
    before = original(tag)
    assert "CANARY" not in str(element.value).upper() or letter == "K"
    if before.VR == "SQ":
        check_sequence(letter, options, element)
    elif letter == "Z":
        assert not element.value or element.value != before.value
    elif letter == "D":
        assert element.value not in (None, "", b"")
        assert element.value != before.value
    elif letter == "K":
        assert element.value == before.value
    elif letter == "U":
        assert element.value == Double().uid(before.value)
    else:
        check_cleaned(tag, before, element)


def check_sequence(letter: str, options: Options, element: DataElement) -> None:
    if letter == "Z":
        assert len(element.value) == 0
    elif letter == "D":
        assert len(element.value) > 0
        assert "Rows" not in element.value[0]
    else:  # K, C, U: the rules are applied to what is in it
        item = element.value[0]
        uid = "1.2.3.4.5" if options.uids else Double().uid("1.2.3.4.5")
        assert (item.Rows, item.ReferencedSOPInstanceUID) == (77, uid)
        assert item.PatientName == Double().name("CANARY^C")


def check_cleaned(tag: int, before: DataElement, element: DataElement) -> None:
    if tag == 0x00080201:
        assert element.value == ZONE
    elif before.VR in MOVED:
        assert element.value == MOVED[before.VR]
    elif tag >> 24 == 0x50 and before.VR == "US":
        assert element.value == 5
    elif before.VR in {"LO", "LT", "SH", "ST", "UT"}:
        assert element.value == WORDS.get(before.VR, "CT CHEST")
    else:
        assert element.value != before.value


@cache
def rules(options: Options) -> Rules:
    return Rules(options)


def apply(dataset: Dataset, options: Options) -> Dataset:
    return deidentify(dataset, rules(options), Double())


def tags_of(entry: dict[str, str]) -> list[int]:
    return TAGS.get(entry["id"]) or [int(entry["id"], 16)]


def row_id(entry: dict[str, str] | None) -> str:
    return "absent" if entry is None else entry["id"]


@pytest.mark.parametrize("entry", STANDARD or [None], ids=row_id)
def test_the_action_on_every_attribute_is_that_of_the_standard(entry: dict[str, str] | None) -> None:
    if entry is None:
        skip_or_fail("the standard's table (shared/standard beside the repository) is not here")
        return
    kinds = KINDS if "/" in entry["basicProfile"] else KINDS[:1]
    for tag in tags_of(entry):
        for columns, options in option_sets(entry):
            for kind in kinds:
                dataset = instance(kind)
                dataset.update(holder(tag))
                rank = None if kind == PRIVATE_SOP_CLASS else types(kind).get(keyword_for_tag(tag), 3)
                check(tag, expected(entry, columns, rank), options, apply(dataset, options))
            inside = unnested(apply(nested(holder(tag)), options))
            check(tag, expected(entry, columns, 3), options, inside)


@pytest.mark.parametrize("entry", STANDARD or [None], ids=row_id)
def test_the_action_is_the_same_after_the_way_through_a_file(entry: dict[str, str] | None) -> None:
    if entry is None:
        skip_or_fail("the standard's table (shared/standard beside the repository) is not here")
        return
    for tag in tags_of(entry):
        if tag >> 16 in {0x0000, 0x0002}:
            continue  # no part of a data set in a file
        dataset = instance()
        dataset.update(holder(tag))
        for columns, options in option_sets(entry):
            out = reread(apply(reread(dataset), options))
            rank = types(CTImageStorage).get(keyword_for_tag(tag), 3)
            check(tag, expected(entry, columns, rank), options, out)


@pytest.mark.skipif(not STANDARD, reason="the standard's table (shared/standard beside the repository) is not here")
def test_the_shipped_table_is_the_standards() -> None:
    shipped = json.loads((files("node.deidentification") / "profile.json").read_text(encoding="utf-8"))
    assert shipped == profile_table(STANDARD)
    assert len([row for row in rows() if row.is_standard]) == len(STANDARD) == 621


def test_the_shipped_types_are_those_of_highdicom() -> None:
    shipped = json.loads((files("node.deidentification") / "attribute_types.json").read_text(encoding="utf-8"))
    assert shipped == types_table(*highdicom_tables())


def test_every_compound_code_meets_every_type_that_decides_it() -> None:
    """The kinds of object above bring every letter of the compound codes to light."""
    met: dict[str, set[str]] = {}
    for row in rows():
        if "/" in row.basic and row.is_standard and row.tag is not None:
            entry = {"basicProfile": row.basic}
            for kind in KINDS:
                rank = None if kind == PRIVATE_SOP_CLASS else types(kind).get(keyword_for_tag(row.tag), 3)
                met.setdefault(row.basic, set()).add(expected(entry, frozenset(), rank))
    assert met == {code: set(code.rstrip("*").split("/")) - ({"Z"} if "U" in code else set()) for code in met}
