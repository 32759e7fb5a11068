"""Training of the malignancy model: reading, splitting by patient, no leak between folds, and a whole tiny run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from models.findings import Attenuation, Caliper, NoduleMeasurement
from models.malignancy import MalignancyModel
from models.malignancy_input import SIDE_PX, triplet_of
from models.volume import Volume
from training.__main__ import app
from training.errors import TrainingError
from training.malignancy.networks import without
from training.malignancy.task import augmented, joint_loss
from training.malignancy.triplets import folds_of, read_triplets

ROWS, COLUMNS = np.indices((SIDE_PX, SIDE_PX)) - SIDE_PX // 2
Arrays = dict[str, np.ndarray]
WriteTriplets = Callable[..., Path]


def nodules(count: int = 60, patients: int = 40) -> Arrays:
    """Discs in lung: large ones are rated 4 or 5, small ones 1 or 2, a few 3 or not at all."""
    rng = np.random.default_rng(0)
    ratings = np.tile([1, 5, 2, 4, 1, 4, 2, 5, 3, 0], count)[:count]
    radii = np.where(ratings > 3, rng.uniform(5, 12, count), rng.uniform(2, 6, count))
    mask = np.hypot(ROWS, COLUMNS)[None] <= radii[:, None, None]
    grey = np.where(mask, 130, 17) + rng.normal(0, 4, mask.shape)
    masks = np.repeat(mask[:, None], 3, axis=1)
    return {
        "images": np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, None], 3, axis=1),
        "masks": np.packbits(masks, axis=-1),
        "patient": np.array([f"P{n % patients:02d}" for n in range(count)]),
        "n_readers": (np.arange(count) % 4 + 1).astype(np.int8),
        "malignancy_median": ratings.astype(np.float32),
    }


@pytest.fixture
def write(tmp_path: Path) -> WriteTriplets:
    def written(**changes: np.ndarray) -> Path:
        path = tmp_path / "triplets.npz"
        np.savez(path, **{**nodules(), **changes})
        return path

    return written


def test_ratings_of_three_and_unrated_nodules_decide_nothing(write: WriteTriplets) -> None:
    triplets = read_triplets(write())
    assert set(triplets.ratings[triplets.decided]) == {1, 2, 4, 5}
    assert set(triplets.ratings[triplets.decided & triplets.suspicious]) == {4, 5}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": np.zeros((60, 3, 32, 32), np.uint8)}, "layout"),
        ({"images": np.zeros((60, 3, 64, 64), np.int16)}, "layout"),
        ({"masks": np.zeros((60, 3, 64, 8), np.uint8)}, "no mask"),
        ({"malignancy_median": np.full(60, 7.0)}, "not 0 to 5"),
        ({"malignancy_median": np.full(60, 1.0)}, "both are needed"),
        ({"patient": np.array(["P1"])}, "patient not of the layout"),
    ],
)
def test_unfit_triplets_are_refused_with_the_reason(write: WriteTriplets, change: Arrays, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        read_triplets(write(**change))


def test_a_missing_file_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["malignancy", str(tmp_path / "no.npz"), str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "no such file" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_cut_short_is_refused(write: WriteTriplets) -> None:
    path = write()
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match=r"not an \.npz"):
        read_triplets(path)


def test_slices_stretched_from_padding_come_to_the_scale_of_the_others(write: WriteTriplets) -> None:
    """With -3024 HU around the field of view, 4,080 HU make 255 levels: 16 HU each, and the lung lies at 135."""
    plain = nodules()
    hu = plain["images"].astype(float) * 8 - 1000
    padded = np.floor((hu + 3024) / 16).astype(np.uint8)
    usual, brought = read_triplets(write()), read_triplets(write(images=padded))
    for first, second in zip(usual.cases, brought.cases, strict=True):
        difference = np.abs(first.grey - second.grey)[first.mask]
        assert difference.mean() < 10  # 80 HU: the lung of the data is not known better


def test_no_patient_is_in_two_folds_and_the_same_seed_gives_the_same_folds() -> None:
    patients = np.array([f"P{n % 17}" for n in range(100)])
    folds = folds_of(patients, 5, seed=3)
    assert all(len(set(folds[patients == name])) == 1 for name in set(patients))
    assert np.array_equal(folds, folds_of(patients, 5, seed=3))
    assert set(folds) == set(range(5))


def test_more_folds_than_patients_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 patients"):
        folds_of(np.array(["a", "b", "c"]), 5, 0)


def test_only_strangers_score_a_nodule() -> None:
    """Network (a, b) was trained without folds a and b; here it scores every nodule with the number ab."""
    folds = np.array([0, 1, 2, 3])
    scores = {(a, b): np.full((4, 3), 10.0 * a + b) for a in range(4) for b in range(a + 1, 4)}
    assert without(scores, folds)[:, 0] == pytest.approx([(1 + 2 + 3) / 3, (1 + 12 + 13) / 3, (2 + 12 + 23) / 3, 13.0])
    assert without(scores, folds, also=2)[:, 0] == pytest.approx([2, 12, (2 + 12 + 23) / 3, 23])


def test_an_unrated_nodule_teaches_only_how_many_readers_saw_it() -> None:
    logits = torch.zeros(2, 8, requires_grad=True)
    joint_loss(logits, torch.tensor([0, 5]), torch.tensor([2, 2])).backward()
    assert logits.grad is not None
    assert (logits.grad[0, :5] == 0).all()
    assert (logits.grad[0, 5:] != 0).all()
    assert (logits.grad[1, :5] != 0).all()


def test_augmented_frames_are_others_each_time_but_follow_the_seed() -> None:
    stacks = torch.rand(3, 6, SIDE_PX, SIDE_PX)
    width = torch.full((3,), 30.0)
    torch.manual_seed(5)
    first, second = augmented(stacks, width), augmented(stacks, width)
    torch.manual_seed(5)
    assert torch.equal(first, augmented(stacks, width))
    assert not torch.equal(first, second)
    assert set(first[:, 3:].unique().tolist()) <= {0.0, 1.0}


def test_a_patient_that_judges_the_node_is_refused(write: WriteTriplets) -> None:
    patients = nodules()["patient"].astype("<U16")
    patients[3] = "LIDC-IDRI-0003"
    with pytest.raises(TrainingError, match="LIDC-IDRI-0003, which judges"):
        read_triplets(write(patient=patients))


def test_a_nodule_in_a_scan_and_in_the_data_set_is_the_same_input(tmp_path: Path) -> None:
    """The data set stretches each slice by its own extremes; -1000 and 1040 HU make that 8 HU per grey level."""
    hu = np.random.default_rng(1).integers(-900, -800, (5, 90, 90)).astype(np.int16)
    ball = np.linalg.norm((np.indices(hu.shape).T - [2, 45, 45]) * [2.0, 0.7, 0.7], axis=-1).T <= 4
    hu[ball] = 50
    hu[:, 0, 0], hu[:, 0, 1] = -1000, 1040
    places = np.argwhere(ball)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    line = Caliper((2.0, 45.0, 45.0), (2.0, 45.0, 46.0), 1.0)
    k, j, i = (int(n) for n in low)
    nodule = NoduleMeasurement(ball[box], (k, j, i), (2.0, 45.0, 45.0), line, line, 8, 1, 50, 0, Attenuation.SOLID)
    crop = (slice(1, 4), slice(45 - 32, 45 + 32), slice(45 - 32, 45 + 32))
    lowest, highest = (f(axis=(1, 2), keepdims=True).astype(float) for f in (hu.min, hu.max))
    stretched = np.floor((hu - lowest) / (highest - lowest) * 255).astype(np.uint8)[crop]
    data = nodules()
    data["images"][0], data["masks"][0] = stretched, np.packbits(ball[crop], axis=-1)
    np.savez(tmp_path / "t.npz", **data)
    from_data = read_triplets(tmp_path / "t.npz").cases[0]
    from_scan = triplet_of(Volume(hu, np.diag([2.0, 0.7, 0.7, 1.0])), nodule)
    assert np.array_equal(from_data.grey, from_scan.grey)
    assert np.array_equal(from_data.mask, from_scan.mask)


def test_a_whole_run_trains_measures_and_exports_and_a_second_one_goes_on(write: WriteTriplets, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["malignancy", str(write()), str(out), "--epochs", "2", "--folds", "3", "--width", "4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    card = json.loads((out / "malignancy.json").read_text())
    names = [figure["name"] for figure in card["figures"]]
    assert names[:2] == ["AUC, mean of the folds", "AUC, networks and measurements"]
    assert {"AUC, size alone, LightGBM", "expected calibration error"} <= set(names)
    assert card["training_data"].startswith("60 LIDC-IDRI nodules of 40 patients")
    assert "AUC" in (out / "report.html").read_text()
    triplets = read_triplets(tmp_path / "triplets.npz")
    model = MalignancyModel.from_card(out / "malignancy.json", torch.device("cpu"))
    before = [model.score_triplet(case).probability for case in triplets.cases[:4]]
    checkpoints = {path: path.read_bytes() for path in out.rglob("checkpoint.safetensors")}
    assert len(checkpoints) == 3  # one network for each pair of folds
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {path: path.read_bytes() for path in checkpoints} == checkpoints
    again = MalignancyModel.from_card(out / "malignancy.json", torch.device("cpu"))
    assert [again.score_triplet(case).probability for case in triplets.cases[:4]] == before


def test_a_folder_of_another_run_is_refused(write: WriteTriplets, tmp_path: Path) -> None:
    path, out = str(write()), str(tmp_path / "out")
    settings = ["--epochs", "1", "--folds", "3", "--width", "4"]
    assert CliRunner().invoke(app, ["malignancy", path, out, *settings]).exit_code == 0
    result = CliRunner().invoke(app, ["malignancy", path, out, *settings, "--seed", "1"])
    assert result.exit_code == 2
    assert "another" in result.stderr
