"""The action C: texts, codes, dates and content trees, and what is left of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage

from node.deidentification.cleaning import cleaned_code, cleaned_text
from node.deidentification.profile import Dates
from node.deidentification.temporal import moved
from tests.deidentification_examples import Double, encoded, instance, item_of, reread, through

# Texts


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CHEST CT 5 mm JOHN DOE", "CHEST CT 5 mm"),
        ("Thorax^1.25mm_B30f (Adult)", "Thorax 1.25mm B30f"),
        ("Nodule 1, 8.5 x 6 mm, seen by Dr. Wilson 1956-03-12", "Nodule 1, 8.5 x 6 mm, seen by"),
        ("w/o contrast; 120 kV, 80mAs", "w/o contrast; 120 kV, 80mAs"),
        ("胸部 CT 1.0 mm", "CT 1.0 mm"),
        ("call 0551 123 456 for the report", "for the report"),
        ("LOW DOSE\r\nLUNG\\CHEST", "LOW DOSE LUNG CHEST"),
        ("no nodule", "no nodule"),
        ("3 nodules detected in 7 DOE", "3 nodules detected in"),
        ("Lung-RADS v2022 4B, seen by DOE", "Lung-RADS v2022 4B, seen by"),
    ],
)
def test_words_of_protocols_and_measures_stay(text: str, left: str) -> None:
    assert cleaned_text(text) == left


@pytest.mark.parametrize(
    "text", ["JOHN DOE", "Müller", "19560312", "4711", "山田^太郎", "", " - ", "J.D. (56)", "J0HN", "B1234"]
)
def test_a_text_of_nothing_else_leaves_nothing(text: str) -> None:
    assert cleaned_text(text) is None


def test_a_name_hidden_in_a_word_of_the_vocabulary_goes() -> None:
    assert cleaned_text("CTDOE CHESTDOE DOE-CT CT_DOE") == "CT CT"


def test_a_very_long_text_takes_no_long_time() -> None:
    assert cleaned_text("A1-" * 100_000) is None


# Codes


def code(value: str, scheme: str, meaning: str) -> Dataset:
    return item_of(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def cleaned(value: str, scheme: str, meaning: str) -> tuple[str, str, str]:
    out = cleaned_code(code(value, scheme, meaning), Double().identifier)
    return out.CodeValue, out.CodingSchemeDesignator, out.CodeMeaning


def test_a_code_of_the_standard_stays_with_the_meaning_that_the_standard_has() -> None:
    assert cleaned("39607008", "SCT", "Lung") == ("39607008", "SCT", "Lung")
    assert cleaned("39607008", "SCT", "Both lungs") == ("39607008", "SCT", "Both lungs")
    assert cleaned("121106", "DCM", "Comment of DOE") == ("121106", "DCM", "Comment")


@pytest.mark.parametrize(
    ("unit", "meaning"), [("mm", "mm"), ("1", "no units"), ("{pixels}", "pixels"), ("{-1:1}", "r")]
)
def test_units_stay(unit: str, meaning: str) -> None:
    assert cleaned(unit, "UCUM", meaning)[:2] == (unit, "UCUM")


@pytest.mark.parametrize(("value", "scheme"), [("77", "99DOE"), ("DOE^JANE", "SCT"), ("{DOE}", "UCUM"), ("", "DCM")])
def test_a_code_of_a_local_scheme_becomes_a_pseudonym(value: str, scheme: str) -> None:
    first, second = cleaned(value, scheme, "DOE"), cleaned(value, scheme, "DOE")
    assert first == second
    assert first[1:] == ("99LOCAL", "REMOVED")
    assert "DOE" not in first[0]


# Dates


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DA", "20200301", "20200229"),
        ("DA", "2020.03.01", "20200229"),
        ("DA", "00010101", None),
        ("DA", "20201301", None),
        ("DA", "DOE", None),
        ("DT", "20200301", "20200229"),
        ("DT", "20200301101112.123456+0100", "20200229101112.123456+0100"),
        ("DT", "202003", "202002"),
        ("DT", "2020", "2020"),
        ("DT", "2020-03-01", None),
        ("TM", "101112.5", "101112.5"),
        ("TM", "10:11:12", "10:11:12"),
        ("TM", "DOE", None),
        ("SH", "+0100", None),
    ],
)
def test_dates_move_by_a_day_and_what_is_no_date_is_none(vr: str, value: str, expected: str | None) -> None:
    assert moved(0x00080020, vr, value, timedelta(days=-1)) == expected


def test_intervals_stay() -> None:
    out = through(instance(StudyDate="20200228", SeriesDate="20200301"), dates=Dates.MODIFIED)
    assert (out.StudyDate, out.SeriesDate) == ("20191120", "20191122")


# Structured reports


def concept(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [code(value, scheme, meaning)]


def content(value_type: str, name: list[Dataset], **values: Any) -> Dataset:
    return item_of(RelationshipType="CONTAINS", ValueType=value_type, ConceptNameCodeSequence=name, **values)


def number(value: str, unit: str) -> list[Dataset]:
    return [item_of(NumericValue=value, MeasurementUnitsCodeSequence=[code(unit, "UCUM", unit)])]


def report() -> Dataset:
    measured = content("NUM", concept("103339001", "SCT", "Long axis"), MeasuredValueSequence=number("8", "mm"))
    group = content("CONTAINER", concept("125007", "DCM", "Measurement Group"), ContentSequence=[measured])
    group.ContentSequence.append(content("TEXT", concept("121106", "DCM", "Comment"), TextValue="Solid, seen by DOE"))
    return instance(
        ComprehensiveSRStorage,
        PatientID="4711",
        ContentSequence=[
            content("PNAME", concept("121008", "DCM", "Person Observer Name"), PersonName="DOE^JANE"),
            content("TEXT", concept("121013", "DCM", "Device Observer Name"), TextValue="DOE-CT-7"),
            content("NUM", concept("121033", "DCM", "Subject Age"), MeasuredValueSequence=number("77", "a")),
            content("DATE", concept("121031", "DCM", "Subject Birth Date"), Date="19430101"),
            content("DATETIME", concept("111526", "DCM", "DateTime Started"), DateTime="20200409101112"),
            content("UIDREF", concept("121012", "DCM", "Device Observer UID"), UID="1.2.3.9"),
            content("CODE", concept("7", "99DOE", "By DOE"), ConceptCodeSequence=[code("8", "99DOE", "DOE")]),
            group,
        ],
    )


def types_of(out: Dataset) -> list[str]:
    return [item.ValueType for item in out.ContentSequence]


def test_a_cleaned_report_keeps_its_tree_and_numbers_and_names_nobody() -> None:
    out = reread(through(report(), clean_structured_content=True, dates=Dates.MODIFIED))

    assert types_of(out) == ["PNAME", "TEXT", "DATETIME", "UIDREF", "CODE", "CONTAINER"]
    assert out.ContentSequence[2].DateTime == "20191231101112"
    assert Double().uid("1.2.3.9") == out.ContentSequence[3].UID
    measured, comment = out.ContentSequence[-1].ContentSequence
    assert measured.MeasuredValueSequence[0].NumericValue == 8
    assert measured.ConceptNameCodeSequence[0].CodeMeaning == "Long axis"
    assert comment.TextValue == "Solid, seen by"
    assert b"DOE" not in encoded(out)
    assert b"1943" not in encoded(out)


def test_age_stays_with_the_characteristics_of_the_patient_and_a_device_with_its_identity() -> None:
    out = through(report(), clean_structured_content=True, patient_characteristics=True, device_identity=True)

    assert types_of(out)[2] == "NUM"
    assert out.ContentSequence[1].TextValue == "DOE-CT-7"
    assert "19430101" not in str(out)


def test_a_report_under_the_profile_alone_has_one_dummy_for_its_content() -> None:
    (item,) = through(report()).ContentSequence
    assert (item.ValueType, item.TextValue) == ("TEXT", "REMOVED")


# Graphics


def presentation_state() -> Dataset:
    text = item_of(UnformattedTextValue="LUNG of DOE", AnchorPoint=[1.0, 2.0])
    line = item_of(GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0])
    annotation = item_of(GraphicLayer="LAYER1", TextObjectSequence=[text], GraphicObjectSequence=[line])
    return instance(GrayscaleSoftcopyPresentationStateStorage, GraphicAnnotationSequence=[annotation])


def test_cleaned_graphics_keep_lines_and_lose_names() -> None:
    (annotation,) = through(presentation_state(), clean_graphics=True).GraphicAnnotationSequence
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "LUNG of"
    assert annotation.GraphicObjectSequence[0].GraphicData == [1, 2, 3, 4]
    assert annotation.GraphicLayer == "LAYER1"


def test_graphics_under_the_profile_alone_are_one_dummy() -> None:
    (annotation,) = through(presentation_state()).GraphicAnnotationSequence
    assert "TextObjectSequence" not in annotation
    assert annotation.GraphicLayer == "REMOVED"


def test_a_cleaned_ae_title_is_a_pseudonym() -> None:
    source = instance(StationAETitle="DOE_CT", PerformedStationAETitle=["A", "B"])
    out = through(source, device_identity=True)
    assert out.StationAETitle == Double().identifier("AE title", "DOE_CT")
    assert len(set(out.PerformedStationAETitle)) == 2
