"""The nouns of a phantom: what was planted, and the volume it was planted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.findings import Attenuation, Side
from models.volume import Volume


@dataclass(frozen=True)
class PlantedNodule:
    """One nodule of known place, size and type.

    Parameters
    ----------
    center_lps_mm
        Centre of mass in LPS millimetres.
    diameter_mm
        Of the sphere of equal volume.
    volume_mm3
        True volume, from the shape itself and not from voxels.
    mean_hu
        Mean of the nodule's own HU, without noise and partial volume.
    """

    center_lps_mm: tuple[float, float, float]
    diameter_mm: float
    volume_mm3: float
    attenuation: Attenuation
    mean_hu: float
    side: Side


@dataclass(frozen=True, eq=False)
class Phantom:
    """A volume of which everything is known.

    Parameters
    ----------
    lung_labels
        (K, J, I) uint8 on the volume's grid; values of ``LungLabel``. Vessels and nodules inside
        the lung belong to it, the airways outside the lung do not.
    """

    volume: Volume
    lung_labels: npt.NDArray[np.uint8]
    nodules: tuple[PlantedNodule, ...]
