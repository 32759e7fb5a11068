"""Pictures of what a model got wrong: the truth and its answer drawn on the slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage.segmentation import find_boundaries

Picture = npt.NDArray[np.uint8]

TRUTH_RGB, SAID_RGB = (80, 220, 100), (255, 90, 60)
LUNG_WINDOW_HU = (-1200.0, 300.0)  # shows air, lung and wall


def grey_of(hu: npt.NDArray[np.number], window_hu: tuple[float, float] = LUNG_WINDOW_HU) -> Picture:
    """Show Hounsfield units of any shape as grey levels."""
    low, high = window_hu
    return np.asarray(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def outlined(grey: Picture, truth: npt.NDArray[np.integer], said: npt.NDArray[np.integer]) -> Picture:
    """Draw the borders of the labels of truth, then of the answer, on a slice (H, W); (H, W, 3)."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    for labels, colour in ((truth, TRUTH_RGB), (said, SAID_RGB)):
        picture[find_boundaries(labels, mode="inner")] = colour
    return picture


def ringed(
    grey: Picture, center_ji: tuple[float, float], radius_px: float, colour: tuple[int, int, int], side_px: int = 64
) -> Picture:
    """Cut a square of ``side_px`` around a place of a slice (H, W) and ring the place; (side_px, side_px, 3).

    Beyond the slice it is black.
    """
    j, i = (round(value) for value in center_ji)
    half = side_px // 2
    padded = np.pad(grey, half)
    cut = Image.fromarray(padded[j : j + side_px, i : i + side_px]).convert("RGB")
    reach = max(radius_px, 1.0) + 3.0  # the ring must not hide what it shows
    ImageDraw.Draw(cut).ellipse((half - reach, half - reach, half + reach, half + reach), outline=colour)
    return np.asarray(cut)


def least_first(values: Sequence[float], count: int) -> list[int]:
    """Give the indices of the smallest values, ties in their order."""
    return [int(n) for n in np.argsort(np.asarray(values), kind="stable")[:count]]
