"""The analyser: what it passes on, what it refuses, and what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydicom import Dataset

from models.findings import Attenuation, LungRadsCategory, PatientFacts
from models.volume import AIR_HU, Volume
from node.analysis.analyser import Analyser
from node.analysis.identity import rule_based_models, source_digest
from node.analysis.patient import patient_facts
from node.errors import AnalysisError, ConfigError
from training.phantom_small import small_phantom


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
    return Analyser.create("cpu", None)


def test_the_findings_of_a_phantom_are_those_that_were_planted(analyser: Analyser) -> None:
    phantom = small_phantom()
    findings = analyser.analyse(phantom.volume, PatientFacts(age_years=62.0, female=True))
    for planted in phantom.nodules:
        distances = [
            np.linalg.norm(np.subtract(nodule.center_lps_mm, planted.center_lps_mm)) for nodule in findings.nodules
        ]
        assert min(distances) < planted.diameter_mm / 2, planted
    assert [nodule.id for nodule in findings.nodules] == list(range(1, len(findings.nodules) + 1))
    assert set(findings.timings_s) == {"lungs", "nodules", "scores"}
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
    air = Volume(np.full((40, 64, 64), AIR_HU, dtype=np.int16), np.diag([5.0, 4.0, 4.0, 1.0])[:, [2, 1, 0, 3]])
    with pytest.raises(AnalysisError) as refused:
        analyser.analyse(air, PatientFacts())
    assert refused.value.reason_code == "NO_LUNGS"


def test_another_threshold_is_another_analysis(analyser: Analyser) -> None:
    assert analyser.fingerprint != Analyser.create("cpu", 0.9).fingerprint


def test_a_device_that_is_not_there_is_no_silent_fallback() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=f"cuda:{count}"):
        Analyser.create(f"cuda:{count}", None)


def test_the_identity_of_the_rules_is_a_digest_of_their_code() -> None:
    assert {model.sha256 for model in rule_based_models()} == {source_digest("models")}
    assert all("not for diagnosis" in model.intended_use for model in rule_based_models())
