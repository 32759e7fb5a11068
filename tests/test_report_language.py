"""Reports in English, German and Chinese: free text changes, codes never do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from string import Formatter

import pytest
from pydicom import Dataset
from pydicom.charset import python_encoding

from models.findings import Attenuation, LungRads, LungRadsCategory
from models.risk import ScreenedNodule, Size, assess_exam, assess_nodule, fleischner_2017
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import DISCLAIMER
from node.results.forms import Kind
from node.results.language import SENTENCES, Language, say, translated
from node.results.notice import build_notice
from node.results.report_forms import fallback_report
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.result_examples import (
    CONTEXT,
    child,
    comments_of,
    encoded,
    example_findings,
    groups,
    reread,
    with_headers,
)

OTHERS = (Language.GERMAN, Language.CHINESE)
DIAMETERS_MM = (3.0, 5.0, 6.5, 9.0, 16.0, 31.0)


def report_in(language: Language, series: AssembledSeries, count: int = 3) -> Dataset:
    context = replace(CONTEXT, language=language)
    findings = example_findings(series.volume, count)
    return build_report(series, findings, build_segmentation(series, findings, context), context)


def coded(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Value, scheme and meaning of every code but that of the language."""
    items = [
        item for element in dataset.iterall() if element.keyword.endswith("CodeSequence") for item in element.value
    ]
    return [
        (str(item.get("CodeValue")), str(item.CodingSchemeDesignator), str(item.CodeMeaning))
        for item in items
        if item.CodingSchemeDesignator != "RFC5646"
    ]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_says_the_same_values_in_every_language(sentence: str) -> None:
    names = [{name for _, name, _, _ in Formatter().parse(words) if name} for words in (sentence, *SENTENCES[sentence])]
    assert names[0] == names[1] == names[2]
    assert len(SENTENCES[sentence]) == 2
    assert all(words.strip() for words in SENTENCES[sentence])


def test_german_is_written_in_latin_letters_and_chinese_in_chinese() -> None:
    for sentence, (german, chinese) in SENTENCES.items():
        assert not any("\u2e80" <= sign <= "\u9fff" for sign in german), sentence
        assert chinese == chinese.strip()
    assert sum(any("\u4e00" <= sign <= "\u9fff" for sign in chinese) for _, chinese in SENTENCES.values()) > 150


def test_a_sentence_that_no_table_has_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        say("de", "Nobody has translated this")


def test_what_is_not_known_stays_as_it_is() -> None:
    assert translated("de", "Sentence of a model from elsewhere") == "Sentence of a model from elsewhere"


@pytest.mark.parametrize("language", OTHERS)
def test_codes_and_their_meanings_are_those_of_the_english_report(series: AssembledSeries, language: Language) -> None:
    assert coded(report_in(language, series)) == coded(report_in(Language.ENGLISH, series))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("form", [Kind.SR_COMPREHENSIVE, Kind.SR_ENHANCED, Kind.SR_TEXT])
def test_codes_of_the_simpler_forms_do_not_change_either(
    series: AssembledSeries, language: Language, form: Kind
) -> None:
    made = [fallback_report(report_in(one, series), form, CONTEXT) for one in (language, Language.ENGLISH)]
    assert coded(made[0]) == coded(made[1])


@pytest.mark.parametrize(
    ("language", "value"), [(Language.ENGLISH, "en-US"), (Language.GERMAN, "de-DE"), (Language.CHINESE, "zh-CN")]
)
def test_the_report_says_its_language(series: AssembledSeries, language: Language, value: str) -> None:
    said = child(report_in(language, series), "Language of Content Item and Descendants").ConceptCodeSequence[0]
    assert (said.CodeValue, said.CodingSchemeDesignator) == (value, "RFC5646")


def test_a_german_report_reads_like_this(series: AssembledSeries) -> None:
    report = reread(report_in(Language.GERMAN, series))
    said = comments_of(report)
    assert said[:4] == [
        "Nur für Demonstration und Forschung, nicht zur Diagnose",
        "3 Rundherde gefunden",
        "Lungenvolumen 4784 mL: rechts 2381 mL, links 2403 mL",
        "Untersuchung: Lung-RADS v2022 4B (verdächtigster Rundherd)",
    ]
    assert "Warnung: die Lunge ist an der letzten Schicht abgeschnitten" in said
    assert child(groups(report)[0], "Comment").TextValue == "Rundherd 1: solide, 12.0 mm, rechte Lunge, oberes Drittel"


def test_a_chinese_report_reads_like_this(series: AssembledSeries) -> None:
    report = reread(report_in(Language.CHINESE, series))
    assert comments_of(report)[:2] == ["仅供演示和研究，不得用于诊断", "检出3个结节"]
    assert child(groups(report)[0], "Comment").TextValue == "结节1：实性，12.0 mm，右肺上三分之一"
    assert report.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("language", OTHERS)
def test_only_names_of_models_stay_english(series: AssembledSeries, language: Language) -> None:
    english = set(comments_of(report_in(Language.ENGLISH, series)))
    assert not english & set(comments_of(report_in(language, series)))


