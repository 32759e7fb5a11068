"""Training the false-positive stage and what joins the detector, on tiny data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from models.detector_loading import calibration_of, false_positive_stage
from models.false_positives import CROP_PX
from models.volume import Volume
from models.weights import WeightsError, load_tensors
from training.__main__ import app
from training.errors import TrainingError
from training.false_positives import joining
from training.false_positives.command import Plan, train_stage
from training.false_positives.crops import augmented, read_crops
from training.false_positives.evidence import NAMES, Gathered, crops_at, nodules_at
from training.false_positives.join_report import Judged, worst_cases
from training.false_positives.joining import WITHOUT_NETWORK, join, write
from training.false_positives.scans import BENCHMARK_SEEDS, CALIBRATION_SEEDS, held_apart
from training.false_positives.task import Hyperparameters
from training.logistic import fit_logistic
from training.loop import RunSettings
from training.phantom_small import sphere
from training.planting import Stacks, load_stacks

CPU = torch.device("cpu")
TINY = Hyperparameters(width=8, batch=8, rate=5e-3, decay=0.5)


def crops_file(folder: Path, count: int = 90) -> Path:
    """Bright discs are nodules, bright lines are not; a third of them in each split."""
    rng = np.random.default_rng(0)
    labels = (np.arange(count) // 3 % 2).astype(np.uint8)
    y, x = np.mgrid[:CROP_PX, :CROP_PX] - CROP_PX / 2
    images = rng.integers(20, 40, (count, CROP_PX, CROP_PX))
    images += np.where(labels[:, None, None], np.hypot(y, x) < 7, np.abs(y) < 2) * 150
    path = folder / "crops.npz"
    np.savez(path, images=images.astype(np.uint8), is_nodule=labels, split=(np.arange(count) % 3).astype(np.uint8))
    return path


def changed(path: Path, **arrays: np.ndarray) -> Path:
    with np.load(path) as file:
        np.savez(path, **{**{name: file[name] for name in file.files}, **arrays})
    return path


def plan(epochs: int = 10) -> Plan:
    run = RunSettings(epochs, patience=epochs, seed=0, monitor="auc", larger_is_better=True)
    return Plan(run, TINY, members=2, device=CPU)


def test_tiny_crops_become_weights_with_a_card_that_the_detector_runs_on(tmp_path: Path) -> None:
    written = train_stage(crops_file(tmp_path), tmp_path / "out", plan())
    card, tensors = load_tensors(tmp_path / "out" / "false-positives.json")
    assert card == written
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "not for diagnosis" in page
    assert page.count("labelled ") >= 2
    figures = {figure.name: figure for figure in card.figures}
    assert figures["AUC"].value > 0.9
    assert figures["AUC"].low is not None
    assert "expected calibration error, 10 bins" in figures
    stage = false_positive_stage(card, tensors, CPU)
    volume = Volume(np.zeros((3, 60, 60), np.int16), np.diag([0.7, 0.7, 2.0, 1.0])[[2, 1, 0, 3]])
    assert stage.logits(volume, np.array([[1.0, 30.0, 30.0]]), np.array([8.0])).shape == (1, 3)
    assert (tmp_path / "out" / "member-1" / "curves.png").stat().st_size > 0


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    data = crops_file(tmp_path)
    first, second = (train_stage(data, tmp_path / name, plan(epochs=1)) for name in ("a", "b"))
    assert first.sha256 == second.sha256


def test_a_run_goes_on_but_not_on_other_data(tmp_path: Path) -> None:
    data = crops_file(tmp_path)
    train_stage(data, tmp_path / "out", plan(epochs=1))
    train_stage(data, tmp_path / "out", plan(epochs=1))
    with pytest.raises(TrainingError, match="another data"):
        train_stage(crops_file(tmp_path, count=96), tmp_path / "out", plan(epochs=1))


@pytest.mark.parametrize("split", [0, 1, 2])
def test_a_split_without_nodules_is_an_error_that_names_it(tmp_path: Path, split: int) -> None:
    data = crops_file(tmp_path)
    with np.load(data) as file:
        labels = np.where(file["split"] == split, 0, file["is_nodule"]).astype(np.uint8)
    name = ("train", "validation", "test")[split]
    with pytest.raises(TrainingError, match=f"the {name} split has 0 nodules"):
        read_crops(changed(data, is_nodule=labels))


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    data = crops_file(tmp_path)
    data.write_bytes(data.read_bytes()[:2000])
    with pytest.raises(TrainingError, match=r"not an \.npz"):
        read_crops(data)


def test_a_missing_array_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crops.npz"
    np.savez(path, images=np.zeros((2, CROP_PX, CROP_PX), np.uint8))
    with pytest.raises(TrainingError, match="is_nodule"):
        read_crops(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such file"):
        read_crops(tmp_path / "none.npz")


@pytest.mark.parametrize(("rows", "kind"), [(CROP_PX - 1, np.uint8), (CROP_PX, np.float32)])
def test_images_of_another_size_or_type_are_an_error(tmp_path: Path, rows: int, kind: type) -> None:
    data = changed(crops_file(tmp_path), images=np.zeros((90, rows, CROP_PX), kind))
    with pytest.raises(TrainingError, match="images must be uint8"):
        read_crops(data)


def test_the_command_says_in_one_line_what_is_wrong_and_exits_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["false-positives", str(tmp_path / "none.npz"), str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr.startswith("false-positives: ")
    assert len(result.stderr.splitlines()) == 1


def test_augmented_crops_stay_in_range_and_come_again_with_the_seed() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, CROP_PX, CROP_PX)).astype(np.uint8))
    torch.manual_seed(1)
    first = augmented(images)
    torch.manual_seed(1)
    assert torch.equal(first, augmented(images))
    assert first.shape == (8, 1, CROP_PX, CROP_PX)
    assert 0 <= first.min() <= first.max() <= 1


def test_augmentation_keeps_what_lies_in_the_middle_there() -> None:
    images = torch.zeros(64, CROP_PX, CROP_PX, dtype=torch.uint8)
    images[:, 19:31, 19:31] = 255
    torch.manual_seed(0)
    assert augmented(images)[:, 0, 24:26, 24:26].mean() > 0.8


def test_logistic_regression_finds_the_coefficients_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 2))
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(rows @ [1.5, -0.7] + 0.4)))).astype(float)
    weights, intercept = fit_logistic(rows, labels)
    assert weights == pytest.approx([1.5, -0.7], abs=0.1)
    assert intercept == pytest.approx(0.4, abs=0.1)


def test_a_ridge_makes_coefficients_smaller() -> None:
    rows, labels = np.array([[1.0], [2.0], [-1.0], [-2.0]]), np.array([1.0, 1.0, 0.0, 0.0])
    assert 0 < fit_logistic(rows, labels, ridge=10.0)[0][0] < fit_logistic(rows, labels, ridge=0.1)[0][0]


def scans(count: int = 4) -> list[Gathered]:
    """Places whose ``cuts`` tell the nodules: two found nodules and thirty other places a scan, a third one missed."""
    rng = np.random.default_rng(0)
    nodule = np.array([0, 1] + [-1] * 30)
    gathered = []
    for _ in range(count):
        rows = np.zeros((32, len(NAMES)))
        rows[:, NAMES.index("cuts")] = np.where(nodule >= 0, 3.0, -3.0) + rng.normal(size=32)
        crops = np.repeat(np.arange(32, dtype=np.uint8), 48 * 48).reshape(32, 48, 48)
        gathered.append(Gathered(rows, nodule, 3, crops))
    return gathered


def test_the_join_trusts_the_witness_that_knows_and_says_what_it_misses(tmp_path: Path) -> None:
    fitted, judged = join(scans(), WITHOUT_NETWORK)
    assert fitted.weights["cuts"] > 0.5
    assert fitted.weights["rules"] == pytest.approx(0.0, abs=1e-6)
    assert judged.sensitivity(fitted.threshold) == pytest.approx(2 / 3)
    assert judged.false_places(fitted.threshold) <= 1.0
    write(fitted, judged, "test", tmp_path)
    card, tensors = load_tensors(tmp_path / "detector.json")
    assert calibration_of(card, tensors) == fitted
    found = card.figures[0]
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert json.loads((tmp_path / "detector.json").read_text())["settings"]["candidate_network"] is False


def test_scans_without_a_found_nodule_cannot_be_joined() -> None:
    nothing = [Gathered(scan.rows, np.full(32, -1), 3, scan.crops) for scan in scans()]
    with pytest.raises(TrainingError, match="no nodule that was found"):
        join(nothing, WITHOUT_NETWORK)


def test_the_worst_places_of_the_join_are_shown_with_their_own_pictures() -> None:
    told = scans(1)[0]
    said = np.where(told.nodule >= 0, 1.0, 0.0)
    said[7] = 0.8
    worst = worst_cases(Judged([told], [said]))[0]
    assert worst.caption == "no nodule, said 0.80"
    assert (worst.pixels == 7).all()


def test_a_crop_of_a_place_at_the_border_is_black_beyond_it() -> None:
    volume = Volume(np.full((3, 60, 60), 300, np.int16), np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    (crop,) = crops_at(volume, np.array([[1.0, 0.0, 30.0]]))
    assert not crop[:24].any()
    assert (crop[24:] == 255).all()


def test_the_task_detector_ends_in_weights_a_card_and_a_report(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict(enumerate(scans(), start=CALIBRATION_SEEDS[0]))
    monkeypatch.setattr(joining, "made_scan", lambda seed, *_args, **_named: seed)
    monkeypatch.setattr(joining, "gather", lambda _detector, seed: made[seed])
    arguments = ["detector", str(shared_data / "lidc-nodule-stacks.npz"), str(tmp_path), "--scans", "4"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert load_tensors(tmp_path / "detector.json")[0].settings["threshold"] >= 0.1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "false places a scan" in page
    assert "Worst cases" in page


def test_coefficients_of_another_number_are_refused(tmp_path: Path) -> None:
    write(*join(scans(), WITHOUT_NETWORK), "test", tmp_path)
    card, tensors = load_tensors(tmp_path / "detector.json")
    with pytest.raises(WeightsError):
        calibration_of(card, {**tensors, "weights": tensors["weights"][:2]})


def test_a_place_lies_in_a_nodule_when_nearer_than_its_radius_and_small_ones_do_not_count() -> None:
    volume = Volume(np.zeros((40, 40, 40), np.int16), np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    nodules = (sphere((10.0, 10.0, 10.0), 6.0, 0.0), sphere((30.0, 30.0, 30.0), 2.8, 0.0))
    centers = np.array([[10.0, 10.0, 12.9], [10.0, 10.0, 13.0], [30.0, 30.0, 31.0], [20.0, 20.0, 20.0]])
    assert nodules_at(volume, centers, nodules).tolist() == [0, -1, -2, -1]


def patients_of(stacks: Stacks) -> set[str]:
    return {str(patient) for patient in stacks.patients[stacks.chosen]}


def test_calibration_and_benchmark_share_neither_seeds_nor_patients(shared_data: Path) -> None:
    stacks = load_stacks(shared_data / "lidc-nodule-stacks.npz")
    ours, theirs = (patients_of(held_apart(stacks, benchmark)) for benchmark in (False, True))
    assert ours
    assert theirs
    assert not ours & theirs
    assert not set(CALIBRATION_SEEDS) & set(BENCHMARK_SEEDS)
