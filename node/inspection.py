"""A look at what the node would do with a folder or a series, without running a network.

The same choice, the same assembly and the same gate as ``pulmonode analyze`` and ``pulmonode serve`` have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from models.findings import AnalysisRefused
from models.suitability import refuse_unsuitable
from models.volume import Volume
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.assembly.limits import DEFAULT_LIMITS, AssemblyLimits
from node.errors import AssemblyError, ConfigError, NoImages
from node.folder import FolderScan, beside, no_images
from node.ledger.ledger import Ledger
from node.series.rules import SelectionRules
from node.series.selection import NO_SUITABLE_SERIES, Selection, SeriesSummary, instead_of, select, summarize

NOT_CHOSEN = "NOT_CHOSEN"  # the code of a series that another one beats, as in the ledger
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))  # towards lower and higher x, y, z of LPS


class InspectedState(StrEnum):
    """What the node would do with a series."""

    CHOSEN = "chosen"
    NOT_CHOSEN = "not chosen"
    REFUSED = "refused"


@dataclass(frozen=True)
class InspectedSeries:
    """One series and what the node would do with it; code and reason are None where it is chosen."""

    series_instance_uid: str
    state: InspectedState
    code: str | None
    reason: str | None
    summary: SeriesSummary


@dataclass(frozen=True, eq=False)
class Inspection:
    """What the node would do.

    Parameters
    ----------
    chosen
        The volume of the series that would be analysed; None if there is none.
    instances
        Files of the chosen series.
    refusal
        Code and message of the notice where no series can be read.
    gate
        Code and message of the notice where one can be read, and the gate of the analysis would refuse it; None, with
        ``refusal``, where a series would be analysed.
    other_files
        Files that are no instance, by what they are instead.
    """

    series: tuple[InspectedSeries, ...]
    chosen: AssembledSeries | None
    instances: int
    refusal: tuple[str, str] | None
    gate: tuple[str, str] | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    other_files: Mapping[str, int]


def inspect(found: FolderScan, rules: SelectionRules, limits: AssemblyLimits = DEFAULT_LIMITS) -> Inspection:
    """Choose, assemble and pass the gate; what cannot be read hands over to the next best."""
    summaries = {uid: summarize(found.headers(uid)) for uid in found.series}
    selection = select(list(summaries.values()), rules)
    refused: dict[str, tuple[str, str]] = {}
    read = _first_suitable(found, (selection, limits), refused)
    chosen_uid, chosen, gate = read if read else ("", None, None)
    refusal = None if chosen else _refusal(found, selection, refused)
    if chosen is None and selection.nearest:
        refused[selection.nearest] = (NO_SUITABLE_SERIES, selection.reasons[selection.nearest])
    told_uid = chosen_uid or next(iter(refused), "")
    notes, warnings = beside(found, told_uid) if told_uid else ((), ())
    instead = tuple(instead_of(summaries[uid], code) for uid, (code, _) in refused.items()) if chosen else ()
    return Inspection(
        series=tuple(_inspected(summaries, chosen_uid, refused, rules)),
        chosen=chosen,
        instances=len(found.files(chosen_uid)) if chosen else 0,
        refusal=refusal,
        gate=gate,
        notes=(*instead, *selection.remarks.get(chosen_uid, ()), *notes, *(chosen.notes if chosen else ())),
        warnings=(*warnings, *(chosen.warnings if chosen else ())),
        other_files=found.strays_by_kind,
    )


def stored_series(ledger: Ledger, data_dir: Path, series_instance_uid: str) -> FolderScan:
    """Give a series of the node's own store in the form of a folder; no file is opened.

    Raises
    ------
    ConfigError
        The ledger does not know it, or its files are gone.
    """
    record = ledger.series.get(series_instance_uid)
    if record is None:
        raise ConfigError(f"--series {series_instance_uid}: the ledger has no such series; see 'pulmonode status'")
    if record.files_removed_at is not None:
        raise ConfigError(f"--series {series_instance_uid}: its files were removed after their retention time")
    paths = {uid: data_dir / path for uid, path, _ in ledger.instances.files(series_instance_uid)}
    headers = ledger.instances.headers(series_instance_uid)
    rows = tuple((paths[header.sop_instance_uid], header) for header in headers)
    return FolderScan({series_instance_uid: rows})


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """Say an inspection in plain JSON values."""
    return {
        "chosen": _chosen_json(inspection),
        "series": [
            {
                "series_instance_uid": one.series_instance_uid,
                "state": str(one.state),
                "code": one.code,
                "reason": one.reason,
            }
            for one in inspection.series
        ],
        "refusal": _coded(inspection.refusal),
        "gate": _coded(inspection.gate),
        "notes": list(inspection.notes),
        "warnings": list(inspection.warnings),
        "other_files": dict(inspection.other_files),
    }


def _coded(why: tuple[str, str] | None) -> dict[str, str] | None:
    return {"code": why[0], "message": why[1]} if why else None


def orientation(volume: Volume) -> str:
    """Say towards which side of the patient columns, rows and slices go: ``LPS`` for axial slices upwards."""
    letters = []
    for axis in (2, 1, 0):
        direction = volume.directions[:, axis]
        main = int(np.abs(direction).argmax())
        letters.append(_LETTERS[main][int(direction[main] > 0)])
    return "".join(letters)


def _first_suitable(
    found: FolderScan, given: tuple[Selection, AssemblyLimits], refused: dict[str, tuple[str, str]]
) -> tuple[str, AssembledSeries, tuple[str, str] | None] | None:
    """Give the best series that is read and passes the gate, else the best that is read, with the gate's reason.

    Why the others before it cannot be read is noted in ``refused``.
    """
    unsuitable: tuple[str, AssembledSeries, tuple[str, str]] | None = None
    selection, limits = given
    for uid in selection.candidates:
        try:
            series = assemble_files(found.files(uid), limits)
            refuse_unsuitable(series.volume)
        except AssemblyError as error:
            refused[uid] = (error.code, str(error))
        except AnalysisRefused as error:
            refused[uid] = (error.code, str(error))
            unsuitable = unsuitable or (uid, series, refused[uid])
        else:
            return uid, series, None
    if unsuitable:
        del refused[unsuitable[0]]
    return unsuitable


def _refusal(found: FolderScan, selection: Selection, refused: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Give what the notice would say: the reason of the best series, or that there is none to try."""
    if refused:
        return next(iter(refused.values()))
    if selection.nearest:
        return NO_SUITABLE_SERIES, selection.reasons[selection.nearest]
    if found.series:
        return NO_SUITABLE_SERIES, next(iter(selection.reasons.values()))
    return NoImages.code, no_images(found)


