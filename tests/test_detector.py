"""The joined detector: how sources meet, how witnesses are weighed, and what it finds in a small chest."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models.detector import LARGEST_LOGIT, Calibration, Evidence, NetworkDetector, Place, joined
from models.detector_loading import calibration_of, candidate_network, shipped_detector
from models.detector_masses import masses
from models.findings import Attenuation, Candidate, LungLabel, Lungs
from models.lungs import segment_lungs
from models.nodules import above, find_nodules, one_per_place
from models.volume import Volume
from models.weights import Card, WeightsError, load_tensors, shipped_card
from node.assembly.files import assemble_files
from training.phantom_small import small_phantom, sphere
from training.phantom_truth import Phantom

CPU = torch.device("cpu")
VOLUME = Volume(np.zeros((20, 20, 20), np.int16), np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
SPHERES = (
    sphere((-75.0, 10.0, 45.0), 12.0, 40.0),
    sphere((80.0, -20.0, 20.0), 20.0, 40.0),
    sphere((60.0, 40.0, -50.0), 9.0, 30.0),
    sphere((-60.0, 45.0, -5.0), 10.0, 400.0, Attenuation.CALCIFIED),
)
WALL_MASS = sphere((-112.0, 10.0, 0.0), 46.0, 40.0)


def chest(*nodules: object) -> Phantom:
    return small_phantom(nodules, shape=(100, 170, 170), spacing_kji_mm=(2.5, 2.0, 2.0))  # type: ignore[arg-type]


def lungs_of(phantom: Phantom) -> Lungs:
    return Lungs(phantom.lung_labels, 2000.0, 2000.0)


@pytest.fixture(scope="module")
def detector() -> NetworkDetector:
    return shipped_detector(CPU)[0]


def test_a_proposal_on_a_blob_lends_it_its_logit_and_one_alone_stays() -> None:
    blob = Place((5.0, 5.0, 5.0), 6.0, rules=1.0)
    on_it, alone = Candidate((5.0, 5.0, 7.0), 0.9, 6.0), Candidate((15.0, 15.0, 15.0), 0.8, 8.0)
    first, second = joined([blob], [on_it, alone], VOLUME)
    assert first.network == pytest.approx(math.log(9))
    assert (first.rules, first.no_blob) == (1.0, 0.0)
    assert (second.center_kji, second.no_blob) == ((15.0, 15.0, 15.0), 1.0)


def test_a_blob_without_a_proposal_counts_as_improbable_for_the_network() -> None:
    (place,) = joined([Place((5.0, 5.0, 5.0), 6.0)], [], VOLUME)
    assert place.network == pytest.approx(math.log(0.01 / 0.99))


def test_a_certain_proposal_is_never_surer_than_the_limit() -> None:
    (place,) = joined([], [Candidate((5.0, 5.0, 5.0), 1.0, 6.0)], VOLUME)
    assert place.network == LARGEST_LOGIT


def test_the_witnesses_are_weighed_as_written() -> None:
    weighing = Calibration({"cuts": 2.0, "log_diameter": -1.0}, 0.5, 0.4)
    said = weighing.probability(Evidence(cuts=1.0, log_diameter=0.5, rules=100.0))
    assert said == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_one_mark_a_place_and_the_most_probable_stays() -> None:
    marks = [
        Candidate((5.0, 5.0, 5.0), 0.2, 8.0),
        Candidate((5.0, 5.0, 6.0), 0.7, 4.0),
        Candidate((15.0, 5.0, 5.0), 0.3, 4.0),
    ]
    assert [mark.probability for mark in one_per_place(marks, VOLUME)] == [0.7, 0.3]


def test_the_shipped_detector_finds_the_balls_of_a_small_chest(detector: NetworkDetector) -> None:
    phantom = chest(*SPHERES)
    found = find_nodules(phantom.volume, lungs_of(phantom), detector)
    places = phantom.volume.to_patient(np.array([candidate.center_kji for candidate, _ in found]))
    for nodule in SPHERES:
        assert np.linalg.norm(places - nodule.center_lps_mm, axis=1).min() < nodule.diameter_mm / 2
    assert len(found) == len(SPHERES)


def test_marks_come_by_falling_probability_and_again_the_same(detector: NetworkDetector) -> None:
    phantom = chest(SPHERES[0])
    marks = detector.detect(phantom.volume, lungs_of(phantom))
    assert [m.probability for m in marks] == sorted((m.probability for m in marks), reverse=True)
    assert marks == detector.detect(phantom.volume, lungs_of(phantom))


def test_an_empty_chest_gets_no_mark_above_the_threshold(detector: NetworkDetector) -> None:
    phantom = chest()
    assert above(detector.detect(phantom.volume, lungs_of(phantom)), detector.threshold) == ()


def test_without_lungs_there_are_no_marks(detector: NetworkDetector) -> None:
    empty = Lungs(np.zeros(VOLUME.shape, np.uint8), 0.0, 0.0)
    assert detector.detect(VOLUME, empty) == ()
    assert masses(VOLUME, empty, CPU) == []


def test_a_mass_on_the_chest_wall_is_found_though_it_lies_outside_the_lungs(detector: NetworkDetector) -> None:
    phantom = chest(WALL_MASS)
    labels = phantom.lung_labels.copy()
    apart = phantom.volume.to_patient(np.argwhere(labels > 0)) - WALL_MASS.center_lps_mm
    inside = np.linalg.norm(apart, axis=1) < WALL_MASS.diameter_mm / 2 + 2
    labels[tuple(np.argwhere(labels > 0)[inside].T)] = LungLabel.BACKGROUND
    (mass,) = masses(phantom.volume, Lungs(labels, 2000.0, 2000.0), CPU)
    at = phantom.volume.to_patient(np.array([mass.center_kji]))[0]
    assert np.linalg.norm(at - WALL_MASS.center_lps_mm) < WALL_MASS.diameter_mm / 2
    assert 25 < mass.diameter_mm < 55


def test_a_chest_without_a_mass_has_none() -> None:
    phantom = chest(*SPHERES)
    assert masses(phantom.volume, lungs_of(phantom), CPU) == []


def test_shipped_cards_say_what_they_are() -> None:
    detector, cards = shipped_detector(CPU)
    assert 0 < detector.threshold < 1
    assert {"false-positives", "detector"} <= {card.name for card in cards}
    assert all("not for diagnosis" in card.intended_use and card.figures for card in cards)


def test_a_calibration_with_other_names_than_weights_is_an_error() -> None:
    card, tensors = load_tensors(shipped_card("detector"))
    card.settings["evidence"] = ["cuts"]
    with pytest.raises(WeightsError, match="not a detector's calibration"):
        calibration_of(card, tensors)


def test_a_card_that_is_not_a_candidate_networks_is_an_error() -> None:
    card = Card("x", "1", "x.safetensors", "", "", "", "", "", "", settings={})
    with pytest.raises(WeightsError, match="not that of a candidate network"):
        candidate_network(card, {}, CPU)


@pytest.mark.parametrize("name", ["lidc-0001", "lidc-0003"])
def test_real_nodules_are_found_with_at_most_two_other_marks(
    name: str, shared_data: Path, detector: NetworkDetector, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(name.replace("-", "_"))
    volume = assemble_files(sorted(path for path in folder.rglob("*") if path.is_file())).volume
    marks = [found.center_kji for found, _ in find_nodules(volume, segment_lungs(volume), detector)]
    places = volume.to_patient(np.asarray(marks))
    truth = json.loads((shared_data / "truth.json").read_text())[name]["nodules"]
    hits = [np.linalg.norm(places - t["center_lps_mm"], axis=1) < t["diameter_mm"] / 2 for t in truth]
    assert all(on.any() for on in hits)
    assert (~np.any(hits, axis=0)).sum() <= 2
