"""The thread that runs a task."""

from __future__ import annotations

import threading
from datetime import datetime

from node.tasks.runner import Runner


class Failing:
    """A task whose first turn raises what nobody expected."""

    name = "failing"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.done = threading.Event()

    def initialize(self) -> None:
        self.seen.append("initialize")

    def loop(self, now: datetime) -> bool:
        self.seen.append("loop")
        if self.seen.count("loop") == 1:
            raise RuntimeError("unexpected")
        self.done.set()
        return False

    def failed(self, error: Exception, now: datetime) -> None:
        self.seen.append(f"failed {type(error).__name__}")

    def shutdown(self) -> None:
        self.seen.append("shutdown")


def test_the_runner_survives_an_unexpected_error_and_notes_it() -> None:
    task = Failing()
    runner = Runner(task)
    runner.start()
    while not task.done.wait(0.05):
        runner.wake()
    runner.stop()
    assert runner.join(10)
    assert task.seen[:4] == ["initialize", "loop", "failed RuntimeError", "loop"]
    assert task.seen[-1] == "shutdown"
