"""grt123's network stated a second time from its description, in functional torch; weights and noise to try it with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch.nn import functional as f

# The published network in one table: block, numbers of channels that its residual units lead through.
UNITS = {
    "forw1": (24, 32, 32),
    "forw2": (32, 64, 64),
    "forw3": (64, 64, 64, 64),
    "forw4": (64, 64, 64, 64),
    "back3": (128, 64, 64, 64),
    "back2": (131, 128, 128, 128),
}


def normed(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    return ((f"{name}.{part}", (channels,)) for part in ("weight", "bias", "running_mean", "running_var"))


def stated_layout() -> dict[str, tuple[int, ...]]:
    """Every tensor of the published detector, written down from its description."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, inputs: int, outputs: int, side: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs, side, side, side), f"{name}.bias": (outputs,)})

    conv("preBlock.0", 1, 24, 3)
    shapes.update(normed("preBlock.1", 24))
    conv("preBlock.3", 24, 24, 3)
    shapes.update(normed("preBlock.4", 24))
    for block, channels in UNITS.items():
        for n, (inputs, outputs) in enumerate(pairwise(channels)):
            conv(f"{block}.{n}.conv1", inputs, outputs, 3)
            shapes.update(normed(f"{block}.{n}.bn1", outputs))
            conv(f"{block}.{n}.conv2", outputs, outputs, 3)
            shapes.update(normed(f"{block}.{n}.bn2", outputs))
            if inputs != outputs:
                conv(f"{block}.{n}.shortcut.0", inputs, outputs, 1)
                shapes.update(normed(f"{block}.{n}.shortcut.1", outputs))
    for path in ("path1", "path2"):
        conv(f"{path}.0", 64, 64, 2)
        shapes.update(normed(f"{path}.1", 64))
    conv("output.0", 128, 64, 1)
    conv("output.2", 64, 15, 1)
    return shapes


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Weights that keep the signal alive through 40 layers."""
    chance = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("running_var"):
            tensors[name] = torch.rand(shape, generator=chance) + 0.5
        elif len(shape) > 1:
            tensors[name] = torch.randn(shape, generator=chance) * math.sqrt(1.5 / math.prod(shape[1:]))
        else:
            middle = 1.0 if ".bn" in name or ".1." in name else 0.0
            tensors[name] = torch.randn(shape, generator=chance) * 0.1 + (middle if name.endswith("weight") else 0.0)
    return tensors


class Stated:
    """The forward pass, stated a second time, from the tensors alone."""

    def __init__(self, tensors: dict[str, torch.Tensor], prefix: str = "") -> None:
        self.tensors, self.prefix = tensors, prefix

    def of(self, name: str) -> torch.Tensor:
        return self.tensors[self.prefix + name]

    def conv(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight = self.of(f"{name}.weight")
        return f.conv3d(x, weight, self.of(f"{name}.bias"), padding=weight.shape[2] // 2)

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias, mean, var = (
            self.of(f"{name}.{part}").view(1, -1, 1, 1, 1) for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def unit(self, x: torch.Tensor, name: str) -> torch.Tensor:
        short = x
        if self.prefix + f"{name}.shortcut.0.weight" in self.tensors:
            short = self.norm(self.conv(x, f"{name}.shortcut.0"), f"{name}.shortcut.1")
        out = self.norm(self.conv(x, f"{name}.conv1"), f"{name}.bn1").relu()
        return (self.norm(self.conv(out, f"{name}.conv2"), f"{name}.bn2") + short).relu()

    def block(self, x: torch.Tensor, name: str) -> torch.Tensor:
        for n in range(len(UNITS[name]) - 1):
            x = self.unit(x, f"{name}.{n}")
        return x

    def up(self, x: torch.Tensor, name: str) -> torch.Tensor:
        doubled = f.conv_transpose3d(x, self.of(f"{name}.0.weight"), self.of(f"{name}.0.bias"), stride=2)
        return self.norm(doubled, f"{name}.1").relu()

    def forward(self, x: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.norm(self.conv(x, "preBlock.0"), "preBlock.1").relu()
        x = self.norm(self.conv(x, "preBlock.3"), "preBlock.4").relu()
        first = self.block(f.max_pool3d(x, 2), "forw1")
        second = self.block(f.max_pool3d(first, 2), "forw2")
        third = self.block(f.max_pool3d(second, 2), "forw3")
        fourth = self.block(f.max_pool3d(third, 2), "forw4")
        back = self.block(torch.cat([self.up(fourth, "path1"), third], 1), "back3")
        features = self.block(torch.cat([self.up(back, "path2"), second, place], 1), "back2")
        out = self.conv(self.conv(features, "output.0").relu(), "output.2")
        flat = out.flatten(2).transpose(1, 2)  # (B, cells, 15)
        return features, flat.reshape(len(out), *out.shape[2:], 3, 5)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
