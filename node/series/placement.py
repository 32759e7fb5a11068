"""One geometry: the headers of a series are a volume, or a named reason why not.

Law of this file: it sees headers alone, and is the one place that judges them: completeness, selection and
assembly ask it. Slices are ordered by the projection of Image Position (Patient) on the normal of the image
plane, never by name or number. One stray image does not cost the chest: it is set apart, with a note, where
the rest make one volume; where they do not, the series is refused for the stray's own reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.datadict import dictionary_description

from node.errors import (
    AssemblyError,
    MissingGeometry,
    MixedFrameOfReference,
    MixedGeometry,
    MixedOrientation,
    NoImages,
    NotAxial,
    NotCT,
    SliceGap,
    TooFewSlices,
)
from node.series.grid import Grid, along_normal, grid_of, missing_slices, usual_distance
from node.series.instances import InstanceHeader
from node.series.limits import DEFAULT_PLACEMENT, PlacementLimits
from node.series.parts import (
    SAME_COSINE,
    SAME_SPACING_MM,
    Part,
    best_part,
    by_geometry,
    check_nothing_beyond,
    each_has_its_own_frame_of_reference,
    largest_difference,
)
from node.series.planes import Plane, Stray, read_planes, tilt_degrees

_NOT_CT = "object(s) that are not CT images"


@dataclass(frozen=True, eq=False)
class Placement:
    """Where every slice of a volume comes from and where it lies.

    Parameters
    ----------
    planes
        In slice order, along the normal of the image plane.
    copies
        (k, plane): another image stands where slice ``k`` stands; the volume holds only if its pixels are the same.
    grid
        Affine, and the shift of every slice.
    left_out
        Images and objects of the series that are no slice of it.
    notes
        What was done, in plain sentences.
    warnings
        What a reader of the result must know.
    """

    planes: tuple[Plane, ...]
    copies: tuple[tuple[int, Plane], ...]
    grid: Grid
    left_out: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return len(self.planes), self.planes[0].rows, self.planes[0].columns

    @property
    def spacing_kji_mm(self) -> tuple[float, float, float]:
        """Distance between slices, rows and columns."""
        row_mm, column_mm = self.planes[0].spacing_ji_mm
        return self.grid.slice_distance_mm, row_mm, column_mm

    @property
    def extent_mm(self) -> float:
        """From the first to the last slice centre."""
        return self.grid.slice_distance_mm * (len(self.planes) - 1)

    @property
    def tilt_degrees(self) -> float:
        """Angle between the normal of the slices and the patient's long axis."""
        return tilt_degrees(self.planes[0])

    @property
    def is_whole(self) -> bool:
        """Tell whether every image of the series is a slice of the volume."""
        return not self.left_out and not self.copies


def place(
    headers: Sequence[InstanceHeader], limits: PlacementLimits = DEFAULT_PLACEMENT, unread: Sequence[Stray] = ()
) -> Placement:
    """Order the slices of one series and place their grid.

    Parameters
    ----------
    headers
        Of one series, in any order.
    limits
        Bounds of what is read.
    unread
        Instances of the series whose headers cannot be read at all.

    Raises
    ------
    AssemblyError
        The subclass names the precondition that does not hold.
    """
    read = [read_planes(source, header) for source, header in enumerate(headers)]
    planes = [plane for found, _ in read for plane in found]
    strays = [*unread, *(stray for _, found in read for stray in found)]
    if not planes:
        raise _nothing(headers, strays)
    _check_concatenations(headers)
    is_loose = each_has_its_own_frame_of_reference(planes)
    groups = by_geometry(planes, one_frame_of_reference=is_loose)
    part = _best_of(groups, strays, limits)
    warnings = ("each image has a Frame of Reference UID of its own: they are read as one",) if is_loose else ()
    return _placement(part, planes, strays, (_carelessness(part, headers), warnings))


def _best_of(groups: Sequence[Sequence[Plane]], strays: Sequence[Stray], limits: PlacementLimits) -> Part:
    """Give the volume of the largest group that is one and covers what is left out."""
    failure: AssemblyError | None = None
    for group in groups:
        rest = [plane for other in groups if other is not group for plane in other]
        cause = _difference(group[0], rest[0]) if rest else MixedGeometry("the slices differ")
        try:
            part = best_part(group, limits)
            check_nothing_beyond(part.ordered, rest, cause)
        except AssemblyError as error:
            failure = failure or _explained(error, group, rest, strays)
        else:
            return part
    raise failure or NoImages("no slice")


def _explained(
    error: AssemblyError, group: Sequence[Plane], rest: Sequence[Plane], strays: Sequence[Stray]
) -> AssemblyError:
    """Give the reason of the images that were set apart, where they are the slices that the volume lacks."""
    causes = [stray.cause for stray in strays if not isinstance(stray.cause, NotAxial)]
    causes += [_difference(group[0], plane) for plane in rest]
    kinds = Counter(type(cause) for cause in causes)
    lacking: list[type[AssemblyError]] = []
    if isinstance(error, TooFewSlices):
        lacking = [kind for kind, _ in kinds.most_common(1)]
    elif isinstance(error, SliceGap):
        lacking = [kind for kind, count in kinds.items() if count == _lacking(group)]
    return next((cause for cause in causes if type(cause) in lacking), error)


def _lacking(group: Sequence[Plane]) -> int:
    """Count the places of the grid that hold no slice."""
    along = np.sort(along_normal(group))
    usual = usual_distance(along)
    return missing_slices(np.diff(along), usual) if usual else 0


