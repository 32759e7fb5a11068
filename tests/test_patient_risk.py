"""The patient-level scorer: pictures of three slices, features, and LightGBM from a user's own card."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import torch

from models.patient_features import FEATURES, FeatureNetwork, patient_vector
from models.patient_risk import SURE, PatientRiskModel, feature_names
from models.slice_triplets import equalised, slice_triplets, triplets_of, windowed
from models.volume import Volume
from models.weights import Card, WeightsError, place_weights, shipped_card

CPU = torch.device("cpu")


def chest(slices: int = 7, side: int = 40) -> Volume:
    hu = np.random.default_rng(0).integers(-1000, 400, (slices, side, side)).astype(np.int16)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 2.0, 0.7, 0.7, 1.0
    return Volume(hu, affine)


def test_the_window_is_air_to_twice_the_density_of_water() -> None:
    assert windowed(np.array([-3000, -1000, 0, 1000, 3000], dtype=np.int16)).tolist() == [0, 0, 127, 255, 255]


def test_equalised_greys_are_spread_evenly() -> None:
    """Four greys of equal share: the darkest becomes 0, the others a third of the way each."""
    assert equalised(np.array([[10, 20], [30, 40]], dtype=np.uint8)).tolist() == [[0, 85], [170, 255]]


def test_a_constant_slice_stays_as_it_is() -> None:
    constant = np.full((4, 4), 77, dtype=np.uint8)
    assert np.array_equal(equalised(constant), constant)


def test_three_slices_are_one_picture_and_what_is_left_over_is_dropped() -> None:
    triplets = slice_triplets(chest(8).hu)
    assert triplets.shape == (2, 3, 224, 224)
    assert triplets.dtype == torch.uint8


def test_two_slices_make_no_picture() -> None:
    with pytest.raises(ValueError, match="found 2"):
        slice_triplets(chest(2).hu)


def test_reversed_slices_give_the_same_pictures() -> None:
    volume = chest(6)
    affine = volume.affine.copy()
    affine[:, 3] += 5 * affine[:, 0]
    affine[:, 0] *= -1
    reversed_volume = Volume(np.ascontiguousarray(volume.hu[::-1]), affine)
    assert torch.equal(triplets_of(volume), triplets_of(reversed_volume))


def test_features_are_the_same_each_time_and_in_any_batch() -> None:
    network = FeatureNetwork.ready("resnet18", None, CPU)
    triplets = slice_triplets(chest(9).hu)
    first, second = (FeatureNetwork.ready("resnet18", None, CPU).features(triplets) for _ in range(2))
    assert first.shape == (3, FEATURES["resnet18"])
    assert np.array_equal(first, second)
    single = np.concatenate([network.features(part) for part in triplets.split(1)])
    assert single == pytest.approx(first, abs=1e-4)


def test_random_weights_are_called_random() -> None:
    assert FeatureNetwork.ready("resnet18", None, CPU, seed=7).origin == "random weights of seed 7"


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="resnet152, resnet18"):
        FeatureNetwork.ready("resnet34", None, CPU)


def exported(folder: Path, features: int = 512, **settings: object) -> Path:
    """A card as the training task writes it: says 1 when the first feature is above its median."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, features))
    labels = (rows[:, 0] > 0).astype(float)
    data = lightgbm.Dataset(rows, labels, feature_name=list(feature_names(features)))
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 5)
    aside = folder / "aside"
    booster.save_model(aside)
    chosen = {
        "network": "resnet18",
        "weights": None,
        "weights_sha256": "",
        "seed": 3,
        "meaning": "cancer of the test",
        **settings,
    }
    words = ("patient-risk", "1", "patient-risk.txt", "", "models.patient_risk.PatientRiskModel", "", "", "", "")
    place_weights(aside, Card(*words, settings=chosen), folder)
    return folder / "patient-risk.json"


def test_a_scan_is_scored_as_its_features_say(tmp_path: Path) -> None:
    model = PatientRiskModel.from_card(exported(tmp_path), CPU)
    volume = chest()
    risk = model.score(volume)
    vector = patient_vector(FeatureNetwork.ready("resnet18", None, CPU, seed=3).features(triplets_of(volume)))
    expected = float(np.clip(model.booster.predict(vector[None])[0], SURE, 1 - SURE))
    assert risk.by_year == (pytest.approx(expected),)
    assert risk.meaning == "cancer of the test"
    assert risk == model.score(volume)


def test_a_card_for_other_network_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="other network weights"):
        PatientRiskModel.from_card(exported(tmp_path, weights_sha256="0" * 64), CPU)


def test_trees_for_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="other features"):
        PatientRiskModel.from_card(exported(tmp_path, features=100), CPU)


def test_a_card_that_lacks_a_setting_is_refused(tmp_path: Path) -> None:
    card = exported(tmp_path)
    values = json.loads(card.read_text())
    del values["settings"]["meaning"]
    card.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="meaning"):
        PatientRiskModel.from_card(card, CPU)


def test_no_patient_level_score_comes_with_the_product() -> None:
    assert not shipped_card("patient-risk").exists()
