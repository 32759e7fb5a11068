"""Scores of nodules and of the whole patient, whichever model gives them: one shape for the analyser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.findings import Lungs, Malignancy, NoduleMeasurement, PatientRisk
from models.malignancy import MalignancyModel
from models.patient_risk import PatientRiskModel
from models.published.grt123_case import Grt123Classifier
from models.published.sybil import SybilScorer
from models.volume import Volume


class NoduleScorer(Protocol):
    """Scores measured nodules."""

    def scores(self, volume: Volume, lungs: Lungs, measured: Sequence[NoduleMeasurement]) -> tuple[Malignancy, ...]:
        """Give one score for each nodule, in their order."""
        ...


class PatientScorer(Protocol):
    """Scores the whole patient."""

    def risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:
        """Give the probability of cancer; raises AnalysisRefused where the scan does not suit the model."""
        ...


@dataclass(frozen=True, eq=False)
class OneByOne:
    """The product's own model, which looks at one nodule at a time."""

    model: MalignancyModel

    def scores(self, volume: Volume, lungs: Lungs, measured: Sequence[NoduleMeasurement]) -> tuple[Malignancy, ...]:  # noqa: ARG002
        """Score each nodule by itself."""
        return tuple(self.model.score(volume, nodule) for nodule in measured)


@dataclass(frozen=True, eq=False)
class CaseNodules:
    """The nodule branch of the grt123 classifier."""

    classifier: Grt123Classifier

    def scores(self, volume: Volume, lungs: Lungs, measured: Sequence[NoduleMeasurement]) -> tuple[Malignancy, ...]:
        """Score all nodules on one image of the lungs."""
        centers = np.array([nodule.center_kji for nodule in measured]).reshape(-1, 3)
        return self.classifier.malignancies(volume, lungs, centers) if len(centers) else ()


@dataclass(frozen=True, eq=False)
class CasePatient:
    """The grt123 classifier on its own detector's marks."""

    classifier: Grt123Classifier

    def risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:
        """Give one probability."""
        return self.classifier.case_risk(volume, lungs)


@dataclass(frozen=True, eq=False)
class TrainedPatient:
    """A model of slice triplets that the user trained; it needs no lungs."""

    model: PatientRiskModel

    def risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:  # noqa: ARG002
        """Give one probability."""
        return self.model.score(volume)


@dataclass(frozen=True, eq=False)
class SybilPatient:
    """Sybil, which needs no lungs."""

    scorer: SybilScorer

    def risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:  # noqa: ARG002
        """Give six years."""
        return self.scorer.risk(volume)
