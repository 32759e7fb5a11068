"""Three slices become one picture: what an image network of three colours looks at in system 000.

Each slice is windowed, histogram-equalised and shrunk; three consecutive slices are the red, green and blue of one
picture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.published.imagenet import MEAN, STANDARD_DEVIATION
from models.volume import Volume

SLICES = 3
SIDE_PX = 224
WINDOW_HU = (-1000.0, 1000.0)  # black and white of system 000: air to twice the density of water
_GREYS = 256


def triplets_of(volume: Volume) -> torch.Tensor:
    """Give the pictures of a volume, from feet to head whatever the order of its slices.

    Returns
    -------
    (G, 3, 224, 224) uint8.

    Raises
    ------
    ValueError
        The volume has fewer than three slices.
    """
    upwards = volume.hu if volume.directions[2, 0] >= 0 else volume.hu[::-1]
    return slice_triplets(upwards)


def slice_triplets(hu: npt.NDArray[np.int16]) -> torch.Tensor:
    """Give the pictures of slices (K, J, I) in HU, feet first; one or two left over at the end are dropped.

    Returns
    -------
    (K // 3, 3, 224, 224) uint8.

    Raises
    ------
    ValueError
        There are fewer than three slices.
    """
    count = len(hu) // SLICES
    if not count:
        raise ValueError(f"three slices make a picture, found {len(hu)}")
    slices = [_shrunk(equalised(windowed(plane))) for plane in hu[: count * SLICES]]
    return torch.stack(slices).reshape(count, SLICES, SIDE_PX, SIDE_PX)


def windowed(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Map ``WINDOW_HU`` to 0..255 and cut what is beyond."""
    low, high = WINDOW_HU
    share = (hu.astype(np.float32) - low) / (high - low)
    return np.asarray(np.clip(share * (_GREYS - 1), 0, _GREYS - 1), dtype=np.uint8)


def equalised(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Spread the greys of an image so that their cumulative histogram rises evenly; a constant image stays as it is.

    References
    ----------
    Gonzalez and Woods, Digital Image Processing, histogram equalisation; the darkest grey becomes 0.
    """
    total = np.cumsum(np.bincount(grey.ravel(), minlength=_GREYS))
    darkest = total[total > 0][0]
    if darkest == grey.size:
        return grey
    table = np.rint((total - darkest) / (grey.size - darkest) * (_GREYS - 1))
    return np.asarray(np.clip(table, 0, _GREYS - 1).astype(np.uint8)[grey])


def network_input(triplets: torch.Tensor) -> torch.Tensor:
    """Bring pictures (G, 3, 224, 224) uint8 to float as networks trained on ImageNet want them."""
    mean, deviation = (
        torch.tensor(values, device=triplets.device)[:, None, None] for values in (MEAN, STANDARD_DEVIATION)
    )
    return (triplets.float() / (_GREYS - 1) - mean) / deviation


def _shrunk(grey: npt.NDArray[np.uint8]) -> torch.Tensor:
    image = torch.from_numpy(grey)[None, None].float()
    small = functional.interpolate(image, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True, align_corners=False)
    return small[0, 0].round().clamp(0, _GREYS - 1).to(torch.uint8)
