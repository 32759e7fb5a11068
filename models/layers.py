"""Building blocks of the networks in three dimensions."""

from __future__ import annotations

import torch
from torch import nn


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU: (N, in, K, J, I) to (N, out, K', J', I').

    Parameters
    ----------
    kernel, stride
        Alike on all three axes; the padding keeps K' = K / stride for every K divisible by it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        convolution = nn.Conv3d(
            in_channels, out_channels, kernel, stride, padding=(kernel - stride + 1) // 2, bias=False
        )
        super().__init__(convolution, nn.BatchNorm3d(out_channels), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions around a shortcut (He 2016, doi:10.1109/CVPR.2016.90), in three dimensions.

    (N, in, K, J, I) to (N, out, K, J, I); the shortcut is a 1x1x1 convolution where the numbers of channels differ.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(in_channels, out_channels)
        self.second = nn.Sequential(
            nn.Conv3d(out_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm3d(out_channels)
        )
        self.shortcut = nn.Identity() if in_channels == out_channels else _projection(in_channels, out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Add what two convolutions find to what came in."""
        return torch.relu(self.second(self.first(features)) + self.shortcut(features))


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(in_channels, out_channels, 1, bias=False), nn.BatchNorm3d(out_channels))


def folded(network: nn.Module) -> nn.Module:
    """Fold every batch normalisation that follows a convolution into it, in place: same results, fewer passes.

    Only for a network in evaluation mode: its running statistics become part of the weights.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)
    return network


def _fold_pairs(row: nn.Sequential) -> None:
    for place in range(len(row) - 1):
        convolution, norm = row[place], row[place + 1]
        if isinstance(convolution, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
            row[place] = nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            row[place + 1] = nn.Identity()
