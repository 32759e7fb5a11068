"""The device that a task computes on, by its name."""

from __future__ import annotations

import torch

from training.errors import TrainingError


def device_of(name: str) -> torch.device:
    """Give the device of a name; ``auto`` is a GPU where there is one.

    Raises
    ------
    TrainingError
        There is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise TrainingError(f"device {name}: not one of cpu, cuda, cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"device {name}: not one of cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(f"device {name}: there is no such CUDA device here; use cpu")
    return device
