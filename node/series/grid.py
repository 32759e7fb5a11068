"""The uniform grid that slices stand on: distances, gaps, gantry tilt; pure, LPS millimetres.

A tolerance is judged against the fitted grid, not between neighbours: positions that are rounded to 0.1 mm are off by
0.05 mm each, at every slice distance. Slice Thickness is never used: slices overlap or leave room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from node.errors import DuplicatePosition, MixedGeometry, SliceGap, SpacingOutOfRange
from node.series.planes import Array, Plane, unit_axes

SAME_POSITION_MM = 0.01  # positions closer than this are one position: no CT has slices so close
_ROUNDING_MM = 0.1  # the coarsest rounding of positions that is met
# Off its place on the grid by rounding, or by jitter of the table, a slice still shows what belongs there.
_OFF_GRID_MM, _OFF_GRID_SHARE = 0.1, 0.05
_DECIMALS = 9  # of a fitted millimetre: positions that are exact stay exact
_NOISE_MM = 1e-6  # of floating-point numbers, where a tolerance is met exactly
_GAP_RATIO = 1.5  # a distance above this many usual distances has room for another slice
_STRAY_SHARE = 0.5  # of the slice distance: farther off its place on the grid, a slice belongs to the neighbour
_DRIFT_IGNORED_PX = 0.1  # in-plane drift over the whole volume that no reader could see
_DRIFT_STRAY_PX = 0.5  # deviation from a steady drift: beyond it, the slice stands in another pixel


@dataclass(frozen=True, eq=False)
class Grid:
    """The orthogonal grid of a volume.

    Parameters
    ----------
    affine
        (4, 4): index (k, j, i) to LPS mm, as in ``Volume``.
    shifts_ji_px
        (K, 2) rows, columns: all zero unless the gantry was tilted.
    notes
        What was corrected, in plain sentences.
    """

    affine: Array
    shifts_ji_px: Array
    notes: tuple[str, ...] = ()

    @property
    def slice_distance_mm(self) -> float:
        """Distance between neighbouring slices."""
        return float(np.linalg.norm(self.affine[:3, 0]))


def along_normal(planes: Sequence[Plane]) -> Array:
    """Project the positions of parallel planes on their normal: (N,) mm."""
    _, _, normal = unit_axes(planes[0])
    projected: Array = np.asarray([plane.position_lps_mm for plane in planes]) @ normal
    return projected


def in_slice_order(planes: Sequence[Plane]) -> list[Plane]:
    """Sort by the projection of the position on the normal, never by name; by instance number where that is equal."""
    along = along_normal(planes)
    numbers = [plane.header.instance_number or 0 for plane in planes]
    order = sorted(range(len(planes)), key=lambda n: (along[n], numbers[n], planes[n].header.sop_instance_uid))
    return [planes[n] for n in order]


def usual_distance(along: Array) -> float | None:
    """Give the usual distance of ascending positions: the median of those that are no duplicates."""
    steps = np.diff(along)
    apart = steps[steps > SAME_POSITION_MM]
    return float(np.median(apart)) if apart.size else None


def check_uniform(ordered: Sequence[Plane], slice_distance_mm: tuple[float, float]) -> None:
    """Raise unless the slices, in slice order, stand on a uniform grid.

    Parameters
    ----------
    slice_distance_mm
        Smallest and largest distance that is allowed.

    Raises
    ------
    DuplicatePosition, SpacingOutOfRange, SliceGap
        With the z of the slices and the distances in mm.
    """
    along = along_normal(ordered)
    steps = np.diff(along)
    _check_no_duplicates(ordered, steps)
    usual = float(np.median(steps))
    low, high = slice_distance_mm
    if not low <= usual <= high:
        raise SpacingOutOfRange(f"the slice distance is {usual:.3g} mm: {low} to {high} mm can be a chest CT")
    _check_no_gap(ordered, steps, usual)
    _check_on_grid(ordered, along, usual)


def _check_no_duplicates(ordered: Sequence[Plane], steps: Array) -> None:
    twice = np.flatnonzero(steps <= SAME_POSITION_MM)
    if twice.size:
        places = sorted({f"z={ordered[k].position_lps_mm[2]:.1f}" for k in twice.tolist()})
        shown = ", ".join(places[:5]) + (" ..." if len(places) > 5 else "")
        raise DuplicatePosition(f"{len(places)} position(s) hold more than one slice: {shown} mm")


def missing_slices(steps: Array, usual: float) -> int:
    """Count the slices that are missing between neighbours."""
    gaps = steps[is_gap(steps, usual)]
    return int((np.rint(gaps / usual) - 1).sum())


def is_gap(steps: Array, usual: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which distances have room for another slice."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = steps > _GAP_RATIO * usual + _ROUNDING_MM
    return found


def _check_no_gap(ordered: Sequence[Plane], steps: Array, usual: float) -> None:
    wide = np.flatnonzero(is_gap(steps, usual))
    if not wide.size:
        return
    start, end = (ordered[k].position_lps_mm[2] for k in (int(wide[0]), int(wide[0]) + 1))
    more = f", and {wide.size - 1} more such place(s)" if wide.size > 1 else ""
    raise SliceGap(
        f"gap of {steps[wide[0]]:.1f} mm between z={start:.1f} and z={end:.1f} mm{more}, "
        f"where the slice distance is {usual:.1f} mm: {missing_slices(steps, usual)} slice(s) missing"
    )


def _check_on_grid(ordered: Sequence[Plane], along: Array, usual: float) -> None:
    """Raise ``SliceGap`` if a slice stands off its place on the fitted grid."""
    distance_mm, first_mm = fitted(along)
    off_mm = np.abs(along - first_mm - distance_mm * np.arange(len(along)))
    tolerance_mm = max(_OFF_GRID_MM, _OFF_GRID_SHARE * usual) + _NOISE_MM
    worst = int(off_mm.argmax())
    if off_mm[worst] <= tolerance_mm:
        return
    # A distance that changes slowly along the scan: each step is right, and no slice stands nearer to another's place.
    is_slow = bool((np.abs(np.diff(along) - usual) <= tolerance_mm).all())
    if not (is_slow and off_mm[worst] <= _STRAY_SHARE * usual):
        raise SliceGap(
            f"{ordered[worst].place} stands {off_mm[worst]:.1f} mm off its place on a uniform grid "
            f"of {distance_mm:.2f} mm: the slices are not uniformly spaced"
        )


def fitted(along: Array) -> tuple[float, float]:
    """Fit a uniform grid to ascending positions by least squares: distance and place of the first, mm."""
    distance_mm, first_mm = np.polyfit(np.arange(len(along)), along, 1)
    return round(float(distance_mm), _DECIMALS), round(float(first_mm), _DECIMALS)


def on_one_grid(along: Array, distance_mm: float) -> list[int]:
    """Give the longest run of ascending positions whose neighbours stand ``distance_mm`` apart, as indices.

    Of slices among which strays stand at other places these are the slices.
    """
    tolerance_mm = max(_ROUNDING_MM, _OFF_GRID_SHARE * distance_mm) + _NOISE_MM
    length = np.ones(len(along), np.int64)
    before = np.full(len(along), -1, np.int64)
    for n in range(1, len(along)):
        low = int(np.searchsorted(along, along[n] - distance_mm - tolerance_mm))
        high = int(np.searchsorted(along, along[n] - distance_mm + tolerance_mm, side="right"))
        if low < min(high, n):
            best = low + int(length[low : min(high, n)].argmax())
            length[n], before[n] = length[best] + 1, best
    run = [int(length.argmax())]
    while before[run[-1]] >= 0:
        run.append(int(before[run[-1]]))
    return run[::-1]


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
    slice_mm, first_mm = fitted(positions @ normal)
    middle = (len(ordered) - 1) / 2
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * slice_mm, column * spacing_ji_mm[0], row * spacing_ji_mm[1]], axis=1)
    first = positions[0] + (first_mm - positions[0] @ normal) * normal
    affine[:3, 3] = first + middle * (drift_ji_mm[0] * column + drift_ji_mm[1] * row)
    shifts = (middle - np.arange(len(ordered)))[:, None] * (drift_ji_mm / spacing_ji_mm) + 0.0  # no negative zeros
    return Grid(affine, shifts, _tilt_notes(drift_ji_mm, slice_mm, middle))


def _check_steady(ordered: Sequence[Plane], in_plane_mm: Array, drift_ji_mm: Array, spacing_ji_mm: Array) -> None:
    off_mm = np.abs(in_plane_mm - np.arange(len(ordered))[:, None] * drift_ji_mm)
    off_px = np.where(off_mm > _ROUNDING_MM + _NOISE_MM, off_mm / spacing_ji_mm, 0)
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
