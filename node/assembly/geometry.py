"""Where slices lie: axes, distances, gantry tilt, and the grid of the volume. Pure; LPS millimetres.

Two distances are told apart: the *slice distance* by which gaps are judged is the median of the
distances between neighbours, so that one gap does not move it; the spacing of the *grid* is the
mean from the first slice to the last, so that positions rounded in the file do not add up.
Slice Thickness is never used: slices overlap or leave room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from node.assembly.limits import AssemblyLimits
from node.assembly.planes import Plane
from node.errors import DuplicatePosition, MissingGeometry, MixedGeometry, NotAxial, SliceGap, SpacingOutOfRange

Array = npt.NDArray[np.float64]

_UNIT_TOLERANCE = 0.01  # deviation of a cosine vector from length 1, or of two from a right angle (0.6 deg): rounding
_SAME_POSITION_MM = 0.01  # positions closer than this are one position
# Scanners write positions that jitter; a missing slice is off by a whole slice distance, far beyond this.
_JITTER_MM, _JITTER_FRACTION = 0.1, 0.05
_WHOLE_MULTIPLE = 0.15  # deviation from a whole multiple of the slice distance that still counts as missing slices
_STRAY_FRACTION = 0.5  # of the slice distance: farther off its place on the grid, a slice belongs to the neighbour
_DRIFT_IGNORED_PX = 0.1  # in-plane drift over the whole volume that no reader could see
_DRIFT_STRAY_PX = 0.5  # deviation from a steady drift: beyond it, the slice stands in another pixel


@dataclass(frozen=True, eq=False)
class Grid:
    """The orthogonal grid of a volume.

    Parameters
    ----------
    affine
        (4, 4), as in ``Volume``.
    shifts_ji_px
        (K, 2), as in ``AssembledSeries``: all zero unless the gantry was tilted.
    notes
        What was corrected, in plain sentences.
    """

    affine: Array
    shifts_ji_px: Array
    notes: tuple[str, ...] = ()


def unit_axes(plane: Plane) -> tuple[Array, Array, Array]:
    """Give row direction, column direction and normal (row x column) as perpendicular unit vectors.

    The row direction is where the column index grows (PS3.3 C.7.6.2.1.1).

    Raises
    ------
    MissingGeometry
        If the cosines are not two perpendicular unit vectors within rounding.
    """
    row, column = np.asarray(plane.orientation).reshape(2, 3)
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > _UNIT_TOLERANCE or abs(row @ column) > _UNIT_TOLERANCE:
        raise MissingGeometry(
            f"Image Orientation (Patient) of {plane.place} is {plane.orientation}: not two perpendicular unit vectors"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def check_axial(plane: Plane, limits: AssemblyLimits) -> None:
    """Raise ``NotAxial`` if the normal leans too far from the patient's z."""
    _, _, normal = unit_axes(plane)
    angle = float(np.degrees(np.arccos(min(1.0, abs(normal[2])))))
    if angle > limits.max_tilt_degrees:
        raise NotAxial(
            f"the slices lean {angle:.0f} degrees from axial (Image Orientation (Patient)): "
            f"at most {limits.max_tilt_degrees:.0f} are read"
        )


def position_along_normal(plane: Plane, normal: Array) -> float:
    """Project the position of a plane on the normal, in mm."""
    return float(np.asarray(plane.position_lps_mm) @ normal)


def check_distances(ordered: Sequence[Plane], limits: AssemblyLimits) -> None:
    """Raise unless the slices, in slice order, stand at uniform distances.

    Raises
    ------
    DuplicatePosition, SpacingOutOfRange, SliceGap
        With the z of the slices and the distances in mm.
    """
    _, _, normal = unit_axes(ordered[0])
    along = np.asarray([position_along_normal(plane, normal) for plane in ordered])
    distances = np.diff(along)
    _check_no_duplicates(ordered, distances)
    distance_mm = float(np.median(distances))
    low, high = limits.slice_distance_mm
    if not low <= distance_mm <= high:
        raise SpacingOutOfRange(f"the slice distance is {distance_mm:.3g} mm: {low} to {high} mm can be a chest CT")
    _check_no_gap(ordered, distances, distance_mm)
    _check_on_grid(ordered, along)


def _check_no_duplicates(ordered: Sequence[Plane], distances: Array) -> None:
    twice = np.flatnonzero(distances <= _SAME_POSITION_MM)
    if twice.size:
        places = sorted({f"z={ordered[k].position_lps_mm[2]:.1f}" for k in twice.tolist()})
        shown = ", ".join(places[:5]) + (" ..." if len(places) > 5 else "")
        raise DuplicatePosition(f"{len(places)} position(s) hold more than one slice: {shown} mm")


