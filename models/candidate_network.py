"""The candidate network: where in the lungs something may be a nodule, and how large; a 3D region proposal network.

A small residual U-Net whose head stands on a grid of 4 mm. At every place it says, for each of four anchor diameters,
how probable a nodule is and where its centre and size lie from there. The scheme is that of Faster R-CNN's region
proposals (Ren 2015, arXiv:1506.01497) in three dimensions, as in the published Tianchi and DSB 2017 systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from models.layers import ConvUnit, ResidualBlock
from models.weights import Card, WeightsError, fill

STEP_MM = 1.0  # spacing of the voxels that the network is given
STRIDE = 4  # input voxels per place of the head
DEEPEST_STRIDE = 16  # the sides of the input are multiples of this
ANCHORS_MM = (5.0, 10.0, 20.0, 40.0)
VALUES = 5  # per anchor: logit, offsets k, j, i over the anchor, log of the diameter over the anchor
INPUT_CHANNELS = 2  # HU, lung mask
CHANNELS = (16, 32, 64, 64)
_RARE = -4.6  # first bias of the logits, a probability of 0.01: nodules are rare (Lin 2017, arXiv:1708.02002)


class CandidateNetwork(nn.Module):
    """Residual U-Net with a region proposal head.

    Parameters
    ----------
    channels
        At strides 2, 4, 8 and 16.
    dropout
        Share of the features dropped before the head in training.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, dropout: float = 0.1) -> None:
        super().__init__()
        half, quarter, eighth, deepest = channels
        # A kernel of 4 with stride 2 centres each output between two voxels: no place is nearer to one side.
        self.stem = nn.Sequential(ConvUnit(INPUT_CHANNELS, half, kernel=4, stride=2), ResidualBlock(half, half))
        self.down4 = nn.Sequential(nn.MaxPool3d(2), ResidualBlock(half, quarter), ResidualBlock(quarter, quarter))
        self.down8 = nn.Sequential(nn.MaxPool3d(2), ResidualBlock(quarter, eighth), ResidualBlock(eighth, eighth))
        self.down16 = nn.Sequential(nn.MaxPool3d(2), ResidualBlock(eighth, deepest))
        self.up8 = nn.Sequential(ConvUnit(deepest + eighth, eighth, kernel=1), ResidualBlock(eighth, eighth))
        self.up4 = nn.Sequential(ConvUnit(eighth + quarter, quarter, kernel=1), ResidualBlock(quarter, quarter))
        self.dropout = nn.Dropout3d(dropout)
        self.head = nn.Sequential(
            nn.Conv3d(quarter, 2 * quarter, 1),
            nn.ReLU(inplace=True),
            nn.Conv3d(2 * quarter, len(ANCHORS_MM) * VALUES, 1),
        )
        self._expect_little()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Look for nodules.

        Parameters
        ----------
        images
            (N, 2, K, J, I) as ``network_input`` makes them; sides are multiples of 16.

        Returns
        -------
        (N, 4, 5, K/4, J/4, I/4) float32: for each anchor the logit, the three offsets over the anchor's diameter
        and the log of the diameter over the anchor's.
        """
        quarter = self.down4(self.stem(images))
        eighth = self.down8(quarter)
        # In 32 bits: on a handful of voxels the 16-bit gradients of CPU convolutions have come out as garbage.
        with torch.autocast(images.device.type, enabled=False):
            deepest = self.down16(eighth.float())
        eighth = self.up8(torch.cat((_doubled(deepest).to(eighth.dtype), eighth), dim=1))
        quarter = self.up4(torch.cat((_doubled(eighth), quarter), dim=1))
        values: torch.Tensor = self.head(self.dropout(quarter)).float()
        return values.reshape(len(values), len(ANCHORS_MM), VALUES, *values.shape[2:])

    def _expect_little(self) -> None:
        last = self.head[-1]
        nn.init.normal_(last.weight, std=0.01)  # type: ignore[arg-type]
        bias = torch.zeros(len(ANCHORS_MM), VALUES)
        bias[:, 0] = _RARE
        last.bias = nn.Parameter(bias.flatten())


def network_of(card: Card, tensors: Mapping[str, torch.Tensor], device: torch.device) -> CandidateNetwork:
    """Build the network that a card describes, in evaluation mode, on a device.

    Raises
    ------
    WeightsError
        The card is that of other weights, or the tensors do not fit.
    """
    channels = card.settings.get("channels")
    if not isinstance(channels, list) or [type(c) for c in channels] != [int] * len(CHANNELS):
        raise WeightsError(f"{card.name}: settings.channels must be {len(CHANNELS)} whole numbers, found {channels!r}")
    network = CandidateNetwork(channels)
    fill(network, {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}, card.name)
    return network.eval().to(device).to(memory_format=torch.channels_last_3d)


def _doubled(features: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")
