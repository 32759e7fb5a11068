"""Whether a series is complete, and how we know.

Law of this file: ``judge`` decides from a snapshot and the time it is given; it never looks at a clock,
a file or the ledger. A series that is not proven complete is not incomplete: it is waited for.

Three kinds of knowledge, in this order:

1. Proof, at once. Number of Series Related Instances (0020,1209) has been reached; or multi-frame
   objects make one volume and the sender has let go; or the geometry leaves no slice to wait for.
   Images in Acquisition (0020,1002) is no proof: scanners count other series and lost slices in it.
2. Quiet: nothing has arrived for ``quiet_s``.
3. The cap: a study that keeps trickling in does not wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from node.errors import AssemblyError
from node.series.instances import InstanceHeader, is_ct, is_multi_frame, slice_count
from node.series.placement import Placement, place

MIN_PROVEN_SLICES = 8  # with fewer no view holds a chest, so no count and no geometry proves anything


class Evidence(StrEnum):
    """Why a series counts as complete."""

    EXPECTED_COUNT = "EXPECTED_COUNT"
    GEOMETRY = "GEOMETRY"
    QUIET = "QUIET"
    STUDY_CAP = "STUDY_CAP"


@dataclass(frozen=True)
class SeriesSnapshot:
    """What is known of a series that is arriving.

    Parameters
    ----------
    headers
        One for each instance that is stored.
    first_arrival, last_arrival
        Aware times. For a series that was complete before and got a late slice, ``first_arrival`` is
        the arrival of that slice; otherwise its cap would be over at once.
    association_open
        Whether an association that brought instances of this series is still open.
    end_slices_cut_lungs
        Whether the first or the last slice shows lung, so that the scan may go on beyond it; None when
        nobody has looked.
    association_count
        Associations that the instances came over. A sender that opens one for each image never
        "lets go" of a series, so that its geometry proves nothing.
    partly_corrected
        Whether some instances, and not others, were replaced by corrected ones. Number and geometry say
        nothing then, because every slice is here already: only quiet tells that the others do not come.
    """

    headers: tuple[InstanceHeader, ...]
    first_arrival: datetime
    last_arrival: datetime
    association_open: bool
    end_slices_cut_lungs: bool | None = None
    association_count: int = 1
    partly_corrected: bool = False


@dataclass(frozen=True)
class Completeness:
    """The judgement on a series.

    Parameters
    ----------
    evidence
        Why it is complete; None while it is not.
    reason
        One line for the ledger and for people.
    due_at
        For a series that is not complete: when waiting alone makes it so.
    """

    evidence: Evidence | None
    reason: str
    due_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether the series may be worked on."""
        return self.evidence is not None


def judge(
    snapshot: SeriesSnapshot, now: datetime, quiet_s: float, study_first_arrival: datetime, study_cap_s: float
) -> Completeness:
    """Tell whether a series is complete.

    Parameters
    ----------
    snapshot
        The series.
    now
        Aware time of the judgement.
    quiet_s
        Seconds without an instance after which an unproven series is taken as it is.
    study_first_arrival
        When the first instance of its study came.
    study_cap_s
        Seconds after that, or after the first instance of a series that began later than that, when
        the series is taken although instances keep coming.

    Raises
    ------
    ValueError
        If the snapshot holds no instance: an empty series is never complete.
    """
    if not snapshot.headers:
        raise ValueError("a series without instances cannot be judged")
    return _proven(snapshot) or _waited(snapshot, now, quiet_s, _cap_at(snapshot, study_first_arrival, study_cap_s))


def needs_look_at_lungs(snapshot: SeriesSnapshot) -> bool:
    """Tell whether the pixels of ``end_instances`` would decide: everything else says complete, nobody has looked."""
    may_be_proven = not snapshot.association_open and not snapshot.partly_corrected
    return snapshot.end_slices_cut_lungs is None and may_be_proven and _is_unbroken(snapshot)


def end_instances(headers: tuple[InstanceHeader, ...]) -> tuple[InstanceHeader, InstanceHeader] | None:
    """Give the first and the last instance along the normal, whose pixels tell whether the lungs are cut.

    None if the instances cannot be put in order.
    """
    placement = _volume(headers)
    if placement is None:
        return None
    return headers[placement.planes[0].source], headers[placement.planes[-1].source]


def _proven(snapshot: SeriesSnapshot) -> Completeness | None:
    headers = snapshot.headers
    if snapshot.partly_corrected or not all(map(is_ct, headers)):
        return None
    expected = _expected_count(headers)
    if expected is not None and len({header.sop_instance_uid for header in headers}) == expected:
        return Completeness(Evidence.EXPECTED_COUNT, f"all {expected} instances that the sender announced are here")
    if snapshot.association_open:
        return None
    if all(map(is_multi_frame, headers)) and (volume := _volume(headers)) is not None:
        return Completeness(Evidence.EXPECTED_COUNT, f"multi-frame, all {len(volume.planes)} frames are here")
    if snapshot.end_slices_cut_lungs is False and _is_unbroken(snapshot):
        return Completeness(Evidence.GEOMETRY, _unbroken_reason(headers))
    return None


def _expected_count(headers: tuple[InstanceHeader, ...]) -> int | None:
    """Give the announced number of instances, if all say the same and it is a number that a chest can have."""
    announced = {header.number_of_series_related_instances for header in headers}
    expected = announced.pop() if len(announced) == 1 else None
    if expected is None or expected * max(map(slice_count, headers)) < MIN_PROVEN_SLICES:
        return None
    return expected


def _is_unbroken(snapshot: SeriesSnapshot) -> bool:
    """Tell whether the slices came together, are of one kind, and evenly spaced without gap or duplicate."""
    headers = snapshot.headers
    if len(headers) < MIN_PROVEN_SLICES * max(snapshot.association_count, 1) or not all(map(is_ct, headers)):
        return False
    volume = _volume(headers)
    return volume is not None and volume.is_whole


def _volume(headers: tuple[InstanceHeader, ...]) -> Placement | None:
    """Place the slices; None while they make no volume, because some have not come or never will."""
    try:
        return place(headers)
    except AssemblyError:
        return None


def _unbroken_reason(headers: tuple[InstanceHeader, ...]) -> str:
    return (
        f"{len(headers)} slices every {place(headers).grid.slice_distance_mm:.2f} mm without gap, "
        "lungs inside from top to bottom, association released"
    )


def _cap_at(snapshot: SeriesSnapshot, study_first_arrival: datetime, study_cap_s: float) -> datetime:
    """Give the end of the study's patience, or of its own for a series that began after that."""
    cap = timedelta(seconds=study_cap_s)
    of_study = study_first_arrival + cap
    return of_study if snapshot.first_arrival <= of_study else snapshot.first_arrival + cap


def _waited(snapshot: SeriesSnapshot, now: datetime, quiet_s: float, cap_at: datetime) -> Completeness:
    silent_s = (now - snapshot.last_arrival).total_seconds()
    count = len(snapshot.headers)
    if silent_s >= quiet_s:
        return Completeness(Evidence.QUIET, f"{count} instances, none for {quiet_s:.0f} s")
    if now >= cap_at:
        return Completeness(Evidence.STUDY_CAP, f"{count} instances; the study has waited for as long as it may")
    due_at = min(snapshot.last_arrival + timedelta(seconds=quiet_s), cap_at)
    return Completeness(None, f"{count} instances, the last one {max(silent_s, 0):.0f} s ago", due_at)
