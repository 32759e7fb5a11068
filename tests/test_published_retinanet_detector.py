"""The RetinaNet as a detector: places, windows, memory and refusals, with a network that answers by brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.findings import Candidate, Lungs
from models.published.inference import on_device
from models.published.marks import candidates_of
from models.published.orientation import RAS, oriented
from models.published.retinanet import ARCHITECTURE, CPU_WINDOW, DEFAULT_THRESHOLD, Image, RetinaNetDetector, with_lungs
from models.published.retinanet_boxes import Maps
from models.published.retinanet_network import STRIDES, RetinaNet
from models.published.retinanet_windows import halved, plan_for
from models.volume import Volume
from models.weights import Card, WeightsError, save_weights

CPU = torch.device("cpu")
NODULE_MM = np.array([18.0, -9.0, 30.0])  # LPS, from the middle of the volume


class Brightness(nn.Module):
    """Stands in for the RetinaNet: a place is a nodule where the image is bright; boxes are the bare anchors."""

    def __init__(self, largest: int | None = None, fill: float = 0.0) -> None:
        super().__init__()
        self.largest, self.fill, self.seen = largest, fill, []

    def forward(self, image: torch.Tensor) -> Maps:
        self.seen.append(tuple(image.shape[2:]))
        if self.largest is not None and image.numel() > self.largest:
            raise torch.OutOfMemoryError("out of memory")
        maps = []
        for level, stride in enumerate(STRIDES):
            bright = functional.interpolate(image, size=[n // s for n, s in zip(image.shape[2:], stride, strict=True)])
            if level == 0:  # a cell's anchor stands at its first voxel
                bright = image[:, :, ::4, ::4, ::2]
            logits = ((bright - 0.6) * 40 if level == 0 else torch.full_like(bright, -9)).repeat(1, 3, 1, 1, 1)
            maps.append((logits + self.fill, torch.zeros_like(logits).repeat(1, 6, 1, 1, 1)))
        return maps


def scan(directions: list[list[float]], spacing: tuple[float, float, float]) -> tuple[Volume, Lungs]:
    """A lung-filled block of 12 cm with one soft-tissue ball of 10 mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=float).T * spacing
    shape = tuple(int(120 / step) for step in spacing)
    affine[:3, 3] = -affine[:3, :3] @ (np.asarray(shape) / 2)
    volume = Volume(np.full(shape, -850, dtype=np.int16), affine)
    points = volume.to_patient(np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1))
    volume.hu[np.linalg.norm(points - NODULE_MM, axis=-1) <= 5] = 40
    return volume, Lungs(np.ones(shape, dtype=np.uint8), 800.0, 800.0)


@pytest.mark.parametrize(
    ("directions", "spacing"),
    [
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 0.9, 0.9)),
        ([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], (1.0, 1.1, 0.9)),
        ([[1, 0, 0], [0, 0, -1], [0, 1, 0]], (1.3, 1.0, 1.2)),
    ],
)
def test_a_mark_lies_where_the_nodule_lies_whatever_the_axes(
    directions: list[list[float]], spacing: tuple[float, float, float]
) -> None:
    volume, lungs = scan(directions, spacing)
    marks = RetinaNetDetector(Brightness(), CPU, window=CPU_WINDOW).detect(volume, lungs)  # type: ignore[arg-type]
    assert marks
    assert [mark.probability for mark in marks] == sorted((mark.probability for mark in marks), reverse=True)
    places = volume.to_patient([mark.center_kji for mark in marks if mark.probability > 0.5])
    assert (np.linalg.norm(places - NODULE_MM, axis=1) < 6).all()  # the ball's radius, and half a voxel
    assert np.linalg.norm(places.mean(axis=0) - NODULE_MM) < 2
    assert 4 < marks[0].diameter_mm < 8  # an anchor of 6 x 8 x 4 to 10 x 10 x 6 voxels


def test_windows_give_the_same_marks_as_the_whole_image() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (1.25, 0.703125, 0.703125))
    whole = RetinaNetDetector(Brightness(), CPU, window=(512, 512, 192)).detect(volume, lungs)  # type: ignore[arg-type]
    network = Brightness()
    parts = RetinaNetDetector(network, CPU, window=(96, 96, 48)).detect(volume, lungs)  # type: ignore[arg-type]
    assert len(network.seen) == 3 * 3 * 3
    assert [m.center_kji for m in parts] == [m.center_kji for m in whole]


def test_a_window_that_does_not_fit_is_halved_until_it_does() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (1.25, 0.703125, 0.703125))
    network = Brightness(largest=96 * 96 * 96)
    marks = RetinaNetDetector(network, CPU, window=(512, 512, 192)).detect(volume, lungs)  # type: ignore[arg-type]
    assert marks
    assert network.seen[0] == (176, 176, 96)
    assert network.seen[-1][0] * network.seen[-1][1] * network.seen[-1][2] <= 96**3


