"""Which series of a study is analysed, and one line for each other that says why not.

Law of this file: ``select`` decides from summaries and rules alone. Words rank, pixels decide: ruled out is only
what is certain, such as localizers and dose pages (``refusal``); all else is a candidate, in an order of merit
(``node.series.ranking``), and is tried when what stands before it cannot be read.

A difference of merit lets a series that comes later be analysed as well (``outranks``); what is alike in merit is
only put in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from node.series.ranking import merit, remarks, ties, why_behind
from node.series.rules import SelectionRules
from node.series.summary import SeriesSummary, summarize

__all__ = [
    "Selection",
    "SelectionRules",
    "SeriesSummary",
    "instead_of",
    "may_win",
    "outranks",
    "refusal",
    "select",
    "summarize",
]

NO_SUITABLE_SERIES = "NO_SUITABLE_SERIES"  # reason code of a study none of whose series can be tried


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
    candidates
        Series Instance UIDs of all that may be tried, best first.
    remarks
        For a candidate, what speaks against it and must be said when it is read all the same.
    """

    chosen: str | None
    reasons: Mapping[str, str]
    nearest: str | None = None
    candidates: tuple[str, ...] = ()
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


def select(
    series: Sequence[SeriesSummary], rules: SelectionRules, own_series: Collection[str] = frozenset()
) -> Selection:
    """Choose the series of one study that is analysed, and the order in which the others are tried.

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
    best, *others = sorted(candidates, key=lambda one: (merit(one, rules), ties(one, rules)))
    reasons |= {one.series_instance_uid: why_behind(one, best, rules) for one in others}
    return Selection(
        best.series_instance_uid,
        MappingProxyType(reasons),
        candidates=tuple(one.series_instance_uid for one in (best, *others)),
        remarks=MappingProxyType({one.series_instance_uid: remarks(one, rules) for one in candidates}),
    )


def outranks(challenger: SeriesSummary, analysed: SeriesSummary, rules: SelectionRules) -> bool:
    """Tell whether a series is so much better than one already analysed that it is analysed as well."""
    if refusal(challenger, rules) is not None:
        return False
    return refusal(analysed, rules) is not None or merit(challenger, rules) < merit(analysed, rules)


def instead_of(refused: SeriesSummary, code: str) -> str:
    """Say in the report of a series which better one it is read for."""
    return f"read in the place of {refused.name} of the study, which could not be read ({code})"


def may_win(arriving: SeriesSummary, best: SeriesSummary | None, rules: SelectionRules) -> bool:
    """Tell whether a series that is still arriving could be chosen once it has all its slices.

    Its header says already what its slices will be; that they make a volume, as finely as their thickness lets
    them, is taken for granted.

    Parameters
    ----------
    best
        The best of the series that are complete; None if there is none.
    """
    whole = replace(
        arriving,
        slice_count=max(arriving.slice_count, rules.min_slices),
        obstacle=None,
        slice_distance_mm=arriving.thickness_mm,
        resolution_mm=arriving.thickness_mm or 0.0,
    )
    if refusal(whole, rules) is not None:
        return False
    return best is None or merit(whole, rules) <= merit(best, rules)


def refusal(one: SeriesSummary, rules: SelectionRules) -> str | None:
    """Say in one line why a series cannot be a chest CT at all; None if it is a candidate."""
    if not one.is_ct and one.is_for_processing:
        return "CT data For Processing (SOP Class): they are no images to be read"
    if not one.is_ct:
        return f"not a CT image series (modality {one.modality or 'unknown'})"
    return next((reason for reason in (check(one, rules) for check in _CHECKS) if reason is not None), None)


def _refusal_of(one: SeriesSummary, rules: SelectionRules, own_series: Collection[str]) -> str | None:
    if one.series_instance_uid in own_series:
        return "a result of this node"
    return refusal(one, rules)


def _check_image_type(one: SeriesSummary, rules: SelectionRules) -> str | None:
    """Rule out what is no slice in every one of its images; a stray among slices is set apart by the placement."""
    words = [rules.excluded_word(image_type) for image_type in one.image_types]
    return f"Image Type holds {words[0]}" if words and None not in words else None


def _check_description(one: SeriesSummary, rules: SelectionRules) -> str | None:
    for pattern in rules.excluded_descriptions:
        if rules.matches(one.series_description, (pattern,)):
            return f"Series Description fits the excluded pattern {pattern}"
    return None


def _check_slice_count(one: SeriesSummary, rules: SelectionRules) -> str | None:
    if one.slice_count >= rules.min_slices:
        return None
    return f"{one.slice_count} slice{'' if one.slice_count == 1 else 's'}, at least {rules.min_slices} are needed"


_CHECKS: tuple[Callable[[SeriesSummary, SelectionRules], str | None], ...] = (
    _check_image_type,
    _check_description,
    _check_slice_count,
)


def _nearest(series: Sequence[SeriesSummary], own_series: Collection[str]) -> str | None:
    candidates = [
        one for one in series if (one.is_ct or one.is_for_processing) and one.series_instance_uid not in own_series
    ]
    best = max(candidates, key=lambda one: (one.is_ct, one.slice_count, one.series_instance_uid), default=None)
    return best.series_instance_uid if best else None
