"""The order of candidates: criteria, the first that tells two series apart decides.

Law of this file: a criterion ranks one series by its summary and the rules, smaller is better; it never excludes.

1. what makes no volume stands behind;
2. words: pictures; then the part of the body; then the preferences (``node.series.preferences``);
3. tilt, distance beyond what is set; class of slice distance or thickness;
4. original rather than derived, the better group of kernels.

These are differences of merit. What is alike in them is put in order (``ties``): the better phase of a gated study,
the smaller slice distance itself, the longer scan, the lower series number, the lower UID.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from node.series.preferences import TEXTS, Preference
from node.series.rules import SelectionRules
from node.series.summary import SeriesSummary
from node.series.words import fits

ALL_THE_SAME = "the pixels were looked at all the same"
_BODY_TEXTS = ("series_description", "body_part_examined", "protocol_name", "requested_procedure", "study_description")
_CHEST, _UNSAID, _ELSEWHERE = range(3)
_ASIR = r"(?<!asir )(?<!asir v )"  # "ASiR-V 30%" is the strength of a reconstruction
_PERCENT = re.compile(_ASIR + r"\b(\d{1,3}) %(?! asir)(?: (in|ex)\w*)?")
_CARDIAC = r"\b(card\w*|cor|coronar\w*|heart|herz\w*|ecg|ekg|(best ?)?(diast|syst)\w*)\b"


@dataclass(frozen=True)
class Criterion:
    """One way in which a series may be better than another.

    Parameters
    ----------
    rank
        Smaller is better.
    text
        Says of (one, better one) in which way the second is better.
    remark
        Says what a reader must know when the series is read all the same; None if there is nothing to say.
    """

    rank: Callable[[SeriesSummary], float]
    text: Callable[[SeriesSummary, SeriesSummary], str]
    remark: Callable[[SeriesSummary], str | None] = lambda _: None


def criteria(rules: SelectionRules) -> tuple[Criterion, ...]:
    """List the criteria of merit, the most important first."""
    return (
        Criterion(lambda one: int(one.obstacle is not None), _no_volume),
        *map(_by_words, rules.pictures),
        _by_body_part(rules),
        *map(_by_words, rules.preferences),
        *_by_geometry(rules),
        Criterion(_derived, lambda *_: "it is original, this one is derived", _secondary_remark),
        Criterion(lambda one: rules.kernel_group(one.convolution_kernel), _kernels),
    )


def merit(one: SeriesSummary, rules: SelectionRules) -> tuple[float, ...]:
    """Rank a series by every criterion of merit; smaller is better."""
    return tuple(criterion.rank(one) for criterion in criteria(rules))


def ties(one: SeriesSummary, rules: SelectionRules) -> tuple[float, float, float, float, str]:
    """Rank what is alike in merit: the better phase, finer slices, longer scan, lower number; unknown last."""
    number = math.inf if one.series_number is None else one.series_number
    resolution_mm = math.inf if one.resolution_mm is None else round(one.resolution_mm, 2)
    distance = phase_distance(one, rules)
    return distance, resolution_mm, -round(one.extent_mm), number, one.series_instance_uid


def why_behind(one: SeriesSummary, best: SeriesSummary, rules: SelectionRules) -> str:
    """Name the first criterion by which the best series is better."""
    for criterion in criteria(rules):
        if criterion.rank(one) != criterion.rank(best):
            return f"{best.name} is preferred: {criterion.text(one, best)}"
    if phase_distance(one, rules) != phase_distance(best, rules):
        return f"{best.name} is preferred: its phase is the better one to read"
    if ties(one, rules)[:3] == ties(best, rules)[:3]:
        return f"{best.name} is preferred: the two are alike"
    return f"{best.name} is preferred: {_mm(best.resolution_mm)} slices over {best.extent_mm:.0f} mm, here " + (
        f"{_mm(one.resolution_mm)} over {one.extent_mm:.0f} mm"
    )


def remarks(one: SeriesSummary, rules: SelectionRules) -> tuple[str, ...]:
    """Say what speaks against a series that is read all the same."""
    said = (criterion.remark(one) for criterion in criteria(rules))
    return tuple(remark for remark in said if remark is not None)


def phase_distance(one: SeriesSummary, rules: SelectionRules) -> float:
    """Give how far the phase of a gated series is from the best one, in %; 0 if no phase is told.

    Phases of breathing are told as percent of the cycle, where 0 and 100 are the same, or as percent of the
    amplitude with the direction ("100%Ex"), where 100 is full inspiration; phases of the heart as percent of R-R.
    """
    words = one.words["series_description"]
    told = _PERCENT.search(words)
    if told is None and one.phase_percent is None:
        return 0.0
    percent = float(told[1]) if told else one.phase_percent or 0.0
    if told and told[2]:
        return 100.0 - percent
    if one.phase_percent is not None or fits(words, _CARDIAC):
        return abs(percent - rules.cardiac_phase_percent)
    apart = abs(percent - rules.breathing_phase_percent) % 100
    return min(apart, 100 - apart)


def _by_words(preference: Preference) -> Criterion:
    def text(one: SeriesSummary, best: SeriesSummary) -> str:  # noqa: ARG001
        attribute = TEXTS[preference.spoken_in(one.words) or preference.where[0]]
        return f"{attribute} speaks of {preference.name} here: {preference.reason}"

    def remark(one: SeriesSummary) -> str | None:
        attribute = preference.spoken_in(one.words)
        return f"{TEXTS[attribute]} speaks of {preference.name}; {ALL_THE_SAME}" if attribute else None

    return Criterion(lambda one: int(preference.spoken_in(one.words) is not None), text, remark)


def _by_body_part(rules: SelectionRules) -> Criterion:
    def text(one: SeriesSummary, best: SeriesSummary) -> str:
        if body_part(best, rules)[0] == _CHEST:
            return "its header says chest"
        return f"{TEXTS[body_part(one, rules)[1]]} names another part of the body than the chest here"

    def remark(one: SeriesSummary) -> str | None:
        rank, attribute = body_part(one, rules)
        if rank != _ELSEWHERE:
            return None
        return f"{TEXTS[attribute]} names another part of the body than the chest; {ALL_THE_SAME}"

    return Criterion(lambda one: body_part(one, rules)[0], text, remark)


def body_part(one: SeriesSummary, rules: SelectionRules) -> tuple[int, str]:
    """Tell what the header says of the part of the body: 0 the chest, 1 nothing, 2 another; and the attribute."""
    for name in _BODY_TEXTS:
        words = one.words[name]
        for rank, patterns in ((_CHEST, rules.chest_patterns), (_ELSEWHERE, rules.other_part_patterns)):
            if any(fits(words, pattern) for pattern in patterns):
                return rank, name
    return _UNSAID, _BODY_TEXTS[0]


def _by_geometry(rules: SelectionRules) -> tuple[Criterion, ...]:
    def is_askew(one: SeriesSummary) -> bool:
        return one.tilt_degrees is not None and one.tilt_degrees > rules.max_tilt_degrees

    def is_sparse(one: SeriesSummary) -> bool:
        return one.slice_distance_mm is not None and one.slice_distance_mm > rules.max_slice_distance_mm

    return (
        Criterion(is_askew, lambda one, _: f"the slices are tilted by {one.tilt_degrees or 0:.0f} degrees here"),
        Criterion(is_sparse, lambda one, _: f"the slices are {_mm(one.slice_distance_mm)} apart here"),
        Criterion(
            lambda one: rules.slice_class(math.inf if one.resolution_mm is None else one.resolution_mm),
            lambda one, best: f"{_mm(best.resolution_mm)} slices, {_mm(one.resolution_mm)} here",
        ),
    )


def _no_volume(one: SeriesSummary, best: SeriesSummary) -> str:  # noqa: ARG001
    code, message = one.obstacle or ("", "")
    return f"this one makes no volume ({code}: {message})"


def _derived(one: SeriesSummary) -> int:
    return int(one.image_type[:1] != ("ORIGINAL",)) + int("SECONDARY" in one.image_type[:2])


def _secondary_remark(one: SeriesSummary) -> str | None:
    return f"Image Type says SECONDARY; {ALL_THE_SAME}" if "SECONDARY" in one.image_type[:2] else None


def _kernels(one: SeriesSummary, best: SeriesSummary) -> str:
    mine, its = (each.convolution_kernel.replace("\\", " ") or "unknown" for each in (one, best))
    return f"kernel {its} is better for measuring than {mine}"


def _mm(length_mm: float | None) -> str:
    return "unknown" if length_mm is None else f"{length_mm:.2f} mm"
