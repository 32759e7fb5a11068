"""Found against known: which nodules of a list that is known to be true were marked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import dist
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from node.errors import ConfigError


class HasPlace(Protocol):
    """A mark: something with a number and a place."""

    @property
    def id(self) -> int:
        """Number of the mark, from 1."""

    @property
    def center_lps_mm(self) -> tuple[float, float, float]:
        """Centre in LPS millimetres."""


Found = TypeVar("Found", bound=HasPlace)


@dataclass(frozen=True)
class Mark:
    """A mark as report.json has it."""

    id: int
    center_lps_mm: tuple[float, float, float]


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
class Match(Generic[Found]):
    """A known nodule, the mark that found it and how far that lies from its centre; None is missed."""

    known: KnownNodule
    nodule: Found | None
    distance_mm: float | None


def known_nodules(path: Path) -> tuple[KnownNodule, ...]:
    """Read a JSON file of known nodules.

    Its form is ``{"nodules": [{"center_lps_mm": [x, y, z], "diameter_mm": 8.0, "attenuation": "solid"}]}``;
    the attenuation may be absent.

    Raises
    ------
    ConfigError
        The file cannot be read, or is not such a list.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["nodules"]
        return tuple(_known(**row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"known nodules in {path.name}: {type(error).__name__}; see docs/settings.md") from None


def compare(known: Sequence[KnownNodule], nodules: Sequence[Found]) -> list[Match[Found]]:
    """Match each known nodule with at most one mark, nearest pairs first.

    A mark finds a nodule when it lies within half its diameter; a mark finds one nodule only.
    """
    pairs = [(dist(k.center_lps_mm, n.center_lps_mm), a, b) for a, k in enumerate(known) for b, n in enumerate(nodules)]
    found = one_to_one(pair for pair in pairs if pair[0] <= known[pair[1]].diameter_mm / 2)
    return [_match(k, nodules, found.get(a)) for a, k in enumerate(known)]


def one_to_one(pairs: Iterable[tuple[float, int, int]]) -> dict[int, tuple[int, float]]:
    """Pair two lists, nearest first, each member once.

    Parameters
    ----------
    pairs
        Distance, place in the first list, place in the second, of all that may be paired.

    Returns
    -------
    By place in the first list: place in the second, and the distance.
    """
    found: dict[int, tuple[int, float]] = {}
    for distance, a, b in sorted(pairs):
        if a not in found and all(b != taken for taken, _ in found.values()):
            found[a] = (b, distance)
    return found


def other_marks(matches: Sequence[Match[Found]], nodules: Sequence[Found]) -> list[Found]:
    """List the marks that found none of the known nodules."""
    used = {match.nodule.id for match in matches if match.nodule}
    return [nodule for nodule in nodules if nodule.id not in used]


def _match(known: KnownNodule, nodules: Sequence[Found], found: tuple[int, float] | None) -> Match[Found]:
    return Match(known, None, None) if found is None else Match(known, nodules[found[0]], found[1])


def _known(center_lps_mm: Sequence[float], diameter_mm: float, attenuation: str = "", **_: object) -> KnownNodule:
    x, y, z = map(float, center_lps_mm)
    return KnownNodule((x, y, z), float(diameter_mm), attenuation)
