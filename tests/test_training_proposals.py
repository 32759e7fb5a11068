"""Training of candidates: three levels on tiny scans, interrupted and gone on with, and what stops it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from models.candidate_network import network_of
from models.proposals import HU_RANGE, marks_of
from models.weights import load_tensors
from training.__main__ import app
from training.errors import TrainingError
from training.evaluation.froc import Annotation, Mark, froc
from training.proposals import command
from training.proposals.levels import (
    CONTROL,
    PUBLISHED_GAIN,
    LevelResult,
    ProposalSettings,
    ScanSets,
    three_levels,
    without_mining,
)
from training.proposals.reporting import worst_cases
from training.proposals.scan import GREYS, WorkedScan, save_scan
from training.proposals.shipping import ship, table
from training.proposals.sources import Sources
from training.proposals.task import CropSet

CPU = torch.device("cpu")
TINY = ProposalSettings(epochs=(2, 1, 1), crops=4, sides=(32,), channels=(4, 4, 8, 8))
CENTERS = ((12.0, 14.0, 30.0), (30.0, 28.0, 12.0))


def tiny_scan(name: str, seed: int) -> WorkedScan:
    """A cube of lung with two balls of 10 mm."""
    hu = np.random.default_rng(seed).normal(-860, 20, (44, 40, 44))
    grid = np.moveaxis(np.indices(hu.shape), 0, -1)
    for center in CENTERS:
        hu[np.linalg.norm(grid - center, axis=-1) < 5] = 40
    grey = np.clip((hu - HU_RANGE[0]) * GREYS / (HU_RANGE[1] - HU_RANGE[0]), 0, GREYS).astype(np.uint8)
    inside = np.zeros(hu.shape, bool)
    inside[2:-2, 2:-2, 2:-2] = True
    nodules = np.array([(*center, 10.0) for center in CENTERS], np.float32)
    return WorkedScan(name, grey, inside, nodules, np.zeros((0, 4), np.float32))


@pytest.fixture(scope="module")
def sets() -> ScanSets:
    return ScanSets([tiny_scan("a", 1), tiny_scan("b", 2)], [tiny_scan("c", 3)], [tiny_scan("d", 4), tiny_scan("e", 5)])


@pytest.fixture(scope="module")
def run(sets: ScanSets, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[LevelResult], Path]:
    folder = tmp_path_factory.mktemp("run")
    results = three_levels(sets, TINY, {"data": "tiny"}, folder, CPU)
    ship(results, "tiny scans", "two tiny scans", "a test", folder, TINY.channels)
    return results, folder


def test_three_levels_are_trained_and_measured(run: tuple[list[LevelResult], Path]) -> None:
    results, folder = run
    assert [result.number for result in results] == [1, 2, 3]
    assert [len(result.trained.history) for result in results] == [2, 1, 1]
    assert {"loss_negative", "loss_positive", "loss_box", "cpm"} <= results[0].trained.history[0].keys()
    assert all(result.froc.nodules == 4 for result in results)
    for level in (1, 2, 3):
        assert (folder / f"level-{level}" / "history.csv").is_file()


def test_the_weights_of_the_last_level_come_with_their_card(run: tuple[list[LevelResult], Path]) -> None:
    results, folder = run
    card, tensors = load_tensors(folder / "candidates.json")
    network = network_of(card, tensors, CPU)
    assert {figure.name for figure in card.figures} == {"CPM", "sensitivity at 8 false marks a scan"}
    wanted = results[-1].trained.weights["head.2.weight"]
    assert torch.allclose(network.state_dict()["head.2.weight"], wanted, atol=1e-3)
    assert marks_of(tiny_scan("f", 6).scene(CPU), network).shape[1] == 5


def test_the_table_stands_beside_the_published_gains(run: tuple[list[LevelResult], Path]) -> None:
    rows = [result.row() for result in run[0]]
    lines = table(rows)
    assert [row["level"] for row in rows] == [1, 2, 3]
    assert [f"{PUBLISHED_GAIN[level]:+.2f}" in line for level, line in zip((2, 3), lines[-2:], strict=True)] == [
        True
    ] * 2
    assert PUBLISHED_GAIN == {2: 0.05, 3: 0.02}


def test_the_control_trains_level_1_on_for_as_long_and_mines_nothing(
    sets: ScanSets, run: tuple[list[LevelResult], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, folder = run
    monkeypatch.setattr("training.proposals.levels.mined", lambda *_: pytest.fail("the control mines nothing"))
    control = without_mining(results[0], sets, TINY, {"data": "tiny"}, folder, CPU)
    assert len(control.trained.history) == sum(TINY.epochs[1:])
    assert TINY.level(CONTROL).focus == 0
    assert TINY.level(CONTROL).number == 1  # draws its crops as level 1 does
    line = table([result.row() for result in [*results, control]])[-1]
    assert line.startswith("| 1, trained on as long without mining |")
    assert "+" not in line


def test_a_run_killed_within_an_epoch_goes_on_as_if_it_had_not_been(
    sets: ScanSets, run: tuple[list[LevelResult], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = CropSet.__getitem__

    def killed(crops: CropSet, number: int) -> object:
        if crops._epoch == 1 and number == 2:
            raise KeyboardInterrupt
        return cut(crops, number)

    with monkeypatch.context() as patch:
        patch.setattr(CropSet, "__getitem__", killed)
        with pytest.raises(KeyboardInterrupt):
            three_levels(sets, TINY, {"data": "tiny"}, tmp_path, CPU)
    assert not list(tmp_path.rglob("*.part"))
    again = three_levels(sets, TINY, {"data": "tiny"}, tmp_path, CPU)
    for name, tensor in run[0][-1].trained.weights.items():
        assert torch.allclose(again[-1].trained.weights[name].float(), tensor.float(), atol=1e-3), name


def test_a_finished_run_is_not_trained_again(
    sets: ScanSets, run: tuple[list[LevelResult], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CropSet, "__getitem__", lambda *_: pytest.fail("a crop was cut"))
    again = three_levels(sets, TINY, {"data": "tiny"}, run[1], CPU)
    assert again[-1].froc.cpm == run[0][-1].froc.cpm


def test_other_data_do_not_go_on_from_a_checkpoint(sets: ScanSets, run: tuple[list[LevelResult], Path]) -> None:
    with pytest.raises(TrainingError, match="another data"):
        three_levels(sets, TINY, {"data": "other"}, run[1], CPU)


def test_a_loss_that_is_no_number_ends_the_run(sets: ScanSets, tmp_path: Path) -> None:
    wild = replace(TINY, learning_rates=(1e30, 1e30, 1e30))
    with pytest.raises(TrainingError, match="the loss became"):
        three_levels(sets, wild, {"data": "tiny"}, tmp_path, CPU)


def test_scans_without_any_nodule_cannot_be_measured_on(sets: ScanSets, tmp_path: Path) -> None:
    empty = replace(tiny_scan("e", 5), nodules=np.zeros((0, 4), np.float32))
    with pytest.raises(TrainingError, match="held out"):
        three_levels(sets._replace(held_out=[empty]), TINY, {}, tmp_path, CPU)


@pytest.mark.parametrize("sides", [(), (40,), (0,), (16,)])
def test_crops_that_do_not_fit_the_network_are_refused(sets: ScanSets, tmp_path: Path, sides: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match="multiples of 16"):
        three_levels(sets, replace(TINY, sides=sides), {}, tmp_path, CPU)


def test_the_task_mine_lists_what_is_hard(run: tuple[list[LevelResult], Path], tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    save_scan(tiny_scan("g", 7), tmp_path / "scans")
    arguments = ["mine", str(run[1] / "candidates.json"), str(tmp_path / "scans"), str(tmp_path / "hard.csv")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "hard.csv").read_text().splitlines()
    assert rows[0] == "scan,kind,k,j,i,weight"
    assert sum(row.startswith("g,nodule,") for row in rows) == 2


def test_shipped_weights_keep_sixteen_bits(run: tuple[list[LevelResult], Path]) -> None:
    kept = {t.dtype for t in load_file(run[1] / "candidates.safetensors").values() if t.is_floating_point()}
    assert kept == {torch.float16}


def test_the_task_proposals_writes_weights_card_and_table(
    sets: ScanSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(sources: Sources, folder: Path, workers: int) -> ScanSets:
        folder.mkdir(parents=True)
        save_scan(sets.train[0], folder)
        return sets

    monkeypatch.setattr(command, "prepared", small)
    arguments = ["proposals", str(tmp_path / "out"), "--epochs", "1", "1", "1", "--crops", "2", "--sides", "32"]
    arguments += ["--control"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    card, _ = load_tensors(tmp_path / "out" / "candidates.json")
    assert "real scans with 4 nodules" in card.training_data
    assert [row["level"] for row in json.loads((tmp_path / "out" / "levels.json").read_text())] == [1, 2, 3, 0]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Three levels of hard mining" in page
    assert "FROC curve" in page
    assert "FROC of each level" in page
    assert "0.125 false marks a scan" in page


def test_a_report_shows_the_nodule_that_was_missed_and_the_false_mark(
    sets: ScanSets, run: tuple[list[LevelResult], Path]
) -> None:
    scan = sets.held_out[0]
    k, j, i, diameter = scan.nodules[0].tolist()
    center, beside = (k, j, i), (5.0, 5.0, 5.0)
    measured = froc([Annotation(scan.name, center, diameter)], [], [Mark(scan.name, beside, 0.9)], [scan.name])
    missed, false = worst_cases(run[0][-1]._replace(froc=measured), sets.held_out)
    assert missed.caption == "missed: 10 mm"
    assert false.caption == "no nodule, said 0.90"
    middle = missed.pixels.shape[0] // 2
    assert missed.pixels[middle, middle].tolist() == [int(scan.grey[round(k), round(j), round(i)])] * 3


def test_sides_that_are_no_numbers_are_a_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["proposals", str(tmp_path), "--sides", "32,big"])
    assert result.exit_code == 2
    assert "32,big" in result.stderr
