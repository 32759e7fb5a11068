"""The shell around the analysis process: start it, ask it, notice when it dies or hangs."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from node.errors import ConfigError, PulmonodeError

START_TIMEOUT_S = 300.0  # the first import of torch on a cold disk
_READ_BYTES = 1 << 16


class WorkerDied(PulmonodeError):
    """The analysis process ended or hung in the middle of a job."""

    code = "ANALYSIS_CRASHED"
    retry = True


class WorkerProcess:
    """One child process that answers one JSON line to each JSON line; started when first asked.

    Safe for several threads: one asks at a time. ``kill`` may be called while another thread waits.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._busy = threading.Lock()

    def start(self) -> dict[str, Any]:
        """Start the child anew and give its first line.

        Raises
        ------
        ConfigError
            The child says why it cannot work with these settings.
        WorkerDied
            It ended without a word, or said nothing for ``START_TIMEOUT_S``.
        """
        self.kill()
        self._buffer = b""
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        greeting = self._read_line(START_TIMEOUT_S)
        if not greeting.get("ready"):
            self.kill()
            raise ConfigError(str(greeting.get("message")))
        return greeting

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send one job and wait for its answer.

        Raises
        ------
        WorkerDied
            The child ended, or did not answer in time and was killed; the next job starts a new one.
        """
        with self._busy:
            return self._ask(job, timeout_s)

    def ask_if_free(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
        """Do as ``ask``, or give None at once when the child works on another job."""
        if not self._busy.acquire(blocking=False):
            return None
        try:
            return self._ask(job, timeout_s)
        finally:
            self._busy.release()

    def close(self) -> None:
        """Let the child end by closing its input."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            try:
                self._child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the child at once."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def _ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        if self._child is None or self._child.poll() is not None:
            self.start()
        stdin = self._running().stdin
        if stdin is None:
            raise WorkerDied("the analysis process has no input")
        try:
            stdin.write(json.dumps(job).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise WorkerDied(f"the analysis process ended with {self._exit_text()}") from None
        return self._read_line(timeout_s)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise WorkerDied("the analysis process does not run")
        return self._child

    def _read_line(self, timeout_s: float) -> dict[str, Any]:
        stdout = self._running().stdout
        if stdout is None:
            raise WorkerDied("the analysis process has no output")
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(timeout_s):
                    self.kill()
                    raise WorkerDied(f"the analysis took more than {timeout_s:g} s and was ended")
                received = os.read(stdout.fileno(), _READ_BYTES)
                if not received:
                    raise WorkerDied(f"the analysis process ended with {self._exit_text()}")
                self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def _exit_text(self) -> str:
        code = self._running().wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"
