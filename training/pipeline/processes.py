"""Processes that train together, as torchrun starts them: gloo on CPU, nccl on GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import TrainingError
from training.pipeline.loading import Share

_RANK, _WORLD, _LOCAL = "RANK", "WORLD_SIZE", "LOCAL_RANK"  # set by torchrun


@contextmanager
def joined(device: str) -> Iterator[tuple[Share, torch.device]]:
    """Join the other processes, if torchrun started any, and leave them at the end.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``; each process takes the CUDA device of its own number.

    Raises
    ------
    TrainingError
        There is no such device.
    """
    own = _device(device, int(os.environ.get(_LOCAL, "0")))
    if int(os.environ.get(_WORLD, "1")) < 2:
        yield Share(), own
        return
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield Share(distributed.get_rank(), distributed.get_world_size()), own
    finally:
        distributed.destroy_process_group()


def spread(model: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a model on its device so that gradients are averaged over all processes; alone, it stays as it is."""
    model.to(device)
    return DistributedDataParallel(model) if distributed.is_initialized() else model


def summed(values: Tensor) -> Tensor:
    """Add up over all processes."""
    total = values.detach().clone()
    if distributed.is_initialized():
        distributed.all_reduce(total)
    return total


def summed_on(device: torch.device, totals: Tensor) -> list[float]:
    """Add up numbers over all processes, on the device that trains: nccl takes no tensor of the CPU."""
    return [float(total) for total in summed(totals.to(device)).tolist()]


def mean_shown(loss: Tensor, world: int) -> Tensor:
    """Give a loss whose value is the mean over all processes and whose gradient is this process's own."""
    return loss + (summed(loss) / world - loss).detach()


def _device(name: str, local: int) -> torch.device:
    if name == "cpu":
        return torch.device("cpu")
    if name != "cuda" or not torch.cuda.is_available() or local >= torch.cuda.device_count():
        raise TrainingError(f"device {name}, process {local}: there is no such device here; use cpu")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
