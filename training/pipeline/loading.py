"""Extract, transform, load: workers read and transform, batches wait ready, the next one is on its way to the device.

=====================================  ==================================================
tf.data of system 003                  here
=====================================  ==================================================
parallel_interleave, map in parallel   ``workers`` processes
prefetch                               ``prefetch`` batches ready per worker
shuffle(buffer)                        a permutation of all images
repeat                                 ``repeat`` passes an epoch
batch                                  ``batch``, over all processes together
non-deterministic order                ``any_order``
copy to the device during a step       pinned memory, ``ahead``
=====================================  ==================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from training.errors import TrainingError

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Share:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class LoadSettings:
    """How batches are made.

    Parameters
    ----------
    batch
        Images of one step, over all processes together.
    workers
        Processes that read and transform; 0 does it between two steps, without any overlap.
    prefetch
        Batches that each worker has ready.
    shuffle
        Draw a new order each epoch.
    repeat
        Passes over the data in one epoch.
    any_order
        Take a batch from whichever worker is first: faster, and not the same order twice.
    """

    batch: int
    workers: int = 2
    prefetch: int = 2
    shuffle: bool = True
    repeat: int = 1
    any_order: bool = False


class ShardSampler(Sampler[int]):
    """Deals images to processes so that the shards of a step are together the batch of a single process.

    The order is drawn from torch's generator, seeded alike in all processes. What does not fill a batch is left out of
    this pass: shards of one size keep the mean of the gradients that of the whole batch.

    Raises
    ------
    TrainingError
        There are fewer images than one batch, or the processes cannot share a batch evenly.
    """

    def __init__(self, count: int, settings: LoadSettings, share: Share) -> None:
        if settings.batch % share.world:
            raise TrainingError(f"a batch of {settings.batch} cannot be shared by {share.world} processes evenly")
        if count * settings.repeat < settings.batch:
            raise TrainingError(f"{count} images are fewer than one batch of {settings.batch}")
        self._count, self._settings, self._share = count, settings, share
        self._taken = count * settings.repeat // settings.batch * settings.batch

    def __len__(self) -> int:
        return self._taken // self._share.world

    def __iter__(self) -> Iterator[int]:
        draw = torch.randperm if self._settings.shuffle else torch.arange
        order = torch.cat([draw(self._count) for _ in range(self._settings.repeat)])[: self._taken]
        yield from order[self._share.rank :: self._share.world].tolist()


def loader(
    dataset: Any,
    settings: LoadSettings,
    share: Share,
    device: torch.device,
    collate: Callable[[Any], Batch] | None = None,
) -> Any:
    """Give an endless supply of epochs: iterate it once an epoch; workers stay alive between epochs."""
    working = settings.workers > 0
    return DataLoader(
        dataset,
        batch_size=settings.batch // share.world,
        sampler=ShardSampler(len(dataset), settings, share),
        num_workers=settings.workers,
        prefetch_factor=settings.prefetch if working else None,
        persistent_workers=working,
        pin_memory=device.type == "cuda",
        in_order=not settings.any_order,
        collate_fn=collate,
        generator=torch.Generator(),  # workers that stay draw no seed: torch's own numbers are for the order alone
    )


def ahead(batches: Iterable[Batch], device: torch.device, depth: int = 1) -> Iterator[Batch]:
    """Send batches to the device ``depth`` steps before they are used; copies from pinned memory do not block."""
    waiting: deque[Batch] = deque()
    for images, labels in batches:
        waiting.append((images.to(device, non_blocking=True), labels.to(device, non_blocking=True)))
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting
