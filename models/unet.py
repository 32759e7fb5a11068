"""The 2D U-Net of lungmask R231, with its tensor names, in any width and depth.

Published R231, R231CovidWeb and LTRCLobes weights drop in unchanged (depth 5, 64 filters in the first layer);
the shipped compact variant has the same names and fewer filters. Each block holds a ``residual_input_conv`` and a
``residual_batchnorm`` that nothing reads: they are part of the published files.

References
----------
Ronneberger 2015, arXiv:1505.04597; Hofmanninger 2020, doi:10.1186/s41747-020-00173-2 (weights and layout).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

PUBLISHED_DEPTH, PUBLISHED_WIDTH_EXPONENT = 5, 6


@dataclass(frozen=True)
class UNetSettings:
    """What kind of U-Net.

    Parameters
    ----------
    n_classes
        Labels with the background: 3 for two lungs, 6 for five lobes.
    depth
        Resolutions; the side of an image is a multiple of ``2 ** (depth - 1)``.
    width_exponent
        The first layer has ``2 ** width_exponent`` filters, each resolution below twice as many.
    """

    n_classes: int = 3
    depth: int = PUBLISHED_DEPTH
    width_exponent: int = PUBLISHED_WIDTH_EXPONENT

    @property
    def widths(self) -> list[int]:
        """Filters at each resolution, from the finest."""
        return [2 ** (self.width_exponent + level) for level in range(self.depth)]


class UNet(nn.Module):
    """Log-probabilities of each label for axial slices.

    Input (N, 1, H, W) float, HU clipped to -1024..600 as (HU + 1024) / 1624; output (N, n_classes, H, W).
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.widths
        pairs = zip([1, *widths], widths, strict=False)
        self.down_path = nn.ModuleList(_ConvBlock(before, after) for before, after in pairs)
        upward = widths[::-1]
        self.up_path = nn.ModuleList(_UpBlock(before, after) for before, after in pairwise(upward))
        self.last = nn.Conv2d(widths[0], settings.n_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, n_classes, H, W)."""
        bridges: list[Tensor] = []
        for down in self.down_path:
            x = down(functional.avg_pool2d(x, 2) if bridges else x)
            bridges.append(x)
        for up, bridge in zip(self.up_path, bridges[-2::-1], strict=True):
            x = up(x, bridge)
        return torch.log_softmax(self.last(x), dim=1)


class _ConvBlock(nn.Module):
    """Two times convolution, ReLU, batch norm: the order of the published network."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.residual_input_conv = nn.Conv2d(before, after, kernel_size=1)
        self.residual_batchnorm = nn.BatchNorm2d(after)
        self.block = nn.Sequential(
            nn.Conv2d(before, after, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(after),
            nn.Conv2d(after, after, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)
        return result


class _UpBlock(nn.Module):
    """Twice the resolution, joined with what the way down saw at it."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.residual_input_conv = nn.Conv2d(before, after, kernel_size=1)
        self.residual_batchnorm = nn.BatchNorm2d(after)
        self.up = nn.Sequential(nn.Upsample(mode="bilinear", scale_factor=2), nn.Conv2d(before, after, kernel_size=1))
        self.conv_block = _ConvBlock(before, after)

    def forward(self, x: Tensor, bridge: Tensor) -> Tensor:
        result: Tensor = self.conv_block(torch.cat([self.up(x), bridge], dim=1))
        return result


def layout(settings: UNetSettings) -> dict[str, tuple[int, ...]]:
    """Give the name and shape of every tensor of a state dict; 227 tensors, 31,073,890 elements for R231."""
    with torch.device("meta"):
        tensors = UNet(settings).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
