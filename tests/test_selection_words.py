"""What words of many languages and vendors say of a series, and that they order what nothing else tells apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.series.preferences import PREFERENCES, Preference
from node.series.ranking import body_part
from node.series.rules import SelectionRules
from node.series.selection import SeriesSummary, select
from node.series.words import fits, words_of

RULES = SelectionRules()
PLAIN = SeriesSummary(
    series_instance_uid="1.2.1",
    modality="CT",
    is_ct=True,
    slice_count=300,
    image_types=(("ORIGINAL", "PRIMARY", "AXIAL"),),
    tilt_degrees=0.0,
    slice_distance_mm=1.0,
    thickness_mm=1.0,
    resolution_mm=1.0,
    extent_mm=299.0,
    convolution_kernel="Br40d",
    series_number=2,
)
CHEST, UNSAID, ELSEWHERE = range(3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Thorax_COR-3mm", "thorax cor 3mm"),
        ("胸部CT平扫", "胸部 ct 平扫"),
        ("GÖĞÜS BT", "gogus bt"),
        ("AKCİĞER", "akciger"),
        ("klatka piersiowa – płuca", "klatka piersiowa pluca"),
        ("ＣＨＥＳＴ　１．０", "chest 1 0"),
        ("To\u0301rax", "torax"),
        ("Gated 0.0%", "gated 0 %"),
        ("ทรวงอก1mm", "ทรวงอก 1mm"),
    ],
)
def test_texts_become_words_without_accents_in_any_script(text: str, words: str) -> None:
    assert words_of(text) == words


def test_a_pattern_may_be_written_with_accents() -> None:
    assert fits(words_of("GÖĞÜS"), r"\bgöğüs\b")
    assert fits(words_of("КТ ЛЁГКИХ"), "лёгк")
    assert fits(words_of("폐 CT"), "폐")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "CT CHEST W/O CONTRAST",
            "Thx Abd 1.0 Br40",
            "Hals Thorax 1.0",
            "TORAX ABDOMEN 1MM",
            "Tórax",
            "TORACE 1.0 Br40",
        ),
        *("LUNGE", "Lungenfenster", "poumons", "parenchyme pulmonaire", "polmoni", "pulmón", "RX PECHO", "Toraks BT"),
        *(
            "klatka piersiowa",
            "TK płuc",
            "hrudník",
            "CT plíce",
            "mellkas",
            "tüdő",
            "plămâni",
            "pluća",
            "GÖĞÜS",
            "Akciğer",
        ),
        *("keuhkot", "keuhkojen TT", "borstkas", "longen", "brystkasse", "bröstkorg", "rintakehä"),
        *("Органы грудной клетки", "КТ лёгких", "ОГК", "легені", "гръден кош"),
        *("胸部 1.0mm", "肺窗 1.25", "胸部平扫", "肺野", "흉부 CT", "폐", "θώρακας", "ΘΩΡΑΚΟΣ", "πνεύμονες"),
        *("الصدر", "رئة", "קפה חזה", "ריאות", "छाती", "ทรวงอก", "CAP", "TAP", "CT_CHEST/ABD", "ngực"),
    ],
)
def test_chest_is_understood_in_many_languages(text: str) -> None:
    for name in (
        "series_description",
        "body_part_examined",
        "protocol_name",
        "requested_procedure",
        "study_description",
    ):
        assert body_part(replace(PLAIN, **{name: text}), RULES) == (CHEST, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("ABDOMEN", "Abd 5.0", "HEAD", "Schädel", "BWS", "Darstellung Becken", "cabeza", "cou", "rachis thoracique"),
        *(
            "columna toracica",
            "thoracic spine",
            "jamy brzusznej",
            "břicho",
            "karın",
            "голова",
            "брюшная полость",
            "таза",
        ),
        *("腹部", "头颅", "頭部", "복부", "두부", "κοιλιά", "البطن", "בטן"),
    ],
)
def test_another_part_is_understood_in_many_languages(text: str) -> None:
    assert body_part(replace(PLAIN, series_description=text), RULES)[0] == ELSEWHERE


@pytest.mark.parametrize("text", ["", "2.5MM STANDARD", "AX 1.25", "Darstellung", "Verteilungen", "Standard", "series"])
def test_what_names_no_part_says_nothing(text: str) -> None:
    assert body_part(replace(PLAIN, series_description=text), RULES)[0] == UNSAID


def test_what_is_written_for_the_series_is_believed_before_the_study() -> None:
    of_study = replace(PLAIN, body_part_examined="CHEST", study_description="CT Thorax/Abdomen")
    abdomen = replace(of_study, series_description="Abdomen 1.0")
    thorax = replace(of_study, series_instance_uid="1.2.2", series_number=3, series_description="Thorax 1.0")
    assert select([abdomen, thorax], RULES).candidates == ("1.2.2", "1.2.1")
    neck = replace(PLAIN, body_part_examined="NECK", study_description="CT NECK CHEST")
    unnamed = replace(PLAIN, series_instance_uid="1.2.2", series_number=3, study_description="CT NECK CHEST")
    assert select([neck, unnamed], RULES).candidates == ("1.2.2", "1.2.1")


# (what stands behind, what may stand beside it)
BEHIND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a scout, page or projection": (
        ("SCOUT", "Topogram  0.6  T20f", "Dose Report", "Patient Protocol", "CHEST MIP 8mm", "胸部MIP", "4D Average"),
        ("Thorax 1.0", "Lung 3D 0.75"),
    ),
    "bolus tracking": (("PreMonitoring", "Bolus", "Smart Prep", "TestBolus timing"), ("Thorax venous",)),
    "a subtraction or virtual image": (
        *(("VNC", "Virtual non contrast", "Monoenergetic 40 keV", "Mono+ 70 keV", "Iodine Map", "Lung PBV", "SUB"),),
        ("True non contrast", "sub mm 0.75", "80 kV"),
    ),
    "CT for attenuation correction": (
        ("CT AC WB 3.0", "CTAC", "Attenuation Corr", "CT WB Schwächungskorrektur"),
        ("Diagnostic CT, no AC", "Thorax 3.0"),
    ),
    "expiration": (
        *(("EXP 1.0", "Thorax Exspiration", "EXSP", "espirazione", "espiración", "wydech", "výdech", "выдох"),),
        ("INSP", "Insp/Exp", "Inspiration 1.0", "einatmung", "вдох", "吸气"),
    ),
    "a patient who lies prone or on one side": (
        ("HRCT PRONE", "Bauchlage", "decubito prono", "俯卧位", "left decubitus"),
        ("supine", "Rückenlage"),
    ),
    "a gated phase": (
        ("Gated 50%", "4DCT", "4D CT", "0%", "100%Ex", "75 %", "BestDiast 75 %", "ECG retro", "T=30%", "CorCTA 320 ms"),
        ("ASiR 40%", "30% ASIR-V", "ungated", "CARE Dose 4D", "Thorax 1.0"),
    ),
    "a reformat": (("Thorax_COR-3mm", "sagittal", "MPR ax", "oblique", "冠状位"), ("Axial 1.0", "Record")),
}
TOLD = {rule.name: rule for rule in (*RULES.pictures, *RULES.preferences)}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (behind, _) in BEHIND.items() for text in behind])
def test_a_series_stands_behind_by_its_words_with_the_reason(name: str, text: str) -> None:
    chest = replace(PLAIN, study_description="CT Thorax")
    fitting = replace(chest, series_description=text, resolution_mm=0.6, series_number=1)
    other = replace(chest, series_instance_uid="1.2.2", resolution_mm=5.0)
    selection = select([fitting, other], RULES)
    assert selection.candidates == ("1.2.2", "1.2.1")
    assert f"Series Description speaks of {name} here: {TOLD[name].reason}" in selection.reasons["1.2.1"]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, beside) in BEHIND.items() for text in beside])
def test_words_that_only_look_alike_put_nothing_behind(name: str, text: str) -> None:
    assert TOLD[name].spoken_in(replace(PLAIN, series_description=text).words) is None


@pytest.mark.parametrize("text", ["Body 1.0 CE AIDR 3D STD", "Lung 1.0 AIDR 3D eSTD", "0.5 Volume AIDR3D"])
def test_aidr_3d_is_a_reconstruction_and_no_3d_picture(text: str) -> None:
    for image_types in ((), (("ORIGINAL", "PRIMARY", "AXIAL"),), (("DERIVED", "PRIMARY", "AXIAL"),)):
        one = replace(PLAIN, series_description=text, image_types=image_types)
        assert TOLD["a 3D picture"].spoken_in(one.words) is None


def test_a_3d_picture_stands_behind_slices_that_were_made_for_3d() -> None:
    picture = replace(
        PLAIN, series_description="Lung 3D", image_types=(("DERIVED", "SECONDARY", "3D"),), series_number=1
    )
    slices = replace(PLAIN, series_instance_uid="1.2.2", series_description="Lung 0.75 for 3D")
    assert select([picture, slices], RULES).candidates == ("1.2.2", "1.2.1")


@pytest.mark.parametrize("position", ["HFP", "FFP", "HFDR", "FFDL"])
def test_a_supine_patient_goes_before_another_position(position: str) -> None:
    prone = replace(PLAIN, patient_position=position, series_number=1)
    supine = replace(PLAIN, series_instance_uid="1.2.2", patient_position="HFS")
    selection = select([prone, supine], RULES)
    assert selection.chosen == "1.2.2"
    assert "Patient Position speaks of a patient who lies prone" in selection.reasons["1.2.1"]


@pytest.mark.parametrize(
    "best_first",
    [
        ["4D 0%", "4D 90%", "4D 20%", "4D 50%"],
        ["4DCT 100%Ex", "4DCT 75%In", "4DCT 25%Ex", "4DCT 0%In"],
        ["CorCTA 75 %", "CorCTA 70 %", "CorCTA 40 %"],
        ["Thorax 1.0", "Gated 0.0%", "Gated 50.0%"],
    ],
)
def test_of_gated_phases_the_one_of_best_inspiration_is_tried_first(best_first: list[str]) -> None:
    series = [
        replace(PLAIN, series_instance_uid=f"1.2.{number}", series_number=-number, series_description=text)
        for number, text in enumerate(best_first)
    ]
    assert select(series, RULES).candidates == tuple(one.series_instance_uid for one in series)


def test_the_phase_of_the_heart_is_read_from_its_own_attribute() -> None:
    systole, diastole = (
        replace(PLAIN, series_instance_uid=f"1.2.{percent}", phase_percent=percent) for percent in (40.0, 75.0)
    )
    assert select([systole, diastole], RULES).chosen == "1.2.75.0"


def test_a_picture_of_the_chest_goes_behind_slices_of_a_part_that_nobody_named() -> None:
    picture = replace(PLAIN, series_description="Thorax MIP")
    slices = replace(PLAIN, series_instance_uid="1.2.2", series_description="Body 1.0")
    assert select([picture, slices], RULES).chosen == "1.2.2"


def test_a_virtual_image_of_the_chest_goes_before_an_abdomen() -> None:
    virtual = replace(PLAIN, series_description="Thorax VNC")
    abdomen = replace(PLAIN, series_instance_uid="1.2.2", series_number=1, series_description="Abdomen 1.0")
    assert select([virtual, abdomen], RULES).chosen == "1.2.1"


def test_a_site_can_add_a_rule_of_its_own() -> None:
    own = Preference("the old scanner", "it is out of calibration", (r"\bct2\b",), (), ("protocol_name",))
    rules = SelectionRules(preferences=(own, *PREFERENCES))
    old = replace(PLAIN, protocol_name="CT2 Thorax", series_number=1)
    new = replace(PLAIN, series_instance_uid="1.2.2", protocol_name="CT1 Thorax")
    assert select([old, new], RULES).chosen == "1.2.1"
    selection = select([old, new], rules)
    assert selection.chosen == "1.2.2"
    assert selection.reasons["1.2.1"].endswith("Protocol Name speaks of the old scanner here: it is out of calibration")
