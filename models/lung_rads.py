"""Lung-RADS v2022 (ACR, November 2022; Christensen et al., J Am Coll Radiol 2024;21:473).

What can be decided from type, size, count and priors is decided; what needs a person's eye (spiculation,
the pattern of a calcification, airways, infection, other findings) is taken only when it is said. Where
the table has no row, or two, the category is None, ``possible`` lists what it may be, and the basis says why.
Category 0 and the modifier S belong to the examination and to a person; they are never given here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from models.findings import Attenuation, LungRads, LungRadsCategory
from models.screened_nodule import THRESHOLDS_MM, Airway, Course, ScreenedNodule, Size

_C = LungRadsCategory
_ORDER = (_C.NEGATIVE, _C.BENIGN, _C.PROBABLY_BENIGN, _C.SUSPICIOUS_4A, _C.SUSPICIOUS_4B, _C.SUSPICIOUS_4X)
_GROWN = (Course.GROWING, Course.SLOWLY_GROWING)


def assess_nodule(nodule: ScreenedNodule) -> LungRads:
    """Give the category of one nodule, or None with the categories it may be and the reason."""
    return _said(_calcified(nodule))


def assess_exam(nodules: Iterable[LungRads]) -> LungRads:
    """Give the category of the examination: that of its most suspicious nodule; 1 without a nodule.

    With undetermined nodules the examination is determined only if none of them can change it.

    Raises
    ------
    ValueError
        If a nodule carries category 0, which only an examination can have.
    """
    assessed = list(nodules)
    if not assessed:
        return LungRads(_C.NEGATIVE, "no nodule")
    spans = [_possible(one) for one in assessed]
    lowest = max((span[0] for span in spans), key=_rank)
    attainable = {category for span in spans for category in span if _rank(category) >= _rank(lowest)}
    highest = max(attainable, key=_rank)
    leading = next(one for one, span in zip(assessed, spans, strict=True) if highest in span)
    count = f"{len(assessed)} nodule{'s' if len(assessed) > 1 else ''}"
    return _said(_verdict(f"most suspicious of {count}: {leading.basis}", *attainable))


def _calcified(nodule: ScreenedNodule) -> LungRads:
    """1 if the calcification is of a benign pattern; as any solid nodule if it is not."""
    if nodule.benign_calcification:
        return _verdict("benign calcification", _C.NEGATIVE)
    if nodule.attenuation is not Attenuation.CALCIFIED:
        return _spiculated(nodule)
    otherwise = _spiculated(replace(nodule, attenuation=Attenuation.SOLID))
    if nodule.benign_calcification is False:
        return otherwise
    basis = (
        f"calcified {nodule.size}, the pattern is not measured: 1 if complete, central, popcorn or concentric, "
        f"else by size and course ({otherwise.basis})"
    )
    return _verdict(basis, _C.NEGATIVE, *_possible(otherwise))


def _spiculated(nodule: ScreenedNodule) -> LungRads:
    """3 and 4 become 4X with spiculation or another suspicious feature."""
    plain = _in_airway(nodule, nodule.airway) if nodule.airway is not None else _by_type(nodule)
    if not nodule.spiculated:
        return plain
    is_raised = {category: _rank(category) >= _rank(_C.PROBABLY_BENIGN) for category in _possible(plain)}
    raised = [_C.SUSPICIOUS_4X if is_raised[category] else category for category in is_raised]
    return _verdict(f"{plain.basis}, spiculated", *raised)


def _by_type(nodule: ScreenedNodule) -> LungRads:
    if nodule.course is Course.STABLE:
        return _stable(nodule)
    if nodule.attenuation is Attenuation.PART_SOLID:
        return _part_solid(nodule)
    return _ground_glass(nodule) if nodule.attenuation is Attenuation.GROUND_GLASS else _solid(nodule)


def _solid(nodule: ScreenedNodule) -> LungRads:
    size, words = nodule.size, _words(nodule)
    if nodule.juxtapleural_smooth and size.is_below(10) and nodule.course not in _GROWN:
        return _verdict(f"{words}, juxtapleural and smooth, below 10 mm", _C.BENIGN)
    if nodule.course is Course.NEW:
        return _verdict(words, _banded(size, (4, 6, 8)))
    if nodule.course is Course.GROWING:
        return _verdict(words, _C.SUSPICIOUS_4A if size.is_below(8) else _C.SUSPICIOUS_4B)
    return _settled_or_slow(nodule, _banded(size, (6, 8, 15)))


def _ground_glass(nodule: ScreenedNodule) -> LungRads:
    words = _words(nodule)
    if nodule.size.is_below(30) or nodule.course is Course.SLOWLY_GROWING:
        return _verdict(words, _C.BENIGN)
    if nodule.course is not Course.GROWING:
        return _verdict(words, _C.PROBABLY_BENIGN)
    if nodule.previous_size is not None and nodule.previous_size.is_below(30):
        return _verdict(f"{words}, now across the threshold of 30 mm", _C.PROBABLY_BENIGN)
    reason = "there is no row for growth from 30 mm on, and it is 4X if it doubled within a year"
    return _verdict(f"{words}: {reason}", _C.PROBABLY_BENIGN, _C.SUSPICIOUS_4X)


def _part_solid(nodule: ScreenedNodule) -> LungRads:
    solid = nodule.solid_size
    if solid is None:
        return _solid_component_unknown(nodule)
    if nodule.course is Course.NEW:
        return _new_part_solid(nodule, solid)
    if nodule.course is Course.GROWING:
        return _growing_part_solid(nodule, solid)
    return _settled_or_slow(nodule, _part_solid_by_size(nodule.size, solid))


def _part_solid_by_size(size: Size, solid: Size) -> LungRadsCategory:
    if size.is_below(6):
        return _C.BENIGN
    reached = sum(not solid.is_below(threshold_mm) for threshold_mm in (6, 8))
    return (_C.PROBABLY_BENIGN, _C.SUSPICIOUS_4A, _C.SUSPICIOUS_4B)[reached]


def _new_part_solid(nodule: ScreenedNodule, solid: Size) -> LungRads:
    words = _words(nodule)
    if not nodule.size.is_below(6):
        return _verdict(words, _C.SUSPICIOUS_4A if solid.is_below(4) else _C.SUSPICIOUS_4B)
    if solid.is_below(4):
        return _verdict(words, _C.PROBABLY_BENIGN)
    # Two rows fit: 3 by the total below 6 mm, 4B by the solid component from 4 mm on. The higher one is our reading.
    return _verdict(f"{words}: 3 by its total, 4B by its solid component, please review", _C.SUSPICIOUS_4B)


def _growing_part_solid(nodule: ScreenedNodule, solid: Size) -> LungRads:
    words, by_size = _words(nodule), _part_solid_by_size(nodule.size, solid)
    by_growth = _C.SUSPICIOUS_4A if solid.is_below(4) else _C.SUSPICIOUS_4B
    if nodule.solid_component_grew is None:
        return _verdict(f"{words}: whether its solid component grew is not known", by_size, by_growth)
    if not nodule.solid_component_grew:
        return _verdict(f"{words}: no row for growth without growth of the solid component", by_size, by_growth)
    if nodule.size.is_below(6) and by_growth is _C.SUSPICIOUS_4A:
        # The condition of at least 6 mm in total leads the row of 4A.
        return _verdict(
            f"{words}: no row for a growing solid component below 4 mm in so small a nodule", by_size, by_growth
        )
    return _verdict(f"{words}, solid component growing", by_growth)


def _solid_component_unknown(nodule: ScreenedNodule) -> LungRads:
    """Try what the solid component may be: every class of size up to the whole nodule."""
    sizes = [Size(threshold, volume) for threshold, volume in THRESHOLDS_MM.items()]
    reached = [
        size for size, threshold in zip(sizes, THRESHOLDS_MM, strict=True) if not nodule.size.is_below(threshold)
    ]
    tried = [_part_solid(replace(nodule, solid_size=solid)) for solid in (Size(0.0, 0.0), *reached, nodule.size)]
    basis = f"{_words(nodule)}, its solid component is not measured"
    return _verdict(basis, *(category for one in tried for category in _possible(one)))


def _stable(nodule: ScreenedNodule) -> LungRads:
    """Step the last category down if it has been stable for long enough, unless a threshold of size is crossed."""
    words, last = _words(nodule), nodule.previous_category
    if nodule.attenuation is Attenuation.GROUND_GLASS:
        return _verdict(words, _C.BENIGN)
    by_size = _by_type(replace(nodule, course=Course.BASELINE))
    if last is None:
        return _stable_without_history(nodule)
    stepped = _stepped_down(last, nodule.months_since_previous)
    before = _size_before(nodule)
    if before is None:  # a larger size may be a threshold crossed, or a category that was stepped down before
        larger = [category for category in _possible(by_size) if _rank(category) > _rank(last)]
        return _verdict(f"{words}, was {last}", stepped, *larger)
    if _rank(_possible(by_size)[-1]) > _rank(_possible(before)[-1]):
        return _verdict(f"{words}, now across a threshold of size", *_possible(by_size))
    return _verdict(f"{words}, was {last}", stepped)


def _size_before(nodule: ScreenedNodule) -> LungRads | None:
    """Give what the size at the last screen amounts to at baseline; None if it is not known in full."""
    if nodule.previous_size is None:
        return None
    if nodule.attenuation is Attenuation.PART_SOLID and nodule.previous_solid_size is None:
        return None
    before = replace(nodule, course=Course.BASELINE, size=nodule.previous_size, solid_size=nodule.previous_solid_size)
    return _by_type(before)


def _stable_without_history(nodule: ScreenedNodule) -> LungRads:
    first = [_by_type(replace(nodule, course=course)) for course in (Course.BASELINE, Course.NEW)]
    categories = {category for one in first for category in _possible(one)}
    stepped = {_stepped_down(category, months=12) for category in categories}
    return _verdict(f"{_words(nodule)}, its category at the last screen is not known", *categories, *stepped)


def _stepped_down(category: LungRadsCategory, months: float | None) -> LungRadsCategory:
    """3 stable at 6 months is 2, 4A stable at 3 months is 3; anything else stays. Months are rounded to whole ones."""
    waited = 0 if months is None else round(months)
    if category is _C.PROBABLY_BENIGN and waited >= 6:
        return _C.BENIGN
    if category is _C.SUSPICIOUS_4A and waited >= 3:
        return _C.PROBABLY_BENIGN
    return category


def _settled_or_slow(nodule: ScreenedNodule, by_size: LungRadsCategory) -> LungRads:
    if nodule.course is not Course.SLOWLY_GROWING:
        return _verdict(_words(nodule), by_size)
    return _verdict(f"{_words(nodule)}: slow growth over several screens may be 4B", by_size, _C.SUSPICIOUS_4B)


def _in_airway(nodule: ScreenedNodule, airway: Airway) -> LungRads:
    words = f"{nodule.course} {airway.value} airway nodule"
    if airway is Airway.SUBSEGMENTAL:
        if nodule.course not in _GROWN:
            return _verdict(words, _C.BENIGN)
        return _verdict(f"{words}: there is no row for its growth", _C.BENIGN, _C.SUSPICIOUS_4B)
    if nodule.course is Course.BASELINE:
        return _verdict(words, _C.SUSPICIOUS_4A)
    if nodule.course is Course.NEW:
        return _verdict(f"{words}: the table is ambiguous for a new one", _C.SUSPICIOUS_4A, _C.SUSPICIOUS_4B)
    return _verdict(words, _C.SUSPICIOUS_4B)


def _banded(size: Size, thresholds_mm: tuple[int, int, int]) -> LungRadsCategory:
    """Give 2, 3, 4A or 4B by how many of the three thresholds the size has reached."""
    reached = sum(not size.is_below(threshold_mm) for threshold_mm in thresholds_mm)
    return (_C.BENIGN, _C.PROBABLY_BENIGN, _C.SUSPICIOUS_4A, _C.SUSPICIOUS_4B)[reached]


def _words(nodule: ScreenedNodule) -> str:
    kind = nodule.attenuation.value.replace("_", " ")
    solid = f" with solid component {nodule.solid_size}" if nodule.solid_size is not None else ""
    return f"{nodule.course} {kind} {nodule.size}{solid}"


def _verdict(basis: str, *categories: LungRadsCategory) -> LungRads:
    """Give one category, or none and all that are possible, ascending."""
    possible = tuple(sorted(set(categories), key=_rank))
    return LungRads(possible[0], basis) if len(possible) == 1 else LungRads(None, basis, possible)


def _said(assessed: LungRads) -> LungRads:
    """Begin the basis of an undetermined category with what it may be."""
    if assessed.category is not None:
        return assessed
    return replace(assessed, basis=f"may be {' or '.join(assessed.possible)}; {assessed.basis}")


def _possible(assessed: LungRads) -> tuple[LungRadsCategory, ...]:
    """Give the categories that an assessment may be; all of them if it does not say."""
    if assessed.category is not None:
        return (assessed.category,)
    return assessed.possible or _ORDER


def _rank(category: LungRadsCategory) -> int:
    return _ORDER.index(category)
