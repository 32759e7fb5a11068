"""Pictures of a CT: histogram of HU, slices side by side, the three planes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.volume import Volume
from training.explore.upright import Upright
from training.page import figure_png, new_figure

Pixels = npt.NDArray[np.uint8]
Window = tuple[float, float]

LUNG_WINDOW: Window = (-1350.0, 150.0)
SOFT_WINDOW: Window = (-160.0, 240.0)

# What is usually found where; water is 0 and air -1000 by definition of the scale.
TISSUES: tuple[tuple[str, float, float], ...] = (
    ("air", -1024, -950),
    ("lung", -950, -500),
    ("fat", -120, -60),
    ("water", -10, 20),
    ("soft tissue", 20, 80),
    ("bone", 200, 1500),
)
_ZOOM = 2  # of the planes, which are on coarser voxels than the slices
_LOWEST_HU, _HIGHEST_HU, _BIN_HU = -1100, 1600, 10
_COLOURS = ("#c8d6e5", "#8ecae6", "#ffe08a", "#3b82f6", "#f4a6a0", "#d9d2c5")


def windowed(hu: npt.NDArray[np.int16] | npt.NDArray[np.float32], window: Window) -> Pixels:
    """Map HU to grey: the window's lower edge black, its upper edge white."""
    low, high = window
    return np.asarray(np.clip((hu.astype(np.float32) - low) * (255 / (high - low)), 0, 255).astype(np.uint8))


def histogram_png(hu: npt.NDArray[np.int16]) -> bytes:
    """Draw how often each HU occurs, on a logarithmic axis, with the usual ranges of tissues behind."""
    edges = np.arange(_LOWEST_HU, _HIGHEST_HU + _BIN_HU, _BIN_HU)
    counts, _ = np.histogram(hu, edges)
    figure = new_figure(10.5, 3.6)
    axes = figure.subplots()
    for (name, low, high), colour in zip(TISSUES, _COLOURS, strict=True):
        axes.axvspan(low, high, color=colour, alpha=0.6, label=name, linewidth=0)
    axes.stairs(counts, edges, color="#1c2530")
    axes.set_yscale("log")
    axes.set(xlabel="HU", ylabel="voxels", xlim=(edges[0], edges[-1]))
    axes.legend(ncols=len(TISSUES), loc="upper center", fontsize=8, framealpha=0.9)
    return figure_png(figure)


def mosaic(volume: Volume, window: Window, columns: int = 6, rows: int = 4, side: int = 170) -> Pixels:
    """Put evenly spaced slices side by side in the order of their position; each shrunk to ``side`` pixels."""
    count = min(columns * rows, volume.shape[0])
    chosen = np.linspace(0, volume.shape[0] - 1, count).round().astype(int)
    rows = -(-count // columns)
    sheet = np.zeros((rows * side, columns * side), np.uint8)
    for place, k in enumerate(chosen):
        row, column = divmod(place, columns)
        tile = _shrunk(windowed(volume.hu[k], window), side)
        sheet[row * side : row * side + tile.shape[0], column * side : column * side + tile.shape[1]] = tile
    return sheet


def planes(scene: Upright, window: Window) -> Pixels:
    """Axial, coronal and sagittal plane through the middle, head up, patient's right on the left."""
    z, y, x = (size // 2 for size in scene.hu.shape)
    cuts = [windowed(cut, window) for cut in (scene.hu[z], scene.hu[:, y], scene.hu[:, :, x])]
    height = max(cut.shape[0] for cut in cuts)
    sheet = np.concatenate([np.pad(cut, ((0, height - cut.shape[0]), (0, 4))) for cut in cuts], axis=1)
    return np.asarray(ndimage.zoom(sheet, _ZOOM, order=1))


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    factor = side / max(pixels.shape)
    smooth = ndimage.uniform_filter(pixels, max(1, round(1 / factor))) if factor < 1 else pixels
    return np.asarray(ndimage.zoom(smooth, factor, order=1)[:side, :side])
