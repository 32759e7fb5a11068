"""The parts of a series: which of its images belong together, and which of several volumes is read; pure.

Law of this file: images of another plane, matrix or frame of reference never share a volume; nor do two
acquisitions, phases or kernels whose slices lie between each other, even where together they look like one
uniform scan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from node.errors import (
    AssemblyError,
    DuplicatePosition,
    Interleaved,
    NotAxial,
    SliceGap,
    SpacingOutOfRange,
    TooFewSlices,
)
from node.series.grid import (
    SAME_POSITION_MM,
    along_normal,
    check_uniform,
    fitted,
    in_slice_order,
    on_one_grid,
    usual_distance,
)
from node.series.limits import PlacementLimits
from node.series.planes import Plane, tilt_degrees, unit_axes
from node.series.splits import Split, splits_of

SAME_COSINE = 1e-3  # largest difference of two direction cosines that count as parallel (0.06 deg): decimal rounding
SAME_SPACING_MM = 1e-3  # largest difference of two pixel spacings that count as equal: half a pixel over 500
_SHARE_OF_STRAYS = 0.05  # of the images may be strays off the grid, or stand beyond its ends
_MOST_SPLITS = 2  # one within the other, such as acquisitions, each of two kernels
_FEW = 3  # strays that are always forgiven
# An image that is nearer to a place of the grid, in mm and in shares of the slice distance, is a slice of it.
_OFF_GRID_MM, _OFF_GRID = 0.1, 0.1


@dataclass(frozen=True)
class Part:
    """Slices that make one volume.

    Parameters
    ----------
    ordered
        In slice order, one for each place.
    copies
        (k, plane): stands where slice ``k`` stands, and must show the same pixels.
    notes
        What was chosen among, in plain sentences.
    """

    ordered: tuple[Plane, ...]
    copies: tuple[tuple[int, Plane], ...] = ()
    notes: tuple[str, ...] = ()


def by_geometry(planes: Sequence[Plane], *, one_frame_of_reference: bool) -> list[list[Plane]]:
    """Group planes that are parallel, of one size and in one frame of reference: largest first, then supine."""
    named = Counter(plane.header.frame_of_reference_uid for plane in planes)
    named.pop("", None)
    usual = next((uid for uid, _ in named.most_common(1)), "")
    turns, spacings = _Alike(SAME_COSINE), _Alike(SAME_SPACING_MM)
    groups: dict[Hashable, list[Plane]] = {}
    for plane in planes:
        frame = usual if one_frame_of_reference else plane.header.frame_of_reference_uid or usual
        key = (frame, turns.of(plane.orientation), plane.rows, plane.columns, spacings.of(plane.spacing_ji_mm))
        groups.setdefault(key, []).append(plane)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].header.patient_position.endswith("P")))


def each_has_its_own_frame_of_reference(planes: Sequence[Plane]) -> bool:
    """Tell whether the attribute tells nothing: de-identifiers give every image a UID of its own."""
    uids = {plane.header.frame_of_reference_uid for plane in planes}
    return len(planes) > _FEW and len(uids) == len(planes)


class _Alike:
    """Numbers what is alike within a tolerance, by the first of its kind."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._seen: list[tuple[float, ...]] = []
        self._known: dict[tuple[float, ...], int] = {}

    def of(self, values: tuple[float, ...]) -> int:
        if values not in self._known:
            near = (n for n, seen in enumerate(self._seen) if largest_difference(seen, values) <= self._tolerance)
            self._known[values] = found = next(near, len(self._seen))
            if found == len(self._seen):
                self._seen.append(values)
        return self._known[values]


