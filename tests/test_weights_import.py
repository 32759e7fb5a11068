"""Importing published weights: what is recognised, what is refused, and that nothing a file names is run."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.lung_network import lung_network
from models.published import importing
from models.published.catalogue import CATALOGUE, Checksum, entry_of
from models.published.convert import architecture_of, flat_tensors
from models.published.grt123 import Grt123Detector
from models.published.grt123_case import Grt123Classifier
from models.published.grt123_network import NoduleNet
from models.published.importing import import_file
from models.published.installed import check
from models.published.layouts import ANY, LAYOUTS
from models.published.retinanet import RetinaNetDetector
from models.published.unpickling import read_checkpoint
from models.weights import Card, WeightsError, load_tensors, read_card, save_weights, sha256_of
from tests.weight_files import left_in, save_as_python2, tensors_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the smallest published layout."""
    path = tmp_path_factory.mktemp("download") / "weights.pth"
    torch.save(tensors_of(LAYOUTS["resnet18"]()), path)
    return path


def test_every_entry_of_the_catalogue_has_a_layout_of_its_own() -> None:
    assert {entry.architecture for entry in CATALOGUE} == set(LAYOUTS)
    assert len({entry.key for entry in CATALOGUE}) == len(CATALOGUE)
    shapes = [tuple(sorted(layout().items())) for layout in LAYOUTS.values()]
    assert len(set(shapes)) == len(shapes)


def test_every_entry_says_what_a_user_must_know() -> None:
    for entry in CATALOGUE:
        assert entry.address.startswith("https://"), entry.key
        assert all((entry.licence, entry.size, entry.good_for, entry.input_contract, entry.training_data)), entry.key
        # A figure of the home data set alone would promise too much (arXiv 2405.04605).
        assert not any("LUNA16" in figure.data for figure in entry.figures) or any(
            "off-site" in figure.data for figure in entry.figures
        )


@pytest.mark.parametrize("architecture", sorted(LAYOUTS))
def test_a_layout_is_recognised_and_no_other(architecture: str) -> None:
    layout = LAYOUTS[architecture]()
    tensors = {
        name: torch.empty([5 if n == ANY else n for n in shape], device="meta") for name, shape in layout.items()
    }
    assert architecture_of(tensors, "file") == architecture


def test_a_file_is_installed_with_a_card_and_sound(resnet18: Path, tmp_path: Path) -> None:
    imported = import_file(resnet18, tmp_path / "weights")
    assert left_in(tmp_path / "weights") == ["resnet18.json", "resnet18.safetensors"]
    card, tensors = load_tensors(imported.card_path)
    assert card == imported.card
    assert card.sha256 == sha256_of(tmp_path / "weights" / "resnet18.safetensors")
    assert card.settings["imported_sha256"] == sha256_of(resnet18)
    expected = torch.load(resnet18, weights_only=True)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
    check(imported.card_path)


