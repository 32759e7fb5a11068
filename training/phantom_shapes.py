"""Signed distances: negative inside, in mm, exact near the surface of the plain shapes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

_TINY = 1e-3  # keeps the distance finite at the centre of an ellipse


class Points(NamedTuple):
    """Places in LPS mm: x to the left, y to the back, z to the head; shapes broadcast together."""

    x: Tensor
    y: Tensor
    z: Tensor

    def at(self, x: float, y: float, z: float = 0.0) -> Points:
        """Move the origin."""
        return Points(self.x - x, self.y - y, self.z - z)


def curve(z: Tensor, knots: tuple[tuple[float, float], ...]) -> Tensor:
    """Interpolate monotonically between (z, value) knots, ascending in z; constant beyond the ends."""
    at, values = zip(*knots, strict=True)
    inside = np.clip(z.cpu().numpy(), at[0], at[-1])
    return torch.from_numpy(PchipInterpolator(at, values)(inside).astype(np.float32)).to(z.device)


def ellipse(p: Points, a: Tensor | float, b: Tensor | float, power: float = 2.0) -> Tensor:
    """Distance to the elliptic (power 2) or squarer (power above 2) cylinder of semi-axes a (x) and b (y)."""
    u, v = p.x / a, p.y / b
    slope = torch.sqrt((u / a) ** 2 + (v / b) ** 2)
    plain = torch.sqrt(u**2 + v**2)
    radius = plain if power == 2.0 else (u.abs() ** power + v.abs() ** power) ** (1 / power)
    return (radius - 1) * (plain + _TINY) / (slope + _TINY / b)


def disc(p: Points, radius: float) -> Tensor:
    """Distance to the round cylinder."""
    return torch.sqrt(p.x**2 + p.y**2) - radius


def ellipsoid(p: Points, a: float, b: float, c: float) -> Tensor:
    """Distance to the ellipsoid of semi-axes a (x), b (y) and c (z)."""
    radius = torch.sqrt((p.x / a) ** 2 + (p.y / b) ** 2 + (p.z / c) ** 2)
    slope = torch.sqrt((p.x / a**2) ** 2 + (p.y / b**2) ** 2 + (p.z / c**2) ** 2)
    return (radius - 1) * (radius + _TINY) / (slope + _TINY / min(a, b, c))


def box(p: Points, a: Tensor | float, b: Tensor | float, low_z: float, high_z: float, rounding: float) -> Tensor:
    """Distance to the box of half-widths a (x), b (y) between two heights, its edges rounded."""
    middle, half = (low_z + high_z) / 2, (high_z - low_z) / 2
    sides = [p.x.abs() - a + rounding, p.y.abs() - b + rounding, (p.z - middle).abs() - half + rounding]
    beyond = torch.sqrt(sides[0].clamp(min=0) ** 2 + sides[1].clamp(min=0) ** 2 + sides[2].clamp(min=0) ** 2)
    within = torch.maximum(torch.maximum(sides[0], sides[1]), sides[2]).clamp(max=0)
    return beyond + within - rounding


def join(a: Tensor, b: Tensor, blend_mm: float = 0.0) -> Tensor:
    """Unite two shapes; the seam is filleted over ``blend_mm``."""
    if blend_mm == 0.0:
        return torch.minimum(a, b)
    return torch.minimum(a, b) - (blend_mm - (a - b).abs()).clamp(min=0) ** 2 / (4 * blend_mm)


def common(a: Tensor, b: Tensor, blend_mm: float = 0.0) -> Tensor:
    """Intersect two shapes; the edge is rounded over ``blend_mm``."""
    return -join(-a, -b, blend_mm)