def test_memory_that_never_suffices_is_told() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 2.0, 2.0))
    with pytest.raises(torch.OutOfMemoryError):
        RetinaNetDetector(Brightness(largest=10), CPU).detect(volume, lungs)  # type: ignore[arg-type]
    assert halved((96, 96, 48)) is None
    assert halved((512, 512, 192)) == (256, 512, 192)


def test_output_that_is_no_number_is_told_and_not_taken_for_no_nodule() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 2.0, 2.0))
    with pytest.raises(FloatingPointError, match="not finite"):
        RetinaNetDetector(Brightness(fill=float("nan")), CPU).detect(volume, lungs)  # type: ignore[arg-type]


def test_the_box_of_the_lungs_gives_the_mark_that_the_whole_image_gives() -> None:
    volume, lungs = scan([[0, 0, -1], [0, 1, 0], [1, 0, 0]], (1.25, 0.703125, 0.703125))
    lungs.labels[-40:], lungs.labels[:, :, :40] = 0, 0
    whole = RetinaNetDetector(Brightness(), CPU).detect(volume, lungs)  # type: ignore[arg-type]
    network = Brightness()
    part = RetinaNetDetector(network, CPU, whole=False).detect(volume, lungs)  # type: ignore[arg-type]
    assert network.seen[0][0] < 171
    assert network.seen[0][2] < 96
    apart = (np.asarray(part[0].center_kji) - whole[0].center_kji) * volume.spacing_kji_mm
    assert np.linalg.norm(apart) < 3  # cells stand elsewhere, 2.8 mm apart


def test_windows_without_lung_are_not_run() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (1.25, 0.703125, 0.703125))
    lungs.labels[:] = 0
    lungs.labels[:10, :10, :10] = 1  # inferior, anterior, right
    image = Image(oriented(volume, RAS))
    plan = with_lungs(plan_for(image.size, (96, 96, 48)), image, lungs)
    assert len(plan.starts) == 1
    assert plan.starts[0] == (80, 80, 0)  # x runs to the right, y to the front, z to the head
    nowhere = Lungs(np.zeros_like(lungs.labels), 0.0, 0.0)
    assert RetinaNetDetector(Brightness(), CPU).detect(volume, nowhere) == ()  # type: ignore[arg-type]


def test_marks_outside_the_lungs_and_second_marks_on_one_place_are_dropped() -> None:
    volume = Volume(np.zeros((40, 40, 40), dtype=np.int16), np.eye(4))
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[:10] = 1
    centers = np.array([[5.0, 20, 20], [6, 20, 20], [13, 20, 20], [16, 20, 20], [-3, 20, 20]])
    found = candidates_of(centers, [0.4, 0.9, 0.3, 0.99, 0.98], [6.0, 6, 6, 6, 6], volume, Lungs(labels, 1.0, 1.0))
    assert found == (Candidate((6.0, 20.0, 20.0), 0.9, 6.0), Candidate((13.0, 20.0, 20.0), 0.3, 6.0))


def card(architecture: str, **settings: object) -> Card:
    return Card(
        name="random", version="1", file="random.safetensors", sha256="", architecture=architecture, input_contract="",
        training_data="none", licence="none", source="test", settings=dict(settings),
    )  # fmt: skip


def test_imported_weights_are_loaded_by_their_card(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = RetinaNet().eval()
    save_weights(network.state_dict(), card(ARCHITECTURE), tmp_path)
    loaded = RetinaNetDetector.from_card(tmp_path / "random.json", CPU)
    assert loaded.threshold == DEFAULT_THRESHOLD
    assert loaded.window == CPU_WINDOW
    assert not loaded.whole
    image = torch.rand(1, 1, 32, 32, 16)
    with torch.inference_mode():
        for ours, theirs in zip(loaded.network(image), network(image), strict=True):
            assert torch.equal(ours[0], theirs[0])


def test_the_card_may_set_the_operating_point_and_must_name_the_architecture(tmp_path: Path) -> None:
    save_weights({"a": torch.zeros(1)}, card("another"), tmp_path)
    with pytest.raises(WeightsError, match="holds another"):
        RetinaNetDetector.from_card(tmp_path / "random.json", CPU)
    save_weights(RetinaNet().state_dict(), card(ARCHITECTURE, threshold=0.3), tmp_path)
    assert RetinaNetDetector.from_card(tmp_path / "random.json", CPU).threshold == 0.3


@pytest.mark.gpu
def test_half_precision_on_the_gpu_finds_what_single_precision_finds() -> None:
    torch.manual_seed(0)
    network = RetinaNet()
    nn.init.normal_(network.classification_head.cls_logits.weight, std=0.05)
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 1.5, 1.5))
    single = RetinaNetDetector(on_device(network, CPU), CPU).detect(volume, lungs)
    cuda = torch.device("cuda")
    half = RetinaNetDetector(on_device(network, cuda), cuda, half=torch.float16).detect(volume, lungs)
    assert single
    assert half[0].probability == pytest.approx(single[0].probability, abs=0.02)
