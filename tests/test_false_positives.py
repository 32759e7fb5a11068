"""The false-positive stage: what it is shown, in which batches, and what the shipped weights say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from models.detector_loading import false_positive_stage
from models.false_positives import (
    CROP_PX,
    LARGEST_MM,
    PIXEL_MM,
    FalsePositiveNetwork,
    FalsePositiveStage,
    calibrated,
    crops_at,
)
from models.volume import Volume
from models.weights import Card, WeightsError, load_tensors, shipped_card

CPU = torch.device("cpu")
AFFINE = np.array([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0]])
SIZE = np.array([10.0])


def volume_of(hu: np.ndarray) -> Volume:
    return Volume(np.rint(hu).astype(np.int16), AFFINE)


class Counting(nn.Module):
    """Answers the mean grey of a crop; has memory for so many crops at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.batches: list[int] = []

    def forward(self, grey: torch.Tensor) -> torch.Tensor:
        if len(grey) > self.most:
            raise torch.cuda.OutOfMemoryError("too many")
        self.batches.append(len(grey))
        return grey.mean(dim=(1, 2, 3))


def test_a_crop_has_pixels_of_its_own_size_around_the_centre() -> None:
    columns = np.broadcast_to(np.arange(120) * 10.0 - 1000, (9, 120, 120))
    crop = crops_at(volume_of(columns), np.array([[4.0, 60.0, 60.0]]), np.ones(1), CPU)[0, 1]
    index = 60 + (np.arange(CROP_PX) - (CROP_PX - 1) / 2) * PIXEL_MM / 0.8
    expected = np.clip(index * 10 / 1400, 0, 1)
    assert crop.numpy() == pytest.approx(np.broadcast_to(expected, crop.shape), abs=1e-5)


def test_a_wider_crop_sees_twice_as_far() -> None:
    columns = np.broadcast_to(np.arange(200) * 5.0 - 1000, (9, 200, 200))
    volume, center = volume_of(columns), np.array([[4.0, 100.0, 100.0]])
    near, far = (crops_at(volume, center, np.array([zoom]), CPU)[0, 1, 0] for zoom in (1.0, 2.0))
    assert (far[-1] - far[0]).item() == pytest.approx(2 * (near[-1] - near[0]).item(), rel=1e-4)


def test_neighbouring_cuts_are_neighbouring_slices_where_slices_are_thick() -> None:
    slices = np.broadcast_to((np.arange(9) * 100.0 - 1000)[:, None, None], (9, 80, 80))
    cuts = crops_at(volume_of(slices), np.array([[4.0, 40.0, 40.0]]), np.ones(1), CPU)[0, :, 0, 0]
    assert (cuts * 1400).numpy() == pytest.approx([300.0, 400.0, 500.0], abs=0.01)


def test_beyond_the_volume_its_border_is_repeated() -> None:
    volume = volume_of(np.full((3, 20, 20), -300.0))
    crops = crops_at(volume, np.array([[0.0, 0.0, 19.0]]), np.ones(1), CPU)
    assert crops.numpy() == pytest.approx(np.full(crops.shape, 0.5))


def test_no_place_gives_no_logit() -> None:
    stage = FalsePositiveStage.ready(FalsePositiveNetwork(1, 4), 1.0, 0.0, CPU)
    assert stage.logits(volume_of(np.zeros((3, 20, 20))), np.zeros((0, 3)), np.zeros(0)).shape == (0, 3)


def test_members_are_averaged() -> None:
    torch.manual_seed(0)
    network = FalsePositiveNetwork(2, 4).eval()
    crops = torch.rand(3, 1, CROP_PX, CROP_PX)
    alone = []
    for member in network.members:
        one = FalsePositiveNetwork(1, 4).eval()
        one.members[0].load_state_dict(member.state_dict())
        alone.append(one(crops))
    assert torch.allclose(network(crops), (alone[0] + alone[1]) / 2, atol=1e-5)