def _inspected(
    summaries: Mapping[str, SeriesSummary],
    chosen_uid: str,
    refused: Mapping[str, tuple[str, str]],
    rules: SelectionRules,
) -> list[InspectedSeries]:
    """List every series; what was not tried is compared with the one that is read."""
    reasons = select([one for uid, one in summaries.items() if uid not in refused], rules).reasons
    told = []
    for uid, summary in summaries.items():
        if uid == chosen_uid:
            told.append(InspectedSeries(uid, InspectedState.CHOSEN, None, None, summary))
        elif uid in refused:
            told.append(InspectedSeries(uid, InspectedState.REFUSED, *refused[uid], summary))
        else:
            told.append(InspectedSeries(uid, InspectedState.NOT_CHOSEN, NOT_CHOSEN, reasons[uid], summary))
    return told


def _chosen_json(inspection: Inspection) -> dict[str, Any] | None:
    series = inspection.chosen
    if series is None:
        return None
    slices, rows, columns = series.volume.shape
    spacing_mm = [round(mm, 9) for mm in series.volume.spacing_kji_mm]
    summary = next(one.summary for one in inspection.series if one.state is InspectedState.CHOSEN)
    return {
        "series_instance_uid": series.series_instance_uid,
        "slices": slices,
        "spacing_mm": spacing_mm,
        "instances": inspection.instances,
        "matrix": [rows, columns],
        "extent_mm": round(spacing_mm[0] * (slices - 1), 3),
        "orientation": orientation(series.volume),
        "tilt_degrees": round(summary.tilt_degrees or 0.0, 2),
    }
