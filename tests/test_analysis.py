"""The analyser: what it passes on, what it refuses, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydicom import Dataset

from models.detector_masses import Mass
from models.findings import (
    AnalysisRefused,
    Attenuation,
    Candidate,
    LungRads,
    LungRadsCategory,
    Lungs,
    Malignancy,
    NoduleMeasurement,
    PatientFacts,
    PatientRisk,
)
from models.volume import AIR_HU, Volume
from node.analysis.analyser import Analyser
from node.analysis.assessment import exam_category, unmarked_bodies
from node.analysis.choice import ModelChoice
from node.analysis.identity import rule_identity, source_digest
from node.analysis.patient import patient_facts
from node.errors import AnalysisError, ConfigError
from training.phantom_small import small_phantom

RULES_ALONE = ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None)


def header(**attributes: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("attributes", "age", "female"),
    [
        ({"PatientAge": "062Y", "PatientSex": "F"}, 62.0, True),
        ({"PatientAge": "018M", "PatientSex": "M"}, 1.5, False),
        ({"PatientBirthDate": "19600301", "StudyDate": "20260301", "PatientSex": "O"}, 66.0, None),
        ({"PatientAge": "70Y"}, None, None),
        ({"PatientBirthDate": "19600301"}, None, None),
        ({"PatientBirthDate": "20270101", "StudyDate": "20260301"}, None, None),
        ({}, None, None),
    ],
)
def test_age_and_sex_are_read_and_never_guessed(
    attributes: dict[str, str], age: float | None, female: bool | None
) -> None:
    with pytest.warns(UserWarning, match="AS") if attributes.get("PatientAge") == "70Y" else _nothing():
        facts = patient_facts(header(**attributes))
    assert facts.female is female
    assert facts.age_years == (pytest.approx(age, abs=0.01) if age is not None else None)


class _nothing:  # noqa: N801 - stands where a context manager is expected
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.create("cpu", None, RULES_ALONE)


def test_the_findings_of_a_phantom_are_those_that_were_planted(analyser: Analyser) -> None:
    phantom = small_phantom()
    findings = analyser.analyse(phantom.volume, PatientFacts(age_years=62.0, female=True))
    for planted in phantom.nodules:
        distances = [
            np.linalg.norm(np.subtract(nodule.center_lps_mm, planted.center_lps_mm)) for nodule in findings.nodules
        ]
        assert min(distances) < planted.diameter_mm / 2, planted
    assert [nodule.id for nodule in findings.nodules] == list(range(1, len(findings.nodules) + 1))
    assert set(findings.timings_s) == {"lungs", "detection", "measurement", "scores"}
    for nodule in findings.nodules:
        assert nodule.brock.low < nodule.brock.high
        assert "upper lobe" in nodule.brock.unknown
        assert "age" not in nodule.brock.unknown


def test_the_exam_has_the_category_of_its_most_suspicious_nodule(analyser: Analyser) -> None:
    phantom = small_phantom(shape=(120, 160, 160), spacing_kji_mm=(2.5, 2.2, 2.2))
    findings = analyser.analyse(phantom.volume, PatientFacts())
    solid = [nodule for nodule in findings.nodules if nodule.measurement.attenuation is Attenuation.SOLID]
    largest = max(nodule.measurement.mean_diameter_mm for nodule in solid)
    assert findings.lung_rads.category == (
        LungRadsCategory.SUSPICIOUS_4B if largest >= 15 else LungRadsCategory.SUSPICIOUS_4A
    )


def test_slices_too_thick_for_lung_rads_leave_the_exam_undetermined(analyser: Analyser) -> None:
    findings = analyser.analyse(small_phantom().volume, PatientFacts())
    assert findings.nodules
    assert findings.lung_rads.category is None
    assert "5.0 mm apart" in findings.lung_rads.basis


def test_every_report_says_what_was_not_searched_for(analyser: Analyser) -> None:
    findings = analyser.analyse(small_phantom().volume, PatientFacts())
    assert any("masses above 30 mm" in warning for warning in findings.warnings)


def test_no_lungs_is_a_refusal_with_a_code(analyser: Analyser) -> None:
    hu = np.full((40, 64, 64), AIR_HU, dtype=np.int16)
    hu[:, 20:44, 20:44] = 40
    with pytest.raises(AnalysisError) as refused:
        analyser.analyse(Volume(hu, np.diag([5.0, 4.0, 4.0, 1.0])[:, [2, 1, 0, 3]]), PatientFacts())
    assert refused.value.reason_code == "NO_LUNGS"


def test_another_threshold_is_another_analysis(analyser: Analyser) -> None:
    assert analyser.fingerprint != Analyser.create("cpu", 0.9, RULES_ALONE).fingerprint


def test_a_device_that_is_not_there_is_no_silent_fallback() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=f"cuda:{count}"):
        Analyser.create(f"cuda:{count}", None, RULES_ALONE)


def test_the_identity_of_the_rules_is_a_digest_of_their_code() -> None:
    assert rule_identity().sha256 == source_digest("models")
    assert "not for diagnosis" in rule_identity().intended_use


def test_a_constant_image_is_refused_before_anything_runs(analyser: Analyser) -> None:
    grey = Volume(np.full((40, 64, 64), -500, dtype=np.int16), np.diag([5.0, 4.0, 4.0, 1.0])[:, [2, 1, 0, 3]])
    with pytest.raises(AnalysisError) as refused:
        analyser.analyse(grey, PatientFacts())
    assert refused.value.reason_code == "CONSTANT_IMAGE"


def test_a_network_that_gives_no_numbers_is_no_negative_result(analyser: Analyser) -> None:
    class Broken:
        threshold = 0.5

        def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
            raise FloatingPointError("the detector gave NaN")

    broken = replace(analyser, models=replace(analyser.models, detector=Broken()))
    with pytest.raises(AnalysisError, match="the detector gave NaN") as refused:
        broken.analyse(small_phantom().volume, PatientFacts())
    assert refused.value.reason_code == "NOT_FINITE"


def test_a_patient_score_that_does_not_suit_the_scan_is_said_and_the_rest_stands(analyser: Analyser) -> None:
    class Choosy:
        def risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:
            raise AnalysisRefused("THICK_SLICES", "slices thicker than 5 mm")

    choosy = replace(analyser, models=replace(analyser.models, patient=Choosy()))
    findings = choosy.analyse(small_phantom().volume, PatientFacts())
    assert findings.patient_risk is None
    assert findings.nodules
    assert "no score of the patient: slices thicker than 5 mm" in findings.warnings


def test_learned_scores_stand_beside_their_nodules(analyser: Analyser) -> None:
    class ByVolume:
        def scores(self, volume: Volume, lungs: Lungs, measured: Sequence[NoduleMeasurement]) -> tuple[Malignancy, ...]:
            return tuple(Malignancy(nodule.volume_mm3 / 1e5, "Volume", "size") for nodule in measured)

    scoring = replace(analyser, models=replace(analyser.models, malignancy=ByVolume()))
    findings = scoring.analyse(small_phantom().volume, PatientFacts())
    for nodule in findings.nodules:
        assert nodule.malignancy is not None
        assert nodule.malignancy.probability == nodule.measurement.volume_mm3 / 1e5


def test_a_large_body_that_is_no_marked_nodule_is_pointed_out(analyser: Analyser) -> None:
    phantom = small_phantom()
    findings = analyser.analyse(phantom.volume, PatientFacts())
    suspect = findings.nodules[0]
    body = Mass(suspect.measurement.center_kji, 40.0)
    assert unmarked_bodies([body], findings.nodules, phantom.volume, findings.lungs) == ()
    (said,) = unmarked_bodies([body], (), phantom.volume, findings.lungs)
    assert said.startswith(f"soft tissue of about 40 mm in the {suspect.side.value} lung")
    assert not any("soft tissue of about" in warning for warning in findings.warnings)


def test_a_large_body_that_is_no_marked_nodule_leaves_the_exam_undetermined() -> None:
    thin = small_phantom((), shape=(30, 60, 60), spacing_kji_mm=(2.5, 5.0, 5.0)).volume
    negative = LungRads(LungRadsCategory.NEGATIVE, "no nodule")
    assert exam_category(negative, thin, ()) == negative
    unsure = exam_category(negative, thin, ("soft tissue of about 59 mm in the left lung",))
    assert unsure.category is None
    assert unsure.basis == "soft tissue of about 59 mm in the left lung; by what was marked: 1"


def test_the_advice_is_for_the_most_suspicious_nodule_and_says_whom_it_is_for(analyser: Analyser) -> None:
    advice = analyser.analyse(small_phantom().volume, PatientFacts(age_years=62.0)).follow_up
    assert advice is not None
    assert advice.guideline == "Fleischner 2017"
    assert advice.applies is None
    young = analyser.analyse(small_phantom().volume, PatientFacts(age_years=30.0)).follow_up
    assert young is not None
    assert young.applies is False