def largest_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Compare two lists of numbers."""
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def best_part(group: Sequence[Plane], limits: PlacementLimits, splits_left: int = _MOST_SPLITS) -> Part:
    """Give the slices of one volume among planes of one geometry.

    Parameters
    ----------
    splits_left
        By how many attributes, one after the other, the group may be parted.

    Raises
    ------
    AssemblyError
        No part of the group is one; the error is the one of the whole group.
    """
    _check_group(group, limits)
    splits = list(splits_of(group)) if splits_left else []
    crossing = [split for split in splits if split.interleaves]
    try:
        return _whole(group, crossing, limits)
    except (DuplicatePosition, SliceGap, Interleaved) as error:
        failure = error
    for split in crossing or splits:
        for chosen in split.ranked():
            try:
                return _of_split(split, chosen, limits, splits_left - 1)
            except AssemblyError:
                continue
    try:
        return _of_copies_and_strays(group, limits)
    except AssemblyError:
        raise failure from None


def _whole(group: Sequence[Plane], crossing: Sequence[Split], limits: PlacementLimits) -> Part:
    """Take every slice, unless slices of several acquisitions lie between each other."""
    if crossing:
        raise Interleaved(f"slices of several {crossing[0].name} lie between each other, and none is a volume alone")
    ordered = in_slice_order(group)
    check_uniform(ordered, limits.slice_distance_mm)
    return Part(tuple(ordered))


def _check_group(group: Sequence[Plane], limits: PlacementLimits) -> None:
    angle = tilt_degrees(group[0])
    if angle > limits.max_tilt_degrees:
        raise NotAxial(
            f"the slices lean {angle:.0f} degrees from axial (Image Orientation (Patient)): "
            f"at most {limits.max_tilt_degrees:.0f} are read"
        )
    if len(group) < limits.min_slices:
        raise TooFewSlices(f"{len(group)} slice(s) where a chest needs at least {limits.min_slices}")
    low, high = limits.pixel_spacing_mm
    spacing_ji_mm = group[0].spacing_ji_mm
    if not all(low <= spacing <= high for spacing in spacing_ji_mm):
        raise SpacingOutOfRange(f"Pixel Spacing is {spacing_ji_mm} mm: {low} to {high} mm can be a chest CT")


def _of_split(split: Split, chosen: Sequence[Plane], limits: PlacementLimits, splits_left: int) -> Part:
    part = best_part(chosen, limits, splits_left)
    rest = [plane for others in split.parts if others is not chosen for plane in others]
    check_nothing_beyond(part.ordered, rest, SliceGap(f"several {split.name}, and none covers the others"))
    note = (
        f"{len(split.parts)} {split.name} in one series: the one of {len(part.ordered)} slices is read, "
        f"{len(rest)} image(s) left out"
    )
    return replace(part, notes=(note, *part.notes))


def _of_copies_and_strays(group: Sequence[Plane], limits: PlacementLimits) -> Part:
    """Count images at one place once, and set strays off the grid apart."""
    part = _without_copies(group)
    try:
        check_uniform(part.ordered, limits.slice_distance_mm)
    except SliceGap:
        part = _without_strays(part)
        _check_group(part.ordered, limits)
        check_uniform(part.ordered, limits.slice_distance_mm)
    return part


def _without_copies(group: Sequence[Plane]) -> Part:
    kept: list[Plane] = []
    copies: list[tuple[int, Plane]] = []
    for plane in in_slice_order(group):
        if kept and _same_place(kept[-1], plane):
            copies.append((len(kept) - 1, plane))
        else:
            kept.append(plane)
    return Part(tuple(kept), tuple(copies))


def _same_place(first: Plane, second: Plane) -> bool:
    pairs = zip(first.position_lps_mm, second.position_lps_mm, strict=True)
    return all(abs(a - b) <= SAME_POSITION_MM for a, b in pairs)


def _without_strays(part: Part) -> Part:
    """Leave out the few images that stand between the places of the grid.

    Raises
    ------
    SliceGap
        They are too many, or stand where a slice belongs: then others are missing.
    """
    along = along_normal(part.ordered)
    run = on_one_grid(along, usual_distance(along) or 0.0)
    strays = sorted(set(range(len(along))) - set(run))
    if len(strays) > max(_FEW, _SHARE_OF_STRAYS * len(along)) or len(run) < 2:
        raise SliceGap("the slices are not uniformly spaced")
    distance_mm, first_mm = fitted(along[run])
    places_off = (along[strays] - first_mm) / distance_mm
    is_between = np.abs(places_off - np.rint(places_off)) * distance_mm > max(_OFF_GRID_MM, _OFF_GRID * distance_mm)
    if not is_between.all():
        raise SliceGap("the images that stand apart are slices of the same grid")
    places = {k: n for n, k in enumerate(run)}
    copies = tuple((places[k], plane) for k, plane in part.copies if k in places)
    note = f"{len(strays)} image(s) that stand between the slices left out"
    return Part(tuple(part.ordered[k] for k in run), copies, (note,))


def check_nothing_beyond(ordered: Sequence[Plane], rest: Sequence[Plane], cause: AssemblyError) -> int:
    """Raise ``cause`` if what is left out reaches farther than the volume: then the volume is half a scan.

    Returns
    -------
    The number of places beyond its ends, which are few.
    """
    _, _, normal = unit_axes(ordered[0])
    along = along_normal(ordered)
    room_mm = (usual_distance(along) or 0.0) / 2
    places = {
        round(place, 1)
        for plane in rest
        if abs(float(unit_axes(plane)[2] @ normal)) > 1 - SAME_COSINE
        for place in (float(np.asarray(plane.position_lps_mm) @ normal),)
        if not along[0] - room_mm <= place <= along[-1] + room_mm
    }
    if len(places) > max(_FEW - 1, _SHARE_OF_STRAYS * len(ordered)):
        raise cause
    return len(places)
