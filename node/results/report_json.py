"""The analysis as one JSON-serialisable dictionary: ``report.json`` and the ledger's record of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from models.findings import (
    Attenuation,
    Findings,
    LungRads,
    Malignancy,
    ModelIdentity,
    Nodule,
    PatientRisk,
    RiskRange,
    Uncertainty,
)
from node.results.context import DISCLAIMER, ResultContext
from node.results.envelope import location, tracking_uid

ANALYSED, NOT_PROCESSED = "ANALYSED", "NOT_PROCESSED"  # values of ``status``
_BROCK_MODEL = "Brock 2a"  # McWilliams 2013, doi:10.1056/NEJMoa1214726


def report_of(
    series_uid: str,
    study_uid: str,
    findings: Findings | None,
    context: ResultContext,
    *,
    code: str | None = None,
    reason: str | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Build the report of one series.

    Parameters
    ----------
    series_uid, study_uid
        Of the source.
    findings
        None if the series was not analysed: then lungs, nodules, lung_rads and risk are null, never
        empty, so that no reader takes silence for a negative result.
    context
        Identity of the run, the same that the DICOM results were built with.
    code, reason
        Why the series was not analysed; None when it was.
    notes
        Of the assembly.
    """
    report: dict[str, Any] = {
        "disclaimer": DISCLAIMER,
        "series_instance_uid": series_uid,
        "study_instance_uid": study_uid,
        "status": NOT_PROCESSED if findings is None else ANALYSED,
        "reason": reason,
        "reason_code": code,
        "created_at": context.created_at.isoformat(),
        "software_version": context.software_version,
    }
    return report | (_absent() if findings is None else _analysed(findings, context)) | {"notes": list(notes)}


def _absent() -> dict[str, Any]:
    return {
        "lungs": None,
        "nodules": None,
        "lung_rads": None,
        "risk": None,
        "models": [],
        "timings_s": {},
        "device": None,
        "warnings": [],
    }


def _analysed(findings: Findings, context: ResultContext) -> dict[str, Any]:
    lungs = findings.lungs
    volumes = {"volume_ml": lungs.volume_ml, "left_ml": lungs.left_ml, "right_ml": lungs.right_ml}
    return {
        "lungs": {name: round(float(value), 1) for name, value in volumes.items()},
        "nodules": [_nodule(nodule, context) for nodule in findings.nodules],
        "lung_rads": _category(findings.lung_rads),
        "risk": _risk(findings),
        "models": [_model(model) for model in findings.models],
        "timings_s": {name: round(float(seconds), 3) for name, seconds in findings.timings_s.items()},
        "device": findings.device,
        "warnings": [*findings.warnings, *lungs.warnings],
    }


def _nodule(nodule: Nodule, context: ResultContext) -> dict[str, Any]:
    measured = nodule.measurement
    return {
        "id": int(nodule.id),
        "tracking_uid": tracking_uid(context, nodule),
        "center_lps_mm": [round(float(coordinate), 2) for coordinate in nodule.center_lps_mm],
        "long_axis_mm": round(float(measured.long_axis.length_mm), 1),
        "short_axis_mm": round(float(measured.short_axis.length_mm), 1),
        "mean_diameter_mm": round(float(measured.mean_diameter_mm), 1),
        "solid_diameter_mm": _rounded(measured.solid_diameter_mm),
        "volume_mm3": round(float(measured.volume_mm3), 1),
        "solid_volume_mm3": _rounded(measured.solid_volume_mm3),
        "uncertainty_95": _uncertainty(measured.uncertainty),
        "mean_hu": round(float(measured.mean_hu), 1),
        "sd_hu": round(float(measured.sd_hu), 1),
        "attenuation": Attenuation(measured.attenuation).value,
        "side": nodule.side.value,
        "location": location(nodule),
        "lobe": None if nodule.lobe is None else nodule.lobe.value,
        "pleura_mm": _rounded(nodule.pleura_mm),
        "probability": round(float(nodule.probability), 4),
        "malignancy": _malignancy(nodule),
        "lung_rads": _category(nodule.lung_rads),
        "lung_rads_basis": nodule.lung_rads.basis,
        "warnings": list(nodule.warnings),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 1)


def _uncertainty(sure: Uncertainty | None) -> dict[str, float] | None:
    """Half-widths of the 95 % intervals."""
    if sure is None:
        return None
    return {"mean_diameter_mm": round(sure.diameter_mm, 1), "volume_percent": round(100 * sure.volume_share)}


def _malignancy(nodule: Nodule) -> dict[str, Any]:
    """Brock 2a at the top level, 2b and what a learned model says beside it."""
    return {
        "model": _BROCK_MODEL,
        **_range(nodule.brock),
        "brock_2b": None if nodule.brock_2b is None else _range(nodule.brock_2b),
        "learned": None if nodule.malignancy is None else _learned(nodule.malignancy),
    }


def _range(risk: RiskRange) -> dict[str, Any]:
    return {"low": round(float(risk.low), 4), "high": round(float(risk.high), 4), "unknown": list(risk.unknown)}


def _learned(score: Malignancy) -> dict[str, Any]:
    return {"probability": round(float(score.probability), 4), "model": score.model, "meaning": score.meaning}


def _patient(risk: PatientRisk) -> dict[str, Any]:
    return {"by_year": [round(float(p), 4) for p in risk.by_year], "model": risk.model, "meaning": risk.meaning}


def _category(lung_rads: LungRads) -> str | None:
    return None if lung_rads.category is None else lung_rads.category.value


def _risk(findings: Findings) -> dict[str, Any]:
    """Of the examination: the category with its basis, and the nodule of highest risk."""
    highest = max(findings.nodules, key=lambda nodule: nodule.brock.high, default=None)
    return {
        "lung_rads": _category(findings.lung_rads),
        "lung_rads_basis": findings.lung_rads.basis,
        "highest_malignancy": None if highest is None else {"nodule_id": highest.id} | _malignancy(highest),
        "follow_up": None if findings.follow_up is None else asdict(findings.follow_up),
        "patient": None if findings.patient_risk is None else _patient(findings.patient_risk),
    }


def _model(model: ModelIdentity) -> dict[str, str]:
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "training_data": model.training_data,
        "intended_use": model.intended_use,
    }
