"""Small networks that look at several slices of a nodule, each in a frame as wide as the nodule's box.

One encoder reads every slice; what it finds is pooled over the slices, so that neither their number nor their distance
matters. The size of the nodule is given beside the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional

from models.malignancy_input import CloseUp

SLICES = 5  # at most, spread evenly over those of the nodule
SOURCE_PX, FRAME_PX = 48, 40  # rows and columns of a prepared slice, and of what the network sees
CHANNELS = 2  # relative density, and the mask
SIZES = 3  # ln of the frame's width and of the largest area; share of the largest area that an average slice holds
CUTS, MOST_READERS = 4, 4  # "rated above 1, 2, 3, 4"; readers of LIDC-IDRI
OUTPUTS = 1 + CUTS + MOST_READERS - 1
SCORES = ("network_suspicious", "network_rating", "network_readers")
BATCH = 64
_USUAL_PX, _USUAL_AREA_PX = 30.0, 50.0  # only centre the sizes
_STRIDE = 4  # between the frame and the last maps
_HIDDEN, _DROPOUT = 64, 0.3


class Prepared(NamedTuple):
    """Nodules as tensors: pictures (N, 5, 2, 48, 48), which of the slices there are (N, 5), sizes (N, 3)."""

    pictures: torch.Tensor
    shown: torch.Tensor
    sizes: torch.Tensor

    def part(self, chosen: torch.Tensor) -> Prepared:
        """Keep some nodules."""
        return Prepared(self.pictures[chosen], self.shown[chosen], self.sizes[chosen])

    def to(self, device: torch.device) -> Prepared:
        """Move to a device."""
        return Prepared(*(tensor.to(device) for tensor in self))


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

    def forward(self, frames: torch.Tensor, shown: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Give logits (N, 8) of frames (N, 5, 2, 40, 40), of which those ``shown`` (N, 5) count.

        Logit 0: rated suspicious; 1 to 4: rated above 1, 2, 3, 4; 5 to 7: marked by more than 1, 2, 3 readers.
        """
        slices = frames[shown].contiguous(memory_format=torch.channels_last)
        return torch.stack([member(slices, shown, sizes) for member in self.members]).mean(dim=0)


