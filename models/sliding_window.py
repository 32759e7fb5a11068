"""A network over a volume, window by window: only where it matters, in batches, in bounded memory, on any device."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

Index = tuple[int, int, int]


@dataclass(frozen=True)
class WindowPlan:
    """How a volume is cut into windows.

    Parameters
    ----------
    largest
        Most voxels of a window's core along an axis; a multiple of ``multiple``.
    margin
        Voxels around the core that the network sees but whose output is not kept; a multiple of ``stride``.
    stride
        Input voxels per output voxel along an axis.
    multiple
        The sides of a window are multiples of this, itself a multiple of ``stride``.
    batch
        Windows at once to begin with.
    """

    largest: int
    margin: int
    stride: int
    multiple: int
    batch: int


def sliding_windows(
    image: torch.Tensor,
    wanted: torch.Tensor,
    network: Callable[[torch.Tensor], torch.Tensor],
    plan: WindowPlan,
    padding: Sequence[float],
) -> Iterator[tuple[Index, torch.Tensor]]:
    """Run a network over all windows whose core holds anything wanted.

    The cores do not overlap and cover the image, so that every output place is given at most once. A batch that
    does not fit into the device's memory is halved, down to a single window, and stays so.

    Parameters
    ----------
    image
        (C, K, J, I) on the network's device.
    wanted
        (K, J, I) bool: a window without any such voxel in its core is skipped.
    network
        Takes (N, C, k, j, i), gives (N, ..., k/stride, j/stride, i/stride).
    padding
        Per channel: the value beyond the image.

    Yields
    ------
    The index of the core's first voxel in the image, and (..., k, j, i) the core's output.

    Raises
    ------
    torch.OutOfMemoryError
        Not even one window fits.
    """
    shape = (image.shape[1], image.shape[2], image.shape[3])
    core = core_shape(shape, plan)
    starts = [start for start in _starts(shape, core) if wanted[_box(start, core)].any()]
    batch, done = plan.batch, 0
    while done < len(starts):
        now = starts[done : done + batch]
        try:
            outputs = network(torch.stack([_window(image, start, core, plan.margin, padding) for start in now]))
        except torch.OutOfMemoryError:
            if len(now) == 1:
                raise
            batch = max(1, len(now) // 2)
            continue
        for start, output in zip(now, outputs, strict=True):
            yield start, _central(output, core, plan)
        done += len(now)


def core_shape(shape: Index, plan: WindowPlan) -> Index:
    """Share every axis out evenly among as few cores as ``plan.largest`` allows; sides are multiples."""

    def side(length: int) -> int:
        even = math.ceil(length / math.ceil(length / plan.largest))
        whole = even + 2 * plan.margin
        return math.ceil(whole / plan.multiple) * plan.multiple - 2 * plan.margin

    return side(shape[0]), side(shape[1]), side(shape[2])


def _starts(shape: Index, core: Index) -> list[Index]:
    k, j, i = (range(0, length, side) for length, side in zip(shape, core, strict=True))
    return list(itertools.product(k, j, i))


def _box(start: Index, core: Index) -> tuple[slice, ...]:
    return tuple(slice(first, first + side) for first, side in zip(start, core, strict=True))


def _window(image: torch.Tensor, start: Index, core: Index, margin: int, padding: Sequence[float]) -> torch.Tensor:
    """Cut a core with its margin out, (C, k, j, i); what lies beyond the image is padding."""
    low = [first - margin for first in start]
    high = [first + side + margin for first, side in zip(start, core, strict=True)]
    inner = tuple(slice(max(0, a), min(b, n)) for a, b, n in zip(low, high, image.shape[1:], strict=True))
    part = image[(slice(None), *inner)]
    missing = [(part_of.start - a, b - part_of.stop) for part_of, a, b in zip(inner, low, high, strict=True)]
    sides = [side for pair in reversed(missing) for side in pair]
    if not any(sides):
        return part
    return torch.stack([functional.pad(channel, sides, value=v) for channel, v in zip(part, padding, strict=True)])


def _central(output: torch.Tensor, core: Index, plan: WindowPlan) -> torch.Tensor:
    """Keep what belongs to the core, (..., k, j, i)."""
    first = plan.margin // plan.stride
    k, j, i = (slice(first, first + side // plan.stride) for side in core)
    return output[..., k, j, i]
