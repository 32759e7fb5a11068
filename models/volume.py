"""The volume: CT numbers on a regular grid in patient space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

AIR_HU = -1024  # HU of every voxel outside the field of view (padding): the lowest value of the 12-bit CT scale
_ORTHOGONAL_COSINE = 1e-3  # largest |cosine| between two axes that still counts as perpendicular (0.06 deg)


@dataclass(frozen=True, eq=False)
class Volume:
    """CT numbers on a regular, orthogonal grid; valid once constructed.

    Parameters
    ----------
    hu
        (K, J, I) int16, Hounsfield units; slices, rows, columns. Padding is ``AIR_HU``.
    affine
        (4, 4) float64; maps a homogeneous zero-based index (k, j, i, 1) of a voxel's centre to
        LPS millimetres (the DICOM patient coordinate system, PS3.3 C.7.6.2.1.1).

    Raises
    ------
    ValueError
        If the array is not 3D int16, or the axes are not finite, positive and perpendicular.
    """

    hu: npt.NDArray[np.int16]
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or self.hu.dtype != np.int16 or 0 in self.hu.shape:
            raise ValueError(f"a volume is a 3D int16 array, found {self.hu.dtype} {self.hu.shape}")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("the affine of a volume is a finite 4x4 matrix")
        if min(self.spacing_kji_mm) <= 0:
            raise ValueError(f"voxel spacing must be positive, found {self.spacing_kji_mm} mm")
        cosines = self.directions.T @ self.directions - np.eye(3)
        if np.abs(cosines).max() > _ORTHOGONAL_COSINE:
            raise ValueError("the axes of a volume are perpendicular; correct gantry tilt first")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.hu.shape
        return slices, rows, columns

    @cached_property
    def spacing_kji_mm(self) -> tuple[float, float, float]:
        """Distance between the centres of neighbouring slices, rows and columns, in mm."""
        k, j, i = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(k), float(j), float(i)

    @cached_property
    def directions(self) -> npt.NDArray[np.float64]:
        """(3, 3) unit vectors in LPS; column 0 runs along k, column 1 along j, column 2 along i."""
        return np.asarray(self.affine[:3, :3] / np.asarray(self.spacing_kji_mm), dtype=np.float64)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing_kji_mm))

    def to_patient(self, indices_kji: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map voxel indices to the patient coordinate system.

        Parameters
        ----------
        indices_kji
            (..., 3), zero-based slice, row, column; fractions allowed.

        Returns
        -------
        (..., 3) LPS millimetres.
        """
        indices = np.asarray(indices_kji, dtype=np.float64)
        return np.asarray(indices @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, points_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map LPS millimetres (..., 3) to fractional voxel indices (..., 3), order k, j, i."""
        points = np.asarray(points_lps_mm, dtype=np.float64) - self.affine[:3, 3]
        return np.asarray(points @ np.linalg.inv(self.affine[:3, :3]).T)
