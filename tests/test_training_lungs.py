"""The training of the lung network, end to end on tiny data, and what its augmentation keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from models.findings import LungLabel
from models.lung_network import lung_network, network_labels
from models.unet import UNetSettings
from models.weights import load_tensors, read_card
from training.__main__ import app
from training.errors import TrainingError
from training.lungs.augmentation import augmented
from training.lungs.command import Plan, train_lungs
from training.lungs.lesions import with_gas, with_lesions
from training.lungs.slices import Slices, labelled_by_rules, load_slices, save_slices
from training.lungs.task import LungRun
from training.phantom_small import small_phantom

CPU = torch.device("cpu")


def few_slices(scans: int = 5) -> list[Slices]:
    """The same small chest several times, as the network sees it, at a quarter of the side."""
    made = small_phantom((), (12, 64, 64), (20.0, 5.5, 5.5))
    hu = np.clip(made.volume.hu, -1024, 600)
    return [Slices(hu, made.lung_labels, np.full(12, n), np.zeros(12, bool)) for n in range(scans)]


def tiny_plan(**run: int) -> Plan:
    settings = {"epochs": 2, "coarse_epochs": 1, "steps": 3, "batch": 2, "judged": 6} | run
    return Plan(UNetSettings(depth=3, width_exponent=2), LungRun(**settings), 5, (), 0, CPU)  # type: ignore[arg-type]


def test_a_run_ends_in_weights_that_the_node_loads(tmp_path: Path) -> None:
    save_slices(few_slices(), tmp_path / "slices.npz")
    card = train_lungs(tmp_path, tiny_plan())
    assert read_card(tmp_path / "lungs.json") == card
    assert [figure.name for figure in card.figures] == ["Dice right", "Dice left"]
    assert all(0 <= figure.value <= 1 for figure in card.figures)
    network = lung_network(*load_tensors(tmp_path / "lungs.json"), CPU)
    assert network_labels(small_phantom().volume, network).shape == small_phantom().volume.shape
    assert (tmp_path / "curves.png").exists()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Dice right" in page
    assert page.count("truth green, answer red") >= 12  # as text and as alternative of each picture


def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        save_slices(few_slices(), tmp_path / name / "slices.npz")
    whole = train_lungs(tmp_path / "whole", tiny_plan())
    train_lungs(tmp_path / "parts", tiny_plan())
    again = train_lungs(tmp_path / "parts", tiny_plan())
    assert again.sha256 == whole.sha256


def test_the_command_makes_its_own_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.lungs.command.generated", lambda scans, *_: iter(few_slices(scans)))
    done = CliRunner().invoke(
        app, ["lungs", str(tmp_path), "--scans", "5", "--epochs", "1", "--steps", "2", "--width", "1"]
    )
    assert done.exit_code == 0, done.output
    assert read_card(tmp_path / "lungs.json").settings["width_exponent"] == 1


def test_one_scan_cannot_be_judged(tmp_path: Path) -> None:
    save_slices(few_slices(1), tmp_path / "slices.npz")
    with pytest.raises(TrainingError, match="5 generated scans or more"):
        train_lungs(tmp_path, tiny_plan())


def test_a_damaged_file_of_slices_is_named(tmp_path: Path) -> None:
    (tmp_path / "slices.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(TrainingError, match=r"slices\.npz: not a file of lung slices"):
        load_slices(tmp_path / "slices.npz")


def test_slices_made_from_something_else_are_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.lungs.command.generated", lambda scans, *_: iter(few_slices(scans)))
    arguments = ["lungs", str(tmp_path), "--epochs", "1", "--steps", "2", "--width", "1"]
    assert CliRunner().invoke(app, [*arguments, "--scans", "5"]).exit_code == 0
    done = CliRunner().invoke(app, [*arguments, "--scans", "6"])
    assert done.exit_code == 2
    assert "made from other sources" in done.output


def test_a_series_that_judges_is_not_trained_on(lidc_0001: Path) -> None:
    with pytest.raises(TrainingError, match="judges the node; take it out"):
        next(labelled_by_rules([lidc_0001], 100))


def test_a_folder_without_a_series_stops_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.lungs.command.generated", lambda scans, *_: iter(few_slices(scans)))
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "notes.txt").write_text("no image")
    done = CliRunner().invoke(app, ["lungs", str(tmp_path / "out"), "--real", str(tmp_path / "real")])
    assert done.exit_code == 2
    assert "no DICOM series" in done.output


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    (slices,) = few_slices(1)
    return torch.from_numpy(slices.hu[4:8].astype(np.float32)), torch.from_numpy(slices.labels[4:8].astype(np.int64))


def test_augmentation_is_that_of_its_seed() -> None:
    hu, labels = batch()
    torch.manual_seed(3)
    first = augmented(hu, labels)
    torch.manual_seed(3)
    again = augmented(hu, labels)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    torch.manual_seed(4)
    assert not torch.equal(first[0], augmented(hu, labels)[0])


def test_the_right_lung_stays_on_the_left_of_the_image_also_when_mirrored() -> None:
    hu, labels = batch()
    torch.manual_seed(0)
    for _ in range(10):
        changed = augmented(hu, labels)[1]
        columns = torch.arange(64).expand_as(changed)
        assert columns[changed == LungLabel.RIGHT].float().mean() < columns[changed == LungLabel.LEFT].float().mean()


def test_lesions_change_the_lung_alone_and_gas_the_rest_alone() -> None:
    hu, labels = batch()
    torch.manual_seed(0)
    changed = [0, 0]
    for _ in range(30):
        lesions, gas = with_lesions(hu[0], labels[0]), with_gas(hu[0], labels[0])
        assert torch.equal(lesions[labels[0] == 0], hu[0][labels[0] == 0])
        assert torch.equal(gas[labels[0] > 0], hu[0][labels[0] > 0])
        changed[0] += int((lesions != hu[0]).any())
        changed[1] += int((gas != hu[0]).any())
    assert min(changed) > 3
