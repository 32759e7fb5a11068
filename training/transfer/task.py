"""What the training loop needs to train on image folders, and what is measured afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from training.errors import TrainingError
from training.transfer.folders import Folders, dataset_of, plain_transforms, train_transforms

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class LoaderSettings:
    """How images reach the network; ``reduced`` computes in bfloat16, which is faster."""

    batch: int
    workers: int
    device: torch.device
    reduced: bool


class ImageTask:
    """Trains a network on images: NLLLoss, Adam as it comes; frozen layers see dropout in training as system 002's do.

    Parameters
    ----------
    parts
        The network, (N, 3, 224, 224) to log-probabilities (N, C), and the part of it that is trained.
    """

    def __init__(
        self, parts: tuple[nn.Module, nn.Module], root: Path, folders: Folders, settings: LoaderSettings
    ) -> None:
        self.network = parts[0].to(settings.device).to(memory_format=torch.channels_last)
        self.model = parts[1]  # all that changes, so all that a checkpoint holds
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters())
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
        self._settings = settings
        self._train = self._loader(dataset_of(root, folders, "train", train_transforms()), shuffle=True)
        self._val = self._loader(dataset_of(root, folders, "val", plain_transforms()), shuffle=False)
        self._test = self._loader(dataset_of(root, folders, "test", plain_transforms()), shuffle=False)
        self._criterion = nn.NLLLoss()

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002 - the loop has seeded torch for the epoch
        """Give augmented images (N, 3, 224, 224) and labels (N,)."""
        self.network.train()
        yield from _readable(self._train)

    def loss(self, batch: Batch) -> tuple[Tensor, int]:
        """Give the mean negative log-likelihood of a batch."""
        images, labels = batch
        said = self._said(images)
        return self._criterion(said, labels.to(said.device, non_blocking=True)), len(labels)

    def validate(self) -> Mapping[str, float]:
        """Measure loss and accuracy on ``val``."""
        labels, logs = self._all(self._val)
        return {"val_loss": nll(labels, logs), "val_accuracy": float((logs.argmax(axis=1) == labels).mean())}

    def on_test(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Give the labels (N,) and log-probabilities (N, C) of ``test``, in the order of its files."""
        with torch.no_grad():
            return self._all(self._test)

    def _all(self, loader: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        self.network.eval()
        found = [(labels, self._said(images).cpu()) for images, labels in _readable(loader)]
        labels, logs = (torch.cat(column).numpy() for column in zip(*found, strict=True))
        return labels, logs

    def _said(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, C), float32."""
        device = self._settings.device
        with self._precision():
            said: Tensor = self.network(images.to(device, non_blocking=True, memory_format=torch.channels_last))
        return said.float()

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._settings.device.type, torch.bfloat16, enabled=self._settings.reduced)

    def _loader(self, dataset: Any, *, shuffle: bool) -> Any:
        return DataLoader(
            dataset,
            batch_size=self._settings.batch,
            shuffle=shuffle,
            num_workers=self._settings.workers,
            pin_memory=self._settings.device.type == "cuda",
        )


def nll(labels: npt.NDArray[np.int64], logs: npt.NDArray[np.float32]) -> float:
    """Mean negative log-likelihood."""
    return float(-logs[np.arange(len(labels)), labels].mean())


def _readable(loader: Any) -> Iterator[Batch]:
    """Pass batches on; what a worker says about a broken image comes back as one line."""
    try:
        yield from loader
    except TrainingError as error:
        raise TrainingError(
            str(error).strip().splitlines()[-1].removeprefix("training.errors.TrainingError: ")
        ) from None
