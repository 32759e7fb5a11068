"""Axis-aligned boxes in three dimensions: overlap, suppression, decoding.

A box is six numbers (a0, b0, c0, a1, b1, c1): its low and its high corner along three axes, in any one unit.
torchvision's box operations know two dimensions only.
"""

from __future__ import annotations

import math

import torch

# exp of it is 1000 / 16, the largest growth of an anchor: the limit of torchvision's and MONAI's box coders.
LARGEST_LOG_GROWTH = math.log(1000.0 / 16)
_TINY = 1e-7  # keeps the overlap of two empty boxes finite


def iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Give the overlap of every pair of boxes: intersection over union.

    Parameters
    ----------
    first
        (N, 6) corners.
    second
        (M, 6) corners.

    Returns
    -------
    (N, M), 0 to 1.
    """
    low = torch.maximum(first[:, None, :3], second[None, :, :3])
    high = torch.minimum(first[:, None, 3:], second[None, :, 3:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    return shared / (_volumes(first)[:, None] + _volumes(second)[None] - shared + _TINY)


def nms(boxes: torch.Tensor, scores: torch.Tensor, overlap: float, limit: int) -> torch.Tensor:
    """Suppress every box that overlaps a better one: greedy, by falling score.

    Parameters
    ----------
    boxes
        (N, 6) corners.
    scores
        (N,); of equal ones the first comes first.
    overlap
        A box goes when its IoU with a kept one is larger than this.
    limit
        Most boxes kept.

    Returns
    -------
    (K,) int64 indices into ``boxes``, by falling score.
    """
    left = torch.argsort(scores, descending=True, stable=True)
    kept: list[torch.Tensor] = []
    while len(left) and len(kept) < limit:
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[iou(boxes[best][None], boxes[left])[0] <= overlap]
    return torch.stack(kept) if kept else left


def decoded(deltas: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Apply regressed deltas to anchors.

    Parameters
    ----------
    deltas
        (N, 6): shift of the centre in anchor sizes, then log of the growth, which is held at
        ``LARGEST_LOG_GROWTH``.
    anchors
        (N, 6) corners.

    Returns
    -------
    (N, 6) corners.
    """
    size = anchors[:, 3:] - anchors[:, :3]
    center = (anchors[:, 3:] + anchors[:, :3]) / 2 + deltas[:, :3] * size
    half = deltas[:, 3:].clamp(max=LARGEST_LOG_GROWTH).exp() * size / 2
    return torch.cat([center - half, center + half], dim=1)


def clipped(boxes: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Cut boxes (N, 6) to an image whose corners are the origin and ``size``."""
    limit = torch.tensor(size + size, dtype=boxes.dtype, device=boxes.device)
    return torch.minimum(boxes.clamp(min=0), limit)


def cubes(centers: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Give the boxes (N, 6) of cubes from their centres (N, 3) and side lengths (N,)."""
    half = sides[:, None] / 2
    return torch.cat([centers - half, centers + half], dim=1)


def _volumes(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 3:] - boxes[:, :3]).prod(dim=1)