def _difference(first: Plane, other: Plane) -> AssemblyError:
    """Say in which attribute two planes differ that do not belong to one volume."""
    pair = f"{first.place} and {other.place}"
    if first.header.frame_of_reference_uid != other.header.frame_of_reference_uid:
        return MixedFrameOfReference(f"Frame of Reference UID differs between {pair}")
    if largest_difference(first.orientation, other.orientation) > SAME_COSINE:
        return MixedOrientation(f"Image Orientation (Patient) differs between {pair}")
    if (first.rows, first.columns) != (other.rows, other.columns):
        return MixedGeometry(f"Rows and Columns differ between {pair}")
    return MixedGeometry(f"Pixel Spacing differs between {pair}")


def _nothing(headers: Sequence[InstanceHeader], strays: Sequence[Stray]) -> AssemblyError:
    """Say why there is no slice at all."""
    if not strays:
        return NoImages("no image at all")
    if all(isinstance(stray.cause, NotAxial) for stray in strays):
        return NotAxial(f"all {len(strays)} images are localizers (Image Type), none is an axial slice")
    if all(isinstance(stray.cause, NotCT) for stray in strays) and len(strays) == len(headers):
        counts = Counter(header.modality[:16] or "none" for header in headers)
        return NotCT(f"no CT image among {len(headers)} object(s): Modality {_counted(counts)}")
    kind = Counter(type(stray.cause) for stray in strays if not isinstance(stray.cause, NotCT)).most_common(1)[0][0]
    return next(stray.cause for stray in strays if type(stray.cause) is kind)


def _check_concatenations(headers: Sequence[InstanceHeader]) -> None:
    """Raise ``SliceGap`` if parts of a concatenation (PS3.3 C.7.6.16.1.3) are missing."""
    numbers: dict[str, set[int]] = {}
    totals: dict[str, int] = {}
    for header in headers:
        if header.concatenation_uid and header.in_concatenation_number:
            uid, number = header.concatenation_uid, header.in_concatenation_number
            numbers.setdefault(uid, set()).add(number)
            totals[uid] = max(totals.get(uid, 0), header.in_concatenation_total or 0, number)
    for uid, found in numbers.items():
        if len(found) < totals[uid]:
            raise SliceGap(
                f"{totals[uid] - len(found)} of {totals[uid]} instances of a concatenation are missing "
                "(In-concatenation Number)"
            )


def _placement(
    part: Part, planes: Sequence[Plane], strays: Sequence[Stray], told: tuple[tuple[str, ...], tuple[str, ...]]
) -> Placement:
    careless, warnings = told
    used = {(plane.source, plane.frame_index) for plane in (*part.ordered, *(copy for _, copy in part.copies))}
    rest = [plane for plane in planes if (plane.source, plane.frame_index) not in used]
    grid = grid_of(part.ordered)
    beyond = check_nothing_beyond(part.ordered, rest, SliceGap("images beyond the ends of the volume"))
    return Placement(
        planes=part.ordered,
        copies=part.copies,
        grid=grid,
        left_out=len(rest) + len(strays),
        notes=(*_stray_notes(strays), *_rest_notes(part, rest), *_copy_notes(part), *careless, *grid.notes),
        warnings=(*warnings, *_missing_warnings(strays), *_beyond_warnings(beyond)),
    )


def _stray_notes(strays: Sequence[Stray]) -> list[str]:
    foreign = Counter(stray.kind.partition(": ")[2] for stray in strays if stray.kind.startswith(_NOT_CT))
    kinds = Counter(stray.kind for stray in strays if not stray.kind.startswith(_NOT_CT))
    notes = [f"{count} {kind} in the series left out" for kind, count in kinds.items()]
    if foreign:
        notes.append(f"{foreign.total()} {_NOT_CT} left out: {_counted(foreign)}")
    return notes


def _rest_notes(part: Part, rest: Sequence[Plane]) -> list[str]:
    first = part.ordered[0]
    kinds = Counter(
        str(_difference(first, plane)).partition(" differs")[0].partition(" differ")[0]
        for plane in rest
        if not _is_alike(first, plane)
    )
    others = [f"{count} image(s) of another {name} left out" for name, count in kinds.items()]
    return [*others, *part.notes]


def _is_alike(first: Plane, other: Plane) -> bool:
    return (
        (first.rows, first.columns) == (other.rows, other.columns)
        and largest_difference(first.orientation, other.orientation) <= SAME_COSINE
        and largest_difference(first.spacing_ji_mm, other.spacing_ji_mm) <= SAME_SPACING_MM
        and first.header.frame_of_reference_uid in ("", other.header.frame_of_reference_uid)
    )


def _copy_notes(part: Part) -> list[str]:
    return [f"{len(part.copies)} image(s) that repeat another one left out"] if part.copies else []


def _missing_warnings(strays: Sequence[Stray]) -> list[str]:
    """Warn of images that may be slices of the chest, and cannot be placed."""
    kinds = Counter(stray.kind for stray in strays if isinstance(stray.cause, MissingGeometry))
    return [f"{count} {kind} cannot be placed: they may be slices of this scan" for kind, count in kinds.items()]


def _beyond_warnings(beyond: int) -> list[str]:
    return [f"images at {beyond} place(s) beyond the ends of the volume are not read"] if beyond else []


def _carelessness(part: Part, headers: Sequence[InstanceHeader]) -> tuple[str, ...]:
    """Say which attributes were written carelessly and could be read all the same."""
    sources = {plane.source for plane in part.ordered}
    counts = Counter(keyword for source in sources for keyword in headers[source].mended)
    return tuple(
        f"{dictionary_description(keyword)} is not written as the standard says in {count} image(s): read all the same"
        for keyword, count in sorted(counts.items())
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
