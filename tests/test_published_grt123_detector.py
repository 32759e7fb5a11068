"""grt123 as detector and classifier: places, tiles, memory and refusals, with a network that answers by brightness."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.findings import Lungs
from models.published import grt123, grt123_case
from models.published.grt123 import DEFAULT_THRESHOLD, Grt123Detector
from models.published.grt123_case import Grt123Classifier
from models.published.grt123_image import LungImage, lung_image
from models.published.grt123_network import CaseNet, NoduleNet
from models.published.inference import finite_outputs, in_batches
from models.volume import Volume
from models.weights import Card, WeightsError, save_weights

CPU = torch.device("cpu")
NODULE_MM = np.array([18.0, -9.0, 30.0])  # LPS, from the middle of the volume
EMPTY_CROP = 0.02  # what the stand-in classifier says of an empty crop


class Brightness(nn.Module):
    """Stands in for the detector: a place is a nodule of 10 mm where the tile is bright."""

    def __init__(self, largest_batch: int = 100, fill: float = 0.0) -> None:
        super().__init__()
        self.largest_batch, self.fill, self.batches = largest_batch, fill, []

    def forward(self, image: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(image))
        if len(image) > self.largest_batch:
            raise torch.OutOfMemoryError("out of memory")
        assert place.shape[2:] == tuple(n // 4 for n in image.shape[2:])
        output = torch.zeros(len(image), *place.shape[2:], 3, 5)
        output[..., 0] = -9 + self.fill
        output[..., 0, 0] += torch.nn.functional.avg_pool3d(image, 4)[:, 0] * 20 + 8
        return place, output


class CaseStub(nn.Module):
    """Stands in for the classifier: cancer grows with the mean grey value of the crop."""

    joined = CaseNet.joined

    def __init__(self) -> None:
        super().__init__()
        self.baseline = nn.Parameter(torch.tensor([-30.0]))

    def forward(self, crops: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        assert crops.shape[1:] == (1, 96, 96, 96)
        assert places.shape[1:] == (3, 24, 24, 24)
        return EMPTY_CROP + crops.mean(dim=(1, 2, 3, 4)) / 1000


def scan(directions: list[list[float]], spacing: tuple[float, float, float]) -> tuple[Volume, Lungs]:
    """A lung-filled block of 12 cm with one soft-tissue ball of 10 mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=float).T * spacing
    shape = tuple(int(120 / step) for step in spacing)
    affine[:3, 3] = -affine[:3, :3] @ (np.asarray(shape) / 2)
    volume = Volume(np.full(shape, -850, dtype=np.int16), affine)
    points = volume.to_patient(np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1))
    volume.hu[np.linalg.norm(points - NODULE_MM, axis=-1) <= 5] = 40
    labels = np.ones(shape, dtype=np.uint8)
    labels[points[..., 0] > 0] = 2
    return volume, Lungs(labels, 800.0, 800.0)


AXIAL = ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 0.9, 0.9))


@pytest.mark.parametrize(
    ("directions", "spacing"),
    [AXIAL, ([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], (1.0, 1.1, 0.9)), ([[1, 0, 0], [0, 0, -1], [0, 1, 0]], (1.3, 1, 1))],
)
def test_a_mark_lies_where_the_nodule_lies_whatever_the_axes(
    directions: list[list[float]], spacing: tuple[float, float, float]
) -> None:
    volume, lungs = scan(directions, spacing)
    marks = Grt123Detector(Brightness(), CPU).detect(volume, lungs)  # type: ignore[arg-type]
    assert len([mark for mark in marks if mark.probability > 0.5]) == 1
    assert np.linalg.norm(volume.to_patient(marks[0].center_kji) - NODULE_MM) < 4
    assert marks[0].diameter_mm == pytest.approx(10.0)


def test_tiles_that_do_not_fit_together_are_run_in_smaller_batches() -> None:
    volume, lungs = scan([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 2.0, 2.0))
    wide = Volume(np.tile(volume.hu, (3, 1, 2)), volume.affine)
    lungs = Lungs(np.tile(lungs.labels, (3, 1, 2)), 1.0, 1.0)
    network = Brightness(largest_batch=2)
    Grt123Detector(network, CPU, batch=8).detect(wide, lungs)  # type: ignore[arg-type]
    assert network.batches == [6, 3, 1, 1, 1, 1, 1, 1]


def test_half_precision_that_overflows_is_done_again_in_single() -> None:
    kinds = []

    def forward() -> list[torch.Tensor]:
        kinds.append(torch.is_autocast_enabled("cpu"))
        return [torch.tensor([float("inf") if kinds[-1] else 3.0])]

    assert finite_outputs(forward, CPU, "it", torch.bfloat16)[0].tolist() == [3.0]
    assert kinds == [True, False]


def test_memory_that_never_suffices_is_told() -> None:
    def full(numbers: range) -> None:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(full, 5, 4))


