"""Places in a lung where a nodule may lie: free in it, at a vessel, at the pleura; never on another nodule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.resampling import block_factors, block_mean
from models.volume import Volume
from training.phantom_nodules import Setting

_STEP_MM = 2.4  # of the coarse grid on which places are looked for
_DENSE_HU = -600.0  # mean of a coarse voxel above which it holds a vessel; lung lies near -860
_AERATED_HU = -500.0  # mean of a coarse voxel in which a nodule may have its centre; at the pleura it holds some wall
_WALL_MM = 3.0  # dense voxels nearer to the pleura are wall and no vessel
_CLEAR_MM = 2.0  # lung between a nodule that lies free and the pleura
_FREE_SHARE = 0.6  # a free nodule's centre keeps this share of its radius from vessels: some cross any large one
_PLEURAL_DEPTH = (0.4, 0.8)  # depth of a juxtapleural centre over the radius
_VASCULAR_GAP = (0.4, 1.0)  # from a vessel's surface to the centre of a nodule that touches it, over the radius


class Ball(NamedTuple):
    """A place that is taken: centre in voxel indices (k, j, i), radius in mm."""

    center_kji: npt.NDArray[np.float64]
    radius_mm: float

    def swollen(self, by_mm: float) -> Ball:
        """Give the same ball with another radius."""
        return self._replace(radius_mm=self.radius_mm + by_mm)


@dataclass(frozen=True, eq=False)
class Places:
    """Voxels of a coarse grid within the aerated lungs.

    Parameters
    ----------
    index_kji
        (N, 3) float64, centres in indices of the volume.
    depth_mm
        (N,) distance to the edge of the lung.
    vessel_mm
        (N,) distance to the nearest dense structure, 0 within it.
    spacing_kji_mm
        Voxel spacing of the volume.
    """

    index_kji: npt.NDArray[np.float64]
    depth_mm: npt.NDArray[np.float64]
    vessel_mm: npt.NDArray[np.float64]
    spacing_kji_mm: tuple[float, float, float]

    def draw(
        self, setting: Setting, radius_mm: float, taken: Sequence[Ball], rng: np.random.Generator
    ) -> npt.NDArray[np.float64] | None:
        """Draw the centre (3,) k, j, i of a nodule; None if no place suits."""
        suits = self._suits(setting, radius_mm)
        for ball in taken:
            away = (self.index_kji[suits] - ball.center_kji) * self.spacing_kji_mm
            suits = suits[np.linalg.norm(away, axis=1) > ball.radius_mm + radius_mm]
        if not len(suits):
            return None
        jitter = rng.uniform(-0.5, 0.5, 3)
        return np.asarray(self.index_kji[rng.choice(suits)] + jitter)

    def _suits(self, setting: Setting, radius_mm: float) -> npt.NDArray[np.int64]:
        """Positions of the places that fit one setting."""
        if setting is Setting.JUXTAPLEURAL:
            low, high = (share * radius_mm for share in _PLEURAL_DEPTH)
            return np.flatnonzero((self.depth_mm >= low) & (self.depth_mm <= high + _STEP_MM / 2))
        inside = self.depth_mm >= radius_mm + _CLEAR_MM
        if setting is Setting.ISOLATED:
            return np.flatnonzero(inside & (self.vessel_mm > _FREE_SHARE * radius_mm))
        low, high = (share * radius_mm for share in _VASCULAR_GAP)
        return np.flatnonzero(inside & (self.vessel_mm >= max(low, _STEP_MM / 2)) & (self.vessel_mm <= high + _STEP_MM))


def lung_places(volume: Volume, lung_labels: npt.NDArray[np.uint8]) -> Places:
    """Look over the lungs of a volume on a coarse grid."""
    factors = block_factors(volume.spacing_kji_mm, _STEP_MM)
    step_mm = [factor * spacing for factor, spacing in zip(factors, volume.spacing_kji_mm, strict=True)]
    lung = block_mean((lung_labels > 0).astype(np.int16), factors) > 0.5
    # To the centre of the nearest voxel outside, which lies half a step beyond the edge.
    depth = ndimage.distance_transform_edt(np.pad(lung, 1), sampling=step_mm)[1:-1, 1:-1, 1:-1] - min(step_mm) / 2
    mean_hu = block_mean(volume.hu, factors)
    vessels = lung & (mean_hu > _DENSE_HU) & (depth > _WALL_MM)
    vessel_mm = ndimage.distance_transform_edt(~vessels, sampling=step_mm)
    # Only aerated lung: in the half-filled slices of the diaphragm a nodule would not be seen.
    aerated = lung & (mean_hu < _AERATED_HU)
    index = np.argwhere(aerated) * np.asarray(factors) + (np.asarray(factors) - 1) / 2
    return Places(index, depth[aerated], vessel_mm[aerated], volume.spacing_kji_mm)
