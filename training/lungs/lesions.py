"""Lesions painted into the slices of a lung, and gas painted beside it; HU (H, W) float32, labels (H, W) int64."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_CONSOLIDATION, _EFFUSION, _TUMOUR, _HAZE, _GAS = 0.2, 0.15, 0.25, 0.2, 0.35  # shares of the slices


def chance(share: float) -> bool:
    """Draw yes with a probability of ``share``."""
    return float(torch.rand(())) < share


def between(low: float, high: float) -> float:
    """Draw evenly from a range."""
    return low + (high - low) * float(torch.rand(()))


def smooth_field(shape: torch.Size | tuple[int, ...]) -> Tensor:
    """Draw a smooth field (H, W) of SD about 1 with hills a few tenths of the image wide."""
    knots = int(torch.randint(4, 12, ()))
    return functional.interpolate(torch.randn(1, 1, knots, knots), tuple(shape), mode="bicubic")[0, 0]


def with_lesions(hu: Tensor, labels: Tensor) -> Tensor:
    """Fill parts of the lung with what is no air: it stays lung by label."""
    lung = labels > 0
    if not lung.any():
        return hu
    if chance(_HAZE):
        hu = torch.where(lung, hu + between(80, 450) * torch.sigmoid(3 * smooth_field(hu.shape)), hu)
    solid = torch.zeros_like(lung)
    if chance(_CONSOLIDATION):
        solid |= lung & (smooth_field(hu.shape) > between(0.4, 1.5))
    if chance(_EFFUSION):
        solid |= _effusion(labels)
    if chance(_TUMOUR):
        solid |= _tumour(lung)
    return torch.where(solid, between(-30, 70) + 20 * torch.randn_like(hu), hu)


def with_gas(hu: Tensor, labels: Tensor) -> Tensor:
    """Put bubbles of gas into the soft tissue, like bowel and stomach: they are no lung."""
    if not chance(_GAS):
        return hu
    tissue = (hu > -300) & (labels == 0)
    for _ in range(int(torch.randint(1, 4, ()))):
        bubble = _blob_at(tissue, between(3, 40)) & tissue
        hu = torch.where(bubble, between(-1010, -900) + 15 * torch.randn_like(hu), hu)
    return hu


def _effusion(labels: Tensor) -> Tensor:
    """Mark the back part of one lung: fluid gathers there while the patient lies; rows grow to the back."""
    side = labels == int(torch.randint(1, 3, ()))
    rows = side.any(dim=1).nonzero()
    if not len(rows):
        return side
    top, bottom = float(rows[0]), float(rows[-1])
    level = bottom - between(0.03, 0.6) * (bottom - top)
    depth = torch.arange(labels.shape[0])[:, None] + 5 * smooth_field(labels.shape)
    return side & (depth > level)


def _tumour(lung: Tensor) -> Tensor:
    """Mark a lump on the border of the lung."""
    inner = -functional.max_pool2d(-lung[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0
    return _blob_at(lung & ~inner, between(3, 30)) & lung


def _blob_at(where: Tensor, radius_px: float) -> Tensor:
    """Mark a warped disc around a random pixel of ``where``; nothing when that is empty."""
    places = where.nonzero()
    if not len(places):
        return torch.zeros_like(where)
    j, i = places[int(torch.randint(len(places), ()))].tolist()
    rows, columns = torch.arange(where.shape[0])[:, None] - j, torch.arange(where.shape[1])[None] - i
    away = torch.hypot(rows.float(), columns.float() * between(0.6, 1.6))
    return away < radius_px * (1 + 0.25 * smooth_field(where.shape))
