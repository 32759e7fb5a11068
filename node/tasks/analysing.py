"""The analysis task: takes the series that has waited longest through the worker and records what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from node.errors import PulmonodeError, ResultError
from node.job import Job, facts_file, job_to_json, prior_file
from node.ledger.ledger import Ledger
from node.ledger.records import OutcomeRecord, Recipient, ResultRecord, SeriesRecord
from node.results.context import PredecessorReport
from node.results.language import Language
from node.results.prior import tracked_nodules
from node.series.selection import SelectionRules
from node.series.states import SeriesState
from node.series.succession import Step, StepKind
from node.tasks.study import Study

logger = logging.getLogger(__name__)

RETRY_WAIT_S = 30.0  # between two attempts at the same series
GIVEN_UP = "ANALYSIS_FAILED"
INTERNAL_ERROR = "INTERNAL_ERROR"
_FOLLOWING = MappingProxyType(
    {StepKind.TRY: "the next best of its study is tried", StepKind.NOTICE: "its study gets a notice"}
)


class Worker(Protocol):
    """Answers one job."""

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Give the answer; raises WorkerDied."""

    def close(self) -> None:
        """End."""


@dataclass(frozen=True)
class AnalysisRules:
    """The settings that the task obeys; folders are absolute.

    Parameters
    ----------
    recipients
        Who is to get what.
    kinds
        Of results that are made: all that a recipient is to get.
    volume_limit_bytes
        As in ``Job``.
    """

    data_dir: Path
    software_version: str
    station_name: str
    recipients: tuple[Recipient, ...]
    kinds: tuple[str, ...]
    attempts: int
    timeout_s: float
    neighbours: int
    language: Language
    ohif_tracking: bool
    notices: bool
    page: bool
    selection: SelectionRules
    known_nodules: Path | None
    patient_facts: Path | None
    prior_reports: Path | None
    volume_limit_bytes: int | None = None