def test_output_that_is_no_number_is_told_and_not_taken_for_no_nodule() -> None:
    volume, lungs = scan(*AXIAL)
    with pytest.raises(FloatingPointError, match="not finite"):
        Grt123Detector(Brightness(fill=float("nan")), CPU).detect(volume, lungs)  # type: ignore[arg-type]


def test_no_lungs_no_marks() -> None:
    volume, lungs = scan(*AXIAL)
    nowhere = Lungs(np.zeros_like(lungs.labels), 0.0, 0.0)
    assert Grt123Detector(Brightness(), CPU).detect(volume, nowhere) == ()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def image() -> LungImage:
    return lung_image(*scan(*AXIAL))


def classifier() -> Grt123Classifier:
    detector = Grt123Detector(Brightness(), CPU)  # type: ignore[arg-type]
    return Grt123Classifier(CaseStub(), detector, CPU, "stub")  # type: ignore[arg-type]


def stated_probability(image: LungImage, center: list[float]) -> float:
    start = [int(c - 48) for c in center]
    wide = np.pad(image.grey, 96, constant_values=160)
    return EMPTY_CROP + wide[tuple(slice(s + 96, s + 192) for s in start)].mean() / 1000


def test_the_five_most_evident_marks_make_the_patients_risk(image: LungImage) -> None:
    marks = torch.tensor([[3.0 - n, 30 + 8 * n, 40, 50, 10] for n in range(7)])
    risk = classifier().risk_of(image, marks)
    none_of_them = math.prod(1 - stated_probability(image, mark[1:4].tolist()) for mark in marks[:4])
    # the fifth has a logit of -1, not above it: an empty crop takes its place
    assert risk.by_year == (pytest.approx(1 - none_of_them * (1 - EMPTY_CROP), abs=1e-4),)
    assert risk.model == "stub"
    assert "within one year" in risk.meaning


def test_a_patient_without_marks_has_the_risk_of_empty_crops(image: LungImage) -> None:
    risk = classifier().risk_of(image, torch.zeros(0, 5))
    assert risk.by_year == (pytest.approx(1 - (1 - EMPTY_CROP) ** 5, abs=1e-4),)


def test_every_nodule_gets_its_own_probability_in_its_order(image: LungImage) -> None:
    volume, lungs = scan(*AXIAL)
    centers = np.array([[20.0, 60, 60], [50, 90, 40]])
    found = classifier().malignancies(volume, lungs, centers)
    for malignancy, point in zip(found, image.from_volume(centers).tolist(), strict=True):
        assert malignancy.probability == pytest.approx(stated_probability(image, point), abs=1e-4)
    assert classifier().malignancies(volume, lungs, np.zeros((0, 3))) == ()


def test_the_risk_of_a_scan_rests_on_the_detectors_own_marks() -> None:
    volume, lungs = scan(*AXIAL)
    made = classifier()
    image = lung_image(volume, lungs)
    assert made.case_risk(volume, lungs) == made.risk_of(image, made.detector.proposals(image))
    assert made.case_risk(volume, lungs).by_year[0] > 1 - (1 - EMPTY_CROP) ** 5


def card(architecture: str, **settings: object) -> Card:
    return Card(
        name="random", version="1", file="random.safetensors", sha256="", architecture=architecture, input_contract="",
        training_data="none", licence="none", source="test", settings=dict(settings),
    )  # fmt: skip


def test_imported_weights_are_loaded_by_their_card(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nodules, case = NoduleNet().eval(), CaseNet().eval()
    save_weights(nodules.state_dict(), card(grt123.ARCHITECTURE, threshold=0.4), tmp_path / "a")
    save_weights(case.state_dict(), card(grt123_case.ARCHITECTURE), tmp_path / "b")
    detector = Grt123Detector.from_card(tmp_path / "a" / "random.json", CPU)
    loaded = Grt123Classifier.from_card(tmp_path / "b" / "random.json", CPU, detector)
    assert detector.threshold == 0.4
    assert torch.equal(detector.network.output[0].weight, nodules.output[0].weight)
    assert torch.equal(loaded.network.fc1.weight, case.fc1.weight)
    assert not loaded.network.training
    assert loaded.name == "random"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights({"a": torch.zeros(1)}, card("grt123-detector"), tmp_path / "a")
    save_weights({"a": torch.zeros(1)}, card("another"), tmp_path / "b")
    with pytest.raises(WeightsError, match="wrong layout"):
        Grt123Detector.from_card(tmp_path / "a" / "random.json", CPU)
    with pytest.raises(WeightsError, match="holds another"):
        Grt123Detector.from_card(tmp_path / "b" / "random.json", CPU)
    detector = Grt123Detector(NoduleNet(), CPU)
    assert detector.threshold == DEFAULT_THRESHOLD
    with pytest.raises(WeightsError, match="holds grt123-detector"):
        Grt123Classifier.from_card(tmp_path / "a" / "random.json", CPU, detector)
