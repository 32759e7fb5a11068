"""System 002: VGG16 with a new head is trained and predicts, on image folders made on the spot."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from models.patient_features import FeatureNetwork
from models.weights import WeightsError
from tests.transfer_rig import run_task, write_images
from training.loop import CHECKPOINT_FILE
from training.transfer import folders as layout
from training.transfer import network as networks

OCT_CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")


class SmallVgg(nn.Module):
    """VGG16's parts at a hundredth of its size: what is trained on top is the same."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.AvgPool2d(32), nn.Flatten())
        self.classifier = nn.Sequential(nn.Linear(3 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 1000))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        said: torch.Tensor = self.classifier(self.features(images))
        return said


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.loop.write_curves", lambda *_: None)  # drawing takes longer than training here

    def seeded(name: str, card_path: Path | None, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return SmallVgg().eval()

    monkeypatch.setattr(networks, "load_imagenet", seeded)


def test_four_classes_train_1_049_860_of_135_310_404_parameters() -> None:
    network, origin = networks.transfer_network(4, None, seed=0)
    assert networks.parameters_of(network) == (135_310_404, 1_049_860)
    assert str(origin) == "random weights (seed 0)"
    assert not any(p.requires_grad for name, p in network.named_parameters() if not name.startswith("classifier.6."))


def test_oct_layout_end_to_end_with_the_real_vgg16(tmp_path: Path) -> None:
    data = write_images(tmp_path / "OCT2017", OCT_CLASSES, {"train": 2, "val": 1, "test": 1})
    out = tmp_path / "run"
    code, printed = run_task("transfer", data, "--output", out, "--epochs", 1, "--batch", 8, "--workers", 0, "--bf16")
    assert code == 0, printed
    assert "1,049,860 of 135,310,404 parameters" in printed
    card = json.loads((out / "transfer-head.json").read_text())
    assert card["settings"]["class_to_idx"] == {"CNV": 0, "DME": 1, "DRUSEN": 2, "NORMAL": 3}
    page = (out / "report.html").read_text()
    assert "random weights (seed 0)" in page
    assert {"Confusion matrix", "Errors", "Predictions", "Images of each class"} <= set(
        re.findall(r"<h2>(.*?)</h2>", page)
    )
    image = next((data / "test" / "DME").iterdir())
    code, printed = run_task(
        "transfer-predict", image, "--model", out / "transfer-head.json", "--output", out / "p.html"
    )
    assert code == 0, printed
    said = re.findall(r"(\w+) (0\.\d{4})", printed)
    assert {name for name, _ in said} == set(OCT_CLASSES)
    assert sum(float(value) for _, value in said) == pytest.approx(1, abs=0.001)
    assert (out / "p.html").read_text().count("data:image/png") == 1


def test_a_backbone_trained_here_stands_where_imagenet_weights_would(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("dark", "light"), {"train": 4, "val": 2, "test": 2})
    out = tmp_path / "backbone"
    code, printed = run_task("backbone", data, "--output", out, "--epochs", 1, "--batch", 4, "--workers", 0)
    assert code == 0, printed
    card = json.loads((out / "resnet18.json").read_text())
    assert "8 images of dark, light, not ImageNet" in card["training_data"]
    extractor = FeatureNetwork.ready("resnet18", out / "resnet18.json", torch.device("cpu"))
    assert "not ImageNet" in extractor.origin
    assert extractor.features(torch.zeros((1, 3, 224, 224), dtype=torch.uint8)).shape == (1, 512)
    assert "Confusion matrix" in (out / "report.html").read_text()


def test_a_backbone_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    code, printed = run_task("backbone", tmp_path, "--output", tmp_path / "out", "--network", "resnet19")
    assert code == 2
    assert "resnet19: there are resnet152, resnet18, vgg16" in printed


@pytest.mark.usefixtures("_small")
def test_head_learns_and_the_best_epoch_is_the_one_that_is_tested(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("dark", "light"), {"train": 24, "val": 6, "test": 6})
    out = tmp_path / "run"
    code, printed = run_task("transfer", data, "--output", out, "--epochs", 4, "--batch", 8, "--workers", 0)
    assert code == 0, printed
    card = json.loads((out / "transfer-head.json").read_text())
    figures = {figure["name"]: figure for figure in card["figures"]}
    assert figures["accuracy"]["value"] == 1.0
    assert figures["AUC"]["value"] == 1.0
    assert figures["accuracy"]["data"] == "12 test images of 6 patients"  # dark-test0-1 and light-test0-1 are one
    network, classes = networks.load_trained(out / "transfer-head.json", None)
    image = layout.opened(next((data / "test" / "light").iterdir()))
    probabilities, labels = networks.predict(network, [image], 2)
    assert classes[int(labels[0, 0])] == "light"
    assert float(probabilities.sum()) == pytest.approx(1)


@pytest.mark.usefixtures("_small")
def test_checkpoint_holds_the_head_alone(tmp_path: Path) -> None:
    """The frozen half gigabyte does not change: it is not written every epoch."""
    data = write_images(tmp_path / "data", ("a", "b"), {"train": 4, "val": 2, "test": 2})
    assert run_task("transfer", data, "--output", tmp_path / "r", "--epochs", 1, "--batch", 4, "--workers", 0)[0] == 0
    megabytes = (tmp_path / "r" / CHECKPOINT_FILE).stat().st_size / 1e6
    assert megabytes < 4.3 * 4  # last, best and Adam's two moments


@pytest.mark.usefixtures("_small")
def test_other_data_in_the_same_folder_of_a_run_are_refused(tmp_path: Path) -> None:
    first = write_images(tmp_path / "first", ("a", "b"), {"train": 4, "val": 2, "test": 2})
    second = write_images(tmp_path / "second", ("a", "b"), {"train": 5, "val": 2, "test": 2})
    shared = ("--output", tmp_path / "r", "--epochs", 1, "--batch", 4, "--workers", 0)
    assert run_task("transfer", first, *shared)[0] == 0
    code, printed = run_task("transfer", second, *shared)
    assert code == 2
    assert "another data" in printed


@pytest.mark.usefixtures("_small")
def test_head_trained_on_imagenet_features_asks_for_them(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("a", "b"), {"train": 4, "val": 2, "test": 2})
    assert run_task("transfer", data, "--output", tmp_path / "r", "--epochs", 1, "--batch", 4, "--workers", 0)[0] == 0
    card = tmp_path / "r" / "transfer-head.json"
    written = json.loads(card.read_text())
    written["settings"]["features"]["sha256"] = "ab" * 32
    card.write_text(json.dumps(written))
    with pytest.raises(WeightsError, match=r"weights abababab.*ImageNet.*--imagenet"):
        networks.load_trained(card, None)


def no_split(root: Path) -> None:
    for path in sorted((root / "val").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (root / "val").rmdir()


def empty_class(root: Path) -> None:
    for path in (root / "train" / "b").iterdir():
        path.unlink()


def other_class(root: Path) -> None:
    (root / "test" / "b").rename(root / "test" / "c")


def broken_image(root: Path) -> None:
    path = next((root / "train" / "a").iterdir())
    path.write_bytes(path.read_bytes()[:300])


def no_image(root: Path) -> None:
    next((root / "test" / "a").iterdir()).write_text("no image")


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_split, "has no folder val"),
        (empty_class, "holds no image"),
        (other_class, r"its classes are not those of train \(b, c\)"),
        (broken_image, "cannot be read as an image"),
        (no_image, "cannot be read as an image"),
    ],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_bad_folders_are_one_line_and_exit_2(
    spoil: Callable[[Path], None], words: str, workers: int, tmp_path: Path
) -> None:
    data = write_images(tmp_path / "data", ("a", "b"), {"train": 4, "val": 2, "test": 2})
    spoil(data)
    code, printed = run_task("transfer", data, "--output", tmp_path / "r", "--epochs", 1, "--workers", workers)
    assert code == 2
    complaint = [line for line in printed.splitlines() if line.startswith("transfer: ")]
    assert len(complaint) == 1
    assert re.search(words, complaint[0])
    assert "Traceback" not in printed
