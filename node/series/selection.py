"""Which series of a study is analysed, and one line for each other that says why not.

Law of this file: ``select`` decides from summaries and rules alone. First what can be no chest CT is
ruled out; of the rest the best wins by an order of criteria, each tested only among equals:

1. slices without gap or duplicate: another one would be refused by the assembly;
2. the header says chest;
3. the thinner class of slice distance or thickness (whichever is larger);
4. original rather than derived;
5. the better group of kernels;
6. the smaller slice distance itself, the longer scan, the lower series number, the lower UID.

1 to 5 are differences of merit: with one of them a series that comes later is analysed as well
(``outranks``). 6 only settles who comes first.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from node.series.geometry import common_normal, slice_positions_mm, spacing_of
from node.series.instances import InstanceHeader, is_ct, slice_count
from node.series.rules import SelectionRules

__all__ = ["Selection", "SelectionRules", "SeriesSummary", "outranks", "refusal", "select", "summarize"]

NO_SUITABLE_SERIES = "NO_SUITABLE_SERIES"  # reason code of a study none of whose series can be chosen
_LOCALIZER = "LOCALIZER"  # PS3.3 C.8.2.1.1.1: value 3 of a projection


@dataclass(frozen=True)
class SeriesSummary:
    """What selection looks at.

    Parameters
    ----------
    slice_count
        Slices of CT images that are no localizer; frames count one each.
    tilt_degrees
        Angle between the normal of the slices and the patient's long axis; None if they share none.
    slice_distance_mm
        The usual distance along the normal; None if unknown, as for a multi-frame object.
    resolution_mm
        Slice distance or thickness, whichever is larger; None if neither is known.
    extent_mm
        From the first to the last slice.
    """

    series_instance_uid: str
    modality: str
    is_ct: bool
    slice_count: int
    image_type: tuple[str, ...] = ()
    tilt_degrees: float | None = None
    slice_distance_mm: float | None = None
    resolution_mm: float | None = None
    extent_mm: float = 0.0
    gap_count: int = 0
    duplicate_count: int = 0
    convolution_kernel: str = ""
    series_description: str = ""
    body_part_examined: str = ""
    series_number: int | None = None

    @property
    def name(self) -> str:
        """How a reason names the series."""
        return "another series" if self.series_number is None else f"series {self.series_number}"


@dataclass(frozen=True)
class Selection:
    """The outcome for one study.

    Parameters
    ----------
    chosen
        Series Instance UID of the series to analyse; None if no series can be.
    reasons
        For every other series one line that says why not.
    nearest
        When none is chosen: the CT series with the most slices, on which a notice belongs; None if the
        study holds no CT image at all.
    """

    chosen: str | None
    reasons: Mapping[str, str]
    nearest: str | None = None


def select(
    series: Sequence[SeriesSummary], rules: SelectionRules, own_series: Collection[str] = frozenset()
) -> Selection:
    """Choose the series of one study that is analysed.

    Parameters
    ----------
    series
        All complete series of the study; their order does not matter.
    rules
        What the site says.
    own_series
        Series Instance UIDs that this node made itself; they are never analysed.
    """
    refusals = {one.series_instance_uid: _refusal_of(one, rules, own_series) for one in series}
    candidates = [one for one in series if refusals[one.series_instance_uid] is None]
    reasons = {uid: reason for uid, reason in refusals.items() if reason is not None}
    if not candidates:
        return Selection(None, MappingProxyType(reasons), _nearest(series, own_series))
    best = min(candidates, key=lambda one: (_merit(one, rules), _ties(one)))
    losers = [one for one in candidates if one is not best]
    reasons |= {one.series_instance_uid: _why_behind(one, best, rules) for one in losers}
    return Selection(best.series_instance_uid, MappingProxyType(reasons))


def outranks(challenger: SeriesSummary, analysed: SeriesSummary, rules: SelectionRules) -> bool:
    """Tell whether a series is so much better than one already analysed that it is analysed as well."""
    if refusal(challenger, rules) is not None:
        return False
    return refusal(analysed, rules) is not None or _merit(challenger, rules) < _merit(analysed, rules)


def refusal(one: SeriesSummary, rules: SelectionRules) -> str | None:
    """Say in one line why a series cannot be analysed at all; None if it can."""
    if not one.is_ct:
        return f"not a CT image series (modality {one.modality or 'unknown'})"
    return next((reason for reason in (check(one, rules) for check in _CHECKS) if reason is not None), None)


def summarize(headers: Sequence[InstanceHeader]) -> SeriesSummary:
    """Summarize one series from its headers; localizers within it are left aside.

    Raises
    ------
    ValueError
        If there is no header.
    """
    if not headers:
        raise ValueError("a series without instances cannot be summarized")
    images = [header for header in headers if is_ct(header)]
    slices = [header for header in images if _LOCALIZER not in header.image_type] or images
    first = (slices or headers)[0]
    spacing = spacing_of(slice_positions_mm(slices))
    return SeriesSummary(
        series_instance_uid=first.series_instance_uid,
        modality=first.modality,
        is_ct=bool(images),
        slice_count=sum(map(slice_count, slices)),
        image_type=_union([header.image_type for header in slices]),
        tilt_degrees=_tilt_degrees(slices),
        slice_distance_mm=spacing.distance_mm,
        resolution_mm=_resolution_mm(slices, spacing.distance_mm),
        extent_mm=spacing.extent_mm,
        gap_count=len(spacing.gaps),
        duplicate_count=spacing.duplicate_count,
        convolution_kernel=first.convolution_kernel,
        series_description=first.series_description,
        body_part_examined=first.body_part_examined,
        series_number=first.series_number,
    )


def _union(image_types: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """List every value of the Image Types, in order of appearance."""
    return tuple(dict.fromkeys(value for image_type in image_types for value in image_type))


def _tilt_degrees(slices: Sequence[InstanceHeader]) -> float | None:
    normal = common_normal(slices)
    return None if normal is None else math.degrees(math.acos(min(1.0, abs(normal[2]))))


def _resolution_mm(slices: Sequence[InstanceHeader], distance_mm: float | None) -> float | None:
    """Thick slices that overlap and thin slices far apart show a nodule equally badly: the larger counts."""
    thicknesses = [header.slice_thickness_mm for header in slices if header.slice_thickness_mm is not None]
    known = [statistics.median(thicknesses)] if thicknesses else []
    return max([*known, *([] if distance_mm is None else [distance_mm])], default=None)


def _refusal_of(one: SeriesSummary, rules: SelectionRules, own_series: Collection[str]) -> str | None:
    if one.series_instance_uid in own_series:
        return "a result of this node"
    return refusal(one, rules)


def _check_image_type(one: SeriesSummary, rules: SelectionRules) -> str | None:
    words = {word for value in one.image_type for word in value.upper().replace("_", " ").split()}
    found = sorted(words & {word.upper() for word in rules.excluded_image_types})
    return f"Image Type holds {found[0]}" if found else None


def _check_description(one: SeriesSummary, rules: SelectionRules) -> str | None:
    for pattern in rules.excluded_descriptions:
        if rules.matches(one.series_description, (pattern,)):
            return f"Series Description fits the excluded pattern {pattern}"
    return None


def _check_slice_count(one: SeriesSummary, rules: SelectionRules) -> str | None:
    if one.slice_count >= rules.min_slices:
        return None
    return f"{one.slice_count} slice{'' if one.slice_count == 1 else 's'}, at least {rules.min_slices} are needed"


def _check_tilt(one: SeriesSummary, rules: SelectionRules) -> str | None:
    if one.tilt_degrees is None or one.tilt_degrees <= rules.max_tilt_degrees:
        return None  # slices without a common normal are for the assembly to refuse, with the numbers
    return f"not axial: the slices are tilted by {one.tilt_degrees:.0f} degrees, at most {rules.max_tilt_degrees:g}"


def _check_distance(one: SeriesSummary, rules: SelectionRules) -> str | None:
    if one.slice_distance_mm is None or one.slice_distance_mm <= rules.max_slice_distance_mm:
        return None
    return f"slices {one.slice_distance_mm:.1f} mm apart, at most {rules.max_slice_distance_mm:g} mm are allowed"


def _check_body_part(one: SeriesSummary, rules: SelectionRules) -> str | None:
    if _says_chest(one, rules):
        return None
    if rules.matches(one.body_part_examined, rules.other_part_patterns):
        return f"Body Part Examined is {one.body_part_examined}, not the chest"
    if rules.matches(one.series_description, rules.other_part_patterns):
        return "Series Description names another part of the body than the chest"
    return None


_CHECKS: tuple[Callable[[SeriesSummary, SelectionRules], str | None], ...] = (
    _check_image_type,
    _check_description,
    _check_slice_count,
    _check_tilt,
    _check_distance,
    _check_body_part,
)


def _says_chest(one: SeriesSummary, rules: SelectionRules) -> bool:
    return any(rules.matches(text, rules.chest_patterns) for text in (one.body_part_examined, one.series_description))


def _merit(one: SeriesSummary, rules: SelectionRules) -> tuple[int, ...]:
    """Criteria 1 to 5; smaller is better."""
    return (
        int(one.gap_count + one.duplicate_count > 0 or one.tilt_degrees is None),
        int(not _says_chest(one, rules)),
        rules.slice_class(one.resolution_mm if one.resolution_mm is not None else math.inf),
        int(one.image_type[:1] != ("ORIGINAL",)),
        rules.kernel_group(one.convolution_kernel),
    )


def _ties(one: SeriesSummary) -> tuple[float, float, float, str]:
    """Criterion 6; smaller is better, unknown last."""
    number = math.inf if one.series_number is None else one.series_number
    resolution_mm = math.inf if one.resolution_mm is None else round(one.resolution_mm, 2)
    return resolution_mm, -round(one.extent_mm), number, one.series_instance_uid


def _why_behind(one: SeriesSummary, best: SeriesSummary, rules: SelectionRules) -> str:
    """Name the first criterion by which the best series is better."""
    pairs = zip(_merit(one, rules), _merit(best, rules), strict=True)
    place = next((place for place, (mine, its) in enumerate(pairs) if mine != its), None)
    if place is not None:
        return f"{best.name} is preferred: {_merit_texts(one, best)[place]}"
    if _ties(one)[:2] == _ties(best)[:2]:
        return f"{best.name} is preferred: the two are alike"
    return f"{best.name} is preferred: {_mm(best.resolution_mm)} slices over {best.extent_mm:.0f} mm, here " + (
        f"{_mm(one.resolution_mm)} over {one.extent_mm:.0f} mm"
    )


def _merit_texts(one: SeriesSummary, best: SeriesSummary) -> tuple[str, ...]:
    kernels = [each.convolution_kernel.replace("\\", " ") or "unknown" for each in (one, best)]
    return (
        f"{one.gap_count} gaps and {one.duplicate_count} duplicate slices, or mixed orientation, here",
        "its header says chest",
        f"{_mm(best.resolution_mm)} slices, {_mm(one.resolution_mm)} here",
        "it is original, this one is derived",
        f"kernel {kernels[1]} is better for measuring than {kernels[0]}",
    )


def _mm(length_mm: float | None) -> str:
    return "unknown" if length_mm is None else f"{length_mm:.2f} mm"


def _nearest(series: Sequence[SeriesSummary], own_series: Collection[str]) -> str | None:
    candidates = [one for one in series if one.is_ct and one.series_instance_uid not in own_series]
    best = max(candidates, key=lambda one: (one.slice_count, one.series_instance_uid), default=None)
    return best.series_instance_uid if best else None
