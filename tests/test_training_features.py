"""System 000 on generated patients in the layout of the Data Science Bowl 2017."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from models.patient_risk import PatientRiskModel
from models.slice_triplets import slice_triplets, triplets_of
from models.volume import AIR_HU, Volume
from training.__main__ import app
from training.errors import TrainingError
from training.evaluation.scores import auc
from training.features.extraction import extract
from training.features.patients import read_labels, read_patients, read_slices
from training.features.results import known_vectors
from training.features.scorer import (
    FOLDS,
    PARAMETERS,
    PATIENCE,
    ROUNDS,
    fit_folds,
    fit_split,
    geometric_mean,
    stratified_folds,
)
from training.phantom_dicom import ct_datasets, write_series


def scan(seed: int, slices: int = 3, side: int = 24) -> Volume:
    """Noise, brighter in the middle for odd seeds; the corner is padding."""
    rng = np.random.default_rng(seed)
    hu = rng.integers(-900, -700, (slices, side, side)).astype(np.int16)
    if seed % 2:
        hu[:, 8:16, 8:16] = 40
    hu[:, :2, :2] = AIR_HU
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 2.0, 1.0, 1.0, 1.0
    return Volume(hu, affine)


@pytest.fixture
def bowl(tmp_path: Path) -> Path:
    """Twenty-six labelled patients and two without a label, as in stage 1."""
    folder = tmp_path / "bowl"
    rows = ["id,cancer"]
    for number in range(28):
        write_series(ct_datasets(scan(number), seed=number, padding_stored=-2000), folder / f"p{number:02d}")
        if number < 26:
            rows.append(f"p{number:02d},{number % 2}")
    (tmp_path / "stage1_labels.csv").write_text("\n".join(rows) + "\n")
    return folder


class MeanGrey:
    """Stands for a network: four features of a picture."""

    def features(self, triplets: torch.Tensor) -> np.ndarray:
        flat = triplets.float().flatten(1)
        return torch.stack((flat.mean(1), flat.std(1), flat.amax(1), flat.amin(1)), dim=1).numpy()


def test_slices_are_read_in_the_order_of_their_position_and_padding_is_air(tmp_path: Path) -> None:
    volume = scan(3, slices=5)
    write_series(ct_datasets(volume, padding_stored=-2000)[::-1], tmp_path / "p")
    assert np.array_equal(read_slices(tmp_path / "p"), volume.hu)


def test_a_scan_gives_the_same_pictures_in_training_and_in_the_node(tmp_path: Path) -> None:
    volume = scan(3, slices=6)
    write_series(ct_datasets(volume), tmp_path / "p")
    assert torch.equal(slice_triplets(read_slices(tmp_path / "p")), triplets_of(volume))


def test_a_slice_that_is_there_twice_is_taken_once(tmp_path: Path) -> None:
    written = write_series(ct_datasets(scan(1)), tmp_path / "p")
    (tmp_path / "p" / "copy.dcm").write_bytes(written[0].read_bytes())
    assert len(read_slices(tmp_path / "p")) == 3


def test_labels_come_with_their_patients_and_the_others_are_to_be_predicted(bowl: Path) -> None:
    patients = read_patients(bowl)
    assert [p.cancer for p in patients[:2]] == [False, True]
    assert [p.name for p in patients if p.cancer is None] == ["p26", "p27"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("id,cancer\na,2\n", "line 2: cancer is '2'"),
        ("id,cancer\na,\n", "line 2: cancer is ''"),
        ("id,cancer\na,1\na,0\n", "line 3: a patient that is there twice"),
        ("name,cancer\na,1\n", "needs the columns"),
    ],
)
def test_a_wrong_table_of_labels_is_refused_with_its_line(tmp_path: Path, table: str, reason: str) -> None:
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(TrainingError, match=reason):
        read_labels(tmp_path / "labels.csv")


def test_a_missing_table_is_named(bowl: Path) -> None:
    (bowl.parent / "stage1_labels.csv").unlink()
    with pytest.raises(TrainingError, match=r"stage1_labels\.csv: neither in"):
        read_patients(bowl)


def test_a_data_set_without_cancer_is_refused(bowl: Path) -> None:
    (bowl.parent / "stage1_labels.csv").write_text("id,cancer\np00,0\n")
    with pytest.raises(TrainingError, match="with cancer"):
        read_patients(bowl)


def test_a_broken_patient_is_skipped_by_name_and_the_others_go_on(bowl: Path, tmp_path: Path) -> None:
    broken = sorted((bowl / "p03").iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:-300])
    for path in (bowl / "p05").iterdir():
        path.unlink()
    result = extract(read_patients(bowl), MeanGrey(), tmp_path / "f")
    assert [name for name, _ in result.broken] == ["p03", "p05"]
    assert result.done == len(list((tmp_path / "f").glob("*.npy"))) == 26
    assert known_vectors(read_patients(bowl), tmp_path / "f").missing == ("p03", "p05")


def test_features_that_are_there_are_not_made_again(bowl: Path, tmp_path: Path) -> None:
    patients = read_patients(bowl)
    assert extract(patients, MeanGrey(), tmp_path / "f").done == 28
    second = extract(patients, MeanGrey(), tmp_path / "f", threads=3)
    assert (second.done, second.kept) == (0, 28)


def test_threads_change_nothing(bowl: Path, tmp_path: Path) -> None:
    patients = read_patients(bowl)[:6]
    for threads in (1, 4):
        extract(patients, MeanGrey(), tmp_path / str(threads), threads)
    for patient in patients:
        first, second = (np.load(tmp_path / n / f"{patient.name}.npy") for n in ("1", "4"))
        assert np.array_equal(first, second)


def test_damaged_features_are_named(bowl: Path, tmp_path: Path) -> None:
    extract(read_patients(bowl), MeanGrey(), tmp_path / "f")
    (tmp_path / "f" / "p07.npy").write_bytes(b"no numbers")
    with pytest.raises(TrainingError, match="p07"):
        known_vectors(read_patients(bowl), tmp_path / "f")


def test_the_parameters_are_the_published_ones() -> None:
    """LGBMRegressor(max_depth=50, num_leaves=21, n_estimators=5000, min_child_weight=1, learning_rate=0.001,
    subsample=0.80, colsample_bytree=0.80, seed=42), l2, early stopping after 300."""
    published = {
        "max_depth": 50,
        "num_leaves": 21,
        "min_sum_hessian_in_leaf": 1,
        "learning_rate": 0.001,
        "bagging_fraction": 0.80,
        "feature_fraction": 0.80,
        "seed": 42,
        "metric": "l2",
        "objective": "regression",
    }
    assert published.items() <= PARAMETERS.items()
    assert (ROUNDS, PATIENCE, FOLDS) == (5000, 300, 5)


def test_folds_are_stratified_seeded_and_equally_large() -> None:
    labels = np.array([1.0] * 26 + [0.0] * 74)
    folds = stratified_folds(labels, 5, 2048)
    assert np.array_equal(folds, stratified_folds(labels, 5, 2048))
    assert set(np.bincount(folds)) == {20}
    assert set(np.bincount(folds[labels == 1])) <= {5, 6}


def test_a_class_smaller_than_the_folds_is_refused() -> None:
    with pytest.raises(TrainingError, match="3 patients of label 1"):
        stratified_folds(np.array([1.0] * 3 + [0.0] * 9), 5, 0)


@pytest.mark.parametrize("log_loss", [False, True])
def test_what_can_be_learned_is_learned_from_patients_that_are_not_tested(log_loss: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(150, 6))
    labels = (vectors[:, 2] + 0.3 * rng.normal(size=150) > 0).astype(float)
    split = fit_split(vectors, labels, log_loss)
    assert len(split.unseen) == 30
    assert auc(labels[split.unseen].astype(int), split.predictions) > 0.8
    folds = list(fit_folds(vectors, labels, log_loss))
    assert sorted(np.concatenate([fold.unseen for fold in folds])) == list(range(150))
    assert all(((fold.predictions >= 1e-4) & (fold.predictions <= 1 - 1e-4)).all() for fold in folds)


def test_folds_are_joined_by_the_geometric_mean_of_clipped_predictions() -> None:
    joined = geometric_mean([np.array([0.25, 0.0]), np.array([1.0, 0.01])])
    assert joined == pytest.approx([0.5 * (1 - 1e-4) ** 0.5, 1e-3])


def test_a_whole_run_from_dicom_to_a_card_that_scores(bowl: Path, tmp_path: Path) -> None:
    features, out = tmp_path / "features", tmp_path / "out"
    made = CliRunner().invoke(app, ["features", str(bowl), str(features), "--network", "resnet18"])
    assert made.exit_code == 0, made.output
    assert "random weights of seed 0" in made.stderr
    assert "0 skipped" in made.stderr
    trained = CliRunner().invoke(app, ["patients", str(bowl), str(features), str(out)])
    assert trained.exit_code == 0, trained.output
    with (out / "predictions.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["p26", "p27"]
    with (out / "left-out.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 26
    assert "0.55979" in (out / "report.html").read_text()
    risk = PatientRiskModel.from_card(out / "patient-risk.json", torch.device("cpu")).score(scan(1))
    assert 0 < risk.by_year[0] < 1


def test_features_of_another_network_are_not_mixed(bowl: Path, tmp_path: Path) -> None:
    features = tmp_path / "features"
    for extra in ([], ["--seed", "1"]):
        result = CliRunner().invoke(app, ["features", str(bowl), str(features), "--network", "resnet18", *extra])
    assert result.exit_code == 2
    assert "another network" in result.stderr
