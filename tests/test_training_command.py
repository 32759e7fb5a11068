"""``pulmonode train`` is ``python -m training``: same arguments, same exit code, and a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node.__main__ import main


class Replaced(BaseException):
    """A process that is replaced does not return."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["explore", "FOLDER", "--output", "page.html"],
        ["--help"],
        ["transfer", "--help"],
        ["evaluate", "a.csv", "b.csv", "--seed", "3", "--", "-x"],
        [],
    ],
)
def test_arguments_are_passed_on_unread(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def replace(path: str, command: list[str]) -> None:
        called.append([path, *command])
        raise Replaced

    monkeypatch.setattr("os.execv", replace)
    monkeypatch.setattr("sys.argv", ["pulmonode", "train", *arguments])
    with pytest.raises(Replaced):
        main()
    assert called == [[sys.executable, sys.executable, "-P", "-m", "training", *arguments]]


def test_error_of_a_task_is_one_line_and_exit_2_wherever_the_user_stands(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()  # the user's own folder, not the package
    command = [sys.executable, "-m", "node", "train", "explore", str(tmp_path / "nothing")]
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": root, "PATH": ""}, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("explore: ")
    assert len(done.stderr.strip().splitlines()) == 1
