"""Small networks that look at a nodule in a frame as wide as a few of its own diameters.

Each nodule fills about the same share of its frame, so that shape and margin are learned at one scale; the width of
the frame is given beside the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.malignancy_input import SIDE_PX, Triplet, relative

FRAME_PX = 40  # rows and columns of what the network sees
DIAMETERS, NARROWEST_PX, WIDEST_PX = 2.8, 20.0, 64.0  # width of the frame: diameters of the nodule, and its limits
CHANNELS = 6  # three slices, and the mask on each
CUTS, MOST_READERS = 4, 4  # "rated above 1, 2, 3, 4"; readers of LIDC-IDRI
OUTPUTS = 1 + CUTS + MOST_READERS - 1
SCORES = ("network_suspicious", "network_rating", "network_readers")
BATCH = 128
_USUAL_PX = 30.0  # only centres the width
_STRIDE = 4  # between the frame and the last maps
_HIDDEN, _DROPOUT = 64, 0.3


class MalignancyNetwork(nn.Module):
    """Several networks of one form; their outputs are averaged.

    Parameters
    ----------
    members
        Number of networks.
    width
        Channels of the first stage; doubled twice.
    """

    def __init__(self, members: int = 1, width: int = 16) -> None:
        super().__init__()
        self.members = nn.ModuleList(_Member(width) for _ in range(members))

    def forward(self, frames: torch.Tensor, width_px: torch.Tensor) -> torch.Tensor:
        """Give logits (N, 8) of frames (N, 6, 40, 40) that were ``width_px`` (N,) wide.

        Logit 0: rated suspicious; 1 to 4: rated above 1, 2, 3, 4; 5 to 7: marked by more than 1, 2, 3 readers.
        """
        size = torch.log(width_px / _USUAL_PX)[:, None]
        return torch.stack([member(frames, size) for member in self.members]).mean(dim=0)


class _Member(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolved(CHANNELS, width)
        self.second = nn.Sequential(_convolved(width, 2 * width), _convolved(2 * width, 2 * width))
        self.third = nn.Sequential(_convolved(2 * width, 4 * width), _convolved(4 * width, 4 * width))
        self.hidden = nn.Linear(3 * 4 * width + 1, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, OUTPUTS)

    def forward(self, frames: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        inside = functional.max_pool2d(frames[:, 4:5], _STRIDE)  # the nodule on the middle slice
        maps = functional.max_pool2d(self.first(frames), 2)
        maps = self.third(functional.max_pool2d(self.second(maps), 2))
        mean = (maps * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp_min(1)
        highest, context = (maps * inside).amax(dim=(2, 3)), maps.mean(dim=(2, 3))
        pooled = functional.dropout(torch.cat((mean, highest, context), dim=1), _DROPOUT, self.training)
        hidden: torch.Tensor = self.out(torch.relu(self.hidden(torch.cat((pooled, size), dim=1))))
        return hidden


def stacks_of(triplets: Sequence[Triplet]) -> torch.Tensor:
    """Give what the network frames: (N, 6, 64, 64) float32, relative density of three slices, then their masks."""
    parts = [np.concatenate((relative(triplet), triplet.mask.astype(np.float32))) for triplet in triplets]
    return torch.from_numpy(np.stack(parts)) if parts else torch.zeros((0, CHANNELS, SIDE_PX, SIDE_PX))


def widths_px(stacks: torch.Tensor) -> torch.Tensor:
    """Give the width (N,) of each nodule's frame, from the area of its mask on the middle slice."""
    diameter = 2 * torch.sqrt(stacks[:, 4].sum(dim=(1, 2)) / math.pi)
    return (DIAMETERS * diameter).clamp(NARROWEST_PX, WIDEST_PX)


def framed(stacks: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Sample frames (N, 6, 40, 40) from stacks by maps (N, 2, 3), as torch's affine_grid has them."""
    grid = functional.affine_grid(maps, [len(stacks), CHANNELS, FRAME_PX, FRAME_PX], align_corners=False)
    return functional.grid_sample(stacks, grid, padding_mode="border", align_corners=False)


def scores_of(network: MalignancyNetwork, triplets: Sequence[Triplet]) -> torch.Tensor:
    """Score nodules with a network in evaluation mode, averaged over the eight turns and mirrors of a square.

    Returns
    -------
    (N, 3) float32 on the CPU, in the order of ``SCORES``: logits of being rated suspicious, of the rating, and of
    the number of readers who saw the nodule.
    """
    device = next(network.parameters()).device
    stacks = stacks_of(triplets)
    parts = (
        [_scores(network, part.to(device)).float().cpu() for part in torch.split(stacks, BATCH)] if len(stacks) else []
    )
    return torch.cat(parts) if parts else torch.zeros((0, len(SCORES)))


@torch.inference_mode()
def _scores(network: MalignancyNetwork, stacks: torch.Tensor) -> torch.Tensor:
    width = widths_px(stacks)
    upright = [_square_map(turn, mirror, width) for turn in range(4) for mirror in (1.0, -1.0)]
    views = [network(sharp_masks(framed(stacks, maps)), width) for maps in upright]
    logits = torch.stack(views).mean(dim=0)
    return torch.stack((logits[:, 0], logits[:, 1 : 1 + CUTS].mean(1), logits[:, 1 + CUTS :].mean(1)), dim=1)


def sharp_masks(frames: torch.Tensor, level: torch.Tensor | float = 0.5) -> torch.Tensor:
    """Make the interpolated masks of frames 0 or 1 again."""
    return torch.cat((frames[:, :3], (frames[:, 3:] > level).float()), dim=1)


def _square_map(turn: int, mirror: float, width: torch.Tensor) -> torch.Tensor:
    """Give maps (N, 2, 3) of quarter turns of a frame of ``width`` pixels."""
    cos, sin = (round(f(turn * math.pi / 2)) for f in (math.cos, math.sin))
    fixed = torch.tensor([[cos * mirror, -sin, 0.0], [sin * mirror, cos, 0.0]], device=width.device)
    return fixed * (width / SIDE_PX)[:, None, None]


def _convolved(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