def _check_no_gap(ordered: Sequence[Plane], distances: Array, distance_mm: float) -> None:
    tolerance_mm = max(_JITTER_MM, _JITTER_FRACTION * distance_mm)
    odd = np.flatnonzero(np.abs(distances - distance_mm) > tolerance_mm)
    if not odd.size:
        return
    steps = distances[odd] / distance_mm
    whole = np.rint(steps)
    gaps_only = bool((whole >= 2).all() and (np.abs(steps - whole) <= _WHOLE_MULTIPLE).all())
    cause = f"{int((whole - 1).sum())} slice(s) missing" if gaps_only else "the slices are not uniformly spaced"
    start, end = (ordered[k].position_lps_mm[2] for k in (int(odd[0]), int(odd[0]) + 1))
    kind = "gap" if distances[odd[0]] > distance_mm else "distance"
    more = f", and {odd.size - 1} more such place(s)" if odd.size > 1 else ""
    raise SliceGap(
        f"{kind} of {distances[odd[0]]:.1f} mm between z={start:.1f} and z={end:.1f} mm{more}, "
        f"where the slice distance is {distance_mm:.1f} mm: {cause}"
    )


def _check_on_grid(ordered: Sequence[Plane], along: Array) -> None:
    """Raise ``SliceGap`` if small deviations add up so far that a slice leaves its place on the grid."""
    expected = np.linspace(along[0], along[-1], len(along))
    off_mm = np.abs(along - expected)
    worst = int(off_mm.argmax())
    spacing_mm = (along[-1] - along[0]) / (len(along) - 1)
    if off_mm[worst] > _STRAY_FRACTION * spacing_mm:
        raise SliceGap(
            f"{ordered[worst].place} stands {off_mm[worst]:.1f} mm off its place on a uniform grid "
            f"of {spacing_mm:.2f} mm: the slices are not uniformly spaced"
        )


def grid_of(ordered: Sequence[Plane]) -> Grid:
    """Place the orthogonal grid of a volume, and shift the slices of a tilted gantry onto it.

    With a tilted gantry the first voxels of the slices do not lie above each other along the
    normal: they drift in the plane. The grid then goes through the middle of the drift.

    Raises
    ------
    MixedGeometry
        If the slices move in their plane other than by a steady drift.
    """
    row, column, normal = unit_axes(ordered[0])
    positions = np.asarray([plane.position_lps_mm for plane in ordered])
    spacing_ji_mm = np.asarray(ordered[0].spacing_ji_mm)
    in_plane_mm = (positions - positions[0]) @ np.stack([column, row], axis=1)
    drift_ji_mm = in_plane_mm[-1] / (len(ordered) - 1)
    _check_steady(ordered, in_plane_mm, drift_ji_mm, spacing_ji_mm)
    if np.abs(in_plane_mm[-1] / spacing_ji_mm).max() < _DRIFT_IGNORED_PX:
        drift_ji_mm = np.zeros(2)
    slice_mm = float((positions[-1] - positions[0]) @ normal) / (len(ordered) - 1)
    middle = (len(ordered) - 1) / 2
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * slice_mm, column * spacing_ji_mm[0], row * spacing_ji_mm[1]], axis=1)
    affine[:3, 3] = positions[0] + middle * (drift_ji_mm[0] * column + drift_ji_mm[1] * row)
    shifts = (middle - np.arange(len(ordered)))[:, None] * (drift_ji_mm / spacing_ji_mm) + 0.0  # no negative zeros
    return Grid(affine, shifts, _tilt_notes(drift_ji_mm, slice_mm, middle))


def _check_steady(ordered: Sequence[Plane], in_plane_mm: Array, drift_ji_mm: Array, spacing_ji_mm: Array) -> None:
    off_px = np.abs(in_plane_mm - np.arange(len(ordered))[:, None] * drift_ji_mm) / spacing_ji_mm
    worst = int(off_px.max(axis=1).argmax())
    if off_px[worst].max() > _DRIFT_STRAY_PX:
        raise MixedGeometry(
            f"{ordered[worst].place} is moved by {off_px[worst].max():.1f} pixels in its plane "
            "(Image Position (Patient)): neither straight nor a tilted gantry"
        )


def _tilt_notes(drift_ji_mm: Array, slice_mm: float, middle: float) -> tuple[str, ...]:
    drift_mm = float(np.linalg.norm(drift_ji_mm))
    if not drift_mm:
        return ()
    degrees = float(np.degrees(np.arctan2(drift_mm, slice_mm)))
    return (
        f"gantry tilt of {degrees:.1f} degrees corrected: the first and last slices are shifted "
        f"by {drift_mm * middle:.1f} mm, and what leaves the image there is cut off",
    )
