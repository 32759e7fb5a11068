"""Nodules: what a detector is, and the nodules around the places that it marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from models.findings import Candidate, Lungs, NoduleMeasurement
from models.measurement import measure_nodule
from models.volume import Volume

LEAST_DIAMETER_MM = 3.0  # smaller marks are no nodules in LUNA16 and too small to act on in Lung-RADS v2022


class Detector(Protocol):
    """Finds the places that may be nodules.

    Probabilities are calibrated as far as the detector's card says.
    """

    @property
    def threshold(self) -> float:
        """The default operating point, a probability."""
        ...

    def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
        """Give all marks, also improbable ones, by falling probability, one per place.

        Parameters
        ----------
        volume, lungs
            The scan and its lungs on the same grid; marks lie in the lungs or on their border.
        """
        ...


def find_nodules(
    volume: Volume, lungs: Lungs, detector: Detector, threshold: float | None = None
) -> tuple[tuple[Candidate, NoduleMeasurement], ...]:
    """Find and measure the nodules, by falling probability.

    A mark whose mask shares voxels with that of a more probable one is the same nodule. A nodule of less than
    ``LEAST_DIAMETER_MM`` is not reported.

    Parameters
    ----------
    threshold
        Least probability, 0 to 1; None takes the detector's own.
    """
    least = detector.threshold if threshold is None else threshold
    return measured_nodules(volume, lungs, above(detector.detect(volume, lungs), least))


def measured_nodules(
    volume: Volume, lungs: Lungs, candidates: Iterable[Candidate]
) -> tuple[tuple[Candidate, NoduleMeasurement], ...]:
    """Measure candidates in their order; leave out what is the same nodule as an earlier one, or too small."""
    found: list[tuple[Candidate, NoduleMeasurement]] = []
    taken = np.zeros(volume.shape, dtype=bool)
    for candidate in candidates:
        measured = measure_nodule(volume, lungs, candidate)
        place = tuple(slice(o, o + n) for o, n in zip(measured.mask_offset_kji, measured.mask.shape, strict=True))
        if measured.mean_diameter_mm < LEAST_DIAMETER_MM or (taken[place] & measured.mask).any():
            continue
        taken[place] |= measured.mask
        found.append((candidate, measured))
    return tuple(found)


def above(candidates: Iterable[Candidate], threshold: float) -> tuple[Candidate, ...]:
    """Give the candidates of at least a probability."""
    return tuple(candidate for candidate in candidates if candidate.probability >= threshold)


def one_per_place(candidates: Iterable[Candidate], volume: Volume) -> tuple[Candidate, ...]:
    """Sort by falling probability; of two of which one has its centre in the other's ball, keep the more probable."""
    ordered = sorted(candidates, key=lambda candidate: -candidate.probability)
    spacing = np.asarray(volume.spacing_kji_mm)
    centers = np.array([c.center_kji for c in ordered]).reshape(-1, 3) * spacing
    radii = np.array([c.diameter_mm for c in ordered]) / 2
    kept: list[int] = []
    for n in range(len(ordered)):
        apart = np.linalg.norm(centers[kept] - centers[n], axis=1)
        if not (apart < np.maximum(radii[kept], radii[n])).any():
            kept.append(n)
    return tuple(ordered[n] for n in kept)
