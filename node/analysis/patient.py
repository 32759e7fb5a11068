"""What the header says of the patient that a risk model asks for; nothing is ever assumed."""

from __future__ import annotations

import re
from datetime import date, datetime

from pydicom import Dataset

from models.findings import PatientFacts

_AGE = re.compile(r"(\d{3})([DWMY])")  # PS3.5 Table 6.2-1, value representation AS
_UNITS_PER_YEAR = {"D": 365.2425, "W": 52.1775, "M": 12.0, "Y": 1.0}
_DAYS_PER_YEAR = 365.2425


def patient_facts(header: Dataset) -> PatientFacts:
    """Read age and sex from the header of a source instance; whatever is absent or malformed stays unknown."""
    sex = str(header.get("PatientSex") or "").strip().upper()
    return PatientFacts(age_years=_age_years(header), female={"F": True, "M": False}.get(sex))


def _age_years(header: Dataset) -> float | None:
    """Age at the study, from PatientAge, else from the birth date."""
    match = _AGE.fullmatch(str(header.get("PatientAge") or "").strip())
    if match:
        return int(match[1]) / _UNITS_PER_YEAR[match[2]]
    birth, study = (_date(header, name) for name in ("PatientBirthDate", "StudyDate"))
    if birth is None or study is None or study < birth:
        return None
    return (study - birth).days / _DAYS_PER_YEAR


def _date(header: Dataset, keyword: str) -> date | None:
    try:
        return datetime.strptime(str(header.get(keyword) or "").strip(), "%Y%m%d").date()
    except ValueError:
        return None
