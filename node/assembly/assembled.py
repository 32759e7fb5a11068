"""The assembled series: a volume, and the way back from each of its slices to the source instance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from models.volume import Volume


@dataclass(frozen=True)
class SourceFrame:
    """The instance, and for a multi-frame instance the frame, that a slice of the volume came from.

    Parameters
    ----------
    frame_number
        One-based (PS3.3 Table 10-3); None for a single-frame instance.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


@dataclass(frozen=True, eq=False)
class AssembledSeries:
    """A volume and where it came from.

    Parameters
    ----------
    volume
        Slices ordered along the normal of the image plane (row direction x column direction),
        so that k grows with the projection of ImagePositionPatient on that normal.
    headers
        The source data sets without pixel data. Single-frame: one per slice, in slice order.
        Multi-frame: one for the whole series.
    frames
        One per slice, in slice order.
    shifts_ji_px
        (K, 2) rows, columns: a point (j, i) of slice k in the volume lies at (j, i) + shift in the
        pixels of the source image. All zero unless gantry tilt was corrected.
    notes
        Plain sentences for the report, such as "gantry tilt of 12.0 degrees corrected".
    warnings
        Plain sentences on what makes the volume less certain, such as a unit that was not named.
    """

    volume: Volume
    headers: tuple[Dataset, ...]
    frames: tuple[SourceFrame, ...]
    shifts_ji_px: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def series_instance_uid(self) -> str:
        """The Series Instance UID of the source."""
        return str(self.headers[0].SeriesInstanceUID)

    @property
    def study_instance_uid(self) -> str:
        """The Study Instance UID of the source."""
        return str(self.headers[0].StudyInstanceUID)

    def source_point_ji(self, k: int, j: float, i: float) -> tuple[float, float]:
        """Give the (row, column) of a volume point in the pixels of the source image of slice ``k``."""
        row, column = self.shifts_ji_px[k]
        return j + float(row), i + float(column)
