"""Nodules of a prior report: places with tracking UIDs, which a new report keeps. Light: it reads no DICOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node.series.instances import is_valid_uid


@dataclass(frozen=True)
class TrackedNodule:
    """A nodule as a prior report has it.

    Parameters
    ----------
    center_lps_mm
        In the frame of reference of the prior.
    diameter_mm
        Mean diameter, or the long axis where no other is known.
    frame_of_reference_uid
        Empty where the prior does not say it: then whoever hands it in answers for it that the places are comparable.
    """

    tracking_uid: str
    center_lps_mm: tuple[float, float, float]
    diameter_mm: float
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        if not is_valid_uid(self.tracking_uid):
            raise ValueError("tracking_uid is no UID")
        if not self.diameter_mm > 0:
            raise ValueError("diameter_mm must be above 0")


def tracked_nodules(report: Mapping[str, Any]) -> tuple[TrackedNodule, ...]:
    """Read the nodules of a ``report.json``, or of a file in its form.

    Its form is ``{"nodules": [{"tracking_uid": "2.25.1", "center_lps_mm": [x, y, z], "mean_diameter_mm": 8.0}]}``;
    ``frame_of_reference_uid`` may stand beside ``nodules``. A report of a notice has none.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is not such a report.
    """
    frame = str(report.get("frame_of_reference_uid") or "")
    return tuple(_nodule(row, frame) for row in report["nodules"] or ())


def _nodule(row: Mapping[str, Any], frame_of_reference_uid: str) -> TrackedNodule:
    center: Sequence[float] = row["center_lps_mm"]
    x, y, z = map(float, center)
    return TrackedNodule(str(row["tracking_uid"]), (x, y, z), float(row["mean_diameter_mm"]), frame_of_reference_uid)
