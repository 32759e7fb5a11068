"""The shell around the analysis process: a child that answers, dies, hangs or refuses to start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from node.analysis.process import WorkerDied, WorkerProcess
from node.errors import ConfigError

GREETING = 'import json, os, sys, time; print(json.dumps({"ready": True, "device": "cpu"}), flush=True)\n'


def child(tmp_path: Path, body: str) -> WorkerProcess:
    script = tmp_path / "child.py"
    script.write_text(GREETING + body)
    return WorkerProcess([sys.executable, str(script)])


ECHO = "for line in sys.stdin:\n    print(json.dumps({'got': json.loads(line)}), flush=True)\n"


def test_a_job_is_answered_and_the_child_stays(tmp_path: Path) -> None:
    worker = child(tmp_path, ECHO)
    assert worker.start() == {"ready": True, "device": "cpu"}
    assert worker.ask({"n": 1}, 20) == {"got": {"n": 1}}
    assert worker.ask({"n": 2}, 20) == {"got": {"n": 2}}
    worker.close()


def test_a_child_that_is_killed_in_a_job_is_an_error_and_the_next_job_gets_a_new_one(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    body = (
        "for line in sys.stdin:\n"
        f"    if not os.path.exists({str(marker)!r}):\n"
        f"        open({str(marker)!r}, 'w').close()\n"
        "        os.kill(os.getpid(), 11)\n"
        "    print(json.dumps({'got': 1}), flush=True)\n"
    )
    worker = child(tmp_path, body)
    with pytest.raises(WorkerDied, match="signal 11"):
        worker.ask({}, 20)
    assert worker.ask({}, 20) == {"got": 1}
    worker.close()


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    worker = child(tmp_path, "sys.stdin.readline()\nsys.stdin.readline()\n")
    worker.start()
    with pytest.raises(WorkerDied, match=r"took more than 0\.2 s"):
        worker.ask({}, 0.2)
    worker.close()


def test_a_child_that_cannot_work_with_the_settings_says_why(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text('import json; print(json.dumps({"ready": False, "message": "device = cuda:7: not here"}))')
    with pytest.raises(ConfigError, match="cuda:7"):
        WorkerProcess([sys.executable, str(script)]).start()


def test_a_child_that_ends_without_a_word_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("raise SystemExit(9)")
    with pytest.raises(WorkerDied, match="exit status 9"):
        WorkerProcess([sys.executable, str(script)]).start()


def test_nobody_waits_for_a_busy_child_who_does_not_want_to(tmp_path: Path) -> None:
    worker = child(tmp_path, ECHO)
    worker.start()
    with worker._busy:
        assert worker.ask_if_free({"n": 1}, 20) is None
    assert worker.ask_if_free({"n": 1}, 20) == {"got": {"n": 1}}
    worker.close()
