"""What an analysis says: lungs, nodules and risk. Frozen, valid once constructed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.risk_nouns import FollowUp, LungRads, Malignancy, PatientFacts, PatientRisk, RiskRange
from models.terms import LOBE_LABELS, Attenuation, Lobe, LungLabel, LungRadsCategory, Side, Third

__all__ = [
    "LOBE_LABELS",
    "AnalysisRefused",
    "Attenuation",
    "Caliper",
    "Candidate",
    "Findings",
    "FollowUp",
    "Lobe",
    "LungLabel",
    "LungRads",
    "LungRadsCategory",
    "Lungs",
    "Malignancy",
    "ModelIdentity",
    "Nodule",
    "NoduleMeasurement",
    "PatientFacts",
    "PatientRisk",
    "RiskRange",
    "Side",
    "Third",
    "Uncertainty",
]


class AnalysisRefused(Exception):
    """The volume cannot be analysed honestly, for example because no lungs are in view.

    Attributes
    ----------
    code
        Short constant for machines, such as ``NO_LUNGS``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class Lungs:
    """Both lungs of one volume.

    Parameters
    ----------
    labels
        (K, J, I) uint8 on the volume's own grid; values of ``LungLabel``. Vessels and nodules
        inside the lung, also those that touch the pleura, belong to the mask.
    right_ml, left_ml
        Volumes in millilitres.
    warnings
        Plain sentences for the report, such as "the lungs are cut off at the last slice".
    lobes
        (K, J, I) uint8, keys of ``LOBE_LABELS``, 0 elsewhere; None without lobe weights.
    """

    labels: npt.NDArray[np.uint8]
    right_ml: float
    left_ml: float
    warnings: tuple[str, ...] = ()
    lobes: npt.NDArray[np.uint8] | None = None

    @property
    def volume_ml(self) -> float:
        """Volume of both lungs in millilitres."""
        return self.right_ml + self.left_ml


@dataclass(frozen=True)
class Candidate:
    """A place that may be a nodule.

    Parameters
    ----------
    center_kji
        Fractional voxel index of the centre.
    probability
        0 to 1, that this is a nodule.
    diameter_mm
        Rough diameter from the scale of the strongest response.
    """

    center_kji: tuple[float, float, float]
    probability: float
    diameter_mm: float


@dataclass(frozen=True)
class Caliper:
    """A straight line measured on one slice: two ends (fractional k, j, i) and a length in mm."""

    start_kji: tuple[float, float, float]
    end_kji: tuple[float, float, float]
    length_mm: float


@dataclass(frozen=True)
class Uncertainty:
    """Half-widths of 95 % intervals that voxel size and slice thickness imply.

    Parameters
    ----------
    diameter_mm
        Of the mean diameter, mm.
    volume_share
        Of the volume, as a share of it: 0.15 is +-15 %.
    """

    diameter_mm: float
    volume_share: float


@dataclass(frozen=True, eq=False)
class NoduleMeasurement:
    """What is measured on one nodule.

    Parameters
    ----------
    mask
        (k, j, i) bool, the nodule's voxels inside its bounding box.
    mask_offset_kji
        Volume index of the box's first voxel.
    center_kji
        Centre of mass, fractional volume index.
    long_axis, short_axis
        On the axial slice of largest area; the short axis is perpendicular to the long one.
    mean_diameter_mm
        (long + short) / 2 (Lung-RADS v2022).
    solid_diameter_mm
        Mean diameter of the solid core; None unless part-solid.
    solid_volume_mm3
        Volume of the solid core; None unless part-solid.
    uncertainty
        Of mean diameter and volume; None where it cannot be said.
    """

    mask: npt.NDArray[np.bool_]
    mask_offset_kji: tuple[int, int, int]
    center_kji: tuple[float, float, float]
    long_axis: Caliper
    short_axis: Caliper
    mean_diameter_mm: float
    volume_mm3: float
    mean_hu: float
    sd_hu: float
    attenuation: Attenuation
    solid_diameter_mm: float | None = None
    solid_volume_mm3: float | None = None
    uncertainty: Uncertainty | None = None


@dataclass(frozen=True, eq=False)
class Nodule:
    """One nodule: where it is, how sure we are, what was measured, what it may mean.

    Parameters
    ----------
    pleura_mm
        From the nodule's edge to the edge of its lung, 0 where it touches; None where it was not measured.
    lobe
        None without lobe weights.
    malignancy
        None where no such model is installed.
    brock, brock_2b
        Brock without and with spiculation; 2b is None where it was not computed.
    """

    id: int
    center_lps_mm: tuple[float, float, float]
    probability: float
    measurement: NoduleMeasurement
    side: Side
    third: Third
    brock: RiskRange
    lung_rads: LungRads
    warnings: tuple[str, ...] = ()
    pleura_mm: float | None = None
    lobe: Lobe | None = None
    malignancy: Malignancy | None = None
    brock_2b: RiskRange | None = None


@dataclass(frozen=True)
class ModelIdentity:
    """Which algorithm spoke: goes into the structured report (TID 4019) and report.json."""

    name: str
    version: str
    sha256: str
    training_data: str
    intended_use: str


@dataclass(frozen=True, eq=False)
class Findings:
    """All that one analysis says about one volume; nodules sorted by falling probability, ids from 1."""

    lungs: Lungs
    nodules: tuple[Nodule, ...]
    lung_rads: LungRads
    models: tuple[ModelIdentity, ...]
    device: str
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    patient_risk: PatientRisk | None = None
    follow_up: FollowUp | None = None
