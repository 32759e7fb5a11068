"""What the header, and a JSON file of the user's, say of the patient that a risk model asks for; nothing is assumed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path

from pydicom import Dataset

from models.findings import PatientFacts

_AGE = re.compile(r"(\d{3})([DWMY])")  # PS3.5 Table 6.2-1, value representation AS
_UNITS_PER_YEAR = {"D": 365.2425, "W": 52.1775, "M": 12.0, "Y": 1.0}
_DAYS_PER_YEAR = 365.2425


@dataclass(frozen=True)
class SuppliedFacts:
    """What a JSON file says of one patient.

    Parameters
    ----------
    facts
        Fields that the file does not name are None.
    content
        The file's text: it belongs to the identity of the analysis, as other facts give another result.
    warnings
        Why the file, or a part of it, was not used; for the report.
    """

    facts: PatientFacts = field(default_factory=PatientFacts)
    content: str = ""
    warnings: tuple[str, ...] = ()


def supplied_facts(path: Path | None) -> SuppliedFacts:
    """Read facts that no DICOM header has: family history, emphysema, spiculation; also age_years and female.

    A file that cannot be used never stops an analysis: what it says stays unknown, and the report says why.
    """
    if path is None or not path.exists():
        return SuppliedFacts()
    try:
        content = path.read_text(encoding="utf-8")
        values = json.loads(content)
    except (OSError, ValueError) as error:
        return SuppliedFacts(warnings=(f"the file of patient facts was not used: {type(error).__name__}",))
    if not isinstance(values, dict):
        return SuppliedFacts(content=content, warnings=("the file of patient facts was not used: it holds no keys",))
    used = {name: value for name, value in values.items() if _is_fact(name, value)}
    wrong = sorted(str(name)[:32] for name in values.keys() - used.keys())
    warnings = (f"patient facts not used: {', '.join(wrong)}",) if wrong else ()
    return SuppliedFacts(PatientFacts(**used), content, warnings)


def joined_facts(header: PatientFacts, supplied: PatientFacts) -> PatientFacts:
    """Let what was supplied fill and override what the header says."""
    known = {f.name: value for f in fields(supplied) if (value := getattr(supplied, f.name)) is not None}
    return replace(header, **known)


def _is_fact(name: str, value: object) -> bool:
    """Tell whether a name is one of ``PatientFacts`` and its value of the right kind (null is "not known")."""
    if name not in {f.name for f in fields(PatientFacts)}:
        return False
    if name == "age_years":
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 130)
    return value is None or isinstance(value, bool)


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
