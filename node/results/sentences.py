"""The sentences of a report in the reader's language, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence

from models.findings import Findings, FollowUp, LungRads, Malignancy, Nodule, PatientRisk, RiskRange, Uncertainty
from node.results.context import DISCLAIMER
from node.results.envelope import location
from node.results.language import Language, say, translated

ENGLISH = Language.ENGLISH
_BROCK, _BROCK_SPICULATED = "Brock 2a", "Brock 2b"  # McWilliams 2013, doi:10.1056/NEJMoa1214726


def report_sentences(notes: Sequence[str], findings: Findings, language: Language = ENGLISH) -> list[str]:
    """Say all that the report says of the examination and of each nodule; the disclaimer leads.

    Parameters
    ----------
    notes
        Of the assembly and of the source's attributes, in English.
    """
    lungs, nodules = findings.lungs, findings.nodules
    volumes = {"both": lungs.volume_ml, "right": lungs.right_ml, "left": lungs.left_ml}
    warnings = (*findings.warnings, *lungs.warnings)
    return [
        say(language, DISCLAIMER),
        _count(len(nodules), language),
        say(
            language,
            "Lung volume {both} mL: right {right} mL, left {left} mL",
            **{name: f"{ml:.0f}" for name, ml in volumes.items()},
        ),
        say(language, "Examination: {text}", text=assessment(findings.lung_rads, language)),
        *patient_sentences(findings.patient_risk, language),
        *_highest_risk(nodules, language),
        *follow_up_sentences(findings.follow_up, language),
        *(_nodule_sentence(nodule, language) for nodule in nodules),
        *(_of(nodule, translated(language, said), language) for nodule in nodules for said in nodule.warnings),
        *(say(language, "Warning: {text}", text=translated(language, said)) for said in warnings),
        *(say(language, "Note: {text}", text=translated(language, said)) for said in notes),
        *(
            say(language, "Model {name} {version}, sha256 {sha256}", name=m.name, version=m.version, sha256=m.sha256)
            for m in findings.models
        ),
    ]


def label(nodule: Nodule, language: Language = ENGLISH) -> str:
    """What a viewer writes beside the mark."""
    return say(
        language,
        "{name}: {kind}, {diameter} mm, {place}",
        name=nodule_name(nodule, language),
        kind=translated(language, nodule.measurement.attenuation.value.replace("_", "-")),
        diameter=f"{nodule.measurement.mean_diameter_mm:.1f}",
        place=translated(language, location(nodule)),
    )


def nodule_name(nodule: Nodule, language: Language = ENGLISH) -> str:
    """Name of the nodule for people, by its number."""
    return say(language, "Nodule {number}", number=nodule.id)


def patient_sentences(risk: PatientRisk | None, language: Language = ENGLISH) -> list[str]:
    """The probability of cancer for the whole patient, where such a model is installed; else that there is none."""
    if risk is None:
        words = "Probability of cancer for the patient as a whole: not measured, no score of a model"
        return [say(language, words)]
    years = [
        say(language, "{year} y {percent} %", year=year, percent=f"{100 * p:.1f}")
        for year, p in enumerate(risk.by_year, start=1)
    ]
    text = f"{100 * risk.by_year[0]:.1f} %" if len(years) == 1 else ", ".join(years)
    meaning = translated(language, risk.meaning)
    return [say(language, "Patient, {model}: {text} ({meaning})", model=risk.model, text=text, meaning=meaning)]


def follow_up_sentences(advice: FollowUp | None, language: Language = ENGLISH) -> list[str]:
    """What a guideline says, and whether it is meant for this patient."""
    if advice is None or advice.applies is False:
        return []
    condition = " (if it applies: found by chance, 35 years or older, no cancer, immunity intact)"
    words = "{guideline}" + ("" if advice.applies else condition) + ": {advice} ({basis})"
    said = translated(language, advice.recommendation or "undetermined")
    return [say(language, words, guideline=advice.guideline, advice=said, basis=translated(language, advice.basis))]


def assessment(lung_rads: LungRads, language: Language = ENGLISH) -> str:
    """Lung-RADS v2022 in words."""
    basis = translated(language, lung_rads.basis)
    if lung_rads.category is None:
        return say(language, "Lung-RADS v2022 undetermined ({basis})", basis=basis)
    return say(language, "Lung-RADS v2022 {category} ({basis})", category=lung_rads.category.value, basis=basis)


def _count(count: int, language: Language) -> str:
    if count < 2:
        return say(language, ("No nodule detected", "1 nodule detected")[count])
    return say(language, "{count} nodules detected", count=count)


def _highest_risk(nodules: Sequence[Nodule], language: Language) -> list[str]:
    """The nodule that weighs most by Brock, as report.json has it; nothing without nodules."""
    if not nodules:
        return []
    worst = max(nodules, key=lambda nodule: nodule.brock.high)
    words = "Highest probability of cancer of a nodule: {name}, {text}"
    return [say(language, words, name=nodule_name(worst, language), text=_risk(_BROCK, worst.brock, language))]


def _nodule_sentence(nodule: Nodule, language: Language) -> str:
    parts = [label(nodule, language), _sure(nodule.measurement.uncertainty, language)]
    parts += [_risk(_BROCK, nodule.brock, language), _risk(_BROCK_SPICULATED, nodule.brock_2b, language)]
    parts += [_suspicion(nodule.malignancy, language), assessment(nodule.lung_rads, language)]
    return "; ".join(filter(None, parts))


def _of(nodule: Nodule, said: str, language: Language) -> str:
    return say(language, "{name}: {text}", name=nodule_name(nodule, language), text=said)


def _sure(sure: Uncertainty | None, language: Language) -> str:
    """How sure the sizes are; empty where nobody knows."""
    if sure is None:
        return ""
    diameter, percent = f"{sure.diameter_mm:.1f}", f"{100 * sure.volume_share:.0f}"
    words = "95 % limits: mean diameter +-{diameter} mm, volume +-{percent} %"
    return say(language, words, diameter=diameter, percent=percent)


def _risk(model: str, risk: RiskRange | None, language: Language) -> str:
    """Brock probability of cancer, as a range where inputs are unknown; empty where it was not computed."""
    if risk is None:
        return ""
    if risk.low == risk.high:
        return say(language, "{model} {percent} %", model=model, percent=f"{100 * risk.low:.1f}")
    names = ", ".join(translated(language, name) for name in risk.unknown)
    low, high = f"{100 * risk.low:.1f}", f"{100 * risk.high:.1f}"
    return say(language, "{model} {low} to {high} % (unknown: {names})", model=model, low=low, high=high, names=names)


def _suspicion(score: Malignancy | None, language: Language) -> str:
    """What a learned model says, and what its number means; empty where there is none."""
    if score is None:
        return ""
    percent, meaning = f"{100 * score.probability:.0f}", translated(language, score.meaning)
    return say(language, "{model}: {percent} % ({meaning})", model=score.model, percent=percent, meaning=meaning)
