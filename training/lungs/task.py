"""What is trained: the compact U-Net on augmented slices, judged on chests that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.findings import LungLabel
from models.lung_slices import network_input
from models.unet import UNet, UNetSettings
from training.lungs.augmentation import augmented
from training.lungs.slices import Slices

_HELD_OUT_SEED = 20_000
SIDES = {"right": LungLabel.RIGHT, "left": LungLabel.LEFT}


@dataclass(frozen=True)
class LungRun:
    """How the network is trained.

    Parameters
    ----------
    coarse_epochs
        The first epochs work on 128 x 128: four times as fast, and enough to learn where lungs are.
    steps, batch
        Batches an epoch, slices a batch.
    real_weight
        How much more often a real slice is drawn than a generated one.
    bf16
        Multiply in bfloat16: faster where the processor knows it.
    """

    epochs: int = 24
    coarse_epochs: int = 10
    steps: int = 100
    batch: int = 8
    learning_rate: float = 3e-3
    real_weight: float = 6.0
    judged: int = 120
    bf16: bool = False


class LungTask:
    """The task of ``training.loop``: slices in, cross-entropy and soft Dice out."""

    def __init__(
        self, settings: UNetSettings, run: LungRun, learnt: Slices, held_out: Slices, device: torch.device
    ) -> None:
        self.model: torch.nn.Module = UNet(settings).to(device).to(memory_format=torch.channels_last)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(self.model.parameters(), run.learning_rate)
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, run.epochs, eta_min=run.learning_rate / 50
        )
        self._run, self._learnt, self._device = run, learnt, device
        self._weights = torch.from_numpy(np.where(learnt.real, run.real_weight, 1.0))
        self._judged = _changed(held_out, run.judged)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw slices, augment them, halve them in the first epochs."""
        for _ in range(self._run.steps):
            drawn = torch.multinomial(self._weights, self._run.batch, replacement=True).numpy()
            hu, labels = augmented(*_tensors(self._learnt.hu[drawn], self._learnt.labels[drawn]))
            if epoch < self._run.coarse_epochs:
                hu, labels = functional.avg_pool2d(hu[:, None], 2)[:, 0], labels[:, ::2, ::2]
            yield hu, labels

    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, int]:
        """Cross-entropy plus one minus the soft Dice of each lung."""
        hu, labels = batch
        labels = labels.to(self._device)
        logs = self._answer(hu).float()
        truth = functional.one_hot(labels, logs.shape[1]).movedim(-1, 1)
        shares = logs.exp()
        both = (shares * truth).sum(dim=(0, 2, 3))
        dice = (2 * both + 1) / (shares.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3)) + 1)
        return functional.nll_loss(logs, labels) + 1 - dice[1:].mean(), len(hu)

    def validate(self) -> Mapping[str, float]:
        """Dice of each lung over held-out slices, changed once as the training slices are."""
        hu, labels = self._judged
        answers = torch.cat([self._answer(part).argmax(dim=1).cpu() for part in torch.split(hu, self._run.batch)])
        figures = {f"dice_{side}": dice_of(answers.numpy(), labels.numpy(), label) for side, label in SIDES.items()}
        return {**figures, "dice": float(np.mean(list(figures.values())))}

    def _answer(self, hu: Tensor) -> Tensor:
        given = torch.from_numpy(network_input(hu.numpy())).to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._run.bf16):
            answer: Tensor = self.model(given)
        return answer


def dice_of(ours: npt.NDArray[np.integer], theirs: npt.NDArray[np.integer], label: int) -> float:
    """Give the overlap of one label, 0 to 1; 1 when neither has it."""
    first, second = ours == label, theirs == label
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def answered(network: UNet, hu: npt.NDArray[np.int16], device: torch.device) -> npt.NDArray[np.uint8]:
    """Label slices (N, 256, 256) by a network in evaluation mode; (N, 256, 256)."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(network_input(part)).to(device)) for part in _twenties(hu)]
    return torch.cat([part.argmax(dim=1) for part in parts]).cpu().numpy().astype(np.uint8)


def _twenties(hu: npt.NDArray[np.int16]) -> Iterator[npt.NDArray[np.int16]]:
    for start in range(0, len(hu), 20):
        yield hu[start : start + 20]


def _changed(held_out: Slices, count: int) -> tuple[Tensor, Tensor]:
    """Augment a fixed choice of held-out slices, the same in every run."""
    chosen = np.linspace(0, len(held_out.hu) - 1, min(count, len(held_out.hu))).astype(int)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_HELD_OUT_SEED)
        return augmented(*_tensors(held_out.hu[chosen], held_out.labels[chosen]))


def _tensors(hu: npt.NDArray[np.int16], labels: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(hu.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))
