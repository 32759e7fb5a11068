"""The retention task: removes files whose time is over; the ledger's rows stay."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from node.ledger.ledger import Ledger
from node.ledger.records import SeriesRecord
from node.reception.instance_store import InstanceStore
from node.series.states import SeriesState

logger = logging.getLogger(__name__)

_NEEDED = frozenset({SeriesState.RECEIVING, SeriesState.READY})


@dataclass(frozen=True)
class RetentionRules:
    """How long files stay, counted from the last arrival in their series."""

    instances: timedelta
    results: timedelta


class RetentionTask:
    """Removes instances, and results that are delivered, when they are old enough."""

    name = "retention"

    def __init__(self, ledger: Ledger, store: InstanceStore, results: Path, rules: RetentionRules) -> None:
        self._ledger = ledger
        self._store = store
        self._results = results
        self._rules = rules

    def initialize(self) -> None:
        """Nothing to get ready."""

    def shutdown(self) -> None:
        """Nothing to let go of."""

    def failed(self, error: Exception, now: datetime) -> None:
        """Nothing to note: what could not be removed is looked at again at the next tick."""

    def loop(self, now: datetime) -> bool:
        """Remove what is due."""
        for record in self._ledger.series.all():
            if record.state in _NEEDED:
                continue
            if record.files_removed_at is None and now - record.last_arrival >= self._rules.instances:
                self._remove_instances(record, now)
            if now - record.last_arrival >= self._rules.results and not self._is_owed(record):
                shutil.rmtree(self._results / record.series_instance_uid, ignore_errors=True)
        return False

    def _remove_instances(self, record: SeriesRecord, now: datetime) -> None:
        """Mark first, then remove: a crash in between leaves files, never a series that looks whole and is not."""
        with self._store.removing():
            self._ledger.series.mark_removed(record.series_instance_uid, now)
            self._store.remove(record.series_instance_uid)
        logger.info("series %s: instances removed after their retention time", record.key)

    def _is_owed(self, record: SeriesRecord) -> bool:
        """Tell whether a destination has not got a result of this series yet."""
        return self._ledger.deliveries.open_count(record.series_instance_uid) > 0
