"""One level of training: batches of crops, the three terms of the loss, FROC on the scans that choose the epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from models.candidate_network import CandidateNetwork
from models.layers import half_precision
from training.proposals.crops import Crop, Places, Shares, random_crop
from training.proposals.evaluate import froc_of
from training.proposals.losses import Terms, loss_terms
from training.proposals.scan import WorkedScan
from training.proposals.targets import Targets, targets_of

_FIRST_SHARES = Shares(nodule=0.7, mined=0.0)
_MINED_SHARES = Shares(nodule=0.5, mined=0.4)
_BATCH_VOXELS = 4 * 64**3  # smaller crops come in larger batches, within these limits
_BATCH = (2, 16)
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class LevelSettings:
    """How a level is trained.

    Parameters
    ----------
    number
        1, 2 or 3.
    epochs, crops
        Number of epochs, and crops in each.
    sides
        Sides of the crops in voxels, multiples of 16: each for an equal part of the epochs, in this order.
    learning_rate
        At the beginning; falls to nothing as half a cosine.
    focus
        Exponent of the focal re-weighting, 0 for none.
    """

    number: int
    epochs: int
    crops: int
    sides: tuple[int, ...]
    learning_rate: float
    focus: float
    seed: int

    def side(self, epoch: int) -> int:
        """Side of the crops in an epoch."""
        return self.sides[min(epoch * len(self.sides) // self.epochs, len(self.sides) - 1)]


class Batch(NamedTuple):
    """(N, 2, side, side, side) images and their targets."""

    images: torch.Tensor
    targets: Targets


class CropSet(Dataset[Crop]):
    """The crops of one epoch; each draws its randomness from the seed, the epoch and its own number."""

    def __init__(
        self, scans: Sequence[WorkedScan], places: Sequence[Places], settings: LevelSettings, epoch: int
    ) -> None:
        self._scans, self._places, self._settings, self._epoch = scans, places, settings, epoch
        self._shares = _FIRST_SHARES if settings.number == 1 else _MINED_SHARES

    def __len__(self) -> int:
        return self._settings.crops

    def __getitem__(self, number: int) -> Crop:
        """Cut one crop."""
        level = self._settings
        rng = np.random.default_rng((level.seed, level.number, self._epoch, number))
        chosen = int(rng.integers(len(self._scans)))
        return random_crop(self._scans[chosen], self._places[chosen], self._shares, level.side(self._epoch), rng)


class ProposalTask:
    """A level as the training loop wants it.

    Parameters
    ----------
    scans, places
        To train on, and where to look in each.
    chosen_on
        Scans whose CPM chooses the best epoch.
    workers
        Processes that cut crops; 0 cuts them in this one.
    """

    def __init__(
        self,
        model: CandidateNetwork,
        scans: Sequence[WorkedScan],
        places: Sequence[Places],
        chosen_on: Sequence[WorkedScan],
        settings: LevelSettings,
        workers: int = 0,
    ) -> None:
        self._device = next(model.parameters()).device
        self._half = half_precision(self._device) is torch.bfloat16  # float16 would need its loss scaled
        self.model: torch.nn.Module = model.to(memory_format=torch.channels_last_3d)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY
        )
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, settings.epochs
        )
        self._scans, self._places, self._chosen_on = scans, places, chosen_on
        self._settings, self._workers = settings, workers
        self._terms: list[tuple[float, float, float]] = []

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Cut the crops of an epoch."""
        self._terms.clear()
        crops = CropSet(self._scans, self._places, self._settings, epoch)
        size = int(np.clip(_BATCH_VOXELS // self._settings.side(epoch) ** 3, *_BATCH))
        pinned = self._device.type == "cuda"
        yield from DataLoader(
            crops, min(size, len(crops)), num_workers=self._workers, collate_fn=collated, pin_memory=pinned
        )

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Give the sum of the terms and the number of crops."""
        images = batch.images.to(self._device, non_blocking=True, memory_format=torch.channels_last_3d)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            output = self.model(images)
        targets = Targets(*(part.to(self._device, non_blocking=True) for part in batch.targets))
        terms = loss_terms(output, targets, self._settings.focus)
        self._terms.append(_plain(terms))
        return terms.total, len(images)

    def validate(self) -> Mapping[str, float]:
        """Measure the CPM, the sensitivity at 8 false marks a scan, and the mean of each term of the loss."""
        result = froc_of(self._chosen_on, self.model, self._device)
        means = np.mean(self._terms, axis=0) if self._terms else np.full(3, np.nan)
        terms = dict(zip(("loss_negative", "loss_positive", "loss_box"), means.tolist(), strict=True))
        return {"cpm": result.cpm, "sensitivity_8": float(result.sensitivity_at(8.0)), **terms}


def collated(crops: Sequence[Crop]) -> Batch:
    """Stack crops and match their nodules with the anchors."""
    images = torch.stack([crop.image for crop in crops])
    matched = [targets_of(crop.nodules, images.shape[-1]) for crop in crops]
    return Batch(images, Targets(*(torch.stack(parts) for parts in zip(*matched, strict=True))))


def _plain(terms: Terms) -> tuple[float, float, float]:
    return float(terms.negative.detach()), float(terms.positive.detach()), float(terms.box.detach())