@pytest.mark.parametrize("language", Language)
def test_what_viewers_match_on_is_the_same_in_all(series: AssembledSeries, language: Language) -> None:
    report = report_in(language, series)
    assert child(groups(report)[0], "Tracking Identifier").TextValue == "Nodule 1"
    assert report.SeriesDescription == "AI Lung nodule report"


@pytest.mark.parametrize(
    ("source_set", "name", "language", "written_set"),
    [
        ("ISO_IR 100", "Müller^Zoë", Language.ENGLISH, "ISO_IR 100"),
        ("ISO_IR 100", "Müller^Zoë", Language.GERMAN, "ISO_IR 100"),
        ("ISO_IR 100", "Müller^Zoë", Language.CHINESE, "ISO_IR 192"),
        ("ISO_IR 144", "Люкceмбypг^Роза", Language.GERMAN, "ISO_IR 192"),
        ("GB18030", "王^小东", Language.CHINESE, "GB18030"),
        (None, "Plain^Name", Language.GERMAN, "ISO_IR 192"),
        (None, "Plain^Name", Language.CHINESE, "ISO_IR 192"),
    ],
)
def test_the_set_of_the_source_is_kept_where_the_words_can_be_written_in_it(
    series: AssembledSeries, source_set: str | None, name: str, language: Language, written_set: str
) -> None:
    """Byte for byte where the set stays, text for text where it must change."""
    named = with_headers(series, SpecificCharacterSet=source_set, PatientName=name)
    report = reread(report_in(language, named, 1))
    assert report.SpecificCharacterSet == written_set
    assert str(report.PatientName) == name
    assert comments_of(report)[0] == say(language, DISCLAIMER)
    if source_set == written_set:
        assert name.encode(python_encoding[written_set]) in encoded(report)


def notices(language: Language, series: AssembledSeries) -> list[str]:
    context = replace(CONTEXT, language=language)
    reason = "the distance between slices 12 and 13 is 14.0 mm"
    return comments_of(build_notice(series.headers, "SLICE_GAP", reason, context)[0])


def test_a_notice_says_the_meaning_of_its_code_and_the_sentence_as_it_was(series: AssembledSeries) -> None:
    assert notices(Language.GERMAN, series) == [
        "NICHT VERARBEITET - Schichtabstände ungleich, Schichten fehlen - kein negativer Befund",
        "Im Einzelnen (englisch): the distance between slices 12 and 13 is 14.0 mm",
        "Grund, Code: SLICE_GAP",
        "In dieser Serie wurde nicht nach Rundherden gesucht. "
        "Aus fehlenden Markierungen darf nichts geschlossen werden.",
        "Nur für Demonstration und Forschung, nicht zur Diagnose",
    ]
    assert notices(Language.CHINESE, series)[0] == "未处理 - 层间距不均匀，缺少层面 - 并非阴性结果"


@pytest.mark.parametrize("code", [*codes.REASONS, "SOMETHING_NEW"])
def test_every_reason_has_words_in_every_language(code: str) -> None:
    meaning = codes.REASONS.get(code, codes.OTHER_REASON).meaning
    for language in OTHERS:
        assert say(language, meaning) != meaning


def verdicts() -> Iterator[LungRads]:
    """What a baseline screen can be given, of one nodule and of an examination."""
    for diameter_mm in DIAMETERS_MM:
        for attenuation in Attenuation:
            for solid in (None, Size(mean_diameter_mm=4.0)) if attenuation is Attenuation.PART_SOLID else (None,):
                yield assess_nodule(ScreenedNodule(attenuation, Size(mean_diameter_mm=diameter_mm), solid_size=solid))
    yield assess_exam([])


@pytest.mark.parametrize("language", OTHERS)
def test_every_basis_of_lung_rads_is_translated_to_its_last_word(language: Language) -> None:
    for verdict in verdicts():
        for said in (verdict.basis, assess_exam([verdict]).basis, assess_exam([verdict, verdict]).basis):
            assert_no_english(translated(language, said))
    assert {verdict.category for verdict in verdicts()} > {None, LungRadsCategory.BENIGN}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("multiple", [False, True])
def test_every_advice_of_fleischner_is_translated_to_its_last_word(language: Language, multiple: bool) -> None:
    for diameter_mm in DIAMETERS_MM:
        for attenuation in Attenuation:
            for solid_mm in (None, 3.0, 7.0):
                for high_risk in (None, False, True):
                    advice = fleischner_2017(attenuation, diameter_mm, multiple, high_risk, solid_mm)
                    assert_no_english(translated(language, f"nodule 1: {advice.basis}"))
                    assert_no_english(translated(language, advice.recommendation or "undetermined"))


def assert_no_english(said: str) -> None:
    words = {"the", "of", "or", "at", "by", "is", "not", "and", "solid", "nodule", "nodules", "months", "risk", "then"}
    assert not words & set(said.replace(",", " ").replace(";", " ").replace(":", " ").split()), said