def test_out_of_memory_halves_the_batch_and_nothing_is_lost() -> None:
    network = Counting(most=50)
    stage = FalsePositiveStage(network, 2.0, -1.0, CPU)  # type: ignore[arg-type]
    centers = np.stack([np.full(70, 1.0), np.full(70, 30.0), np.linspace(5, 50, 70)], axis=1)
    volume = volume_of(np.broadcast_to(np.arange(60) * 20.0 - 1000, (3, 60, 60)))
    logits = stage.logits(volume, centers, np.full(70, 10.0))
    grey = crops_at(volume, centers, np.ones(70), CPU).mean(dim=(2, 3)).numpy()
    assert sum(network.batches) == 210
    assert max(network.batches) <= 50
    assert logits == pytest.approx(2 * grey - 1, abs=1e-4)


def test_a_single_crop_that_does_not_fit_is_an_error() -> None:
    stage = FalsePositiveStage(Counting(most=0), 1.0, 0.0, CPU)  # type: ignore[arg-type]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        stage.logits(volume_of(np.zeros((3, 20, 20))), np.zeros((1, 3)), SIZE)


def test_calibrated_logits_are_probabilities() -> None:
    assert calibrated([0.0, 100.0, -100.0]) == pytest.approx([0.5, 1.0, 0.0])


def lung_with(bright: np.ndarray) -> Volume:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, bright.shape), (0, 0.7, 0.7))
    hu = np.where(bright, 20.0, -860.0)
    return volume_of(ndimage.gaussian_filter(hu, (0.3, 0.7, 0.7)) + 20 * noise / noise.std())


def shipped_stage() -> FalsePositiveStage:
    return false_positive_stage(*load_tensors(shipped_card("false-positives")), CPU)


@pytest.mark.parametrize("diameter_mm", [8.0, 14.0, 40.0])
def test_shipped_weights_tell_a_ball_from_a_vessel_and_from_lung(diameter_mm: float) -> None:
    k, j, i = np.meshgrid(np.arange(41) * 2 - 40, *[np.arange(120) * 0.8 - 48] * 2, indexing="ij")
    ball = np.sqrt(k**2 + j**2 + i**2) < diameter_mm / 2
    vessel = np.hypot(k, j) < 2.0
    center = np.array([[20.0, 60.0, 60.0]])
    stage = shipped_stage()
    on_ball = stage.logits(lung_with(ball), center, np.array([diameter_mm])).mean()
    on_vessel = stage.logits(lung_with(vessel), center, SIZE).mean()
    on_lung = stage.logits(lung_with(np.zeros_like(ball)), center, SIZE).mean()
    assert on_ball > 1.0 > on_vessel
    assert on_lung < -2.0


def test_what_is_larger_than_a_crop_is_shown_smaller() -> None:
    assert LARGEST_MM < CROP_PX * PIXEL_MM


def test_a_card_without_the_calibration_is_an_error() -> None:
    card = Card("x", "1", "x.safetensors", "", "", "", "", "", "", settings={"members": 1, "width": 4})
    with pytest.raises(WeightsError, match="lacks a setting"):
        false_positive_stage(card, {}, CPU)


def test_weights_of_another_width_are_an_error() -> None:
    card, tensors = load_tensors(shipped_card("false-positives"))
    card.settings["width"] = 8
    with pytest.raises(WeightsError, match="wrong layout"):
        false_positive_stage(card, tensors, CPU)


@pytest.mark.gpu
def test_the_gpu_says_what_the_cpu_says() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    volume, center = lung_with(np.zeros((41, 120, 120), dtype=bool)), np.array([[20.0, 60.0, 60.0]])
    card, tensors = load_tensors(shipped_card("false-positives"))
    on_gpu = false_positive_stage(card, tensors, torch.device("cuda")).logits(volume, center, SIZE)
    assert on_gpu == pytest.approx(shipped_stage().logits(volume, center, SIZE), abs=0.2)  # bfloat16
