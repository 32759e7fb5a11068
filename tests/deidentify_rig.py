"""The command line of de-identification, in this process, and the files that it leaves."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from node.__main__ import main


class Done(NamedTuple):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def pulmonode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULMONODE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards: the command sets its own
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["pulmonode", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))
