"""A device that is not there stops every task with one line, before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from training.__main__ import app
from training.devices import device_of
from training.errors import TrainingError

TASKS = {
    "lungs": ["OUT"],
    "proposals": ["OUT"],
    "false-positives": ["DATA", "OUT"],
    "detector": ["DATA", "OUT"],
    "malignancy": ["DATA", "OUT"],
    "phantom": ["OUT"],
}


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("device", ["tpuu", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line_and_exit_2(task: str, device: str, tmp_path: Path) -> None:
    places = {"OUT": tmp_path / "out", "DATA": tmp_path / "none.npz"}
    result = CliRunner().invoke(app, [task, *(str(places[name]) for name in TASKS[task]), "--device", device])
    assert result.exit_code == 2
    assert device in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == torch.device("cuda")


def test_a_gpu_of_a_number_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(TrainingError, match="cuda:2: there is no such CUDA device"):
        device_of("cuda:2")
