"""Detection measured as LUNA16 does: which marks hit, the FROC curve, the CPM and their bootstrap.

The rules are those of the challenge's own script (luna16.grand-challenge.org, Evaluation), its border cases included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

Floats = npt.NDArray[np.float64]

OPERATING_POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives a scan; the CPM is the mean there
MOST_MARKS = 100  # a scan
UNKNOWN_DIAMETER_MM = 10.0  # stands for the negative diameters in annotations_excluded.csv
RESAMPLES = 1000
CONFIDENCE = 0.95
_CURVE_POINTS = 10_000


@dataclass(frozen=True)
class Annotation:
    """A place that readers marked: series, centre x, y, z in world mm, and diameter in mm; negative is not known."""

    series: str
    center_mm: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class Mark:
    """A place that a detector marked: series, centre x, y, z in world mm (the annotations' frame), and probability."""

    series: str
    center_mm: tuple[float, float, float]
    probability: float


Place = TypeVar("Place", Annotation, Mark)


@dataclass(frozen=True, eq=False)
class ScanScores:
    """What one scan adds to the curve.

    Parameters
    ----------
    hits, false
        Probabilities of the nodules found (the best mark of each) and of the false positives.
    nodules
        Included nodules in the scan, found or not.
    ignored, doubles
        Marks on excluded places; marks beyond the first on one nodule.
    missed, false_marks
        For pictures of the worst cases.
    """

    hits: Floats
    false: Floats
    nodules: int
    ignored: int = 0
    doubles: int = 0
    missed: tuple[Annotation, ...] = ()
    false_marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a FROC curve from the strictest threshold to the laxest, (P,) each; the first finds nothing."""

    fps: Floats
    sensitivity: Floats
    threshold: Floats

    def sensitivity_at(self, fps: npt.ArrayLike) -> Floats:
        """Interpolate the sensitivity at so many false positives a scan; of equal ``fps`` the later point counts."""
        return np.asarray(np.interp(np.asarray(fps), self.fps, self.sensitivity))

    @property
    def cpm(self) -> float:
        """The mean sensitivity at the seven operating points."""
        return float(self.sensitivity_at(OPERATING_POINTS).mean())


@dataclass(frozen=True, eq=False)
class Froc:
    """The result for a set of scans, in the order of their series."""

    scans: tuple[ScanScores, ...]

    @cached_property
    def curve(self) -> Curve:
        """The curve of all scans."""
        return curve_of(self.scans)

    @property
    def cpm(self) -> float:
        """Competition performance metric."""
        return self.curve.cpm

    def sensitivity_at(self, fps: npt.ArrayLike) -> Floats:
        """Interpolate the curve."""
        return self.curve.sensitivity_at(fps)

    @property
    def nodules(self) -> int:
        """Included nodules."""
        return sum(scan.nodules for scan in self.scans)

    @property
    def true_positives(self) -> int:
        """Nodules found by at least one mark."""
        return sum(len(scan.hits) for scan in self.scans)

    @property
    def false_negatives(self) -> int:
        """Nodules without a mark."""
        return self.nodules - self.true_positives

    @property
    def false_positives(self) -> int:
        """Marks on no annotated place."""
        return sum(len(scan.false) for scan in self.scans)

    @property
    def ignored(self) -> int:
        """Marks on excluded places."""
        return sum(scan.ignored for scan in self.scans)

    @property
    def doubles(self) -> int:
        """Marks beyond the first on one nodule."""
        return sum(scan.doubles for scan in self.scans)


@dataclass(frozen=True, eq=False)
class FrocInterval:
    """Mean and 95 % limits of the sensitivity over the resamples, (10000,) at ``fps``, and the CPM's limits."""

    fps: Floats
    mean: Floats
    low: Floats
    high: Floats
    cpm_low: float
    cpm_high: float


def froc(
    included: Iterable[Annotation], excluded: Iterable[Annotation], marks: Iterable[Mark], series: Sequence[str]
) -> Froc:
    """Match marks with annotations, scan by scan.

    Parameters
    ----------
    included, excluded
        Nodules to be found, and places where a mark is neither right nor wrong.
    series
        Every scan that was read, those without nodules and without marks too; others are left out.

    Raises
    ------
    TrainingError
        There is no scan or no nodule, a series is named twice, or a probability is not a number.
    """
    if len(set(series)) != len(series):
        raise TrainingError("a series stands twice in the list of scans")
    found, ignorable, said = _by_series(included), _by_series(excluded), _by_series(marks)
    if any(not math.isfinite(mark.probability) for scan in said.values() for mark in scan):
        raise TrainingError("the probability of a mark is not a number")
    result = Froc(tuple(_matched(found.get(s, []), ignorable.get(s, []), said.get(s, [])) for s in series))
    if result.nodules == 0:
        raise TrainingError("no nodule is annotated in these scans: sensitivity means nothing")
    return result


def bootstrap(result: Froc, rng: np.random.Generator, resamples: int = RESAMPLES) -> FrocInterval:
    """Resample whole scans with replacement.

    A resample without any nodule has no sensitivity and is drawn again; the challenge's 888 scans never give one.
    """
    fps = np.linspace(OPERATING_POINTS[0], OPERATING_POINTS[-1], _CURVE_POINTS)
    curves = [curve_of(_resampled(result.scans, rng)) for _ in range(resamples)]
    at = np.sort(np.array([curve.sensitivity_at(fps) for curve in curves]), axis=0)
    cpms = np.sort([curve.cpm for curve in curves])
    low, high = _limits(resamples)
    return FrocInterval(fps, at.mean(axis=0), at[low], at[high], float(cpms[low]), float(cpms[high]))


def curve_of(scans: Sequence[ScanScores]) -> Curve:
    """Compute the curve: one point for each distinct probability, after a first one at which nothing is marked."""
    hits = np.concatenate([scan.hits for scan in scans])
    false = np.concatenate([scan.false for scan in scans])
    thresholds = np.unique(np.concatenate([hits, false]))[::-1]
    found = np.searchsorted(np.sort(-hits), -thresholds, side="right")
    wrong = np.searchsorted(np.sort(-false), -thresholds, side="right")
    nodules = sum(scan.nodules for scan in scans)
    return Curve(
        np.concatenate([[0.0], wrong / len(scans)]),
        np.concatenate([[0.0], found / nodules]),
        np.concatenate([[np.inf], thresholds]),
    )


def _by_series(places: Iterable[Place]) -> dict[str, list[Place]]:
    grouped: dict[str, list[Place]] = {}
    for place in places:
        grouped.setdefault(place.series, []).append(place)
    return grouped


def _matched(included: list[Annotation], excluded: list[Annotation], marks: list[Mark]) -> ScanScores:
    """Score one scan. A mark may hit several nodules; what hits an included one is never counted as ignored."""
    marks = _strongest(marks)
    probability = np.array([mark.probability for mark in marks])
    on_nodule = _hits(included, marks)
    right = np.logical_or.reduce(on_nodule, axis=0)
    on_excluded = np.logical_or.reduce(_hits(excluded, marks), axis=0) & ~right
    wrong = ~right & ~on_excluded
    found = np.logical_or.reduce(on_nodule, axis=1)
    return ScanScores(
        hits=np.array([probability[row].max() for row in on_nodule[found]], dtype=np.float64),
        false=probability[wrong],
        nodules=len(included),
        ignored=int(on_excluded.sum()),
        doubles=int((on_nodule.sum(axis=1)[found] - 1).sum()),
        missed=tuple(place for place, hit in zip(included, found, strict=True) if not hit),
        false_marks=tuple(mark for mark, is_wrong in zip(marks, wrong, strict=True) if is_wrong),
    )


def _strongest(marks: list[Mark]) -> list[Mark]:
    """Keep what is strictly above the 101st probability, so that marks tied with it are lost."""
    if len(marks) <= MOST_MARKS:
        return marks
    threshold = sorted((mark.probability for mark in marks), reverse=True)[MOST_MARKS]
    return [mark for mark in marks if mark.probability > threshold]


def _hits(places: list[Annotation], marks: list[Mark]) -> npt.NDArray[np.bool_]:
    """(places, marks): the mark is strictly nearer than the radius."""
    centers = np.array([place.center_mm for place in places], dtype=np.float64).reshape(-1, 1, 3)
    points = np.array([mark.center_mm for mark in marks], dtype=np.float64).reshape(1, -1, 3)
    diameters = np.array([place.diameter_mm for place in places], dtype=np.float64)
    radii = np.where(diameters < 0, UNKNOWN_DIAMETER_MM, diameters) / 2
    return np.asarray(((centers - points) ** 2).sum(axis=2) < (radii**2)[:, None])


def _resampled(scans: Sequence[ScanScores], rng: np.random.Generator) -> list[ScanScores]:
    while True:
        drawn = [scans[index] for index in rng.integers(len(scans), size=len(scans))]
        if any(scan.nodules for scan in drawn):
            return drawn


def _limits(count: int) -> tuple[int, int]:
    """Indices of the percentiles in a sorted vector, rounded down as the challenge's script does."""
    share = (1.0 - CONFIDENCE) / 2.0
    return math.floor(share * count), math.floor((1.0 - share) * count)
