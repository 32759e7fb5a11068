"""What a generated chest lacks, put into its slices: other shapes, other scanners, other diseases.

All on slices as the network sees them: HU (N, H, W) float32, labels (N, H, W) int64. Randomness is torch's own, which
the training loop seeds. Shares and ranges are a choice, wide on purpose (domain randomisation), not measured.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.findings import LungLabel
from models.lung_slices import HIGHEST_HU, LOWEST_HU
from training.lungs.lesions import between, chance, smooth_field, with_gas, with_lesions

_ROTATION_RAD, _SHEAR = 0.3, 0.12
_SCALE = (0.8, 1.2)
_SHIFT, _BEND = 0.08, 0.05  # as shares of half the image
_NOISE_HU, _BLUR_PX = 90.0, (0.4, 1.6)
_MIRROR, _ROUND_FIELD, _BESIDE = 0.5, 0.15, 0.3  # shares of the slices


def augmented(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Change a batch at random; consolidated, effused and invaded lung keeps its label.

    Returns
    -------
    HU (N, H, W) float32 within -1024..600, labels (N, H, W) int64.
    """
    pairs = [_diseased(section, label) for section, label in zip(hu, labels, strict=True)]
    hu, labels = _warped(torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs]))
    hu, labels = _mirrored(hu, labels)
    scanned = [_scanned(section, label) for section, label in zip(hu, labels, strict=True)]
    hu, labels = torch.stack([s[0] for s in scanned]), torch.stack([s[1] for s in scanned])
    return hu.clamp(LOWEST_HU, HIGHEST_HU), labels


def _diseased(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Another density of lung and blood, lesions, gas in the belly; (H, W) each."""
    hu = hu.clone()
    lung = labels > 0
    if chance(0.8):
        hu[lung] = -1000 + (hu[lung] + 1000) * between(0.45, 1.7)
    if chance(0.35):  # contrast medium: part of the soft tissue brightens
        share = torch.sigmoid(3 * smooth_field(hu.shape))
        vessel = (hu > 15) & (hu < 110) & ~lung
        hu = torch.where(vessel, hu + between(40, 260) * share, hu)
    hu = with_lesions(hu, labels)
    return with_gas(hu, labels), labels


def _warped(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Turn, scale, shear, shift and bend every slice; air comes in from outside."""
    grid = functional.affine_grid(_matrices(len(hu)), [len(hu), 1, *hu.shape[1:]], align_corners=False)
    bend = torch.randn(len(hu), 2, 5, 5) * _BEND * torch.rand(len(hu), 1, 1, 1)
    grid = grid + functional.interpolate(bend, hu.shape[1:], mode="bicubic").permute(0, 2, 3, 1)
    above = functional.grid_sample((hu - LOWEST_HU)[:, None], grid, mode="bilinear", align_corners=False)
    moved = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return above[:, 0] + LOWEST_HU, moved[:, 0].long()


def _matrices(count: int) -> Tensor:
    """Draw (N, 2, 3) maps from the new image to the old."""

    def drawn(reach: float) -> Tensor:
        return (2 * torch.rand(count) - 1) * reach

    angle, shear = drawn(_ROTATION_RAD), drawn(_SHEAR)
    size = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * torch.rand(count, 2)
    cosine, sine = angle.cos() / size[:, 0], angle.sin() / size[:, 1]
    row_x = torch.stack([cosine, shear - sine, drawn(_SHIFT)], dim=1)
    row_y = torch.stack([angle.sin() / size[:, 0], angle.cos() / size[:, 1], drawn(_SHIFT)], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def _mirrored(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror some: which lung is right is told by its place, not by the heart."""
    chosen = (torch.rand(len(hu)) < _MIRROR)[:, None, None]
    exchanged = torch.tensor([LungLabel.BACKGROUND, LungLabel.LEFT, LungLabel.RIGHT])[labels.flip(2)]
    return torch.where(chosen, hu.flip(2), hu), torch.where(chosen, exchanged, labels)


def _scanned(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Another kernel, dose, calibration and field of view; arms and table beside the body."""
    if chance(_BESIDE):
        hu = _with_something_beside(hu, labels)
    if chance(0.5):
        soft = _blurred(hu, between(*_BLUR_PX))
        hu = soft if chance(0.6) else hu + between(0.2, 1.5) * (hu - soft)
    noise = torch.randn_like(hu)
    if chance(0.5):
        noise = _blurred(noise, 0.8) * 2.5
    hu = hu + noise * _NOISE_HU * between(0, 1) ** 2
    hu = hu * between(0.97, 1.03) + between(-30, 30)
    return _round_field(hu, labels) if chance(_ROUND_FIELD) else (hu, labels)


def _with_something_beside(hu: Tensor, labels: Tensor) -> Tensor:
    """Put an ellipse of flesh on the air near a border of the image."""
    rows, columns = _axes(hu)
    at = between(-0.9, 0.9)
    y, x = (at, 1.0 if chance(0.5) else -1.0) if chance(0.6) else (1.0, at)
    ellipse = ((rows - y) / between(0.04, 0.3)) ** 2 + ((columns - x) / between(0.04, 0.3)) ** 2 < 1
    return torch.where(ellipse & (hu < -800) & (labels == 0), torch.full_like(hu, between(-100, 80)), hu)


def _round_field(hu: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pad outside a circle, as a scanner's round field of view does."""
    rows, columns = _axes(hu)
    outside = (rows - between(-0.1, 0.1)) ** 2 + (columns - between(-0.1, 0.1)) ** 2 > between(0.85, 1.3) ** 2
    return torch.where(outside, torch.full_like(hu, LOWEST_HU), hu), torch.where(outside, 0, labels)


def _axes(hu: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (H, 1) and columns (1, W) from -1 to 1."""
    return torch.linspace(-1, 1, hu.shape[0])[:, None], torch.linspace(-1, 1, hu.shape[1])[None]


def _blurred(image: Tensor, sigma_px: float) -> Tensor:
    """Smooth (H, W) by a Gaussian, row by row and column by column."""
    reach = max(1, round(2.5 * sigma_px))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma_px**2))
    kernel = (kernel / kernel.sum())[None, None]
    padded = functional.pad(image[None, None], (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel[..., None, :]), kernel[..., None])[0, 0]
