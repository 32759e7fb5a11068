"""The joined detector: places from blobs, the candidate network and masses, each judged by several witnesses.

Witnesses are the false-positive stage on axial cuts, the candidate network's own probability and the shape rules; a
logistic function fitted on generated scans with planted real nodules joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from models.candidate_network import CandidateNetwork
from models.detector_masses import masses
from models.detector_rules import Described, describe_candidates
from models.false_positives import FalsePositiveStage
from models.findings import Candidate, Lungs
from models.nodule_features import probability_of
from models.nodules import one_per_place
from models.proposals import LEAST_PROBABILITY, propose
from models.volume import Volume

LARGEST_LOGIT = 8.0  # a witness is never surer than this: beyond it, only its training data speak
LEAST_KEPT = 1e-4  # probability under which a mark is of no use to anybody
SAME_PLACE_MM = 4.0  # marks of two sources nearer than this, or than the smaller one's radius, are one


@dataclass(frozen=True)
class Evidence:
    """What is known of one place; logits are clipped to +-``LARGEST_LOGIT``.

    Parameters
    ----------
    cut, cuts, least_cut
        False-positive stage: logit through the centre, mean and least over the three cuts.
    rules
        Logit of the shape rules; 0 where no blob was found.
    no_blob
        1 where no blob was found; 0 for a mass.
    network
        Logit of the candidate network; that of its least probability where it proposes nothing; 0 for a mass.
    mass
        1 for a body found by its mask.
    log_diameter
        Natural logarithm of the diameter in mm.
    """

    cut: float = 0.0
    cuts: float = 0.0
    least_cut: float = 0.0
    rules: float = 0.0
    no_blob: float = 0.0
    network: float = 0.0
    mass: float = 0.0
    log_diameter: float = 0.0

    def row(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Give the named numbers, (F,)."""
        return np.array([getattr(self, name) for name in names], dtype=np.float64)


@dataclass(frozen=True)
class Place:
    """A place before it is judged: where, how large, and what its sources say."""

    center_kji: tuple[float, float, float]
    diameter_mm: float
    rules: float = 0.0
    no_blob: float = 0.0
    network: float = 0.0
    mass: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """logit = intercept + sum of weights times ``Evidence``; ``threshold`` is the default operating point."""

    weights: Mapping[str, float]
    intercept: float
    threshold: float

    def probability(self, evidence: Evidence) -> float:
        """Give the probability that the place is a nodule."""
        names = tuple(self.weights)
        logit = self.intercept + float(evidence.row(names) @ np.array([self.weights[name] for name in names]))
        return float(1 / (1 + np.exp(-np.clip(logit, -50, 50))))


@dataclass(frozen=True, eq=False)
class NetworkDetector:
    """A ``models.nodules.Detector`` that joins all stages.

    Parameters
    ----------
    candidates
        On ``device``, in evaluation mode; None works without.
    """

    stage: FalsePositiveStage
    calibration: Calibration
    device: torch.device
    candidates: CandidateNetwork | None = field(default=None)

    @property
    def threshold(self) -> float:
        """The default operating point, a probability."""
        return self.calibration.threshold

    def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
        """Give all marks that are not quite improbable, by falling probability, one per place."""
        marks = [
            Candidate(place.center_kji, self.calibration.probability(evidence), place.diameter_mm)
            for place, evidence in self.witnessed(volume, lungs)
        ]
        return one_per_place((mark for mark in marks if mark.probability >= LEAST_KEPT), volume)

    def witnessed(self, volume: Volume, lungs: Lungs) -> list[tuple[Place, Evidence]]:
        """Give every place with its evidence, whatever its probability: for fitting and mining."""
        places = self._places(volume, lungs)
        centers = np.array([place.center_kji for place in places]).reshape(-1, 3)
        diameters = np.array([place.diameter_mm for place in places])
        logits = np.clip(self.stage.logits(volume, centers, diameters), -LARGEST_LOGIT, LARGEST_LOGIT)
        return [(place, _evidence(place, row)) for place, row in zip(places, logits, strict=True)]

    def _places(self, volume: Volume, lungs: Lungs) -> list[Place]:
        proposed = propose(volume, lungs, self.candidates, self.device) if self.candidates is not None else ()
        places = [_of_blob(described) for described in describe_candidates(volume, lungs, self.device)]
        # Masses are larger than what blobs and network look for: their silence is no evidence against one.
        found = [Place(m.center_kji, m.diameter_mm, mass=1.0) for m in masses(volume, lungs, self.device)]
        return joined(places, proposed, volume) + found


def joined(blobs: Sequence[Place], proposed: Sequence[Candidate], volume: Volume) -> list[Place]:
    """Give each blob the network's logit where it proposes the same place, and the proposals without a blob."""
    spacing = np.asarray(volume.spacing_kji_mm)
    centers = np.array([place.center_kji for place in blobs]).reshape(-1, 3) * spacing
    network = np.full(len(blobs), _logit(LEAST_PROBABILITY))
    alone = []
    for mark in proposed:
        apart = np.linalg.norm(centers - np.asarray(mark.center_kji) * spacing, axis=1)
        here = apart < max(SAME_PLACE_MM, mark.diameter_mm / 2)
        network[here] = np.maximum(network[here], _logit(mark.probability))
        if not here.any():
            alone.append(Place(mark.center_kji, mark.diameter_mm, 0.0, 1.0, _logit(mark.probability)))
    kept = [Place(p.center_kji, p.diameter_mm, p.rules, 0.0, float(n)) for p, n in zip(blobs, network, strict=True)]
    return kept + alone


def _of_blob(described: Described) -> Place:
    return Place(described.center_kji, described.diameter_mm, _logit(probability_of(described.features)))


def _evidence(place: Place, cuts: npt.NDArray[np.float64]) -> Evidence:
    """Put the three cuts beside what the sources say."""
    return Evidence(
        cut=float(cuts[1]),
        cuts=float(cuts.mean()),
        least_cut=float(cuts.min()),
        rules=place.rules,
        no_blob=place.no_blob,
        network=place.network,
        mass=place.mass,
        log_diameter=float(np.log(max(place.diameter_mm, 1.0))),
    )


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return float(np.clip(np.log(p / (1 - p)), -LARGEST_LOGIT, LARGEST_LOGIT))
