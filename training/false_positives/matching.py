"""Which crops show the same place: in one scan, or in one another. The crops of LUNA16 name no scan and no patient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.false_positives import CROP_PX, WINDOW_HU

Bools = npt.NDArray[np.bool_]
# Crops of one place agree to 0.999 and better (JPEG), the most alike of different places to 0.98.
SAME_PLACE = 0.995
_BLOCK_PX = 10  # a place is looked up by the means of 5 x 5 blocks
_ALIKE_GREY, _ALIKE_SHAPE = 3.0, 0.999  # most root mean square difference of these means, least correlation
_PLACES = 1 << 13  # looked up at once
_CORE_PX = 34  # of the middle of a crop, which is sought in another crop; an even margin is left
_MAYBE_SAME = 0.93  # correlation at half the resolution from which on the full one is looked at
_CHUNK = 256


def cut_from(hu: npt.NDArray[np.int16], places: Bools, images: npt.NDArray[np.uint8]) -> Bools:
    """Tell which crops were cut out of a scan.

    Parameters
    ----------
    hu
        (K, J, I), the scan's own pixels, rows and columns as the crops have them.
    places
        (K, J, I): where the middle of a crop may lie.
    images
        (N, 50, 50) crops, ``WINDOW_HU`` as 0 to 255.

    Returns
    -------
    (N,)
    """
    crops = torch.from_numpy(images).float()
    means = functional.avg_pool2d(crops, _BLOCK_PX).flatten(1)
    found = torch.zeros(len(crops), dtype=torch.bool)
    for plane, allowed in zip(hu, places, strict=True):
        if allowed.any():
            grey = _windowed(torch.from_numpy(plane))
            for crop, row, column in _alike(grey, torch.from_numpy(allowed), means):
                if not found[crop]:
                    here = grey[row : row + CROP_PX, column : column + CROP_PX]
                    found[crop] = bool(_best_agreement(crops[crop][None], here[None]) >= SAME_PLACE)
    return np.asarray(found.numpy())


def repeated(images: npt.NDArray[np.uint8], among: npt.NDArray[np.uint8]) -> Bools:
    """Tell which crops (N, 50, 50) show a place that one of ``among`` (M, 50, 50) shows too, up to 8 pixels apart."""
    first, second = (torch.from_numpy(part).float() for part in (images, among))
    coarse = _best_agreement(_halved(_core(first)), _halved(second))
    result = np.zeros(len(images), dtype=np.bool_)
    for n, row in enumerate(coarse):
        candidates = second[row >= _MAYBE_SAME]
        if len(candidates):
            result[n] = bool((_best_agreement(_core(first[n : n + 1]), candidates) >= SAME_PLACE).any())
    return result


def _windowed(hu: torch.Tensor) -> torch.Tensor:
    """Bring (J, I) HU to the grey of the crops, with a margin of air in which a crop may hang over."""
    low, high = WINDOW_HU
    grey = ((hu.float() - low) / (high - low)).clamp(0, 1) * 255
    return functional.pad(grey, [CROP_PX // 2] * 4)


def _alike(grey: torch.Tensor, allowed: torch.Tensor, means: torch.Tensor) -> Iterator[tuple[int, int, int]]:
    """Give crop, row and column (of its corner in ``grey``) wherever the means of blocks are alike."""
    pooled = functional.avg_pool2d(grey[None], _BLOCK_PX, stride=1)[0]
    rows, columns = allowed.nonzero(as_tuple=True)
    offsets = torch.arange(0, CROP_PX, _BLOCK_PX)
    at = pooled[rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets].flatten(1)
    shapes = _normal(means, dim=1)
    for start in range(0, len(at), _PLACES):
        part = slice(start, start + _PLACES)
        near = _normal(at[part], dim=1) @ shapes.T > _ALIKE_SHAPE
        for place, crop in near.nonzero().tolist():
            if (at[part][place] - means[crop]).square().mean() < _ALIKE_GREY**2:
                yield crop, int(rows[part][place]), int(columns[part][place])


def _best_agreement(templates: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Give the highest correlation (N, M) of templates (N, s, s) with any part of images (M, j, i)."""
    side = templates.shape[-1]
    sought = _normal(templates.flatten(1), dim=1)
    best = [
        torch.einsum("np,mps->nms", sought, _normal(functional.unfold(part[:, None], side), dim=1)).amax(dim=2)
        for part in torch.split(images, _CHUNK)
    ]
    return torch.cat(best, dim=1)


def _normal(values: torch.Tensor, dim: int) -> torch.Tensor:
    centred = values - values.mean(dim=dim, keepdim=True)
    return functional.normalize(centred, dim=dim, eps=1e-3)


def _core(crops: torch.Tensor) -> torch.Tensor:
    margin = (CROP_PX - _CORE_PX) // 2
    return crops[:, margin:-margin, margin:-margin]


def _halved(crops: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(crops, 2)
