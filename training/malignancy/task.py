"""The task of training one network on triplets: ratings, and how many readers saw the nodule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.malignancy_input import SIDE_PX
from models.malignancy_network import (
    CUTS,
    MOST_READERS,
    MalignancyNetwork,
    framed,
    sharp_masks,
    stacks_of,
    widths_px,
)
from training.errors import TrainingError
from training.malignancy.triplets import Triplets

# How sure a median rating is: the reader who rated 3 does not know; index 0 is not used.
_SUSPICIOUS = torch.tensor([0.5, 0.04, 0.12, 0.5, 0.88, 0.96])
_RATING_SHARE, _READERS_SHARE = 0.5, 0.25  # weight of the two side tasks
_LOG_ZOOM, _SHIFT = 0.15, 0.06  # most ln(zoom); most shift, in halves of the frame
_CONTRAST, _BRIGHTNESS, _NOISE, _MASK_LEVEL = 0.15, 0.05, 0.04, 0.35
_WARM_UP = 0.15  # share of the epochs


@dataclass(frozen=True)
class Hyperparameters:
    """What is chosen by hand."""

    width: int = 16
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.02


class Targets:
    """Triplets as tensors: stacks (N, 6, 64, 64), their frames, ratings and readers."""

    def __init__(self, triplets: Triplets) -> None:
        self.stacks = stacks_of(triplets.cases)
        self.width_px = widths_px(self.stacks)
        self.ratings = torch.from_numpy(triplets.ratings)
        self.readers = torch.from_numpy(triplets.readers)


class MalignancyTask:
    """One network on some of the nodules, validated on others; the rest it never sees."""

    def __init__(
        self,
        targets: Targets,
        split: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
        chosen: Hyperparameters,
        epochs: int,
        device: torch.device,
    ) -> None:
        self._targets, self._chosen, self._device = targets, chosen, device
        self._training, self._validation = (torch.from_numpy(part) for part in split)
        if not len(self._training) or not len(self._validation):
            raise TrainingError("a network needs nodules to train and to validate on; are there enough patients?")
        self._network = MalignancyNetwork(1, chosen.width).to(device)
        self.model: torch.nn.Module = self._network.to(memory_format=torch.channels_last)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=chosen.rate, weight_decay=chosen.weight_decay
        )
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda epoch: rate_share(epoch, epochs)
        )

    def batches(self, epoch: int) -> Iterator[torch.Tensor]:
        """Give the numbers of every training nodule once, in a random order."""
        del epoch
        order = self._training[torch.randperm(len(self._training))]
        return (
            part for part in torch.split(order, self._chosen.batch) if len(part) > 1
        )  # batch normalisation needs two

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Give the weighted loss of the three tasks on frames turned and changed at random."""
        width = self._targets.width_px[batch]
        frames = augmented(self._targets.stacks[batch], width)
        return self._loss(frames, batch), len(batch)

    def validate(self) -> Mapping[str, float]:
        """Give the loss on the nodules kept apart, as they are."""
        losses = []
        for part in torch.split(self._validation, self._chosen.batch):
            width = self._targets.width_px[part]
            plain = torch.eye(2, 3)[None] * (width / SIDE_PX)[:, None, None]
            frames = sharp_masks(framed(self._targets.stacks[part], plain))
            losses.append(float(self._loss(frames, part)) * len(part))
        return {"validation_loss": sum(losses) / len(self._validation)}

    def _loss(self, frames: torch.Tensor, cases: torch.Tensor) -> torch.Tensor:
        dense = frames.to(self._device).contiguous(memory_format=torch.channels_last)
        logits = self._network(dense, self._targets.width_px[cases].to(self._device)).float().cpu()
        return joint_loss(logits, self._targets.ratings[cases], self._targets.readers[cases])


def joint_loss(logits: torch.Tensor, ratings: torch.Tensor, readers: torch.Tensor) -> torch.Tensor:
    """Give the loss of logits (N, 8) against ratings (N,) 0 to 5 and readers (N,) 1 to 4.

    A nodule without a rating teaches only how many readers see such a one. The rating of few readers counts less.
    """
    weight = torch.sqrt(readers / MOST_READERS) * (ratings > 0)
    cross_entropy = functional.binary_cross_entropy_with_logits
    above = (ratings[:, None] > torch.arange(1, CUTS + 1)).float()
    more = (readers[:, None] > torch.arange(1, MOST_READERS)).float()
    suspicious = cross_entropy(logits[:, 0], _SUSPICIOUS[ratings], reduction="none")
    rating = cross_entropy(logits[:, 1 : 1 + CUTS], above, reduction="none").mean(dim=1)
    seen = cross_entropy(logits[:, 1 + CUTS :], more)
    return ((suspicious + _RATING_SHARE * rating) * weight).mean() + _READERS_SHARE * seen


def augmented(stacks: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Frame nodules turned, mirrored, zoomed, shifted, upside down, in other contrast, masks wider or tighter.

    Randomness is torch's.
    """
    count = len(stacks)
    frames = framed(stacks, _random_maps(width))
    density = frames[:, :3] * torch.exp(_CONTRAST * _spread(count)) + _BRIGHTNESS * _spread(count)
    density = density + torch.randn_like(density) * _NOISE * torch.rand(count, 1, 1, 1)
    changed = sharp_masks(torch.cat((density, frames[:, 3:]), dim=1), 0.5 + _MASK_LEVEL * _spread(count))
    upside_down = changed[:, [2, 1, 0, 5, 4, 3]]
    return torch.where(torch.rand(count, 1, 1, 1) < 0.5, upside_down, changed)


def rate_share(epoch: int, epochs: int) -> float:
    """Give the share of the learning rate: rising at first, then falling to nothing as a cosine."""
    warm = max(1.0, _WARM_UP * epochs)
    if epoch < warm:
        return (epoch + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (epoch + 1 - warm) / (epochs + 1 - warm)))


def _random_maps(width: torch.Tensor) -> torch.Tensor:
    count = len(width)
    angle = math.pi * _spread(count).flatten()
    zoom = torch.exp(_LOG_ZOOM * _spread(count).flatten())
    mirror = torch.randint(2, (count,)) * 2.0 - 1
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = _SHIFT * (2 * torch.rand(count, 2) - 1)
    first = torch.stack((cos * mirror, -sin, shift[:, 0]), dim=1)
    second = torch.stack((sin * mirror, cos, shift[:, 1]), dim=1)
    return torch.stack((first, second), dim=1) * (width / SIDE_PX)[:, None, None]


def _spread(count: int) -> torch.Tensor:
    """Draw (count, 1, 1, 1) evenly from -1 to 1."""
    return 2 * torch.rand(count, 1, 1, 1) - 1
