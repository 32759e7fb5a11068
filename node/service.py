"""The composition root: builds the rooms, joins them, starts and stops them. The only room that knows all of them.

reception --(ledger)--> completion --(ledger)--> analysis process --(ledger)--> delivery
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
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
from node.errors import ConfigError, PulmonodeError
from node.ledger.ledger import Ledger
from node.ledger.records import Recipient
from node.machine import analysis_bytes, memory_bytes, volume_bytes
from node.reception.inbox import Inbox
from node.reception.instance_store import InstanceStore
from node.reception.scp import Peer, Receiver, ReceptionSettings
from node.results.comparison import known_nodules
from node.results.forms import Kind, kinds_of, ladders_of, preferred
from node.tasks.analysing import AnalysisRules, AnalysisTask
from node.tasks.completing import CompletionRules, CompletionTask
from node.tasks.delivering import DeliveryTask
from node.tasks.retention import RetentionRules, RetentionTask
from node.tasks.runner import Runner

logger = logging.getLogger(__name__)

COMPLETION_TICK_S = 1  # how soon a quiet time that is over is noticed
RETRY_TICK_S = 5  # how soon an attempt that has become due is made
RETENTION_TICK_S = 3600
LOOK_TIMEOUT_S = 60.0
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
        if settings.results.known_nodules:
            known_nodules(settings.results.known_nodules)  # a mistake in the file shows now, not at the first study
        lock = _lock(settings.data_dir)
        return _joined(settings, lock, Ledger.open(settings.ledger_url))


def _joined(settings: Settings, lock: IO[str], ledger: Ledger) -> Service:
    store = InstanceStore(settings.data_dir / "instances", int(settings.retention.minimum_free_gb * 1e9))
    removed = store.sweep(ledger.instances.known_paths())
    if removed:
        logger.info("%d files that were never acknowledged are removed", removed)
    deliveries = tuple(Runner(task) for task in _delivery_tasks(settings, ledger))
    worker = WorkerProcess(_worker_command(settings))
    analysis = Runner(AnalysisTask(ledger, worker, _analysis_rules(settings), _waker(deliveries)))
    completion = Runner(
        CompletionTask(
            ledger,
            _completion_rules(settings),
            open_associations=lambda: receiver.open_associations(),  # the receiver below wakes it in turn
            look=lambda paths: _look(worker, paths),
            on_ready=analysis.wake,
        )
    )
    inbox = Inbox(store, ledger.instances, on_arrival=lambda _: None, when_changed=settings.series.changed)
    receiver = Receiver(_reception_settings(settings), inbox, on_association_end=lambda _: completion.wake())
    return Service(
        settings=settings,
        ledger=ledger,
        receiver=receiver,
        worker=worker,
        completion=completion,
        analysis=analysis,
        deliveries=deliveries,
        retention=Runner(RetentionTask(ledger, store, settings.data_dir / "results", _retention_rules(settings))),
        scheduler=BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1}),
        lock=lock,
    )


def _look(worker: WorkerProcess, paths: Sequence[Path]) -> bool | None:
    """Ask whether end slices cut the lungs; None when the process is busy, or cannot read them: then quiet decides."""
    try:
        answer = worker.ask_if_free({"look": [str(path.absolute()) for path in paths]}, LOOK_TIMEOUT_S)
    except PulmonodeError as error:
        logger.warning("the end slices could not be looked at: %s", error)
        return None
    cut = answer.get("lungs_cut") if answer else None
    return bool(cut) if cut is not None else None


def _completion_rules(settings: Settings) -> CompletionRules:
    series = settings.series
    return CompletionRules(settings.data_dir, series.quiet_s, series.study_cap_s, settings.selection)


def _waker(runners: tuple[Runner, ...]) -> Callable[[], None]:
    def wake() -> None:
        for runner in runners:
            runner.wake()

    return wake


def _delivery_tasks(settings: Settings, ledger: Ledger) -> list[DeliveryTask]:
    return [
        DeliveryTask(
            ledger.deliveries,
            Destination(destination.name, destination.ae_title, destination.host, destination.port),
            settings.node.ae_title,
            settings.data_dir,
            settings.delivery.policy,
            settings.delivery.timeout_s,
            jitter=random.Random().random,  # noqa: S311 - spreads retries, guards nothing
        )
        for destination in settings.destinations
    ]


def _worker_command(settings: Settings) -> list[str]:
    threshold = settings.analysis.threshold
    choice = json.dumps(settings.model_choice.to_json())
    return [
        *(sys.executable, "-m", "node.worker", settings.device),
        *("default" if threshold is None else str(threshold), choice, str(_analysis_bytes(settings))),
    ]


def _analysis_bytes(settings: Settings) -> int:
    return analysis_bytes(settings.analysis.memory_gb, memory_bytes())


def recipients_of(settings: Settings) -> tuple[Recipient, ...]:
    """Say which kinds of results each destination gets."""
    forms = {destination.name: settings.forms_of(destination) for destination in settings.destinations}
    return tuple(Recipient(name, frozenset(kinds_of(wanted)), ladders_of(wanted)) for name, wanted in forms.items())


def kinds_for(settings: Settings, recipients: Sequence[Recipient]) -> tuple[str, ...]:
    """List the kinds that somebody gets, in the order of the table; without a recipient those of the defaults."""
    if not recipients:
        return kinds_of(preferred(settings.results.forms))
    return tuple(kind for kind in Kind if any(kind in recipient.kinds for recipient in recipients))


def _analysis_rules(settings: Settings) -> AnalysisRules:
    recipients = recipients_of(settings)
    return AnalysisRules(
        data_dir=settings.data_dir.absolute(),
        software_version=version("pulmonode"),
        station_name=settings.node.ae_title,
        recipients=recipients,
        kinds=kinds_for(settings, recipients),
        attempts=settings.analysis.attempts,
        timeout_s=settings.analysis.timeout_s,
        neighbours=settings.results.neighbours,
        language=settings.results.language,
        ohif_tracking=settings.results.ohif_tracking,
        notices=settings.results.notices,
        page=settings.results.page,
        selection=settings.selection,
        known_nodules=settings.results.known_nodules,
        patient_facts=settings.analysis.patient_facts and settings.analysis.patient_facts.absolute(),
        prior_reports=settings.results.prior_reports and settings.results.prior_reports.absolute(),
        volume_limit_bytes=volume_bytes(settings.analysis.volume_limit_gb, _analysis_bytes(settings)),
    )


def _reception_settings(settings: Settings) -> ReceptionSettings:
    node = settings.node
    return ReceptionSettings(
        ae_title=node.ae_title,
        host=node.host,
        port=node.port,
        peers=tuple(Peer(peer.ae_title, peer.address) for peer in settings.peers),
        any_storage_class=node.any_storage_class,
        maximum_associations=node.maximum_associations,
        require_called_ae_title=node.require_called_ae_title,
        drain_s=node.drain_s,
    )


def _retention_rules(settings: Settings) -> RetentionRules:
    kept = settings.retention
    return RetentionRules(timedelta(days=kept.instances_days), timedelta(days=kept.results_days))


def _lock(data_dir: Path) -> IO[str]:
    """Hold ``data_dir`` for this process alone: two nodes on one ledger would do everything twice."""
    try:
        make_folder_durably(data_dir)
        lock = (data_dir / "lock").open("a")
    except OSError as error:
        raise ConfigError(f"data_dir = {str(data_dir)!r} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise ConfigError(f"data_dir = {str(data_dir)!r} is in use by another node") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
