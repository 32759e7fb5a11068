"""The planes of a series: each slice as position, orientation and spacing, read from headers alone; pure, LPS mm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.errors import AssemblyError, MissingGeometry, NotAxial, NotCT
from node.series.instances import Frame, InstanceHeader, is_ct, is_multi_frame

Array = npt.NDArray[np.float64]

UNIT_TOLERANCE = 0.01  # deviation of a cosine vector from length 1, or of two from a right angle (0.6 deg): rounding
# Value 3 of Image Type for a projection is LOCALIZER (PS3.3 C.8.2.1.1.1); the others are vendors' words for the same.
LOCALIZER_WORDS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"})
_PLACING = ("Image Position (Patient)", "Image Orientation (Patient)", "Pixel Spacing", "Rows", "Columns")


@dataclass(frozen=True)
class Plane:
    """One slice before it is put into the volume.

    Parameters
    ----------
    source
        Index of its instance in the sequence of headers.
    frame_index
        Zero-based; 0 for a single-frame instance.
    header, frame
        The instance, and the frame of a multi-frame one; a single frame is described by its header.
    """

    source: int
    frame_index: int
    header: InstanceHeader
    frame: Frame

    @property
    def position_lps_mm(self) -> tuple[float, ...]:
        """ImagePositionPatient: the centre of the first voxel."""
        return self.frame.image_position_patient

    @property
    def orientation(self) -> tuple[float, ...]:
        """ImageOrientationPatient: cosines of the row direction, then of the column direction."""
        return self.frame.image_orientation_patient

    @property
    def spacing_ji_mm(self) -> tuple[float, ...]:
        """PixelSpacing: distance between rows, then between columns."""
        return self.frame.pixel_spacing_mm

    @property
    def rows(self) -> int:
        """Rows of the image."""
        return self.header.rows or 0

    @property
    def columns(self) -> int:
        """Columns of the image."""
        return self.header.columns or 0

    @property
    def where(self) -> str:
        """Name the slice by frame or instance number."""
        return name_of(self.header, self.frame_index)

    @property
    def place(self) -> str:
        """Name the slice in a message, with its place."""
        return f"{self.where} at z={self.position_lps_mm[2]:.1f} mm"


@dataclass(frozen=True)
class Stray:
    """An image that is no slice of the volume.

    Parameters
    ----------
    kind
        Plural words for the note.
    cause
        What to raise where the series cannot do without it.
    """

    source: int
    kind: str
    cause: AssemblyError


def name_of(header: InstanceHeader, frame_index: int = 0) -> str:
    """Name an image in a message: by its frame, or by its instance number."""
    if is_multi_frame(header):
        return f"frame {frame_index + 1}"
    number = header.instance_number
    return "an instance without number" if number is None else f"instance number {number}"


def read_planes(source: int, header: InstanceHeader) -> tuple[list[Plane], list[Stray]]:
    """List the slices of one instance, and what in it is none.

    Parameters
    ----------
    source
        Index of the instance, to be kept in what is returned.
    """
    stray = _whole_stray(source, header)
    if stray:
        return [], [stray]
    frames = header.frames if is_multi_frame(header) else (_only_frame(header),)
    planes = [Plane(source, index, header, frame) for index, frame in enumerate(frames)]
    strays = {plane.frame_index: _stray_frame(plane) for plane in planes}
    return [p for p in planes if strays[p.frame_index] is None], [s for s in strays.values() if s is not None]


def _only_frame(header: InstanceHeader) -> Frame:
    return Frame(
        header.image_position_patient,
        header.image_orientation_patient,
        header.pixel_spacing_mm,
        header.image_type,
        header.convolution_kernel,
        "",
        header.temporal_position,
        header.acquisition_number,
        header.phase_percent,
    )


def _whole_stray(source: int, header: InstanceHeader) -> Stray | None:
    """Tell whether a whole instance is no slice, from what stands outside its frames."""
    where = name_of(header)
    if not is_ct(header):
        modality = header.modality[:16] or "none"
        return Stray(source, f"object(s) that are not CT images: {modality}", NotCT(f"{where} is no CT image"))
    samples, photometric = header.samples_per_pixel or 1, header.photometric_interpretation or "MONOCHROME2"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        cause: AssemblyError = NotCT(f"{where} is not a grey image: Samples per Pixel {samples}")
        return Stray(source, "page(s) in colour", cause)
    frames = header.number_of_frames
    if not is_multi_frame(header) and frames is not None and frames > 1:
        cause = MissingGeometry(f"Number of Frames of {where} is not 1, but a CT Image Storage instance has one frame")
        return Stray(source, "image(s) of several frames where one belongs", cause)
    if is_multi_frame(header) and frames != len(header.frames):
        cause = MissingGeometry(
            f"Number of Frames is {frames}, but functional groups describe {len(header.frames)} frames"
        )
        return Stray(source, "multi-frame instance(s) whose frames are not described", cause)
    return None


def _stray_frame(plane: Plane) -> Stray | None:
    return next((stray for stray in (check(plane) for check in _CHECKS) if stray is not None), None)


def _localizer(plane: Plane) -> Stray | None:
    words = {*plane.frame.frame_type, *plane.header.image_type}
    if LOCALIZER_WORDS.isdisjoint(words):
        return None
    return Stray(plane.source, "localizer image(s)", NotAxial(f"{plane.where} is a localizer (Image Type)"))


def _unplaced(plane: Plane) -> Stray | None:
    has = (plane.position_lps_mm, plane.orientation, plane.spacing_ji_mm, plane.rows, plane.columns)
    absent = [name for name, value in zip(_PLACING, has, strict=True) if not value]
    if not absent:
        return None
    cause = MissingGeometry(f"{absent[0]} of {plane.where} is absent or malformed")
    return Stray(plane.source, f"image(s) without {absent[0]}", cause)


def _askew(plane: Plane) -> Stray | None:
    row, column = np.asarray(plane.orientation).reshape(2, 3)
    lengths = [math.hypot(*row), math.hypot(*column)]
    if max(abs(length - 1) for length in lengths) <= UNIT_TOLERANCE and abs(row @ column) <= UNIT_TOLERANCE:
        return None
    cause = MissingGeometry(f"Image Orientation (Patient) of {plane.place} is not two perpendicular unit vectors")
    return Stray(plane.source, "image(s) without a valid Image Orientation (Patient)", cause)


_CHECKS: tuple[Callable[[Plane], Stray | None], ...] = (_localizer, _unplaced, _askew)


def unit_axes(plane: Plane) -> tuple[Array, Array, Array]:
    """Give row direction, column direction and normal (row x column) as perpendicular unit vectors.

    The row direction is where the column index grows (PS3.3 C.7.6.2.1.1).
    """
    row, column = np.asarray(plane.orientation).reshape(2, 3)
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def tilt_degrees(plane: Plane) -> float:
    """Give the angle between the normal of a slice and the patient's long axis."""
    _, _, normal = unit_axes(plane)
    return float(np.degrees(np.arccos(min(1.0, abs(float(normal[2]))))))
