"""The scene in which lungs are looked for: smoothed HU on a working grid, what is inside the body, and sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask, Spacing, regions_of
from models.resampling import block_mean
from models.volume import Volume

LUNG_BELOW_HU = -600.0
SOFT_TISSUE_HU = -500.0  # the body without its lungs; only its extent is used
SMOOTHING_MM = 1.0  # standard deviation of the Gaussian in each slice


@dataclass(frozen=True, eq=False)
class Scene:
    """The volume on the working grid: smoothed HU, what outside air cannot reach, and patient directions."""

    smooth_hu: npt.NDArray[np.float32]
    inside: Mask
    spacing: Spacing
    leftward_mm: npt.NDArray[np.float64]  # broadcastable to the grid: patient left of the body's midplane
    body_ji_mm: npt.NDArray[np.float64]  # (K, 2) middle of the body in each slice

    def crop(self, box: tuple[slice, slice, slice]) -> Scene:
        """Cut a box out."""
        side = tuple(part if size > 1 else slice(None) for part, size in zip(box, self.leftward_mm.shape, strict=True))
        corner = np.array([box[1].start, box[2].start]) * np.asarray(self.spacing[1:])
        middles = self.body_ji_mm[box[0]] - corner
        return Scene(self.smooth_hu[box], self.inside[box], self.spacing, self.leftward_mm[side], middles)

    def from_middle_mm(self, box: tuple[slice, slice, slice]) -> npt.NDArray[np.float64]:
        """Give the distance of every voxel of a box from the middle of the body in its slice."""
        j, i = (np.arange(part.start, part.stop) * step for part, step in zip(box[1:], self.spacing[1:], strict=True))
        middle = self.body_ji_mm[box[0]]
        return np.hypot((j - middle[:, :1])[:, :, None], (i - middle[:, 1:])[:, None, :])


def scene_of(volume: Volume, factors: tuple[int, int, int]) -> Scene:
    """Bring the volume to the working grid."""
    k, j, i = volume.spacing_kji_mm
    spacing = (k * factors[0], j * factors[1], i * factors[2])
    smooth = smoothed(block_mean(volume.hu, factors), spacing)
    inside = unreached_by_outside_air(smooth)
    leftward, body = _midline(smooth, inside, volume, spacing)
    return Scene(smooth, inside, spacing, leftward, body)


def smoothed(hu: npt.NDArray[np.float32], spacing: Spacing) -> npt.NDArray[np.float32]:
    """Smooth every slice by a Gaussian of ``SMOOTHING_MM``."""
    sigma = (0.0, SMOOTHING_MM / spacing[1], SMOOTHING_MM / spacing[2])
    return np.asarray(ndimage.gaussian_filter(hu, sigma, truncate=3.0))


def unreached_by_outside_air(smooth_hu: npt.NDArray[np.float32]) -> Mask:
    """Mark what is not air connected, in its own slice, with the image's border (padding is such air)."""
    regions = regions_of(smooth_hu < LUNG_BELOW_HU, in_slice=True)
    edges = (regions.labels[:, [0, -1], :].ravel(), regions.labels[:, :, [0, -1]].ravel())
    outside = np.zeros(len(regions.sizes), dtype=bool)
    outside[np.unique(np.concatenate(edges))] = True
    return ~regions.where(outside)


def _midline(
    smooth_hu: npt.NDArray[np.float32], inside: Mask, volume: Volume, spacing: Spacing
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Find the body's sagittal midplane and its middle in each slice.

    The image axis nearest to the patient's left is the one that counts sides; the sign comes
    from the affine.
    """
    body = inside & (smooth_hu > SOFT_TISSUE_HU)
    weights = [body.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float) for axis in range(3)]
    axis = int(np.abs(volume.directions[0]).argmax())
    position = np.arange(body.shape[axis]) * spacing[axis] * np.sign(volume.directions[0, axis])
    middle = np.average(position, weights=weights[axis]) if weights[axis].any() else position.mean()
    shape = [1, 1, 1]
    shape[axis] = body.shape[axis]
    return (position - middle).reshape(shape), _body_middles(body, spacing)


def _body_middles(body: Mask, spacing: Spacing) -> npt.NDArray[np.float64]:
    """Give the middle (j, i) in mm of the body's bounding box in each slice; the image's middle where it is empty."""
    middles = []
    for axis in (1, 2):
        hit = np.asarray(body.any(axis=3 - axis))
        size = hit.shape[1]
        first, last = hit.argmax(axis=1), size - 1 - hit[:, ::-1].argmax(axis=1)
        middles.append(np.where(hit.any(axis=1), (first + last) / 2, (size - 1) / 2) * spacing[axis])
    return np.stack(middles, axis=1)
