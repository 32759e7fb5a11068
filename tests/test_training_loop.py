"""The training loop: going on after a kill, early stopping, checkpoints that are whole or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR

from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.errors import TrainingError
from training.loop import CHECKPOINT_FILE, RunSettings, Trained, joined_history, train

SETTINGS = RunSettings(epochs=4, patience=10, seed=1, monitor="error", larger_is_better=False)
IDENTITY = {"data": "abc", "settings": {"width": 3}}
Batch = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(autouse=True)
def _no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing after each epoch takes longer than all the rest here; one test looks at it."""
    if "curves" not in request.node.name:
        monkeypatch.setattr("training.loop.write_curves", lambda *_: None)


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class Line:
    """Fit a line with dropout and Adam, so that weights, moments and randomness all matter."""

    def __init__(self, kill_at: tuple[int, int] | None = None, validation: tuple[float, ...] = ()) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.05)
        self.scheduler: LRScheduler | None = MultiStepLR(self.optimizer, [2, 3], gamma=0.1)
        self.kill_at = kill_at
        self.validation = list(validation)
        self.inputs = torch.arange(36.0).reshape(12, 3) / 36

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = torch.randperm(12)
        for number in range(3):
            if (epoch, number) == self.kill_at:
                raise Killed
            inputs = self.inputs[order[4 * number : 4 * number + 4]]
            yield inputs, inputs.sum(dim=1, keepdim=True)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        inputs, targets = batch
        return ((self.model(inputs) - targets) ** 2).mean(), len(inputs)

    def validate(self) -> dict[str, float]:
        if self.validation:
            return {"error": self.validation.pop(0)}
        return {"error": float((self.model(self.inputs) - self.inputs.sum(dim=1, keepdim=True)).abs().mean())}


def figures(trained: Trained) -> list[dict[str, float]]:
    """The history without its times."""
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in trained.history]


@pytest.mark.parametrize("kill_at", [(0, 1), (1, 0), (2, 2), (3, 1)])
def test_run_killed_within_an_epoch_goes_on_to_the_same_weights(kill_at: tuple[int, int], tmp_path: Path) -> None:
    whole = train(Line(), SETTINGS, IDENTITY, tmp_path / "whole")
    with pytest.raises(Killed):
        train(Line(kill_at), SETTINGS, IDENTITY, tmp_path / "cut")
    resumed = train(Line(), SETTINGS, IDENTITY, tmp_path / "cut")
    assert figures(resumed) == figures(whole)
    assert all(torch.equal(resumed.weights[name], tensor) for name, tensor in whole.weights.items())
    last = [load_checkpoint(tmp_path / name / CHECKPOINT_FILE).model for name in ("whole", "cut")]
    assert all(torch.equal(last[1][name], tensor) for name, tensor in last[0].items())


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = train(Line(), SETTINGS, IDENTITY, tmp_path)
    again = train(Line(kill_at=(0, 0)), SETTINGS, IDENTITY, tmp_path)
    assert again.history == first.history


def test_more_epochs_go_on_from_where_the_run_ended(tmp_path: Path) -> None:
    train(Line(), SETTINGS, IDENTITY, tmp_path)
    longer = train(Line(), replace(SETTINGS, epochs=6), IDENTITY, tmp_path)
    assert figures(longer) == figures(train(Line(), replace(SETTINGS, epochs=6), IDENTITY, tmp_path / "at once"))


def test_learning_rate_steps_survive_the_checkpoint(tmp_path: Path) -> None:
    """MultiStepLR keeps its milestones under whole numbers, which JSON alone would turn into words."""
    train(Line(), replace(SETTINGS, epochs=1), IDENTITY, tmp_path)
    task = Line()
    train(task, SETTINGS, IDENTITY, tmp_path)
    assert task.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * 0.1 * 0.1)


@pytest.mark.parametrize(
    ("settings", "identity", "word"),
    [
        (SETTINGS, {"data": "xyz", "settings": {"width": 3}}, "another data"),
        (SETTINGS, {"data": "abc", "settings": {"width": 4}}, "another settings"),
        (replace(SETTINGS, seed=2), IDENTITY, "another run"),
    ],
)
def test_checkpoint_of_another_run_is_refused(
    settings: RunSettings, identity: dict[str, object], word: str, tmp_path: Path
) -> None:
    train(Line(), replace(SETTINGS, epochs=1), IDENTITY, tmp_path)
    with pytest.raises(TrainingError, match=word):
        train(Line(), settings, identity, tmp_path)


def test_loss_that_is_not_a_number_ends_the_run_and_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    class Diverging(Line):
        def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
            value, count = super().loss(batch)
            return value * (float("nan") if self.scheduler and self.scheduler.last_epoch == 2 else 1), count

    with pytest.raises(TrainingError, match=r"nan in epoch 3; try a smaller learning rate"):
        train(Diverging(), SETTINGS, IDENTITY, tmp_path)
    kept = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert kept.epoch == 2
    assert all(tensor.isfinite().all() for tensor in kept.model.values())


