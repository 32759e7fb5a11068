"""The U-Net beside lungmask's own: the same names and shapes, the same answers."""

from __future__ import annotations

import math

import pytest
import torch

from models.unet import UNet, UNetSettings, layout


def published(n_classes: int, depth: int = 5, width_exponent: int = 6) -> torch.nn.Module:
    """Lungmask's network as its ``get_model`` builds it, with random weights and statistics."""
    lungmask = pytest.importorskip("lungmask.resunet")
    network: torch.nn.Module = lungmask.UNet(
        n_classes=n_classes,
        padding=True,
        depth=depth,
        wf=width_exponent,
        up_mode="upsample",
        batch_norm=True,
        residual=False,
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.5)
            torch.nn.init.normal_(module.weight, mean=1, std=0.3)
            torch.nn.init.normal_(module.bias, std=0.2)
    return network.eval()


def test_r231_has_227_tensors_of_31073890_elements() -> None:
    tensors = layout(UNetSettings(n_classes=3))
    assert len(tensors) == 227
    assert sum(math.prod(shape) for shape in tensors.values()) == 31_073_890


def test_names_shapes_and_order_are_those_of_lungmask() -> None:
    theirs = published(6).state_dict()
    assert list(layout(UNetSettings(n_classes=6)).items()) == [(k, tuple(t.shape)) for k, t in theirs.items()]


def test_the_compact_network_has_the_same_names() -> None:
    assert list(layout(UNetSettings(3, 5, 3))) == list(layout(UNetSettings(3)))


@pytest.mark.parametrize(("n_classes", "depth", "width"), [(3, 5, 6), (6, 5, 3), (3, 4, 2)])
def test_answers_are_those_of_lungmask(n_classes: int, depth: int, width: int) -> None:
    torch.manual_seed(0)
    theirs = published(n_classes, depth, width)
    ours = UNet(UNetSettings(n_classes, depth, width)).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 1, 64, 96)
    with torch.inference_mode():
        assert torch.allclose(ours(images), theirs(images), atol=1e-4, rtol=0)


def test_the_answers_are_log_probabilities() -> None:
    with torch.inference_mode():
        shares = UNet(UNetSettings(3, 3, 2)).eval()(torch.rand(1, 1, 32, 32)).exp()
    assert shares.shape == (1, 3, 32, 32)
    assert torch.allclose(shares.sum(dim=1), torch.ones(1, 32, 32), atol=1e-5)
