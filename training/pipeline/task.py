"""The small network as a task of the training loop, on one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from training.pipeline.fashion import Images, as_is, small_network
from training.pipeline.loading import Batch, LoadSettings, Share, ahead, loader
from training.pipeline.processes import mean_shown, spread, summed_on

_LEARNING_RATE = 0.001  # of Adam, as in system 003
_VALIDATED_AT_ONCE = 512


class FashionTask:
    """Cross-entropy and Adam; every process works on its shard of each batch."""

    def __init__(
        self, train: Images, val: Images, settings: LoadSettings, share: Share, device: torch.device, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.model: nn.Module = small_network()
        self._spread = spread(self.model, device)
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=_LEARNING_RATE)
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
        self._share, self._device, self._val = share, device, val
        self._loader = loader(train, settings, share, device, as_is)

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002 - the loop has seeded torch for the epoch
        """Give this process's shards, (B / world, 1, 28, 28) and (B / world,), on the device."""
        yield from ahead(self._loader, self._device)

    def loss(self, batch: Batch) -> tuple[Tensor, int]:
        """Give the mean cross-entropy of the whole batch, and the number of images in it."""
        images, labels = batch
        own = nn.functional.cross_entropy(self._spread(images), labels)
        return mean_shown(own, self._share.world), len(labels) * self._share.world

    def validate(self) -> Mapping[str, float]:
        """Measure loss and accuracy; every process measures its share, all get the sum."""
        return {f"val_{name}": value for name, value in self.measured(self._val).items()}

    def measured(self, images: Images) -> dict[str, float]:
        """Give loss and accuracy on a split."""
        self.model.eval()
        totals = torch.zeros(3, dtype=torch.float64)
        own = list(range(self._share.rank, len(images), self._share.world))
        with torch.no_grad():
            for start in range(0, len(own), _VALIDATED_AT_ONCE):
                pixels, labels = images.__getitems__(own[start : start + _VALIDATED_AT_ONCE])
                said = self.model(pixels.to(self._device)).cpu()
                loss = nn.functional.cross_entropy(said, labels, reduction="sum")
                totals += torch.tensor([float(loss), float((said.argmax(dim=1) == labels).sum()), float(len(labels))])
        loss_sum, right, count = summed_on(self._device, totals)
        return {"loss": loss_sum / count, "accuracy": right / count}