def test_a_file_that_is_not_the_published_one_claims_neither_its_data_nor_its_figures(
    resnet18: Path, tmp_path: Path
) -> None:
    imported = import_file(resnet18, tmp_path)
    assert imported.matches is False
    assert imported.card.figures == ()
    assert imported.card.training_data == imported.card.licence == "not known: not the published file of resnet18"
    assert imported.card.version == f"file {sha256_of(resnet18)[:8]}"


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_the_published_file_is_known_by_its_checksum(
    algorithm: str, resnet18: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.new(algorithm, resnet18.read_bytes(), usedforsecurity=False).hexdigest()
    entry = entry_of("resnet18")
    assert entry is not None
    published = replace(entry, checksum=Checksum(algorithm, digest[:8]))
    monkeypatch.setattr(importing, "of_architecture", lambda _architecture: (published,))
    imported = import_file(resnet18, tmp_path)
    assert imported.matches is True
    assert imported.card.figures == entry.figures
    assert imported.card.version == f"published {sha256_of(resnet18)[:8]}"
    assert "checksum as published" in imported.card.source


def test_a_name_that_carries_a_checksum_which_the_content_has_not_is_damage(resnet18: Path, tmp_path: Path) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    path.write_bytes(resnet18.read_bytes())
    with pytest.raises(WeightsError, match=r"^resnet18-f37072fd\.pth: damaged: its sha256 is not the published one"):
        import_file(path, tmp_path / "weights")
    assert left_in(tmp_path / "weights") == []


@pytest.mark.parametrize(
    ("file_name", "installed"), [("my_unet_r231.pth", "lungmask-r231"), ("my_r231covid.pth", "lungmask-r231covid")]
)
def test_two_publications_of_one_layout_are_told_apart_by_the_name_of_the_file(
    file_name: str, installed: str, tmp_path: Path
) -> None:
    torch.save(tensors_of(LAYOUTS["lungmask-lungs"]()), tmp_path / file_name)
    assert import_file(tmp_path / file_name, tmp_path / "weights").card.name == installed


@pytest.mark.parametrize("wrapping", ["state_dict", "module", "lightning"])
def test_what_a_training_program_puts_around_the_tensors_is_taken_off(
    wrapping: str, resnet18: Path, tmp_path: Path
) -> None:
    tensors = torch.load(resnet18, weights_only=True)
    saved = {
        "state_dict": {"epoch": 3, "state_dict": tensors},
        "module": {f"module.{name}": tensor for name, tensor in tensors.items()},
        "lightning": {"state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()}},
    }[wrapping]
    torch.save(saved, tmp_path / "wrapped.ckpt")
    assert import_file(tmp_path / "wrapped.ckpt", tmp_path / "weights").card.architecture == "resnet18"


def test_an_older_file_without_counters_is_complete(resnet18: Path, tmp_path: Path) -> None:
    tensors = torch.load(resnet18, weights_only=True)
    old = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    imported = import_file(tmp_path / "old.pth", tmp_path / "weights")
    assert load_tensors(imported.card_path)[1].keys() == tensors.keys()
    check(imported.card_path)


def test_tensors_that_share_memory_are_stored_each_for_itself(resnet18: Path, tmp_path: Path) -> None:
    tensors = torch.load(resnet18, weights_only=True)
    tensors["bn1.running_mean"] = tensors["bn1.weight"]
    torch.save(tensors, tmp_path / "shared.pth")
    _, loaded = load_tensors(import_file(tmp_path / "shared.pth", tmp_path / "weights").card_path)
    assert torch.equal(loaded["bn1.running_mean"], loaded["bn1.weight"])


def test_a_safetensors_file_of_the_same_layout_is_taken(resnet18: Path, tmp_path: Path) -> None:
    save_file(torch.load(resnet18, weights_only=True), tmp_path / "converted.safetensors")
    assert import_file(tmp_path / "converted.safetensors", tmp_path / "weights", "mine").card.name == "mine"
    assert left_in(tmp_path / "weights") == ["mine.json", "mine.safetensors"]


def test_weights_trained_here_are_installed_with_their_own_card(tmp_path: Path) -> None:
    card = Card("lungs", "1", "lungs.safetensors", "", "unet", "HU", "generated", "Apache-2.0", "python -m training")
    save_weights({"w": torch.ones(3)}, card, tmp_path / "trained")
    imported = import_file(tmp_path / "trained" / "lungs.json", tmp_path / "weights", "my-lungs")
    assert left_in(tmp_path / "weights") == ["my-lungs.json", "my-lungs.safetensors"]
    assert read_card(imported.card_path) == replace(
        read_card(tmp_path / "trained" / "lungs.json"), file="my-lungs.safetensors"
    )


def test_a_checkpoint_of_python_2_with_its_arguments_is_read(tmp_path: Path) -> None:
    """grt123's classifier.ckpt: arguments with arrays whose bytes are no ASCII (lfz/DSB2017, issue 14)."""
    tensors = {"fc1.weight": torch.randn(3, 2), "fc1.bias": torch.randn(3)}
    arguments = Namespace(lr_stage=np.array([50, 100, 140, 160]), save_dir="results/r\xe9s")
    path = tmp_path / "classifier.ckpt"
    save_as_python2({"epoch": 150, "state_dict": tensors, "args": arguments}, path)
    assert b"\x8c" in path.read_bytes()
    with path.open("rb") as file:
        read = flat_tensors(read_checkpoint(file, path.name), path.name)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


LOADERS: dict[str, Callable[[Path], object]] = {
    "monai-retinanet": lambda card_path: RetinaNetDetector.from_card(card_path, CPU),
    "grt123-detector": lambda card_path: Grt123Detector.from_card(card_path, CPU),
    "grt123-classifier": lambda card_path: Grt123Classifier.from_card(card_path, CPU, Grt123Detector(NoduleNet(), CPU)),
    "lungmask-lungs": lambda card_path: lung_network(*load_tensors(card_path), CPU),
    "lungmask-lobes": lambda card_path: lung_network(*load_tensors(card_path), CPU),
}


@pytest.mark.parametrize("architecture", sorted(LOADERS))
def test_what_is_imported_is_what_the_loader_takes(architecture: str, tmp_path: Path) -> None:
    """Sybil and the networks of torchvision: see their own tests."""
    torch.save(tensors_of(LAYOUTS[architecture]()), tmp_path / "download.pth")
    imported = import_file(tmp_path / "download.pth", tmp_path / "weights")
    assert imported.card.architecture == architecture
    assert LOADERS[architecture](imported.card_path) is not None
