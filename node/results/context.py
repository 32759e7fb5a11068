"""What every result builder is told beside the findings: who made it, when, from what."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from node.results.language import Language

DISCLAIMER = "Demonstration and research, not for diagnosis"
MANUFACTURER = "pulmonode"
MODEL_NAME = "pulmonode chest CT"
CODING_SCHEME = "99PULMONODE"  # private coding scheme designator, PS3.16 section 8.2: begins with 99
_NAMESPACE = uuid.UUID("6f1d3a52-3c53-5d2b-9a5e-2f0f8a1c7e11")  # fixed for ever: result UIDs are derived from it


@dataclass(frozen=True)
class PredecessorReport:
    """The structured report of this source series that a new one replaces.

    Parameters
    ----------
    study_instance_uid
        Where it is not the study of the new one: the study was corrected since.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str = ""


@dataclass(frozen=True)
class ResultContext:
    """Identity of one analysis run.

    Parameters
    ----------
    created_at
        Becomes SeriesDate, ContentDate and the like. Fixed when the series became READY, so that
        the same work done twice writes the same bytes.
    input_digest
        sha256 over the source instances; with ``software_version`` it decides every UID.
    device_serial_number, station_name
        Of the node.
    predecessor
        The report that this one replaces, if there is one.
    language
        Of free text; codes and their meanings are the same in all.
    ohif_tracking
        Give the tracking identifiers the prefix by which OHIF takes nodules for its own measurements.
    tracking_uids
        By number of the nodule: tracking UIDs of a prior report that are kept (``tracking.kept_uids``).
    """

    created_at: datetime
    input_digest: str
    software_version: str
    device_serial_number: str = "1"
    station_name: str = "PULMONODE"
    predecessor: PredecessorReport | None = None
    language: Language = Language.ENGLISH
    ohif_tracking: bool = False
    tracking_uids: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))

    def uid(self, *kind: str | int) -> str:
        """Derive a UID from the inputs, the version and the kind of object (UUID-derived, PS3.5 B.2).

        The same arguments always give the same UID; any change gives another one.
        """
        name = "|".join([self.input_digest, self.software_version, *map(str, kind)])
        return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
