"""Running a network on many windows: as many at once as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")


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
