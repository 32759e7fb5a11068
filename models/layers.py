"""Building blocks of the networks in three dimensions."""

from __future__ import annotations

from typing import Any

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


def half_precision(device: torch.device) -> torch.dtype | None:
    """Choose the 16-bit type that a device computes in natively; None where 32 bits are as fast."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # of newer versions of torch
    return torch.bfloat16 if known.get("avx512_bf16") or known.get("amx_bf16") else None