def test_a_step_that_spoils_the_weights_at_the_end_of_an_epoch_is_not_kept(tmp_path: Path) -> None:
    class Spoilt(Line):
        def validate(self) -> dict[str, float]:
            if self.scheduler and self.scheduler.last_epoch == 2:
                torch.nn.init.constant_(self.model[0].weight, float("nan"))
            return {"error": 0.5}

    with pytest.raises(TrainingError, match="no numbers after epoch 2; try a smaller learning rate"):
        train(Spoilt(), SETTINGS, IDENTITY, tmp_path)
    assert load_checkpoint(tmp_path / CHECKPOINT_FILE).epoch == 1


def test_courses_of_several_runs_follow_one_another() -> None:
    first = Trained({}, [{"epoch": 1.0, "loss": 3.0}, {"epoch": 2.0, "loss": 2.0}], {})
    joined = list(joined_history([first, first]))
    assert [row["epoch"] for row in joined] == [1, 2, 3, 4]
    assert [row["run"] for row in joined] == [1, 1, 2, 2]
    assert list(joined_history([first])) == first.history


def test_without_a_better_figure_the_run_stops_and_the_best_weights_stay(tmp_path: Path) -> None:
    trained = train(
        Line(validation=(0.5, 0.2, 0.3, 0.2, 0.4)), replace(SETTINGS, epochs=9, patience=2), IDENTITY, tmp_path
    )
    assert len(trained.history) == 4  # best in the second epoch, two more without a better one
    assert trained.best["epoch"] == 2
    second = train(Line(validation=(0.5, 0.2)), replace(SETTINGS, epochs=2), IDENTITY, tmp_path / "two")
    assert all(torch.equal(trained.weights[name], tensor) for name, tensor in second.weights.items())


def test_figure_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    task = Line(validation=(float("nan"), 0.4, float("nan"), 0.3))
    larger = replace(SETTINGS, larger_is_better=True)
    assert train(task, larger, IDENTITY, tmp_path).best["error"] == 0.4


def test_kill_between_writing_and_renaming_leaves_the_former_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / CHECKPOINT_FILE
    save_checkpoint(Checkpoint(1, {"w": torch.ones(3)}, {}, {}, {}, [], {}), path)

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(Killed):
        save_checkpoint(Checkpoint(2, {"w": torch.zeros(3)}, {}, {}, {}, [], {}), path)
    monkeypatch.undo()
    kept = load_checkpoint(path)
    assert (kept.epoch, kept.model["w"].tolist()) == (1, [1, 1, 1])


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_checkpoint_is_named(damage: str, tmp_path: Path) -> None:
    train(Line(), replace(SETTINGS, epochs=1), IDENTITY, tmp_path)
    path = tmp_path / CHECKPOINT_FILE
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "other": b"PK" * 400}[damage])
    with pytest.raises(TrainingError, match=r"not a checkpoint .*delete it to start again"):
        train(Line(), SETTINGS, IDENTITY, tmp_path)


def test_checkpoint_names_seed_settings_and_data(tmp_path: Path) -> None:
    train(Line(), replace(SETTINGS, epochs=1), IDENTITY, tmp_path)
    identity = load_checkpoint(tmp_path / CHECKPOINT_FILE).identity
    assert identity["data"] == "abc"
    assert identity["run"]["seed"] == 1


def test_curves_have_a_row_an_epoch_and_a_picture(tmp_path: Path) -> None:
    train(Line(), SETTINGS, IDENTITY, tmp_path)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert set(rows[0]) == {"epoch", "loss", "images_per_s", "error"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_process_that_does_not_write_leaves_the_folder_empty(tmp_path: Path) -> None:
    train(Line(), replace(SETTINGS, epochs=1, writes=False), IDENTITY, tmp_path)
    assert not list(tmp_path.iterdir())


def test_empty_data_set_is_an_error(tmp_path: Path) -> None:
    class Empty(Line):
        def batches(self, epoch: int) -> Iterator[Batch]:
            return iter(())

    with pytest.raises(TrainingError, match="data set empty"):
        train(Empty(), SETTINGS, IDENTITY, tmp_path)


def test_monitor_that_validation_does_not_give_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="gave no accuracy; it gave error"):
        train(Line(), replace(SETTINGS, monitor="accuracy"), IDENTITY, tmp_path)


def test_no_epoch_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least one epoch"):
        train(Line(), replace(SETTINGS, epochs=0), IDENTITY, tmp_path)


def test_checkpoint_holds_json_and_tensors_alone(tmp_path: Path) -> None:
    """A safetensors file starts with the length of its JSON header: nothing in it can be executed."""
    train(Line(), replace(SETTINGS, epochs=1), IDENTITY, tmp_path)
    content = (tmp_path / CHECKPOINT_FILE).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert set(header["__metadata__"]) == {"run"}
