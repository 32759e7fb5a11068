"""What the malignancy model looks at: three slices of 64 x 64 pixels through a nodule, with its mask.

The contract is that of the LIDC triplets that it is trained on: the axial slice of largest area and its neighbours,
centred on the nodule, 8 bit, about 8 HU per grey level from -1000 HU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

from models.findings import NoduleMeasurement
from models.volume import Volume

SIDE_PX = 64
# The triplets' own pixel is unknown; LIDC-IDRI spans 0.46 to 0.98 mm around this (Armato 2011,
# doi:10.1118/1.3528204). Scans are brought to it, so that the sizes learned in pixels hold.
PIXEL_MM = 0.7
_SAME_PIXEL = 0.02  # share by which a pixel may differ from ``PIXEL_MM`` and is still taken as it is
NEIGHBOUR_MM = 1.0  # thinner slices are skipped until the neighbour is at least so far, as in most of LIDC-IDRI
LOWEST_HU, HU_PER_GREY = -1000.0, 8.0
SOFT_TISSUE_HU = 900.0  # above the lung: the unit of ``relative``
_RELATIVE_RANGE = (-0.4, 1.6)
_APART_PX = 2  # what lies so near the nodule is not asked for the level of the lung

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Triplet:
    """Three neighbouring axial slices through one nodule.

    Parameters
    ----------
    grey
        (3, 64, 64) float32, 0 to 255: below, through and above the largest area; rows, columns.
    mask
        (3, 64, 64) bool; at least one pixel of the middle slice.
    """

    grey: Floats
    mask: Mask

    def __post_init__(self) -> None:
        shape = (3, SIDE_PX, SIDE_PX)
        if self.grey.shape != shape or self.mask.shape != shape or self.mask.dtype != np.bool_:
            raise ValueError(
                f"a triplet is grey and a bool mask of {shape}, found {self.grey.shape}, {self.mask.shape}"
            )
        if not self.mask[1].any():
            raise ValueError("the middle slice of a triplet holds a part of the nodule")


def triplet_of(volume: Volume, measurement: NoduleMeasurement) -> Triplet:
    """Cut the triplet of a measured nodule out of a volume.

    Pixels are brought to ``PIXEL_MM`` by linear interpolation unless they have that size; beyond the volume its
    last slice is repeated and its border is air.
    """
    middle = _largest_slice(measurement)
    apart = max(1, int(np.ceil(NEIGHBOUR_MM / volume.spacing_kji_mm[0] - 1e-6)))
    slices = [min(max(middle + step * apart, 0), volume.shape[0] - 1) for step in (-1, 0, 1)]
    rows, columns = _positions(measurement, middle, volume)
    grey = [_cut(volume.hu[k].astype(np.float32), rows, columns, LOWEST_HU) for k in slices]
    mask = np.stack([_cut(_mask_on(k, measurement, volume), rows, columns, 0.0) >= 0.5 for k in slices])
    mask[1, SIDE_PX // 2, SIDE_PX // 2] |= not mask[1].any()  # a nodule of one small pixel may fall between two
    return Triplet(stretched(np.stack(grey)), mask)


def stretched(hu: Floats) -> Floats:
    """Bring HU to whole grey levels 0 to 255, as the 8-bit triplets have them."""
    return np.asarray(np.clip(np.floor((hu - LOWEST_HU) / HU_PER_GREY), 0, 255), dtype=np.float32)


def relative(triplet: Triplet) -> Floats:
    """Measure grey from the aerated lung around the nodule: 0 is that lung, 1 is 900 HU denser.

    Breath-hold and emphysema shift the lung, and with it every partial volume at the nodule's edge.

    Returns
    -------
    (3, 64, 64) float32, -0.4 to 1.6.
    """
    above = (triplet.grey - lung_level(triplet.grey[1], triplet.mask[1])) * (HU_PER_GREY / SOFT_TISSUE_HU)
    return np.asarray(np.clip(above, *_RELATIVE_RANGE), dtype=np.float32)


def lung_level(grey: Floats, mask: Mask) -> float:
    """Give the grey of the aerated lung: the median of the darker class (Otsu) outside the nodule.

    Parameters
    ----------
    grey, mask
        (R, C) one slice.
    """
    around = grey[~ndimage.binary_dilation(mask, iterations=_APART_PX)]
    around = around if around.size else grey.ravel()
    if around.min() == around.max():
        return float(around.min())
    return float(np.median(around[around <= threshold_otsu(around)]))


def _largest_slice(measurement: NoduleMeasurement) -> int:
    """Give the volume's slice on which the nodule is largest."""
    return int(measurement.mask.sum(axis=(1, 2)).argmax()) + measurement.mask_offset_kji[0]


def _positions(measurement: NoduleMeasurement, middle: int, volume: Volume) -> tuple[Floats, Floats]:
    """Give the volume's rows and columns, (64,) each, that the triplet samples."""
    k, j, i = measurement.mask_offset_kji
    flat = np.argwhere(measurement.mask[middle - k])
    centers = (flat.min(axis=0) + flat.max(axis=0)) / 2 + (j, i)
    steps = [_step_px(mm) for mm in volume.spacing_kji_mm[1:]]
    offsets = np.arange(SIDE_PX) - SIDE_PX // 2
    rows, columns = (round(c) + offsets * step for c, step in zip(centers, steps, strict=True))
    return rows.astype(np.float32), columns.astype(np.float32)


def _step_px(spacing_mm: float) -> float:
    """Give how many pixels of the scan make one of the triplet; exactly 1 where they are alike."""
    step = PIXEL_MM / spacing_mm
    return 1.0 if abs(step - 1) <= _SAME_PIXEL else step


def _cut(image: Floats, rows: Floats, columns: Floats, outside: float) -> Floats:
    """Sample one slice at every pair of rows and columns."""
    at = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(ndimage.map_coordinates(image, at, order=1, mode="constant", cval=outside), dtype=np.float32)


def _mask_on(k: int, measurement: NoduleMeasurement, volume: Volume) -> Floats:
    """Lay the nodule's mask on one whole slice of the volume."""
    whole = np.zeros(volume.shape[1:], dtype=np.float32)
    first, j, i = measurement.mask_offset_kji
    if first <= k < first + len(measurement.mask):
        rows, columns = measurement.mask.shape[1:]
        whole[j : j + rows, i : i + columns] = measurement.mask[k - first]
    return whole
