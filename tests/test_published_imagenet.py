"""The networks of torchvision: layout, features and input contract."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from models.published.imagenet import bare_network, load_imagenet, penultimate, prepared
from models.published.importing import import_file
from models.weights import WeightsError, shipped_card


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet152", 60_192_808), ("vgg16", 138_357_544), ("resnet18", 11_689_512)]
)
def test_a_network_has_the_published_number_of_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = bare_network(name)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(("name", "features"), [("resnet152", 2048), ("resnet18", 512)])
def test_the_features_are_what_the_pooling_of_torchvision_gives(name: str, features: int) -> None:
    reference = getattr(torchvision.models, name)(weights=None).eval()
    network = bare_network(name).eval()
    network.load_state_dict(reference.state_dict())
    seen: list[torch.Tensor] = []
    reference.avgpool.register_forward_hook(lambda _module, _input, output: seen.append(output.flatten(1)))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        reference(x)
        got = penultimate(network)(x)
    assert got.shape == (1, features)
    torch.testing.assert_close(got, seen[0], atol=1e-4, rtol=0)


def test_the_features_of_vgg16_are_the_4096_before_its_classes() -> None:
    with torch.device("meta"):
        network = penultimate(bare_network("vgg16"))
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, 4096)


def test_a_network_without_a_known_last_layer_has_no_features() -> None:
    with pytest.raises(ValueError, match="Sequential has no last layer"):
        penultimate(torch.nn.Sequential(torch.nn.Linear(2, 2)))


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (100, 80), (512, 512)])
def test_the_input_equals_the_published_transform(size: tuple[int, int]) -> None:
    published = torchvision.models.ResNet152_Weights.IMAGENET1K_V1.transforms()
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(prepared(images), published(images), atol=1e-5, rtol=0)


def test_the_input_is_that_of_pillow_within_a_grey_level() -> None:
    """The weights were trained on images that Pillow resized: the resizing here must be antialiased as well."""
    levels = torch.randint(0, 256, (400, 500, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    published = torchvision.models.VGG16_Weights.IMAGENET1K_V1.transforms()
    expected = published(Image.fromarray(levels.numpy()))
    got = prepared(levels.permute(2, 0, 1)[None].float() / 255)[0]
    assert (got - expected).abs().max() < 1.5 / 255 / 0.224


def test_random_weights_come_from_the_seed_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (load_imagenet("resnet18", None, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.state_dict()["fc.weight"], again.state_dict()["fc.weight"])
    assert not torch.equal(first.state_dict()["fc.weight"], other.state_dict()["fc.weight"])
    assert not first.training


def test_imported_weights_score_as_torchvision_does(tmp_path: Path) -> None:
    reference = torchvision.models.resnet18(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "resnet18.pth")
    network = load_imagenet("resnet18", import_file(tmp_path / "resnet18.pth", tmp_path / "weights").card_path)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(x), reference(x), atol=1e-4, rtol=0)
    assert not network.training


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    imported = import_file(tmp_path / "resnet18.pth", tmp_path / "weights")
    with pytest.raises(WeightsError, match="wrong layout"):
        load_imagenet("resnet152", imported.card_path)


def test_a_card_that_is_not_there_or_a_network_that_is_none() -> None:
    with pytest.raises(WeightsError, match="no such card"):
        load_imagenet("vgg16", shipped_card("no-such-weights"))
    with pytest.raises(WeightsError, match="resnet50: no such network; there are resnet152, resnet18, vgg16"):
        load_imagenet("resnet50", None)
