"""Real nodules as 3D crops of 8-bit slices.

The stacks (LIDC-IDRI, CC BY 3.0) carry neither voxel spacing nor Hounsfield units: each slice was
stretched by its own minimum and maximum. Both are estimated here, and called estimates:

- pixels are taken as 0.7 mm wide, the middle of LIDC-IDRI's 0.46 to 0.98 mm
  (Armato 2011, doi:10.1118/1.3528204);
- the distance of the slices is chosen, one for all nodules of a patient, so that nodules are on
  the whole as tall as wide;
- the darker part around a nodule is taken as lung of ``LUNG_HU``; the HU per grey level follow
  from how far lung lies above the darkest value of a slice, which is air or one of the two usual
  padding values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import pi
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from models.findings import Attenuation
from training.errors import TrainingError

LUNG_HU = -860.0  # aerated lung around a nodule, between the vessels that can be seen
_PIXEL_MM = 0.7
_SLICE_MM = (0.6, 3.0)  # LIDC-IDRI's slice distances; estimates beyond are cut
_LUNG_PERCENTILE = 20.0  # of the grey levels around a nodule: below vessels and wall, above noise
# Grey level of lung from which on the darkest value of the slice is padding, and HU per grey level then: the
# contrast of solid nodules (about 890 HU) is 105, 75 and 55 levels in the three groups.
_GREY_HU = ((105.0, 16.0), (60.0, 12.0), (0.0, 8.5))
_MIN_SLICES, _MIN_CONTRAST_HU = 3, 150.0  # thinner or fainter marks have no shape to plant
_DENSE_PERCENTILE = 80.0  # of a nodule's HU: its denser part, where partial volume counts little
_SOLID_HU, _GROUND_GLASS_HU = -150.0, -400.0  # of the denser part: above is solid, below is ground glass
_KEYS = ("voxels", "masks", "shapes", "patient")


@dataclass(frozen=True, eq=False)
class RealNodule:
    """One real nodule with its surroundings.

    Parameters
    ----------
    hu
        (K, J, I) float32, estimated HU.
    mask
        (K, J, I) bool, the readers' consensus.
    spacing_kji_mm
        Estimated distance of slices, rows and columns.
    patient
        Whose it is.
    """

    hu: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    spacing_kji_mm: tuple[float, float, float]
    patient: str

    @property
    def diameter_mm(self) -> float:
        """Of the sphere of the mask's volume, by the estimated spacing."""
        return float((6 / pi * self.mask.sum() * np.prod(self.spacing_kji_mm)) ** (1 / 3))

    @property
    def mean_hu(self) -> float:
        """Mean estimated HU within the mask."""
        return float(self.hu[self.mask].mean())

    @property
    def attenuation(self) -> Attenuation:
        """Solid, part-solid or ground glass by the estimated HU of the denser part; calcium cannot be told."""
        dense = float(np.percentile(self.hu[self.mask], _DENSE_PERCENTILE))
        if dense > _SOLID_HU:
            return Attenuation.SOLID
        return Attenuation.GROUND_GLASS if dense < _GROUND_GLASS_HU else Attenuation.PART_SOLID


@dataclass(frozen=True, eq=False)
class Stacks:
    """All nodules, ragged: those of ``chosen`` are in use.

    Parameters
    ----------
    voxels, masks
        (sum of all sizes,) uint8 grey levels and bool.
    shapes
        (N, 3): slices, rows, columns of each nodule.
    patients
        (N,) str.
    slice_mm
        (N,) float64: estimated distance of the slices.
    chosen
        (M,) int: indices of the nodules in use.
    """

    voxels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    shapes: npt.NDArray[np.int64]
    patients: npt.NDArray[np.str_]
    slice_mm: npt.NDArray[np.float64]
    chosen: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def of(self, patients: Iterable[str]) -> Stacks:
        """Keep the nodules of some patients."""
        kept = self.chosen[np.isin(self.patients[self.chosen], sorted(patients))]
        return Stacks(self.voxels, self.masks, self.shapes, self.patients, self.slice_mm, kept)

    @cached_property
    def diameters_mm(self) -> npt.NDArray[np.float64]:
        """(M,) diameters of the nodules in use, by the estimated spacing."""
        voxels = np.add.reduceat(self.masks, _starts(self.shapes), dtype=np.int64)[self.chosen]
        return np.asarray((6 / pi * voxels * self.slice_mm[self.chosen] * _PIXEL_MM**2) ** (1 / 3))

    def nodule(self, position: int) -> RealNodule:
        """Cut out the nodule at a position of ``chosen`` and estimate its HU."""
        index = int(self.chosen[position])
        shape = self.shapes[index]
        start = int(self.shapes[:index].prod(axis=1).sum())
        part = slice(start, start + int(shape.prod()))
        mask = self.masks[part].reshape(shape)
        hu = estimated_hu(self.voxels[part].reshape(shape), mask)
        spacing = (float(self.slice_mm[index]), _PIXEL_MM, _PIXEL_MM)
        return RealNodule(hu, mask, spacing, str(self.patients[index]))