class AnalysisTask:
    """Works on one READY series at a time; what cannot be read hands over to the next best of its study."""

    name = "analysis"

    def __init__(self, ledger: Ledger, worker: Worker, rules: AnalysisRules, on_results: Callable[[], None]) -> None:
        self._ledger = ledger
        self._worker = worker
        self._rules = rules
        self._on_results = on_results
        self._current: SeriesRecord | None = None

    def initialize(self) -> None:
        """Nothing: the worker was started by the service, which must know whether it can."""

    def shutdown(self) -> None:
        """End the worker."""
        self._worker.close()

    def loop(self, now: datetime) -> bool:
        """Take the next series, if there is one, to an outcome in the ledger."""
        record = self._current = self._ledger.series.next_ready(now)
        if record is None:
            return self._settle(now)
        attempt = self._ledger.series.begin_attempt(record.series_instance_uid)
        if attempt > self._rules.attempts and record.refusal_code is None:
            # Only a node that was killed in its last attempt comes here: a series that takes the node down.
            self._give_up(record, "the analysis was interrupted in every attempt", now)
            return True
        job = self._job(record)
        try:
            answer = self._worker.ask(job_to_json(job), self._rules.timeout_s)
        except PulmonodeError as error:
            answer = {"error": error.code, "message": str(error), "retry": error.retry}
        self._conclude(record, (attempt, job), answer, now)
        return True

    def _settle(self, now: datetime) -> bool:
        """Take up studies in which something failed that nobody foresaw, so that none ends in silence."""
        found = False
        for study_instance_uid in self._ledger.succession.unsettled_studies():
            study = Study.read(self._ledger, study_instance_uid, self._rules.selection)
            successor = study.successor(study.step())
            if successor is not None:
                self._ledger.succession.put_forward(successor, now)
                found = True
        return found

    def failed(self, error: Exception, now: datetime) -> None:
        """Mark the series at hand FAILED with the reason."""
        if self._current is not None:
            reason = f"unexpected {type(error).__name__}; see the log"
            self._ledger.series.fail(self._current, INTERNAL_ERROR, reason, now)

    def _job(self, record: SeriesRecord) -> Job:
        uid = record.series_instance_uid
        digest = record.input_digest or ""
        refusal = (record.refusal_code, record.reason or "") if record.refusal_code else None
        study = Study.read(self._ledger, record.study_instance_uid, self._rules.selection)
        return Job(
            files=tuple(self._rules.data_dir / path for _, path, _ in self._ledger.instances.files(uid)),
            output=self._rules.data_dir / self._folder(record),
            source_digest=digest,
            # Local time, as the dates and times of the study are (PS3.3 C.12.1.1.1).
            created_at=(record.ready_at or record.last_arrival).astimezone(),
            software_version=self._rules.software_version,
            station_name=self._rules.station_name,
            kinds=self._rules.kinds,
            neighbours=self._rules.neighbours,
            language=self._rules.language,
            ohif_tracking=self._rules.ohif_tracking,
            page=self._rules.page,
            known_nodules=self._rules.known_nodules,
            patient_facts=facts_file(self._rules.patient_facts, record.study_instance_uid),
            prior_report=prior_file(self._rules.prior_reports, record.study_instance_uid),
            tracked=tracked_nodules(self._ledger.outcomes.last_analysis(uid) or {"nodules": None}),
            refusal=refusal,
            notice=refusal is not None or study.step_after_refusal(uid) == Step(StepKind.NOTICE, uid),
            tried=len(study.tried_beside(uid)),
            notes=() if refusal else study.remarks(uid),
            volume_limit_bytes=self._rules.volume_limit_bytes,
            predecessor=self._predecessor(uid),
        )

    def _predecessor(self, uid: str) -> PredecessorReport | None:
        last = self._ledger.outcomes.last_report(uid)
        if last is None:
            return None
        study = self._ledger.outcomes.study_of(last)
        return PredecessorReport(last.sop_class_uid, last.sop_instance_uid, last.result_series_uid, study)

    @staticmethod
    def _folder(record: SeriesRecord) -> str:
        """Give the folder of the results, relative to ``data_dir``: other inputs, another folder."""
        return f"results/{record.series_instance_uid}/{(record.input_digest or '')[:16]}"

    def _with_reports(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Turn results without a report for somebody who is to get one into an error: never silence."""
        made = {result["kind"] for result in answer.get("results", ())}
        without = [recipient.name for recipient in self._recipients(answer) if not recipient.gets_one_of(made)]
        if not without:
            return answer
        message = f"no valid form of the report for {', '.join(without)}; choose others in results.report"
        return {"error": ResultError.code, "message": message, "retry": False}

    def _recipients(self, answer: dict[str, Any]) -> tuple[Recipient, ...]:
        is_silent = answer.get("code") is not None and not self._rules.notices
        return () if is_silent or "error" in answer else self._rules.recipients

    def _conclude(self, record: SeriesRecord, done: tuple[int, Job], answer: dict[str, Any], now: datetime) -> None:
        attempt, job = done
        if "error" not in answer and answer["code"] is not None and record.refusal_code is None:
            self._refuse(record, job, answer, now)
            return
        answer = self._with_reports(answer)
        if "error" not in answer:
            self._record(record, answer, now)
        elif record.refusal_code is not None:
            logger.error("no notice for series %s: %s", record.key, answer["message"])
            self._ledger.series.fail(
                record, record.refusal_code, f"{record.reason}; no notice: {answer['message']}", now
            )
        elif answer["retry"] and attempt < self._rules.attempts:
            logger.warning("attempt %d at series %s failed: %s", attempt, record.key, answer["message"])
            wait = timedelta(seconds=RETRY_WAIT_S)
            self._ledger.series.postpone(record, answer["error"], answer["message"], now + wait)
        else:
            self._give_up(record, answer["message"], now)

    def _refuse(self, record: SeriesRecord, job: Job, answer: dict[str, Any], now: datetime) -> None:
        """Record the notice, if the study still has nothing else to try; else hand over."""
        study = Study.read(self._ledger, record.study_instance_uid, self._rules.selection)
        is_last = study.step_after_refusal(record.series_instance_uid) == Step(
            StepKind.NOTICE, record.series_instance_uid
        )
        reported = self._with_reports(answer)
        if is_last and job.notice and "error" not in reported:
            self._record(record, answer, now)
        elif is_last and job.notice:
            self._give_up(record, reported["message"], now)
        else:
            self._hand_over(study, record, (answer["code"], answer["reason"]), now)

    def _give_up(self, record: SeriesRecord, reason: str, now: datetime) -> None:
        logger.error("series %s cannot be analysed: %s", record.key, reason)
        study = Study.read(self._ledger, record.study_instance_uid, self._rules.selection)
        self._hand_over(study, record, (GIVEN_UP, reason), now)

    def _hand_over(self, study: Study, record: SeriesRecord, why: tuple[str, str], now: datetime) -> None:
        """Leave a series without a notice to the next of its study, or to the notice of the study."""
        code, reason = why
        step = study.step_after_refusal(record.series_instance_uid)
        if step == Step(StepKind.NOTICE, record.series_instance_uid):
            self._ledger.series.give_up(record, code, reason)
            return
        following = "its study waits, or was told before" if step is None else _FOLLOWING[step.kind]
        logger.info("series %s cannot be read (%s): %s", record.key, code, following)
        self._ledger.succession.pass_on(record, _state_of(code), why, study.successor(step), now)

    def _record(self, record: SeriesRecord, answer: dict[str, Any], now: datetime) -> None:
        outcome = self._outcome(record, answer)
        finished_at = now + timedelta(seconds=outcome.wall_s)
        if not self._ledger.outcomes.record(record, outcome, self._recipients(answer), finished_at):
            logger.info("series %s changed while it was analysed; it will be analysed again", record.key)
            return
        logger.info("series %s: %s in %.1f s %s", record.key, outcome.state, outcome.wall_s, outcome.reason or "")
        self._on_results()

    def _outcome(self, record: SeriesRecord, answer: dict[str, Any]) -> OutcomeRecord:
        folder = self._folder(record)
        results = tuple(
            ResultRecord(**{key: result[key] for key in result if key != "name"}, path=f"{folder}/{result['name']}")
            for result in answer["results"]
        )
        return OutcomeRecord(
            state=_state_of(answer["code"]),
            code=answer["code"],
            reason=answer["reason"],
            report=answer["report"],
            results=results,
            software_version=self._rules.software_version,
            wall_s=answer["wall_s"],
        )


def _state_of(code: str | None) -> SeriesState:
    if code is None:
        return SeriesState.ANALYSED
    return SeriesState.FAILED if code in {GIVEN_UP, INTERNAL_ERROR} else SeriesState.REFUSED
