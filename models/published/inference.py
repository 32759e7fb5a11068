"""Running a published network: on its device, at half precision where that is fast, as many windows as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import nn

from models.layers import half_precision

Result = TypeVar("Result")
Network = TypeVar("Network", bound=nn.Module)


def on_device(network: Network, device: torch.device) -> Network:
    """Bring a 3D network to its device for inference; on CUDA in channels-last order, which its convolutions want."""
    network.to(device)
    if device.type == "cuda":
        for parameter in network.parameters():
            if parameter.dim() == 5:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    network.requires_grad_(False)
    return network.eval()


def to_device(windows: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Bring windows (B, C, ...) to a device, in channels-last order on CUDA."""
    if device.type == "cuda":
        return windows.to(device, memory_format=torch.channels_last_3d)
    return windows.to(device)


def half_of(device: torch.device) -> torch.dtype | None:
    """Give the half precision that a device computes in, on CUDA the originals' own; None where single is as fast."""
    return torch.float16 if device.type == "cuda" else half_precision(device)


def finite_outputs(
    forward: Callable[[], list[torch.Tensor]], device: torch.device, name: str, half: torch.dtype | None
) -> list[torch.Tensor]:
    """Run a network at half precision, and at single precision where there is none or it overflows.

    Returns
    -------
    Its outputs as float32.

    Raises
    ------
    FloatingPointError
        They are not finite even in single precision: an output that is no number must not pass for "no nodule".
    """
    for kind in (half, None) if half else (None,):
        with torch.inference_mode(), torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None):
            outputs = [output.float() for output in forward()]
        if all(bool(output.isfinite().all()) for output in outputs):
            return outputs
    raise FloatingPointError(f"the output of {name} is not finite: its weights do not fit; import them again")


def in_batches(run: Callable[[range], Result], count: int, batch: int) -> Iterator[tuple[range, Result]]:
    """Run ``count`` windows in batches; where memory runs out, the batch is halved and tried again.

    Parameters
    ----------
    run
        Takes the numbers of the windows and gives what the network says of them.
    count
        How many windows there are.
    batch
        How many are run at once at first.

    Yields
    ------
    The numbers of the windows and what ``run`` gave.

    Raises
    ------
    torch.OutOfMemoryError
        Not even one window fits.
    """
    start = 0
    while start < count:
        numbers = range(start, min(start + batch, count))
        try:
            result = run(numbers)
        except torch.OutOfMemoryError:
            if len(numbers) == 1:
                raise
            batch = len(numbers) // 2
        else:
            yield numbers, result
            start = numbers.stop
            continue
        release()  # after the handler: until then the error still holds the tensors of the failed batch


def release() -> None:
    """Give cached blocks back to the device, so that smaller ones fit."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