def load_stacks(path: Path) -> Stacks:
    """Read the real nodules, without those that are too thin or too faint to plant.

    Parameters
    ----------
    path
        ``lidc-nodule-stacks.npz``: ragged ``voxels`` uint8, bit-packed ``masks``, ``shapes`` (N, 3) and ``patient``.

    Raises
    ------
    TrainingError
        If the file cannot be read, lacks an array, or its arrays do not fit together.
    """
    arrays = _arrays(path)
    if not arrays["voxels"].dtype == arrays["masks"].dtype == np.uint8 or arrays["shapes"].shape[1:] != (3,):
        raise TrainingError(f"{path}: voxels and masks must be uint8, shapes (N, 3); give the LIDC-IDRI stacks")
    shapes = arrays["shapes"].astype(np.int64)
    count = int(shapes.prod(axis=1).sum())
    masks = np.unpackbits(arrays["masks"])[:count].astype(bool)
    if len(arrays["voxels"]) != count or len(masks) != count or len(arrays["patient"]) != len(shapes):
        raise TrainingError(f"{path}: voxels, masks, shapes and patients do not fit together; fetch the file again")
    patients = arrays["patient"].astype(np.str_)
    extents = np.array([_extent(mask) for mask in _cut(masks, shapes)])
    every = Stacks(arrays["voxels"], masks, shapes, patients, _slice_mm(extents, patients), np.arange(len(shapes)))
    usable = [n for n in np.flatnonzero(extents[:, 0] >= _MIN_SLICES) if _stands_out(every.nodule(int(n)))]
    if not usable:
        raise TrainingError(f"{path}: holds no nodule of {_MIN_SLICES} slices or more; give the LIDC-IDRI stacks")
    return Stacks(every.voxels, masks, shapes, patients, every.slice_mm, np.array(usable, dtype=np.int64))


def estimated_hu(grey: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Estimate HU of one nodule's grey levels (K, J, I), slice by slice, from the lung around it."""
    lung = np.array([_lung_grey(levels, inside) for levels, inside in zip(grey, mask, strict=True)])
    middle = float(np.median(lung))
    per_grey = next(hu for level, hu in _GREY_HU if middle >= level)
    # A slice wholly within nodule and wall shows no lung: no slice is taken to differ much from the others.
    lung = np.clip(lung, middle - 10, middle + 10)
    return np.asarray(LUNG_HU + per_grey * (grey - lung[:, None, None]), dtype=np.float32)


def _lung_grey(levels: npt.NDArray[np.uint8], inside: npt.NDArray[np.bool_]) -> float:
    return float(np.percentile(levels[~inside], _LUNG_PERCENTILE))


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in _KEYS}
    except KeyError as error:
        raise TrainingError(f"{path}: {error.args[0]}; give the LIDC-IDRI stacks") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise TrainingError(
            f"{path}: cannot be read as nodule stacks ({type(error).__name__}); fetch it again"
        ) from None


def _starts(shapes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N,) where each nodule begins in the ragged arrays."""
    return np.concatenate([[0], shapes.prod(axis=1).cumsum()[:-1]])


def _cut(ragged: npt.NDArray[np.bool_], shapes: npt.NDArray[np.int64]) -> list[npt.NDArray[np.bool_]]:
    parts = np.split(ragged, _starts(shapes)[1:])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _extent(mask: npt.NDArray[np.bool_]) -> Sequence[int]:
    """Slices, rows and columns that a mask touches."""
    return [int(np.count_nonzero(mask.any(axis=axes))) for axes in ((1, 2), (0, 2), (0, 1))]


def _slice_mm(extents: npt.NDArray[np.int64], patients: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """(N,) distance of the slices that makes a patient's nodules, in the median, as tall as wide."""
    each = _PIXEL_MM * extents[:, 1:].mean(axis=1) / extents[:, 0]
    names, inverse = np.unique(patients, return_inverse=True)
    median = np.array([np.median(each[inverse == n]) for n in range(len(names))])
    return np.asarray(np.clip(median[inverse], *_SLICE_MM))


def _stands_out(nodule: RealNodule) -> bool:
    return nodule.mean_hu > LUNG_HU + _MIN_CONTRAST_HU
