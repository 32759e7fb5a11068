"""Found against known: which nodules of a list that is known to be true were marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist

from models.findings import Nodule


@dataclass(frozen=True)
class KnownNodule:
    """A nodule that is known to be there: planted in a phantom, or marked by readers.

    Parameters
    ----------
    center_lps_mm
        Centre in LPS millimetres.
    kind
        Attenuation type in words; empty where it is not known.
    """

    center_lps_mm: tuple[float, float, float]
    diameter_mm: float
    kind: str = ""


@dataclass(frozen=True)
class Match:
    """A known nodule, the mark that found it and how far that lies from its centre; None is missed."""

    known: KnownNodule
    nodule: Nodule | None
    distance_mm: float | None


def compare(known: Sequence[KnownNodule], nodules: Sequence[Nodule]) -> list[Match]:
    """Match each known nodule with at most one mark, nearest pairs first.

    A mark finds a nodule when it lies within half its diameter; a mark finds one nodule only.
    """
    pairs = [(dist(k.center_lps_mm, n.center_lps_mm), a, b) for a, k in enumerate(known) for b, n in enumerate(nodules)]
    found: dict[int, tuple[int, float]] = {}
    for distance, a, b in sorted(pairs):
        free = a not in found and all(b != mark for mark, _ in found.values())
        if free and distance <= known[a].diameter_mm / 2:
            found[a] = (b, distance)
    return [_match(k, nodules, found.get(a)) for a, k in enumerate(known)]


def other_marks(matches: Sequence[Match], nodules: Sequence[Nodule]) -> list[Nodule]:
    """List the marks that found none of the known nodules."""
    used = {match.nodule.id for match in matches if match.nodule}
    return [nodule for nodule in nodules if nodule.id not in used]


def _match(known: KnownNodule, nodules: Sequence[Nodule], found: tuple[int, float] | None) -> Match:
    return Match(known, None, None) if found is None else Match(known, nodules[found[0]], found[1])
