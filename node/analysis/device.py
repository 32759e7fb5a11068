"""Where the analysis computes: the processor or one CUDA device, never a silent second choice."""

from __future__ import annotations

import torch

from node.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """Turn the setting ``device`` (auto, cpu, cuda, cuda:n) into a device that is there.

    Raises
    ------
    ConfigError
        A CUDA device is asked for and is not there. ``auto`` takes one when there is one.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r}: this machine has {torch.cuda.device_count()} CUDA devices; use auto or cpu"
        )
    return device
