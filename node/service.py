"""The composition root: builds the rooms, joins them, starts and stops them. The only room that knows all of them.

reception --(ledger)--> completion --(ledger)--> analysis process --(ledger)--> delivery
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import sys
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO

from apscheduler.schedulers.background import BackgroundScheduler

from node.analysis.process import WorkerProcess
from node.config import Settings
from node.delivery.scu import Destination
from node.durable import make_folder_durably
from node.errors import ConfigError
from node.ledger.ledger import Ledger
from node.reception.inbox import Inbox
from node.reception.instance_store import InstanceStore
from node.reception.scp import Peer, Receiver, ReceptionSettings
from node.tasks.analysing import AnalysisRules, AnalysisTask
from node.tasks.completing import CompletionTask
from node.tasks.delivering import DeliveryTask
from node.tasks.retention import RetentionRules, RetentionTask
from node.tasks.runner import Runner

logger = logging.getLogger(__name__)

COMPLETION_TICK_S = 1  # how soon a quiet time that is over is noticed
RETRY_TICK_S = 5  # how soon an attempt that has become due is made
RETENTION_TICK_S = 3600
_JOIN_S = 10.0  # for a thread to end once its work has been taken away


@dataclass
class Service:
    """The whole node, built but not started."""

    settings: Settings
    ledger: Ledger
    receiver: Receiver
    worker: WorkerProcess
    completion: Runner
    analysis: Runner
    deliveries: tuple[Runner, ...]
    retention: Runner
    scheduler: BackgroundScheduler
    lock: IO[str]

    def start(self) -> int:
        """Start the analysis process, the threads and the listener; give the port that it listens on.

        Raises
        ------
        ConfigError
            The device is not there, or the address cannot be listened on.
        """
        greeting = self.worker.start()
        logger.info("the analysis process is ready on %s", greeting["device"])
        for runner in self._runners():
            runner.start()
        self._schedule()
        port = self.receiver.start()
        logger.info("%s listens on %s:%d", self.settings.node.ae_title, self.settings.node.host, port)
        return port

    def stop(self) -> None:
        """Refuse new associations, let what is under way finish for ``drain_s``, then end it; nothing is lost."""
        self.receiver.shutdown()
        self.scheduler.shutdown(wait=False)
        for runner in self._runners():
            runner.stop()
        if not self.analysis.join(self.settings.node.drain_s):
            logger.warning("the analysis under way is ended; it begins again at the next start")
            self.worker.kill()
        for runner in self._runners():
            if not runner.join(_JOIN_S):
                logger.warning("%s is still at work and is left behind", runner.name)
        self.ledger.close()
        self.lock.close()

    def _runners(self) -> tuple[Runner, ...]:
        return (self.completion, self.analysis, *self.deliveries, self.retention)

    def _schedule(self) -> None:
        """Tick: sweeps each second, retries every few, retention each hour."""
        ticks = [
            (self.completion, COMPLETION_TICK_S),
            (self.analysis, RETRY_TICK_S),
            (self.retention, RETENTION_TICK_S),
        ]
        for runner, seconds in [*ticks, *((runner, RETRY_TICK_S) for runner in self.deliveries)]:
            self.scheduler.add_job(runner.wake, "interval", seconds=seconds)
        self.scheduler.start()

    @classmethod
    def build(cls, settings: Settings) -> Service:
        """Join the rooms as the settings say.

        Raises
        ------
        ConfigError
            Another node works in ``data_dir``, or it cannot be written.
        LedgerError
            The database cannot be opened.
        """
        lock = _lock(settings.data_dir)
        return _joined(settings, lock, Ledger.open(settings.ledger_url))
