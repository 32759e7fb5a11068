"""Sliding windows of the RetinaNet: the maps of overlapping windows, averaged, as MONAI's inferer in mode constant.

Averaged are the network's outputs (logits and deltas), before any box exists. Windows are fetched one batch at a time,
so that neither the resampled image nor a padded copy is ever held whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch

from models.published.inference import in_batches
from models.published.retinanet_boxes import Maps
from models.published.retinanet_network import STRIDES

Triple = tuple[int, int, int]

DIVISOR = STRIDES[-1]  # the sides of what the network is given are multiples of the coarsest cell
OVERLAP = 0.25  # share of a window that its neighbour sees too; inference configuration of the published bundle
LEAST_CELLS = 6  # of the coarsest level along a side: 96 x 96 x 48 voxels; the training patch has 12 x 12 x 10


@dataclass(frozen=True)
class Plan:
    """Where the windows of one image lie.

    Parameters
    ----------
    size
        Voxels of the image.
    padded
        Voxels with padding, multiples of ``DIVISOR``.
    before
        Padding in front of the image's first voxel.
    window
        Voxels of a window.
    starts
        First voxel of every window in the padded image.
    """

    size: Triple
    padded: Triple
    before: Triple
    window: Triple
    starts: tuple[Triple, ...]


def plan_for(size: Triple, window: Triple) -> Plan:
    """Lay windows over an image; one that has fewer voxels than a window goes through whole (rule of the bundle).

    An image that is narrower than the window is padded on both sides, in front by whole cells of the coarsest level.
    MONAI pads by half of the difference even where that is no whole cell, and then rounds its maps; where it is one,
    both are the same.
    """
    ends = _triple(lambda n: -(-size[n] // DIVISOR[n]) * DIVISOR[n])
    if size[0] * size[1] * size[2] < window[0] * window[1] * window[2]:
        return Plan(size, ends, (0, 0, 0), ends, ((0, 0, 0),))
    before = _triple(lambda n: max(0, window[n] - ends[n]) // 2 // DIVISOR[n] * DIVISOR[n])
    padded = _triple(lambda n: max(ends[n], window[n]))
    x, y, z = (_starts(n, padded[n], window[n]) for n in range(3))
    return Plan(size, padded, before, window, tuple(product(x, y, z)))


def halved(window: Triple) -> Triple | None:
    """Halve the side of a window with most cells; None where it would have less than ``LEAST_CELLS``.

    The normalisation in the heads (GroupNorm) looks at a whole window: much smaller ones are another network.
    """
    cells = _triple(lambda n: window[n] // DIVISOR[n])
    longest = cells.index(max(cells))
    half = (cells[longest] + 1) // 2
    if half < LEAST_CELLS:
        return None
    return _triple(lambda n: half * DIVISOR[n] if n == longest else window[n])


def stitched(
    network: Callable[[torch.Tensor], Maps],
    fetch: Callable[[Triple], torch.Tensor],
    plan: Plan,
    batch: int,
) -> Maps:
    """Run the windows and average their maps.

    Parameters
    ----------
    network
        Takes (B, 1, ...) windows and gives the maps of ``RetinaNet``, as float32.
    fetch
        Takes the first voxel of a window in the padded image and gives its grey values, ``plan.window``.
    plan
        The windows. A place that none of them covers has logits of minus infinity: nothing is marked there.
    batch
        Windows run at once, as long as they fit into memory.

    Returns
    -------
    Per level logits (3, x, y, z) and deltas (18, x, y, z) of the image padded at its end, on the CPU.
    """
    totals = [_Total(plan, level) for level in range(len(STRIDES))]

    def run(numbers: range) -> Maps:
        return network(torch.stack([fetch(plan.starts[n])[None] for n in numbers]))

    for numbers, maps in in_batches(run, len(plan.starts), batch):
        for total, (logits, deltas) in zip(totals, maps, strict=True):
            for place, n in enumerate(numbers):
                total.add(plan.starts[n], torch.cat([logits[place], deltas[place]]).cpu())
    return [total.mean() for total in totals]


class _Total:
    """Sum and count of one level's maps over windows."""

    def __init__(self, plan: Plan, level: int) -> None:
        self._plan, self._stride = plan, STRIDES[level]
        cells = _triple(lambda n: plan.padded[n] // self._stride[n])
        self._sum = torch.zeros((21, *cells))  # 3 logits and 18 deltas
        self._count = torch.zeros(cells)

    def add(self, start: Triple, maps: torch.Tensor) -> None:
        """Add the maps (21, x, y, z) of the window at ``start``."""
        at = [slice(s // k, s // k + n) for s, k, n in zip(start, self._stride, maps.shape[1:], strict=True)]
        self._sum[:, at[0], at[1], at[2]] += maps
        self._count[at[0], at[1], at[2]] += 1

    def mean(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits and deltas without what was padded in front or beyond the image's own padding."""
        mean = self._sum / self._count.clamp(min=1)
        mean[:3].masked_fill_(self._count == 0, -torch.inf)
        own = []
        for size, before, divisor, k in zip(self._plan.size, self._plan.before, DIVISOR, self._stride, strict=True):
            own.append(slice(before // k, (before + -(-size // divisor) * divisor) // k))
        mean = mean[:, own[0], own[1], own[2]]
        return mean[:3], mean[3:]


def _starts(axis: int, length: int, window: int) -> list[int]:
    """Give where windows start along one axis: every three quarters of a window, the last one flush with the end."""
    step = int(window * (1 - OVERLAP)) // DIVISOR[axis] * DIVISOR[axis]
    count = -(-(length - window) // max(step, DIVISOR[axis])) + 1
    return [min(n * max(step, DIVISOR[axis]), length - window) for n in range(count)]


def _triple(of: Callable[[int], int]) -> Triple:
    return of(0), of(1), of(2)
