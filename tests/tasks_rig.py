"""The tasks around a ledger, driven with a chosen time: no thread, no sleep, and a worker that says what it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from node.analysis.process import WorkerDied
from node.ledger.ledger import Ledger
from node.ledger.records import Recipient, SeriesRecord
from node.results.language import Language
from node.series.instances import InstanceHeader
from node.series.selection import SelectionRules
from node.tasks.analysing import AnalysisRules, AnalysisTask
from node.tasks.completing import CompletionRules, CompletionTask

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.34"
PACS = Recipient("pacs", frozenset({"SR"}))
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ct_slice(series: str, number: int, **attributes: Any) -> InstanceHeader:
    values: dict[str, Any] = {
        "modality": "CT",
        "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
        "rows": 512,
        "columns": 512,
        "pixel_spacing_mm": (0.7, 0.7),
        "slice_thickness_mm": 2.5,
        "image_position_patient": (0.0, 0.0, 2.5 * number),
        "image_orientation_patient": AXIAL,
        "frame_of_reference_uid": "1.9",
        "body_part_examined": "CHEST",
    }
    return InstanceHeader(f"{series}.{number}", CT, series, "1.2", **{**values, **attributes})


@dataclass
class Node:
    """A ledger and the tasks around it."""

    ledger: Ledger
    folder: Path
    open_associations: set[str] = field(default_factory=set)
    ends_cut_lungs: bool | None = False
    answers: list[Any] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def receive(self, headers: Sequence[InstanceHeader], now: datetime, association: str = "a1") -> None:
        for header in headers:
            path = f"instances/{header.series_instance_uid}/{header.sop_instance_uid}.dcm"
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(b"DICM")
            self.ledger.instances.record_instance(
                header,
                sha256=header.sop_instance_uid,
                size=4,
                path=path,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                calling_ae_title="CT1",
                association_id=association,
                received_at=now,
            )

    def complete(self, now: datetime) -> None:
        rules = CompletionRules(self.folder, 60, 900, SelectionRules())
        CompletionTask(
            self.ledger, rules, lambda: self.open_associations, lambda _: self.ends_cut_lungs, lambda: None
        ).loop(now)

    def analyse(self, now: datetime, **changes: Any) -> bool:
        rules = AnalysisRules(
            **{
                "data_dir": self.folder,
                "software_version": "1",
                "station_name": "PULMONODE",
                "recipients": (PACS,),
                "kinds": ("SR",),
                "attempts": 3,
                "timeout_s": 10,
                "neighbours": 1,
                "language": Language.ENGLISH,
                "ohif_tracking": False,
                "notices": True,
                "page": False,
                "selection": SelectionRules(),
                "known_nodules": None,
                "prior_reports": None,
                "patient_facts": None,
                **changes,
            }
        )
        return AnalysisTask(self.ledger, self, rules, lambda: None).loop(now)

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Stand for the worker; an answer that is a function happens while the worker is at work."""
        self.jobs.append(job)
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def close(self) -> None:
        """Stand for the worker."""

    def series(self, uid: str) -> SeriesRecord:
        record = self.ledger.series.get(uid)
        assert record is not None
        return record


def node_with_ledger(tmp_path: Path) -> Iterator[Node]:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield Node(ledger, tmp_path)
    ledger.close()


def slices(series: str, count: int = 40, **attributes: Any) -> list[InstanceHeader]:
    return [ct_slice(series, number, **attributes) for number in range(count)]


def result(uid: str = "9.1") -> dict[str, Any]:
    return {"sop_instance_uid": uid, "result_series_uid": "9", "sop_class_uid": SR, "kind": "SR", "name": "sr-01.dcm"}


def analysed(**changes: Any) -> dict[str, Any]:
    return {"code": None, "reason": None, "report": {}, "results": [result()], "wall_s": 2.0, **changes}


CRASH = WorkerDied("the analysis process ended with signal 11")
