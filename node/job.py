"""The job: what the node asks of its analysis process, and its form in JSON. Light: it imports no analysis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from node.results.context import PredecessorReport
from node.results.forms import ResultForms, kinds_of, preferred
from node.results.language import Language
from node.results.prior import TrackedNodule

_OPTIONAL_PATHS = ("known_nodules", "patient_facts", "prior_report")


@dataclass(frozen=True)
class Job:
    """One series to work on.

    Parameters
    ----------
    files
        The instances of the series; the order does not matter.
    output
        Folder for the results; made when it is not there.
    source_digest
        sha256 over the source instances.
    refusal
        (code, reason): only the notice is made, without looking at the pixels.
    kinds
        Of the results that are to be made, the notice's kinds among them (``forms.kinds_of``).
    neighbours
        Slices drawn on each side of a nodule's own slice.
    language
        Of free text in the results.
    ohif_tracking
        Let OHIF take the nodules for measurements of its own, which a reader can change.
    page
        Also write report.html and pictures.
    known_nodules
        JSON file of nodules that are known to be there, to be compared on the page.
    patient_facts
        JSON file of what the headers do not know of the patient; it need not exist.
    prior_report
        JSON or DICOM file of a prior report, whose nodules keep their tracking UIDs; it need not exist.
    may_stand_alone
        Where no file is DICOM, make a notice in a study of its own. Never for what is sent: no archive has that study.
    notice
        Make a notice if the series cannot be read; without it only the reason is answered, because another series
        of the study is tried next.
    tried
        Other series of the study that were tried in vain; the notice says so.
    notes, warnings
        Sentences for the report on the choice of the series and on what lay beside it.
    tracked
        Nodules of the last report on this very series; a prior report that is handed in goes before them.
    volume_limit_bytes
        A larger volume is read thinned out; None for what the assembly holds to be enough.
    """

    files: tuple[Path, ...]
    output: Path
    source_digest: str
    created_at: datetime
    software_version: str
    station_name: str
    kinds: tuple[str, ...] = kinds_of(preferred(ResultForms()))
    neighbours: int = 1
    language: Language = Language.ENGLISH
    ohif_tracking: bool = False
    page: bool = False
    known_nodules: Path | None = None
    patient_facts: Path | None = None
    prior_report: Path | None = None
    tracked: tuple[TrackedNodule, ...] = ()
    refusal: tuple[str, str] | None = None
    may_stand_alone: bool = False
    notice: bool = True
    tried: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    predecessor: PredecessorReport | None = None
    volume_limit_bytes: int | None = None


def job_to_json(job: Job) -> dict[str, Any]:
    """Say a job in plain JSON values."""
    values = {**vars(job), "files": [str(path) for path in job.files], "output": str(job.output)}
    values["created_at"] = job.created_at.isoformat()
    for name in _OPTIONAL_PATHS:
        values[name] = str(values[name]) if values[name] else None
    values["tracked"] = [asdict(nodule) for nodule in job.tracked]
    values["predecessor"] = vars(job.predecessor) if job.predecessor else None
    return values


def job_from_json(values: dict[str, Any]) -> Job:
    """Take a job back from plain JSON values."""
    predecessor, refusal = values["predecessor"], values["refusal"]
    return Job(
        **{
            **values,
            "files": tuple(map(Path, values["files"])),
            "kinds": tuple(values["kinds"]),
            "notes": tuple(values["notes"]),
            "warnings": tuple(values["warnings"]),
            "language": Language(values["language"]),
            "output": Path(values["output"]),
            "created_at": datetime.fromisoformat(values["created_at"]),
            **{name: Path(values[name]) if values[name] else None for name in _OPTIONAL_PATHS},
            "tracked": tuple(map(_tracked, values["tracked"])),
            "predecessor": PredecessorReport(**predecessor) if predecessor else None,
            "refusal": (refusal[0], refusal[1]) if refusal else None,
        }
    )


def _tracked(values: dict[str, Any]) -> TrackedNodule:
    return TrackedNodule(**values | {"center_lps_mm": tuple(values["center_lps_mm"])})


def facts_file(folder: Path | None, study_instance_uid: str) -> Path | None:
    """Give the path where the facts on the patient of one study stand, if the settings name a folder."""
    return folder / f"{study_instance_uid}.json" if folder else None


def prior_file(folder: Path | None, study_instance_uid: str) -> Path | None:
    """Give the path of the prior report for one study, ``.dcm`` or else ``.json``, if the settings name a folder."""
    document = folder / f"{study_instance_uid}.dcm" if folder else None
    return document if document and document.is_file() else facts_file(folder, study_instance_uid)
