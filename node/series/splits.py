"""What parts a series into several volumes: an attribute, or the order of its images; pure.

Law of this file: it says how images may be told apart, and which of the parts a reader would rather have;
whether a part is a volume is for ``parts.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from node.series.grid import SAME_POSITION_MM, along_normal
from node.series.planes import Array, Plane
from node.series.rules import SelectionRules

_MOST_PARTS = 20  # of one attribute that tell acquisitions apart: with more, it changes from slice to slice
_SHARE_BETWEEN = 0.25  # of its slices lie between those of another part: the two interleave, they do not follow
_SAME_EXTENT = 0.1  # of the longest part: parts that differ by less are equally long
_KERNELS = SelectionRules()
_MOMENT = re.compile(
    r"(?:\d{6}(\d\d))?(\d\d):?(\d\d)?:?(\d\d(?:\.\d+)?)?(?:[+-]\d{4})?", re.ASCII
)  # a day of the month


@dataclass(frozen=True)
class Split:
    """One way to part a series; ``name`` says by what, in the plural."""

    name: str
    parts: tuple[tuple[Plane, ...], ...]

    @property
    def interleaves(self) -> bool:
        """Tell whether slices of two parts lie between each other, as those of one scan in sections do not."""
        places = [along_normal(part) for part in self.parts if len(part) > 1]
        return any(_between(a, b) and _between(b, a) for a, b in combinations(places, 2))

    def ranked(self) -> list[tuple[Plane, ...]]:
        """Give the parts: the longest first, of equally long ones the better kernel, then more slices."""
        longest_mm = max(map(_extent_mm, self.parts)) or 1.0
        return sorted(
            self.parts,
            key=lambda part: (
                -round(_extent_mm(part) / (_SAME_EXTENT * longest_mm)),
                _KERNELS.kernel_group(part[0].frame.convolution_kernel),
                -len(part),
            ),
        )


_ATTRIBUTES: tuple[tuple[str, Callable[[Plane], Hashable]], ...] = (
    ("classes (SOP Class UID)", lambda plane: plane.header.sop_class_uid),
    ("acquisitions (Acquisition Number)", lambda plane: plane.frame.acquisition_number),
    ("times (Temporal Position)", lambda plane: plane.frame.temporal_position),
    ("phases (Nominal Percentage of Cardiac Phase)", lambda plane: plane.frame.phase_percent),
    ("phases (Trigger Time)", lambda plane: plane.header.trigger_time_ms),
    ("stacks (Stack ID)", lambda plane: plane.frame.stack_id),
    ("kernels (Convolution Kernel)", lambda plane: plane.frame.convolution_kernel),
    ("kinds (Image Type)", lambda plane: plane.frame.frame_type),
    ("tube voltages (KVP)", lambda plane: plane.header.kvp),
    ("thicknesses (Slice Thickness)", lambda plane: round(plane.header.slice_thickness_mm or 0, 2)),
    ("scans (Scan Options)", lambda plane: plane.header.scan_options),
    ("positions of the patient (Patient Position)", lambda plane: plane.header.patient_position),
    ("descriptions (Series Description)", lambda plane: plane.header.series_description),
    ("times (Acquisition Time)", lambda plane: plane.header.acquisition_time),
)


def splits_of(group: Sequence[Plane]) -> Iterator[Split]:
    """Give every way in which an attribute, or the order of the images, parts the group into several volumes."""
    for name, value in _ATTRIBUTES:
        parts: dict[Hashable, list[Plane]] = {}
        for plane in group:
            parts.setdefault(value(plane), []).append(plane)
        if 1 < len(parts) <= _MOST_PARTS:
            yield Split(name, tuple(map(tuple, parts.values())))
    yield from _by_pause(group)
    times = {plane.header.acquisition_time: plane for plane in group if plane.header.acquisition_time}
    numbers = {plane.header.instance_number: plane for plane in group if plane.header.instance_number is not None}
    yield from _by_passes("passes (Acquisition Time)", [times[time] for time in sorted(times)], len(group))
    in_order = [numbers[number] for number in sorted(number for number in numbers if number is not None)]
    yield from _by_passes("passes (Instance Number)", in_order, len(group))


def _by_pause(group: Sequence[Plane]) -> Iterator[Split]:
    """Part images at the longest pause between their acquisition times, where each has one."""
    times = [seconds_of(plane.header.acquisition_time) for plane in group]
    known = [time for time in times if time is not None]
    moments = sorted(set(known))
    if len(known) < len(group) or len(moments) < 3:
        return
    after = max(range(1, len(moments)), key=lambda n: moments[n] - moments[n - 1])
    early = tuple(plane for plane, time in zip(group, known, strict=True) if time < moments[after])
    late = tuple(plane for plane, time in zip(group, known, strict=True) if time >= moments[after])
    yield Split("acquisitions (pause in Acquisition Time)", (early, late))


def seconds_of(moment: str) -> float | None:
    """Read the time of the day out of a TM or DT value (PS3.5 Table 6.2-1), in seconds; None where it is none."""
    found = _MOMENT.fullmatch(moment)
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _by_passes(name: str, in_order: Sequence[Plane], size: int) -> Iterator[Split]:
    """Part images where in the order of time or number they go back by more than half of the scan.

    Each pass must run one way: where numbers are given at random, they say nothing.
    """
    if len(in_order) != size:
        return  # the order says nothing of some, or the same of several
    steps = np.diff(along_normal(in_order))
    back = np.flatnonzero(np.abs(steps) > _extent_mm(in_order) / 2) + 1
    if not 1 <= len(back) < _MOST_PARTS:
        return
    edges = [0, *back.tolist(), size]
    if all(_runs_one_way(steps[start : end - 1]) for start, end in pairwise(edges)):
        yield Split(name, tuple(tuple(in_order[start:end]) for start, end in pairwise(edges)))


def _runs_one_way(steps: Array) -> bool:
    return bool((steps > 0).all() or (steps < 0).all())


def _between(along: Array, other: Array) -> bool:
    inside = np.count_nonzero((along >= other.min() - SAME_POSITION_MM) & (along <= other.max() + SAME_POSITION_MM))
    return bool(inside >= max(2, _SHARE_BETWEEN * len(along)))


def _extent_mm(part: Sequence[Plane]) -> float:
    along = along_normal(part)
    return float(along.max() - along.min())
