"""The task of training one member of the false-positive stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.false_positives import FalsePositiveNetwork
from training.evaluation.scores import auc
from training.false_positives.crops import Crops, augmented

Batch = tuple[torch.Tensor, torch.Tensor]
AVERAGE = "average.module."  # prefix of the averaged weights among those of ``Averaged``
_WARM_UP, _LAST_RATE = 3, 0.01  # epochs of rising learning rate; its last share


@dataclass(frozen=True)
class Hyperparameters:
    """What is chosen by hand; ``decay`` is that of the weights' running average, per step."""

    width: int = 32
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.02
    decay: float = 0.998


class Averaged(nn.Module):
    """A network in training, and the running average of its weights, which is what is kept."""

    def __init__(self, network: FalsePositiveNetwork, decay: float) -> None:
        super().__init__()
        self.network = network
        averaging = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)


class FalsePositiveTask:
    """Nodule against the rest, on augmented crops, validated on crops as they are."""

    def __init__(
        self, crops: Mapping[str, Crops], chosen: Hyperparameters, epochs: int, device: torch.device, half: bool
    ) -> None:
        self._training, self._validation = crops["train"], crops["validation"]
        self._chosen, self._device, self._half = chosen, device, half
        model = Averaged(FalsePositiveNetwork(1, chosen.width), chosen.decay)
        self._averaged = model.to(device).to(memory_format=torch.channels_last)
        self.model: nn.Module = self._averaged
        parameters = self._averaged.network.parameters()
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            parameters, lr=chosen.rate, weight_decay=chosen.weight_decay
        )
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda epoch: rate_share(epoch, epochs)
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Give every training crop once, augmented, in a random order."""
        del epoch
        order = torch.randperm(len(self._training))
        for part in torch.split(order, self._chosen.batch):
            if len(part) > 1:  # batch normalisation needs two
                yield augmented(self._training.images[part]), self._training.labels[part]

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Give the cross-entropy with smoothed labels; the average takes up the last step first."""
        self._averaged.average.update_parameters(self._averaged.network)
        crops, labels = (part.to(self._device, non_blocking=True) for part in batch)
        smooth = labels * (1 - self._chosen.smoothing) + self._chosen.smoothing / 2
        dense = crops.to(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            logits = self._averaged.network(dense)
        return functional.binary_cross_entropy_with_logits(logits.float(), smooth), len(labels)

    def validate(self) -> Mapping[str, float]:
        """Give area under the curve and log loss of the averaged weights."""
        logits = logits_of(self._averaged.average, self._validation, self._device)
        loss = functional.binary_cross_entropy_with_logits(logits, self._validation.labels)
        area = auc(self._validation.labels.numpy() > 0.5, logits.double().numpy())
        return {"auc": area, "validation_loss": float(loss)}


def logits_of(network: nn.Module, crops: Crops, device: torch.device) -> torch.Tensor:
    """Run a network on crops as they are; (N,) float32 on the CPU."""
    with torch.inference_mode():
        parts = [
            network((part.float()[:, None] / 255).to(device, memory_format=torch.channels_last))
            for part in torch.split(crops.images, 256)
        ]
    return torch.cat(parts).float().cpu()


def rate_share(epoch: int, epochs: int) -> float:
    """Give the learning rate of an epoch as a share of the highest: a rise, then a cosine."""
    if epoch < _WARM_UP:
        return (epoch + 1) / (_WARM_UP + 1)
    done = (epoch - _WARM_UP) / max(1, epochs - _WARM_UP)
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
