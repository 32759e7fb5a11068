"""The image that grt123 sees: 1 mm voxels, 8 bits, everything but the lungs painted over.

Steps and numbers are those of lfz/DSB2017 (Liao 2019, doi:10.1109/TNNLS.2019.2892409). One thing differs: its masks of
the two lungs come from thresholds of its own, ours are the lungs that the node has segmented. They too hold vessels and
nodules, so the hull that is laid around them differs little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.morphology import convex_hull_image

from models.components import Mask, box_of
from models.findings import LungLabel, Lungs
from models.published.orientation import SPL, Oriented, oriented, sampled_at
from models.volume import Volume

VOXEL_MM = 1.0
HU_RANGE = (-1200.0, 600.0)
OUTSIDE = 170  # grey value of what is no lung: that of water and soft tissue in this window
BONE_ABOVE = 210  # grey value; in the rim around the lungs what is brighter is painted over as well
RIM_STEPS = 10  # voxels of the scan, not mm, along any axis: iterations of a six-neighbour dilation
LARGEST_HULL = 2.0  # times the slice's own area; a hull larger than that is not used
MARGIN = (5, 10)  # mm kept below and above the lungs' box
_SLICES = 64  # grown at once


@dataclass(frozen=True, eq=False)
class LungImage:
    """What the networks are given, and where it lies.

    Parameters
    ----------
    grey
        (Z, Y, X) uint8, voxels of 1 mm, axes towards superior, posterior, left.
    origin
        First voxel, counted from the volume's first voxel along these axes.
    step
        Voxels of the volume per voxel of this image, along these axes.
    source
        The volume along these axes.
    """

    grey: npt.NDArray[np.uint8]
    origin: npt.NDArray[np.int64]
    step: npt.NDArray[np.float64]
    source: Oriented

    def to_volume(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map points (N, 3) z, y, x of this image to voxel indices (N, 3) k, j, i of the volume."""
        return self.source.to_volume((np.asarray(points, dtype=np.float64) + self.origin) * self.step)

    def from_volume(self, indices_kji: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map voxel indices (N, 3) k, j, i of the volume to points (N, 3) z, y, x of this image."""
        return self.source.from_volume(indices_kji) / self.step - self.origin


def lung_image(volume: Volume, lungs: Lungs) -> LungImage:
    """Cut out the lungs, paint over what is none, and bring them to 1 mm.

    Raises
    ------
    ValueError
        There are no lungs.
    """
    source = oriented(volume, SPL)
    spacing, shape = np.asarray(source.spacing_mm), np.asarray(source.shape)
    full = np.round(shape * spacing / VOXEL_MM).astype(int).clip(min=1)
    step = (shape - 1) / np.maximum(full - 1, 1)  # corner voxel on corner voxel, as in scipy's zoom
    labels = source.view(lungs.labels)
    low, high = _box_mm(labels > 0, spacing, full)
    first = np.floor(low * step).astype(int)
    last = np.minimum(np.ceil((high - 1) * step).astype(int) + 1, shape)
    box = (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))
    painted = _painted(source.view(volume.hu)[box], labels[box])
    z, y, x = (
        torch.arange(a, b, dtype=torch.float64) * s - f for a, b, s, f in zip(low, high, step, first, strict=True)
    )
    fine = sampled_at(painted, (z, y, x), torch.device("cpu"))
    grey = (fine + 0.5).to(torch.uint8).numpy()  # rounded half up, as scipy rounds integers
    return LungImage(grey, low, step, source)


def grey_of(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Map HU of any shape to 0..255, cut off, not rounded."""
    low, high = HU_RANGE
    share = (np.arange(-32768, 32768) - low) / (high - low)
    table = (share.clip(0, 1) * 255).astype(np.uint8)
    return np.asarray(table[hu.astype(np.int32) + 32768])


def rim_and_lungs(labels: npt.NDArray[np.generic]) -> Mask:
    """Lay a hull around each lung, slice by slice, and grow both.

    Parameters
    ----------
    labels
        (Z, Y, X), values of ``LungLabel``; Z runs along the body.

    Returns
    -------
    (Z, Y, X) bool.
    """
    hulls = np.zeros(labels.shape, dtype=bool)
    for label in (LungLabel.RIGHT, LungLabel.LEFT):
        for z, lung in enumerate(labels == label):
            if lung.any():
                hulls[z] |= _hull(lung)
    return _grown(hulls)


def _grown(mask: Mask) -> Mask:
    """Grow a mask by ``RIM_STEPS`` six-neighbour steps, some slices at a time so that memory stays flat."""
    grown = np.zeros_like(mask)
    for start in range(0, len(mask), _SLICES):
        first = max(0, start - RIM_STEPS)
        part = mask[first : start + _SLICES + RIM_STEPS]
        if part.any():
            near = ndimage.distance_transform_cdt(~part, metric="taxicab") <= RIM_STEPS
            grown[start : start + _SLICES] = near[start - first : start - first + _SLICES]
    return grown


def _hull(lung: Mask) -> Mask:
    """Give the convex hull of one slice of a lung (Y, X), or the lung itself where its hull is too large."""
    rows, columns = np.flatnonzero(lung.any(axis=1)), np.flatnonzero(lung.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    hull = lung.copy()
    hull[box] = convex_hull_image(lung[box])
    return lung if hull.sum() > LARGEST_HULL * lung.sum() else hull


def _painted(hu: npt.NDArray[np.generic], labels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Map to grey and paint over what lies outside the rim, and bone inside it."""
    grey = grey_of(hu.astype(np.int16, copy=False))
    kept = rim_and_lungs(labels)
    grey[~kept | ((labels == 0) & (grey > BONE_ABOVE))] = OUTSIDE
    return grey


def _box_mm(
    lungs: Mask, spacing: npt.NDArray[np.float64], full: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the first voxel of the lungs' box on the 1 mm grid, and the first beyond it, with margins."""
    box = box_of(lungs, (0, 0, 0))
    low = np.floor([side.start * step / VOXEL_MM for side, step in zip(box, spacing, strict=True)]).astype(int)
    high = np.floor([(side.stop - 1) * step / VOXEL_MM for side, step in zip(box, spacing, strict=True)]).astype(int)
    return np.maximum(low - MARGIN[0], 0), np.minimum(high + MARGIN[1], full)
