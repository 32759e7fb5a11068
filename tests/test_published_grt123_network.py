"""grt123's networks against an independent statement of the same, in numpy and functional torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.published.grt123_network import CaseNet, NoduleNet, classifier_layout, detector_layout
from models.weights import WeightsError, fill
from tests.grt123_rig import Stated, noise, random_weights, stated_layout

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return random_weights(stated_layout())


@pytest.fixture(scope="module")
def network(weights: dict[str, torch.Tensor]) -> NoduleNet:
    made = NoduleNet()
    fill(made, weights, "random")
    return made.eval()


def test_the_layout_is_that_of_the_published_files() -> None:
    assert detector_layout() == stated_layout()
    case = {f"NoduleNet.{name}": shape for name, shape in stated_layout().items()}
    head = {"fc1.weight": (64, 128), "fc1.bias": (64,), "fc2.weight": (1, 64), "fc2.bias": (1,), "baseline": (1,)}
    assert classifier_layout() == {**case, **head}
    assert sum(parameter.numel() for parameter in NoduleNet().parameters()) == 5_383_623
    assert not [name for name in detector_layout() if "num_batches_tracked" in name]


def test_a_tensor_of_another_shape_is_refused_by_name(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match=r"output\.2\.bias has shape \(14,\), not \(15,\)"):
        fill(NoduleNet(), {**weights, "output.2.bias": torch.zeros(14)}, "random")


def test_the_detector_gives_what_its_description_gives(weights: dict[str, torch.Tensor], network: NoduleNet) -> None:
    image, place = noise(2, 1, 32, 48, 32), noise(2, 3, 8, 12, 8)
    with torch.inference_mode():
        features, output = network(image, place)
        stated_features, stated = Stated(weights).forward(image, place)
    assert 0.05 < float(stated.std()) < 50  # neither died out nor blown up
    torch.testing.assert_close(features, stated_features, **CLOSE)
    torch.testing.assert_close(output, stated, **CLOSE)


def test_the_classifier_gives_what_its_description_gives() -> None:
    tensors = random_weights(classifier_layout())
    tensors["baseline"] = torch.tensor([-2.0])
    network = CaseNet()
    fill(network, tensors, "random")
    crops, places = noise(3, 1, 32, 32, 32), noise(3, 3, 8, 8, 8)
    with torch.inference_mode():
        probabilities = network.eval()(crops, places)
        features, _ = Stated(tensors, "NoduleNet.").forward(crops, places)
    middle = features.numpy()[:, :, 3:5, 3:5, 3:5].max(axis=(2, 3, 4))
    hidden = np.maximum(middle @ tensors["fc1.weight"].numpy().T + tensors["fc1.bias"].numpy(), 0)
    stated = 1 / (1 + np.exp(-(hidden @ tensors["fc2.weight"].numpy()[0] + tensors["fc2.bias"].numpy())))
    np.testing.assert_allclose(probabilities.numpy(), stated, atol=1e-4)
    none_of_them = (1 - 1 / (1 + math.exp(2))) * np.prod(1 - stated)
    assert network.joined(probabilities) == pytest.approx(1 - none_of_them, abs=1e-4)
