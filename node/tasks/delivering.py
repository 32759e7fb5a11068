"""The delivery task of one destination: sends what is due over one association and records each answer."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from node.delivery.scu import Destination, SendResult, send
from node.delivery.statuses import Outcome
from node.ledger.deliveries import DeliveryLedger
from node.ledger.records import SETTLED, DeliveryRecord, DeliveryState
from node.series.retry import RetryPolicy, next_attempt

logger = logging.getLogger(__name__)

_Answer = tuple[DeliveryState, int | None, str]  # what became of a result, status, message

_STATE_OF_OUTCOME = {
    Outcome.STORED: DeliveryState.STORED,
    Outcome.STORED_WITH_WARNING: DeliveryState.WARNING,
    Outcome.REFUSED: DeliveryState.REFUSED,
}


class DeliveryTask:
    """Sends results to one destination; several destinations are served side by side."""

    def __init__(
        self,
        ledger: DeliveryLedger,
        destination: Destination,
        calling_ae_title: str,
        data_dir: Path,
        policy: RetryPolicy,
        timeout_s: float,
        jitter: Callable[[], float],
    ) -> None:
        self.name = f"delivery:{destination.name}"
        self._ledger = ledger
        self._destination = destination
        self._calling_ae_title = calling_ae_title
        self._data_dir = data_dir
        self._policy = policy
        self._timeout_s = timeout_s
        self._jitter = jitter

    def initialize(self) -> None:
        """Nothing to get ready."""

    def shutdown(self) -> None:
        """Nothing to let go of."""

    def failed(self, error: Exception, now: datetime) -> None:
        """Nothing was recorded, so everything that was due is still due."""

    def loop(self, now: datetime) -> bool:
        """Send everything that is due."""
        due = self._ledger.due(self._destination.name, now)
        if due:
            self._send(due, now)
        return False

    def _send(self, due: Sequence[DeliveryRecord], now: datetime) -> None:
        here = {self._data_dir / record.path: record for record in due}
        answers: Counter[_Answer] = Counter()
        for path in list(here):
            if not path.is_file():
                lost = "the result file is no longer on disk"
                answers[self._note(here.pop(path), DeliveryState.REFUSED, None, lost, now), None, lost] += 1
        first = list(here)
        other_forms = self._other_forms(here)

        def record_answer(result: SendResult) -> None:
            answers[self._record(here[result.path], result, now), result.status, result.message] += 1

        send(
            first,
            self._destination,
            calling_ae_title=self._calling_ae_title,
            timeout_s=self._timeout_s,
            on_result=record_answer,
            other_forms=other_forms,
            is_wanted=lambda path: not self._ledger.is_withdrawn(here[path]),
        )
        self._tell(answers)

    def _other_forms(self, here: dict[Path, DeliveryRecord]) -> dict[Path, list[Path]]:
        """Add to ``here`` the forms in reserve of what is due, and give their paths by that of the form that is due."""
        due = {record.series_instance_uid: path for path, record in here.items() if record.rung is not None}
        forms: dict[Path, list[Path]] = {}
        for record in self._ledger.in_reserve(self._destination.name, due):
            path = self._data_dir / record.path
            here[path] = record
            forms.setdefault(due[record.series_instance_uid], []).append(path)
        return forms

    def _tell(self, answers: Counter[_Answer]) -> None:
        """Log one line for each kind of answer, not one for each object."""
        for (state, status, message), count in answers.items():
            # That a form has no presentation context is an arrangement; that it was looked at and refused is trouble.
            is_trouble = state not in SETTLED or (state is DeliveryState.NOT_TAKEN and status is not None)
            level = logging.WARNING if is_trouble else logging.INFO
            logger.log(level, "%d results for %s: %s, %s", count, self._destination.name, state, message)

    def _record(self, record: DeliveryRecord, result: SendResult, now: datetime) -> DeliveryState:
        state = DeliveryState.NOT_TAKEN if result.is_about_class else _STATE_OF_OUTCOME.get(result.outcome)
        if state is not None:
            return self._note(record, state, result.status, result.message, now)
        again = next_attempt(record.attempts + 1, now, self._policy, self._jitter())
        state = DeliveryState.PENDING if again else DeliveryState.HELD
        return self._note(record, state, result.status, result.message, now, again)

    def _note(
        self,
        record: DeliveryRecord,
        state: DeliveryState,
        status: int | None,
        message: str,
        now: datetime,
        again: datetime | None = None,
    ) -> DeliveryState:
        return self._ledger.record_answer(record, state, now, status=status, message=message, next_attempt_at=again)
