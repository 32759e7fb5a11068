"""The analyser: a volume and what is known of the patient become findings, through the functions of models."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from models.detector_masses import masses
from models.findings import AnalysisRefused, Findings, Lungs, Nodule, PatientFacts, PatientRisk
from models.lung_rads import assess_exam
from models.lungs import segment_lungs
from models.nodules import above, measured_nodules
from models.suitability import flags, refuse_unsuitable
from models.volume import Volume
from node.analysis.assessment import Marked, exam_category, follow_up, nodules_of, unmarked_bodies
from node.analysis.choice import ModelChoice
from node.analysis.device import resolve_device
from node.analysis.models import Models, load_models
from node.errors import AnalysisError

SCOPE = (
    "Searched for: nodules of 3 to 30 mm inside the lungs; masses above 30 mm are not found reliably. Not searched "
    "for: tumours of the hilum and mediastinum, consolidation, effusion"
)


@dataclass(frozen=True, eq=False)
class Analyser:
    """Keeps the models, the device and the operating point; one is made for the life of the analysis process."""

    device: torch.device
    threshold: float
    models: Models

    @classmethod
    def create(cls, device: str, threshold: float | None, choice: ModelChoice) -> Analyser:
        """Get ready on a device (auto, cpu, cuda, cuda:n); without a threshold the detector's own is used.

        Raises
        ------
        ConfigError
            The device is not there, or weights are missing, damaged or of another layout.
        """
        place = resolve_device(device)
        models = load_models(choice, place)
        return cls(place, models.detector.threshold if threshold is None else threshold, models)

    @property
    def device_name(self) -> str:
        """The device in words, for the report."""
        if self.device.type == "cuda":
            return f"{self.device} {torch.cuda.get_device_name(self.device)}"
        return f"cpu ({torch.get_num_threads()} threads)"

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """What, beside the input, decides the findings: other models or another threshold are another analysis."""
        who = self.models.identities
        return (*(f"{model.name}={model.version}:{model.sha256}" for model in who), f"{self.threshold:.6g}")

    def analyse(
        self, volume: Volume, patient: PatientFacts, clock: Callable[[], float] = time.perf_counter
    ) -> Findings:
        """Find, measure and score.

        Raises
        ------
        AnalysisError
            The volume cannot be analysed honestly; ``reason_code`` says why.
        """
        watch = Stopwatch(clock)
        try:
            return self._findings(volume, patient, watch)
        except AnalysisRefused as refused:
            raise AnalysisError(str(refused), refused.code) from None
        except FloatingPointError as error:
            raise AnalysisError(f"a network gave no number: {error}", "NOT_FINITE") from None

    def _findings(self, volume: Volume, patient: PatientFacts, watch: Stopwatch) -> Findings:
        refuse_unsuitable(volume)
        lungs = segment_lungs(volume, self.models.lungs, self.models.lobes)
        warnings = (SCOPE, *flags(volume, lungs))
        watch.lap("lungs")
        marks = above(self.models.detector.detect(volume, lungs), self.threshold)
        watch.lap("detection")
        found = measured_nodules(volume, lungs, marks)
        watch.lap("measurement")
        nodules = self._scored(found, volume, lungs, patient)
        risk, unscored = self._patient_risk(volume, lungs)
        bodies = masses(volume, lungs, self.device)
        unmarked = unmarked_bodies(bodies, nodules, volume, lungs)
        watch.lap("scores")
        return Findings(
            lungs=lungs,
            nodules=nodules,
            lung_rads=exam_category(assess_exam(nodule.lung_rads for nodule in nodules), volume, unmarked),
            models=self.models.identities,
            device=self.device_name,
            timings_s=watch.laps,
            warnings=(*unmarked, *warnings, *unscored),
            patient_risk=risk,
            follow_up=follow_up(nodules, patient),
        )

    def _scored(self, found: Marked, volume: Volume, lungs: Lungs, patient: PatientFacts) -> tuple[Nodule, ...]:
        scorer = self.models.malignancy
        measured = [measurement for _, measurement in found]
        learned = scorer.scores(volume, lungs, measured) if scorer else [None] * len(found)
        nodules = nodules_of(found, volume, lungs, patient)
        return tuple(replace(nodule, malignancy=score) for nodule, score in zip(nodules, learned, strict=True))

    def _patient_risk(self, volume: Volume, lungs: Lungs) -> tuple[PatientRisk | None, tuple[str, ...]]:
        """Score the patient where such a model is installed; where the scan does not suit it, say so."""
        if self.models.patient is None:
            return None, ()
        try:
            return self.models.patient.risk(volume, lungs), ()
        except AnalysisRefused as refused:
            return None, (f"no score of the patient: {refused}",)


class Stopwatch:
    """Seconds of each stage, in the order in which they end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End a stage."""
        now = self._clock()
        self.laps[name] = now - self._last
        self._last = now
