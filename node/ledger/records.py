"""What the ledger gives and takes: rows as values."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from node.series.instances import InstanceHeader
from node.series.states import SeriesState


class DeliveryState(StrEnum):
    """Where one result stands with one destination."""

    PENDING = "PENDING"  # to be sent at next_attempt_at
    STORED = "STORED"  # the destination answered success
    WARNING = "WARNING"  # stored, with a warning status
    REFUSED = "REFUSED"  # refused for a reason that a retry cannot cure
    SUPERSEDED = "SUPERSEDED"  # never got there, and a newer analysis of the series took its place
    HELD = "HELD"  # every attempt is used up; `pulmonode retry` puts it back
    RESERVE = "RESERVE"  # another form of a result that is sent; due if the destination does not take that one
    NOT_TAKEN = "NOT_TAKEN"  # the destination does not take this form; the next one became due
    NOT_NEEDED = "NOT_NEEDED"  # the destination has another form of the same result


ARRIVED = frozenset({DeliveryState.STORED, DeliveryState.WARNING})
SETTLED = ARRIVED | {DeliveryState.SUPERSEDED, DeliveryState.NOT_TAKEN, DeliveryState.NOT_NEEDED}  # nothing is owed


def log_key(uid: str) -> str:
    """Give the short name under which the log speaks of a series or an object; ``pulmonode status`` shows it too.

    Logs are copied into tickets and mails: a UID in them would lead back to the patient's study.
    """
    return hashlib.sha256(uid.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class InstanceRecord:
    """One stored instance: ``path`` relative to ``data_dir``; ``sha256`` and ``size`` (bytes) of its data set."""

    header: InstanceHeader
    sha256: str
    size: int
    path: str
    transfer_syntax_uid: str
    calling_ae_title: str
    association_id: str
    received_at: datetime


@dataclass(frozen=True)
class CorrectionRecord:
    """What was corrected in one series: of how many instances, which attributes, by whom, and when last."""

    series_instance_uid: str
    instances: int
    attributes: tuple[str, ...]
    calling_ae_titles: tuple[str, ...]
    last_at: datetime


@dataclass(frozen=True)
class SeriesRecord:
    """One row of the series table."""

    series_instance_uid: str
    study_instance_uid: str
    state: SeriesState
    reason_code: str | None
    reason: str | None
    completeness: str | None
    instance_count: int
    first_arrival: datetime
    last_arrival: datetime
    ready_at: datetime | None
    input_digest: str | None
    refusal_code: str | None
    attempts: int
    next_attempt_at: datetime | None
    files_removed_at: datetime | None

    @property
    def key(self) -> str:
        """The short name of the series in the log."""
        return log_key(self.series_instance_uid)


@dataclass(frozen=True)
class Successor:
    """A series that is put in line when another one of its study could not be read.

    Parameters
    ----------
    input_digest
        Of a series that is to be analysed; None where only the notice of the study is to be made on it.
    """

    series_instance_uid: str
    input_digest: str | None


@dataclass(frozen=True)
class ResultRecord:
    """One result object on disk; ``path`` is relative to ``data_dir``."""

    sop_instance_uid: str
    result_series_uid: str
    sop_class_uid: str
    kind: str
    path: str


@dataclass(frozen=True)
class Recipient:
    """A destination and what it is to get.

    Parameters
    ----------
    kinds
        Of results that are sent to it.
    ladders
        Kinds among them that are forms of one result, in order of preference: one of each ladder is sent,
        the next only when the destination does not take the one before.
    """

    name: str
    kinds: frozenset[str]
    ladders: tuple[tuple[str, ...], ...] = ()

    def gets_one_of(self, made: Set[str]) -> bool:
        """Tell whether a form of its ladders is among the kinds that were made; true when it has no ladder."""
        forms = {kind for ladder in self.ladders for kind in ladder}
        return not forms or bool(forms & made)


@dataclass(frozen=True)
class OutcomeRecord:
    """What one analysis came to.

    Parameters
    ----------
    state
        ANALYSED, REFUSED or FAILED.
    code, reason
        Why, where the state is not ANALYSED.
    report
        The content of report.json.
    """

    state: SeriesState
    code: str | None
    reason: str | None
    report: dict[str, Any]
    results: tuple[ResultRecord, ...]
    software_version: str
    wall_s: float


@dataclass(frozen=True)
class DeliveryRecord:
    """One result that one destination is to get, or has got; ``rung``: its place in a ladder of forms."""

    sop_instance_uid: str
    destination: str
    series_instance_uid: str
    path: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    status: int | None
    message: str | None
    rung: int | None = None


@dataclass(frozen=True)
class RefusalRecord:
    """An instance or an association that was turned away.

    Parameters
    ----------
    calling_ae_title, address
        Who sent it; the title is empty where none was said.
    status
        DIMSE status of the answer; None for an association.
    sop_instance_uid
        As announced; None for an association.
    """

    calling_ae_title: str
    address: str
    code: str
    message: str
    at: datetime
    status: int | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True)
class RefusalCount:
    """How often one sender was turned away for one reason; ``message`` is the last one."""

    calling_ae_title: str
    address: str
    code: str
    count: int
    last_at: datetime
    message: str
