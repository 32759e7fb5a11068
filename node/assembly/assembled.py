"""The assembled series: a volume, and the way back from each of its slices to the source instance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
        The source data sets without pixel data, one per instance. Single-frame: one per slice, in
        slice order. Multi-frame: one for the whole series, or several where it comes in
        pieces, in the order of their first slices.
        That of a slice is ``header_of(k)``.
    frames
        One per slice, in slice order.
    shifts_ji_px
        (K, 2) rows, columns: a point (j, i) of slice k in the volume lies at (j, i) * pixel_step + shift
        in the pixels of the source image. All zero unless gantry tilt was corrected.
    notes
        Plain sentences for the report, such as "gantry tilt of 12.0 degrees corrected".
    warnings
        Sentences that a reader of the result must know, such as that a unit was not named.
    pixel_step
        Every n-th row and column of the source images is in the volume, from the first one on.
    """

    volume: Volume
    headers: tuple[Dataset, ...]
    frames: tuple[SourceFrame, ...]
    shifts_ji_px: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pixel_step: int = 1

    @property
    def series_instance_uid(self) -> str:
        """The Series Instance UID of the source."""
        return str(self.headers[0].SeriesInstanceUID)

    @property
    def study_instance_uid(self) -> str:
        """The Study Instance UID of the source."""
        return str(self.headers[0].StudyInstanceUID)

    @property
    def source_spacing_ji_mm(self) -> tuple[float, float]:
        """Distance between rows and between columns of the source images, in mm."""
        _, rows_mm, columns_mm = self.volume.spacing_kji_mm
        return rows_mm / self.pixel_step, columns_mm / self.pixel_step

    def header_of(self, k: int) -> Dataset:
        """Give the header of the instance that slice ``k`` came from.

        Raises
        ------
        LookupError
            If there is no such slice, or none of the headers is of its instance.
        """
        return self._header_by_uid[self.frames[k].sop_instance_uid]

    @cached_property
    def _header_by_uid(self) -> dict[str, Dataset]:
        return {str(header.SOPInstanceUID): header for header in self.headers}

    def source_point_ji(self, k: int, j: float, i: float) -> tuple[float, float]:
        """Give the (row, column) of a volume point in the pixels of the source image of slice ``k``."""
        row, column = self.shifts_ji_px[k]
        return j * self.pixel_step + float(row), i * self.pixel_step + float(column)
