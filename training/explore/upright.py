"""A volume brought upright on cubic voxels, whatever way it was scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from models.body import unreached_by_outside_air
from models.resampling import isotropic_grid, sampled
from models.volume import Volume

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LUNG_BELOW_HU = -400.0
_SMALLEST_LUNG_ML = 100.0
_INNER_MM = 4.0  # the lung's own border voxels, and skin folds, are not looked at


@dataclass(frozen=True, eq=False)
class Upright:
    """HU (Z, Y, X): from head to feet, front to back, patient's right to left; cubic voxels of ``step_mm``."""

    hu: Floats
    step_mm: float


def upright(volume: Volume, step_mm: float) -> Upright:
    """Resample and turn a volume; axes that are oblique stay so, and go to the nearest one of the patient."""
    grid = isotropic_grid(
        volume, (slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(0, volume.shape[2])), step_mm
    )
    hu = sampled(volume.hu, grid, torch.device("cpu")).numpy()
    axis_of = np.abs(volume.directions).argmax(axis=1)  # which array axis runs along patient x, y, z
    turned = np.transpose(hu, (axis_of[2], axis_of[1], axis_of[0]))
    x, y, z = (volume.directions[row, axis_of[row]] for row in range(3))
    flips = tuple(axis for axis, wrong in enumerate((z > 0, y < 0, x < 0)) if wrong)  # LPS: z towards the head
    return Upright(np.ascontiguousarray(np.flip(turned, flips)), step_mm)


def body_of(scene: Upright) -> Mask:
    """Mark the patient: the largest thing that air from outside does not reach, without table and clothes."""
    inside = unreached_by_outside_air(scene.hu)
    steps = max(1, round(_INNER_MM / scene.step_mm))
    return np.asarray(
        ndimage.binary_dilation(_largest(ndimage.binary_erosion(inside, iterations=steps)), iterations=steps)
    )


def lungs_of(scene: Upright, body: Mask) -> Mask:
    """Mark air within the body, in pieces large enough to be lung; windpipe and large bronchi come along."""
    labels, count = ndimage.label(body & (scene.hu < _LUNG_BELOW_HU))
    if not count:
        return np.zeros(scene.hu.shape, dtype=bool)
    volumes_ml = np.bincount(labels.ravel()) * scene.step_mm**3 / 1000
    kept = volumes_ml >= _SMALLEST_LUNG_ML
    kept[0] = False
    return np.asarray(kept[labels])


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())
