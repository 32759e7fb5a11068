"""The analyser: a volume and what is known of the patient become findings, through the functions of models."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.brock import CALCIFIED_AS_SOLID, brock_range
from models.detector_rules import DEFAULT_THRESHOLD, RuleDetector
from models.findings import (
    AnalysisRefused,
    Attenuation,
    Candidate,
    Findings,
    LungRads,
    Lungs,
    ModelIdentity,
    Nodule,
    NoduleMeasurement,
    PatientFacts,
)
from models.lung_rads import assess_exam, assess_nodule
from models.lungs import segment_lungs
from models.nodules import find_nodules
from models.place import lobe_of, pleura_distance_mm, side_of, third_of
from models.screened_nodule import ScreenedNodule, Size
from models.volume import Volume
from node.analysis.device import resolve_device
from node.analysis.identity import rule_based_models
from node.errors import AnalysisError

SMALL_NODULE_MM = 6.0  # below this, size and type are unreliable (MacMahon 2017, doi:10.1148/radiol.2017161659)
LUNG_RADS_SLICE_MM = 2.5  # Lung-RADS v2022 is for slices of at most this (ACR-STR practice parameter, LDCT)
SCOPE = (
    "Searched for: nodules of 3 to 30 mm inside the lungs. Not searched for: masses above 30 mm, tumours of the hilum "
    "and mediastinum, consolidation, effusion"
)
THICK_SLICE_MM = 1.5  # above this, volumetry is unreliable (Lung-RADS v2022 asks for <= 2.5 mm, QIBA for <= 1.25 mm)


@dataclass(frozen=True)
class Analyser:
    """Keeps the device and the operating point; one is made for the life of the analysis process."""

    device: torch.device
    threshold: float
    models: tuple[ModelIdentity, ...]

    @classmethod
    def create(cls, device: str, threshold: float | None) -> Analyser:
        """Get ready on a device (auto, cpu, cuda, cuda:n); without a threshold the detector's own is used.

        Raises
        ------
        ConfigError
            The device is not there.
        """
        return cls(resolve_device(device), DEFAULT_THRESHOLD if threshold is None else threshold, rule_based_models())

    @property
    def device_name(self) -> str:
        """The device in words, for the report."""
        if self.device.type == "cuda":
            return f"{self.device} {torch.cuda.get_device_name(self.device)}"
        return f"cpu ({torch.get_num_threads()} threads)"

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """What, beside the input, decides the findings: other models or another threshold are another analysis."""
        return (*(f"{model.name}={model.version}:{model.sha256}" for model in self.models), f"{self.threshold:.6g}")

    def analyse(
        self, volume: Volume, patient: PatientFacts, clock: Callable[[], float] = time.perf_counter
    ) -> Findings:
        """Find, measure and score.

        Raises
        ------
        AnalysisError
            The volume cannot be analysed honestly; ``reason_code`` says why.
        """
        began = clock()
        lungs = self._lungs(volume)
        lungs_at = clock()
        found = find_nodules(volume, lungs, RuleDetector(self.device), self.threshold)
        nodules_at = clock()
        nodules = tuple(
            _nodule(number, candidate, measured, volume, lungs, patient, len(found))
            for number, (candidate, measured) in enumerate(found, start=1)
        )
        return Findings(
            lungs=lungs,
            nodules=nodules,
            lung_rads=_of_exam(assess_exam(nodule.lung_rads for nodule in nodules), volume),
            models=self.models,
            device=self.device_name,
            timings_s={"lungs": lungs_at - began, "nodules": nodules_at - lungs_at, "scores": clock() - nodules_at},
            warnings=_warnings(volume),
        )

    @staticmethod
    def _lungs(volume: Volume) -> Lungs:
        try:
            return segment_lungs(volume)
        except AnalysisRefused as refused:
            raise AnalysisError(str(refused), refused.code) from None


def _nodule(
    number: int,
    candidate: Candidate,
    measured: NoduleMeasurement,
    volume: Volume,
    lungs: Lungs,
    patient: PatientFacts,
    nodule_count: int,
) -> Nodule:
    x, y, z = map(float, volume.to_patient(measured.center_kji))
    return Nodule(
        id=number,
        center_lps_mm=(x, y, z),
        probability=candidate.probability,
        measurement=measured,
        side=side_of(measured.center_kji, lungs, volume),
        third=third_of(measured.center_kji, lungs, volume),
        # A third of the lung is no lobe: without a lobe model the upper lobe stays unknown and spans the range.
        brock=brock_range(patient, measured.long_axis.length_mm, measured.attenuation, None, nodule_count),
        lung_rads=_lung_rads(measured),
        warnings=_nodule_warnings(measured),
        pleura_mm=pleura_distance_mm(measured, lungs, volume),
        lobe=lobe_of(measured, lungs),
    )


def _lung_rads(measured: NoduleMeasurement) -> LungRads:
    """Assess as a baseline screen: the node does not know an earlier one."""
    solid = measured.solid_diameter_mm
    return assess_nodule(
        ScreenedNodule(
            attenuation=measured.attenuation,
            size=Size(mean_diameter_mm=measured.mean_diameter_mm),
            solid_size=None if solid is None else Size(mean_diameter_mm=solid),
        )
    )


def _of_exam(assessed: LungRads, volume: Volume) -> LungRads:
    """Leave the examination undetermined where its slices are too thick to rule a nodule out."""
    spacing = round(volume.spacing_kji_mm[0], 2)
    if spacing <= LUNG_RADS_SLICE_MM:
        return assessed
    marked = assessed.category.value if assessed.category else "undetermined"
    return LungRads(
        None,
        f"slices {spacing:.1f} mm apart, Lung-RADS asks for at most {LUNG_RADS_SLICE_MM:g} mm; "
        f"by what was marked: {marked}",
    )


def _nodule_warnings(measured: NoduleMeasurement) -> tuple[str, ...]:
    warnings = []
    if measured.mean_diameter_mm < SMALL_NODULE_MM:
        warnings.append(f"below {SMALL_NODULE_MM:g} mm: size and type are uncertain")
    if measured.attenuation is Attenuation.CALCIFIED:
        warnings.append(CALCIFIED_AS_SOLID)
    return tuple(warnings)


def _warnings(volume: Volume) -> tuple[str, ...]:
    thickness = volume.spacing_kji_mm[0]
    if thickness <= THICK_SLICE_MM:
        return (SCOPE,)
    return (
        SCOPE,
        f"slices {thickness:.1f} mm apart: sizes are uncertain, small nodules may be missed",
    )
