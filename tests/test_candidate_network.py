"""The candidate network and its marks: shapes, places, one mark per place, nothing away from the lungs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.candidate_network import ANCHORS_MM, CHANNELS, STRIDE, VALUES, CandidateNetwork, network_of
from models.findings import LungLabel, Lungs
from models.proposals import HU_RANGE, WALL_HU, decoded, network_input, one_per_place, place_centers, propose
from models.weights import Card, WeightsError
from training.phantom_small import small_phantom
from training.phantom_truth import Phantom

CPU = torch.device("cpu")
SMALL = (4, 4, 8, 8)
CARD = Card("candidates", "1", "candidates.safetensors", "0" * 64, "", "", "", "", "", settings={"channels": [*SMALL]})


class Oracle(nn.Module):
    """Believes in what is dense within the lungs, by the 10 mm anchor."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dense = ((images[:, :1] > -0.2) & (images[:, 1:] > 0)).float()
        share = functional.avg_pool3d(dense, STRIDE)
        values = torch.zeros((len(images), len(ANCHORS_MM), VALUES, *share.shape[2:]))
        values[:, :, 0] = -9.0
        values[:, 1, 0] = 12 * share[:, 0] - 6
        return values


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return small_phantom()


def lungs_of(phantom: Phantom) -> Lungs:
    return Lungs(phantom.lung_labels, 2000.0, 2000.0)


def test_the_head_answers_every_four_voxels_for_every_anchor() -> None:
    network = CandidateNetwork(SMALL).eval()
    with torch.inference_mode():
        answer = network(torch.zeros((2, 2, 32, 48, 16)))
    assert answer.shape == (2, len(ANCHORS_MM), VALUES, 8, 12, 4)
    assert answer.dtype == torch.float32


def test_an_untrained_network_expects_little() -> None:
    with torch.inference_mode():
        answer = CandidateNetwork(SMALL).eval()(torch.randn((1, 2, 32, 32, 32)))
    assert answer[:, :, 0].sigmoid().mean() < 0.05


def test_a_place_lies_in_the_middle_of_its_voxels() -> None:
    assert place_centers((2, 3, 1), CPU)[:, 1, 2, 0].tolist() == [5.5, 9.5, 1.5]


def test_offsets_and_sizes_are_read_in_anchors() -> None:
    values = torch.zeros((len(ANCHORS_MM), VALUES, 1, 1, 1))
    values[2, :, 0, 0, 0] = torch.tensor([0.0, 0.1, -0.2, 0.0, np.log(1.5)])
    probability, k, j, i, diameter = decoded(values, (16, 0, 0))[2].tolist()
    assert probability == pytest.approx(0.5)
    assert (k, j, i) == pytest.approx((16 + 1.5 + 2.0, 1.5 - 4.0, 1.5))
    assert diameter == pytest.approx(30.0)


def test_marks_within_one_ball_become_the_most_probable_one() -> None:
    marks = torch.tensor([[0.9, 10, 10, 10, 8.0], [0.8, 13, 10, 10, 4.0], [0.7, 15, 10, 10, 4.0]])
    assert one_per_place(marks).tolist() == [marks[0].tolist(), marks[2].tolist()]


def test_the_input_is_painted_away_from_the_lungs_and_scaled() -> None:
    inside = torch.zeros((20, 20, 20), dtype=torch.bool)
    inside[:, :, :8] = True
    image = network_input(torch.full((20, 20, 20), -2000.0), inside)
    low, high = HU_RANGE
    assert (image[0, :, :, :11] == -1).all()
    assert image[0, 0, 0, 11:].tolist() == pytest.approx([2 * (WALL_HU - low) / (high - low) - 1] * 9)
    assert torch.equal(image[1] > 0, inside)


@pytest.mark.parametrize("flip", [(False, False, False), (True, False, True)])
def test_dense_spheres_are_marked_where_they_are(flip: tuple[bool, bool, bool]) -> None:
    phantom = small_phantom(flip_kji=flip)
    marks = propose(phantom.volume, lungs_of(phantom), Oracle(), CPU)  # type: ignore[arg-type]
    found = phantom.volume.to_patient([mark.center_kji for mark in marks])
    for nodule in phantom.nodules:
        if nodule.mean_hu > 0:
            away = np.linalg.norm(found - nodule.center_lps_mm, axis=1).min()
            assert away < nodule.diameter_mm / 2, nodule
    assert [mark.probability for mark in marks] == sorted((mark.probability for mark in marks), reverse=True)


def test_without_lungs_there_is_nothing_to_propose(phantom: Phantom) -> None:
    nothing = Lungs(np.zeros_like(phantom.lung_labels), 0.0, 0.0)
    assert propose(phantom.volume, nothing, Oracle(), CPU) == ()  # type: ignore[arg-type]


def test_the_other_lung_is_not_looked_at(phantom: Phantom) -> None:
    right = np.where(phantom.lung_labels == LungLabel.RIGHT, phantom.lung_labels, 0).astype(np.uint8)
    marks = propose(phantom.volume, Lungs(right, 2000.0, 0.0), Oracle(), CPU)  # type: ignore[arg-type]
    places = phantom.volume.to_patient([mark.center_kji for mark in marks])
    assert len(places)
    assert (places[:, 0] < 0).all()


def test_a_network_is_rebuilt_from_its_card() -> None:
    trained = CandidateNetwork(SMALL).eval()
    rebuilt = network_of(CARD, trained.state_dict(), CPU)
    image = torch.randn((1, 2, 32, 32, 32))
    with torch.inference_mode():
        assert torch.allclose(rebuilt(image), trained(image), atol=1e-5)


@pytest.mark.parametrize("channels", [None, [4, 4], "4448", [4, 4, 8, 8.0]])
def test_a_card_of_something_else_is_refused(channels: object) -> None:
    with pytest.raises(WeightsError, match="channels"):
        network_of(replace(CARD, settings={"channels": channels}), {}, CPU)


def test_weights_of_another_width_are_refused() -> None:
    with pytest.raises(WeightsError, match="wrong layout"):
        network_of(CARD, CandidateNetwork(CHANNELS).state_dict(), CPU)
