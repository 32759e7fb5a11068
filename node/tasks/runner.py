"""The one runner: a thread that calls ``loop(now)`` whenever it is woken, until it is told to stop.

A task never sleeps and never reads the clock, so that a test drives it with a ``now`` of its choice.
What wakes it is the scheduler's tick, or another room that has made work for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

logger = logging.getLogger(__name__)


class Task(Protocol):
    """Work that goes on until the node stops."""

    name: str

    def initialize(self) -> None:
        """Get ready; called once, in the task's own thread."""

    def loop(self, now: datetime) -> bool:
        """Do one piece of what is due; True when there may be more of it at once."""

    def failed(self, error: Exception, now: datetime) -> None:
        """Note an error that ``loop`` did not expect, where the user looks for it."""

    def shutdown(self) -> None:
        """Let go of everything; called once, in the task's own thread."""


def utc_now() -> datetime:
    """Give the time, as the ledger takes it."""
    return datetime.now(UTC)


class Runner:
    """Runs one task in a thread of its own."""

    def __init__(self, task: Task, clock: Callable[[], datetime] = utc_now) -> None:
        self._task = task
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=task.name, daemon=True)

    @property
    def name(self) -> str:
        """The name of the task."""
        return self._task.name

    def start(self) -> None:
        """Start the thread; it looks at once whether something is due."""
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Make the task look at once whether something is due. Safe from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Tell the task to end after what it is doing now."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; False when it has not."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._task.initialize()
        try:
            while not self._stopping.is_set():
                self._wake.wait()
                self._wake.clear()
                self._work()
        finally:
            self._task.shutdown()

    def _work(self) -> None:
        while not self._stopping.is_set() and self._step():
            pass

    def _step(self) -> bool:
        try:
            return self._task.loop(self._clock())
        except Exception as error:
            # After an error it waits for the next tick: one that comes back at once must not fill the disk.
            logger.exception("%s: unexpected %s", self._task.name, type(error).__name__)
            self._task.failed(error, self._clock())
            return False
