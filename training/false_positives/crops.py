"""The candidate crops: read, checked and augmented."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.false_positives import CROP_PX
from training.errors import TrainingError
from training.false_positives.judges import of_judges

Array = npt.NDArray[np.uint8]
SPLITS = ("train", "validation", "test")  # 0, 1, 2 in the file
_ROTATION, _LOG_SCALE, _SHIFT = math.radians(15), 0.2, 0.12  # most turn; most ln(zoom); most shift, in half crops
_BRIGHTNESS, _CONTRAST, _NOISE = 0.04, 0.15, 0.02  # of the window


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of one split.

    Parameters
    ----------
    images
        (N, 50, 50) uint8, -1000 to 400 HU.
    labels
        (N,) float32, 1 for a nodule.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def read_crops(path: Path) -> dict[str, Crops]:
    """Read an .npz of ``images`` (N, 50, 50) uint8, ``is_nodule`` (N,) and ``split`` (N,) as in ``SPLITS``.

    Crops of the scans that judge the node are left out of every split, see ``judges``.

    Raises
    ------
    TrainingError
        The file is missing, damaged or of another layout, or a split lacks nodules or other crops.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels, split = (np.asarray(file[name]) for name in ("images", "is_nodule", "split"))
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; name the .npz of candidate crops") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainingError(f"{path}: not an .npz of images, is_nodule and split ({error}); copy it again") from None
    if images.dtype != np.uint8 or images.shape != (len(labels), CROP_PX, CROP_PX) or split.shape != labels.shape:
        raise TrainingError(f"{path}: images must be uint8 (N, {CROP_PX}, {CROP_PX}) with one label and split each")
    learnt_from = ~of_judges(images)
    crops = {name: _of_split(images, labels, learnt_from & (split == number)) for number, name in enumerate(SPLITS)}
    _refuse_empty_classes(crops, path)
    return crops


def augmented(images: torch.Tensor) -> torch.Tensor:
    """Turn, mirror, zoom, shift, brighten and roughen crops at random; randomness is torch's.

    Parameters
    ----------
    images
        (N, 50, 50) uint8.

    Returns
    -------
    (N, 1, 50, 50) float32, grey 0 to 1.
    """
    grey = images.float()[:, None] / 255
    grid = functional.affine_grid(_random_affine(len(images)), list(grey.shape), align_corners=False)
    turned = functional.grid_sample(grey, grid, padding_mode="reflection", align_corners=False)
    contrast = 1 + _CONTRAST * _spread(len(images))
    brighter = turned * contrast + _BRIGHTNESS * _spread(len(images))
    noise = torch.randn_like(brighter) * _NOISE * torch.rand(len(images), 1, 1, 1)
    return (brighter + noise).clamp(0, 1)


def _random_affine(count: int) -> torch.Tensor:
    """Give (count, 2, 3) maps: quarter turns and mirrors, a small turn, zoom and shift."""
    quarter = torch.randint(4, (count,)) * (math.pi / 2)
    angle = quarter + _ROTATION * _spread(count).flatten()
    mirror = torch.randint(2, (count,)) * 2.0 - 1
    zoom = torch.exp(_LOG_SCALE * _spread(count).flatten())
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = _SHIFT * (2 * torch.rand(count, 2) - 1)
    first = torch.stack((cos * mirror, -sin, shift[:, 0]), dim=1)
    second = torch.stack((sin * mirror, cos, shift[:, 1]), dim=1)
    return torch.stack((first, second), dim=1)


def _spread(count: int) -> torch.Tensor:
    """Draw (count, 1, 1, 1) evenly from -1 to 1."""
    return 2 * torch.rand(count, 1, 1, 1) - 1


def _of_split(images: Array, labels: Array, chosen: npt.NDArray[np.bool_]) -> Crops:
    return Crops(torch.from_numpy(images[chosen]), torch.from_numpy(labels[chosen].astype(np.float32)))


def _refuse_empty_classes(crops: dict[str, Crops], path: Path) -> None:
    for name, part in crops.items():
        nodules = int(part.labels.sum())
        if not 0 < nodules < len(part):
            raise TrainingError(
                f"{path}: the {name} split has {nodules} nodules and {len(part) - nodules} others; both are needed"
            )
