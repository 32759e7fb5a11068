"""What the pure rules of models say of measured nodules: place, Brock, Lung-RADS, follow-up, and what to be wary of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.brock import CALCIFIED_AS_SOLID, brock_2b_range, brock_range
from models.detector_masses import Mass
from models.findings import (
    Attenuation,
    Candidate,
    FollowUp,
    Lobe,
    LungRads,
    Lungs,
    Nodule,
    NoduleMeasurement,
    PatientFacts,
)
from models.fleischner import fleischner_2017, fleischner_applies
from models.lung_rads import assess_nodule
from models.place import lobe_of, pleura_distance_mm, side_of, third_of
from models.screened_nodule import ScreenedNodule, Size
from models.volume import Volume

Marked = Sequence[tuple[Candidate, NoduleMeasurement]]

SMALL_NODULE_MM = 6.0  # below this, size and type are unreliable (MacMahon 2017, doi:10.1148/radiol.2017161659)
LUNG_RADS_SLICE_MM = 2.5  # Lung-RADS v2022 is for slices of at most this (ACR-STR practice parameter, LDCT)
UPPER_LOBES = frozenset({Lobe.LEFT_UPPER, Lobe.RIGHT_UPPER})


def nodules_of(found: Marked, volume: Volume, lungs: Lungs, patient: PatientFacts) -> tuple[Nodule, ...]:
    """Number the measured nodules in their order, from 1, and assess each."""
    return tuple(
        _nodule(number, candidate, measured, volume, lungs, (patient, len(found)))
        for number, (candidate, measured) in enumerate(found, start=1)
    )


def exam_category(assessed: LungRads, volume: Volume, unmarked: Sequence[str]) -> LungRads:
    """Leave the examination undetermined where it cannot be ruled out that there is more than what was marked.

    That is so with slices too thick for nodules, and with large bodies that are no marked nodule (``unmarked_bodies``).
    """
    marked = assessed.category.value if assessed.category else "undetermined"
    spacing = round(volume.spacing_kji_mm[0], 2)
    if unmarked:
        return LungRads(None, f"{unmarked[0]}; by what was marked: {marked}")
    if spacing > LUNG_RADS_SLICE_MM:
        needed = f"Lung-RADS asks for at most {LUNG_RADS_SLICE_MM:g} mm"
        return LungRads(None, f"slices {spacing:.1f} mm apart, {needed}; by what was marked: {marked}")
    return assessed


def unmarked_bodies(bodies: Sequence[Mass], nodules: Sequence[Nodule], volume: Volume, lungs: Lungs) -> tuple[str, ...]:
    """Say which large bodies of soft tissue inside the lungs no nodule was marked in; they need a reader's eye."""
    said = []
    for body in bodies:
        center = volume.to_patient(body.center_kji)
        apart = [float(np.linalg.norm(center - np.asarray(nodule.center_lps_mm))) for nodule in nodules]
        if min(apart, default=np.inf) > body.diameter_mm / 2:
            side = side_of(body.center_kji, lungs, volume).value
            said.append(
                f"soft tissue of about {body.diameter_mm:.0f} mm in the {side} lung is not marked as a nodule: "
                "it may be a mass, consolidation or effusion"
            )
    return tuple(said)


def follow_up(nodules: Sequence[Nodule], patient: PatientFacts) -> FollowUp | None:
    """Give the advice of Fleischner 2017 for the most suspicious nodule; the node does not know the patient's risk."""
    if not nodules:
        return None
    suspect = max(nodules, key=lambda nodule: nodule.brock.high)
    measured = suspect.measurement
    advice = fleischner_2017(
        measured.attenuation,
        measured.mean_diameter_mm,
        multiple=len(nodules) > 1,
        solid_diameter_mm=measured.solid_diameter_mm,
    )
    applies = fleischner_applies(patient.age_years, screening=None, known_cancer=None, immunosuppressed=None)
    return FollowUp("Fleischner 2017", advice.recommendation, f"nodule {suspect.id}: {advice.basis}", applies)


def _nodule(
    number: int,
    candidate: Candidate,
    measured: NoduleMeasurement,
    volume: Volume,
    lungs: Lungs,
    known: tuple[PatientFacts, int],
) -> Nodule:
    patient, count = known
    x, y, z = map(float, volume.to_patient(measured.center_kji))
    lobe = lobe_of(measured, lungs)
    upper = None if lobe is None else lobe in UPPER_LOBES
    # A third of the lung is no lobe: without a lobe model the upper lobe stays unknown and spans the range.
    inputs = (patient, measured.long_axis.length_mm, measured.attenuation, upper, count)
    return Nodule(
        id=number,
        center_lps_mm=(x, y, z),
        probability=candidate.probability,
        measurement=measured,
        side=side_of(measured.center_kji, lungs, volume),
        third=third_of(measured.center_kji, lungs, volume),
        brock=brock_range(*inputs),
        lung_rads=_lung_rads(measured),
        warnings=_warnings(measured),
        pleura_mm=pleura_distance_mm(measured, lungs, volume),
        lobe=lobe,
        brock_2b=brock_2b_range(*inputs),
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


def _warnings(measured: NoduleMeasurement) -> tuple[str, ...]:
    warnings = []
    if measured.mean_diameter_mm < SMALL_NODULE_MM:
        warnings.append(f"below {SMALL_NODULE_MM:g} mm: size and type are uncertain")
    if measured.attenuation is Attenuation.CALCIFIED:
        warnings.append(CALCIFIED_AS_SOLID)
    return tuple(warnings)