class _Member(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolved(CHANNELS, width)
        self.second = nn.Sequential(_convolved(width, 2 * width), _convolved(2 * width, 2 * width))
        self.third = nn.Sequential(_convolved(2 * width, 4 * width), _convolved(4 * width, 4 * width))
        self.hidden = nn.Linear(2 * 3 * 4 * width + SIZES, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, OUTPUTS)

    def forward(self, slices: torch.Tensor, shown: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        each = self._of_slices(slices)
        spread = each.new_zeros((*shown.shape, each.shape[1]))  # maps are not negative: nothing is the least
        spread[shown] = each
        pooled = torch.cat((spread.sum(dim=1) / shown.sum(dim=1, keepdim=True), spread.amax(dim=1)), dim=1)
        kept = functional.dropout(pooled, _DROPOUT, self.training)
        hidden: torch.Tensor = self.out(torch.relu(self.hidden(torch.cat((kept, sizes), dim=1))))
        return hidden

    def _of_slices(self, slices: torch.Tensor) -> torch.Tensor:
        """Give what is found in slices (M, 2, 40, 40): mean and highest within the nodule, mean of the frame."""
        inside = functional.max_pool2d(slices[:, 1:], _STRIDE).float()
        maps = functional.max_pool2d(self.first(slices), 2)
        maps = self.third(functional.max_pool2d(self.second(maps), 2)).float()
        mean = (maps * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp_min(1)
        return torch.cat((mean, (maps * inside).amax(dim=(2, 3)), maps.mean(dim=(2, 3))), dim=1)


def prepared(nodules: Sequence[CloseUp]) -> Prepared:
    """Bring the slices of nodules to ``SOURCE_PX``, each as wide as the longer side of its stack."""
    pictures = np.zeros((len(nodules), SLICES, CHANNELS, SOURCE_PX, SOURCE_PX), dtype=np.float32)
    shown = np.zeros((len(nodules), SLICES), dtype=np.bool_)
    for n, nodule in enumerate(nodules):
        slices = _pictures(nodule)
        pictures[n, : len(slices)], shown[n, : len(slices)] = slices, True
    sizes = np.array([_sizes(nodule) for nodule in nodules], dtype=np.float32).reshape(-1, SIZES)
    return Prepared(torch.from_numpy(pictures), torch.from_numpy(shown), torch.from_numpy(sizes))


def framed(pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Sample frames (N, 5, 2, 40, 40) from pictures by maps (N, 2, 3), as torch's affine_grid has them."""
    flat = pictures.flatten(1, 2)
    grid = functional.affine_grid(maps, [len(flat), flat.shape[1], FRAME_PX, FRAME_PX], align_corners=False)
    sampled = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return sampled.reshape(len(flat), SLICES, CHANNELS, FRAME_PX, FRAME_PX)


def sharp_masks(frames: torch.Tensor, level: torch.Tensor | float = 0.5) -> torch.Tensor:
    """Make the interpolated masks of frames (N, 5, 2, 40, 40) 0 or 1 again."""
    return torch.cat((frames[:, :, :1], (frames[:, :, 1:] > level).float()), dim=2)


def scores_of(network: MalignancyNetwork, nodules: Prepared) -> torch.Tensor:
    """Score nodules with a network in evaluation mode, averaged over the eight turns and mirrors of a square.

    Returns
    -------
    (N, 3) float32 on the CPU, in the order of ``SCORES``: logits of being rated suspicious, of the rating, and of
    the number of readers who saw the nodule.
    """
    device = next(network.parameters()).device
    parts = [
        _scores(network, nodules.part(some).to(device)).float().cpu()
        for some in torch.split(torch.arange(len(nodules.shown)), BATCH)
        if len(some)
    ]
    return torch.cat(parts) if parts else torch.zeros((0, len(SCORES)))


@torch.inference_mode()
def _scores(network: MalignancyNetwork, nodules: Prepared) -> torch.Tensor:
    turns = [_square_map(turn, mirror, nodules.pictures) for turn in range(4) for mirror in (1.0, -1.0)]
    views = [network(sharp_masks(framed(nodules.pictures, maps)), nodules.shown, nodules.sizes) for maps in turns]
    logits = torch.stack(views).mean(dim=0)
    return torch.stack((logits[:, 0], logits[:, 1 : 1 + CUTS].mean(1), logits[:, 1 + CUTS :].mean(1)), dim=1)


def _pictures(nodule: CloseUp) -> npt.NDArray[np.float32]:
    """Give (K, 2, 48, 48), K at most ``SLICES``: density and mask of slices spread evenly over the nodule."""
    density, mask = nodule.density, nodule.stack.mask.astype(np.float32)
    count, *sides = mask.shape
    chosen = np.rint(np.linspace(0, count - 1, min(SLICES, count))).astype(int)
    offsets = ((np.arange(SOURCE_PX) + 0.5) / SOURCE_PX - 0.5) * max(sides)
    at = np.meshgrid(*((side - 1) / 2 + offsets for side in sides), indexing="ij")
    return np.stack([
        (
            ndimage.map_coordinates(density[k], at, order=1, mode="nearest"),
            ndimage.map_coordinates(mask[k], at, order=1, mode="constant"),
        )
        for k in chosen
    ])  # fmt: skip


def _sizes(nodule: CloseUp) -> tuple[float, float, float]:
    areas = nodule.stack.mask.sum(axis=(1, 2))
    width, largest = max(nodule.stack.mask.shape[1:]), int(areas.max())
    return math.log(width / _USUAL_PX), math.log(largest / _USUAL_AREA_PX), float(areas.mean()) / largest


def _square_map(turn: int, mirror: float, pictures: torch.Tensor) -> torch.Tensor:
    """Give maps (N, 2, 3) of quarter turns."""
    cos, sin = (round(f(turn * math.pi / 2)) for f in (math.cos, math.sin))
    fixed = torch.tensor([[cos * mirror, -sin, 0.0], [sin * mirror, cos, 0.0]], device=pictures.device)
    return fixed.expand(len(pictures), 2, 3)


def _convolved(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
