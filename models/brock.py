"""Brock (PanCan) and Mayo: the probability that a nodule is cancer.

The coefficients of Brock 2a and 2b are those of McWilliams et al., N Engl J Med 2013;369:910-919,
doi:10.1056/NEJMoa1214726. The parsimonious models 1a and 1b are left out: their coefficients could not be
verified. "Upper lobe" is the right or left upper lobe, the lingula included; the right middle lobe is not.
A craniocaudal third of a lung is no lobe.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.findings import Attenuation, PatientFacts, RiskRange

# Where the age is unknown, the range spans the ages that could take part in the cohort that the model was made
# from: 50 to 75 years (Tammemagi et al., Lancet Oncol 2017;18:1523, doi:10.1016/S1470-2045(17)30597-1).
COHORT_AGES_YEARS = (50.0, 75.0)
CALCIFIED_AS_SOLID = "Brock 2a knows no calcified nodules: computed as solid"

_AGE_CENTRE_YEARS = 62.0
_COUNT_CENTRE = 4
_SIZE_CENTRE = math.sqrt(10 / 4)  # 1.58113883: the transformed size of a 4 mm nodule


@dataclass(frozen=True)
class BrockInputs:
    """What Brock asks for.

    Parameters
    ----------
    diameter_mm
        The largest diameter of the nodule.
    attenuation
        ``CALCIFIED`` counts as solid: the model knows no calcified type.
    upper_lobe
        In an upper lobe; see the module.
    nodule_count
        Nodules on this CT, this one included.
    family_history
        Of lung cancer.
    spiculation
        Used by 2b only.
    """

    age_years: float
    female: bool
    family_history: bool
    emphysema: bool
    diameter_mm: float
    attenuation: Attenuation
    upper_lobe: bool
    nodule_count: int
    spiculation: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.diameter_mm) and self.diameter_mm > 0):
            raise ValueError(f"the diameter must be above 0 mm, found {self.diameter_mm}")
        if self.nodule_count < 1:
            raise ValueError(f"there is at least this one nodule, found {self.nodule_count}")
        if not (math.isfinite(self.age_years) and self.age_years >= 0):
            raise ValueError(f"the age must be 0 years or more, found {self.age_years}")


@dataclass(frozen=True)
class _Coefficients:
    """Log odds; ``attenuation`` lists what differs from solid."""

    intercept: float
    age: float
    female: float
    family_history: float
    emphysema: float
    size: float
    upper_lobe: float
    count: float
    spiculation: float
    attenuation: Mapping[Attenuation, float]


_MODEL_2A = _Coefficients(
    intercept=-6.8071,
    age=0.0321,
    female=0.5635,
    family_history=0.3013,
    emphysema=0.3462,
    size=-5.6693,
    upper_lobe=0.7116,
    count=-0.0803,
    spiculation=0.0,
    attenuation=MappingProxyType({Attenuation.PART_SOLID: 0.3395, Attenuation.GROUND_GLASS: -0.3055}),
)
_MODEL_2B = _Coefficients(
    intercept=-6.7892,
    age=0.0287,
    female=0.6011,
    family_history=0.2961,
    emphysema=0.2953,
    size=-5.3854,
    upper_lobe=0.6581,
    count=-0.0824,
    spiculation=0.7729,
    attenuation=MappingProxyType({Attenuation.PART_SOLID: 0.3770, Attenuation.GROUND_GLASS: -0.1276}),
)


def brock_2a(inputs: BrockInputs) -> float:
    """Give the probability of cancer by the full model without spiculation, 0 to 1."""
    return _probability(_MODEL_2A, inputs)


def brock_2b(inputs: BrockInputs) -> float:
    """Give the probability of cancer by the full model with spiculation, 0 to 1."""
    return _probability(_MODEL_2B, inputs)


def brock_range(
    patient: PatientFacts,
    diameter_mm: float,
    attenuation: Attenuation,
    upper_lobe: bool | None,
    nodule_count: int,
) -> RiskRange:
    """Give the lowest and the highest probability by model 2a, without spiculation, that the unknown inputs allow.

    An unknown age spans ``COHORT_AGES_YEARS``; whatever else is unknown is taken both ways. The model is
    monotonic in each of them, so that the ends of the range lie at their extremes. A calcified nodule is
    computed as solid; say ``CALCIFIED_AS_SOLID`` beside it.

    Parameters
    ----------
    patient
        What is known of the patient.
    diameter_mm
        The largest diameter.
    attenuation
        The type of the nodule.
    upper_lobe
        None where no lobes are segmented; never the upper third of the lung.
    nodule_count
        Nodules on this CT, this one included.

    Raises
    ------
    ValueError
        If diameter, count or age cannot be.
    """
    known = _known(patient, upper_lobe)
    return _range(brock_2a, known, (diameter_mm, attenuation, nodule_count))


def brock_2b_range(
    patient: PatientFacts,
    diameter_mm: float,
    attenuation: Attenuation,
    upper_lobe: bool | None,
    nodule_count: int,
) -> RiskRange:
    """Give the range by model 2b, with spiculation, which is taken both ways where unknown; else as ``brock_range``."""
    known = {**_known(patient, upper_lobe), "spiculation": patient.spiculation}
    return _range(brock_2b, known, (diameter_mm, attenuation, nodule_count))


def mayo(
    age_years: float, smoker: bool, cancer_history: bool, diameter_mm: float, spiculation: bool, upper_lobe: bool
) -> float:
    """Give the probability of cancer by the Mayo model, 0 to 1 (Swensen et al., Arch Intern Med 1997;157:849-855).

    Parameters
    ----------
    age_years
        Age of the patient.
    smoker
        Smokes or has smoked.
    cancer_history
        A cancer outside the chest, five years ago or more.
    diameter_mm
        Of the nodule.
    spiculation
        Spiculated edge.
    upper_lobe
        In an upper lobe.
    """
    return _logistic(
        -6.8272  # PMC6717521 prints -6.872, a typing error
        + 0.0391 * age_years
        + 0.7917 * smoker
        + 1.3388 * cancer_history
        + 0.1274 * diameter_mm
        + 1.0407 * spiculation
        + 0.7838 * upper_lobe
    )


def _known(patient: PatientFacts, upper_lobe: bool | None) -> dict[str, float | None]:
    return {
        "age": patient.age_years,
        "sex": patient.female,
        "family history": patient.family_history,
        "emphysema": patient.emphysema,
        "upper lobe": upper_lobe,
    }


def _range(
    model: Callable[[BrockInputs], float],
    known: Mapping[str, float | None],
    nodule: tuple[float, Attenuation, int],
) -> RiskRange:
    """Evaluate the model at every corner that the unknown inputs span; ``nodule`` is diameter, type and count."""
    diameter_mm, attenuation, nodule_count = nodule
    probabilities = [
        model(
            BrockInputs(
                age,
                bool(female),
                bool(family),
                bool(emphysema),
                diameter_mm,
                attenuation,
                bool(upper),
                nodule_count,
                *map(bool, spiculation),
            )
        )
        for age, female, family, emphysema, upper, *spiculation in itertools.product(
            *map(_span, known.keys(), known.values())
        )
    ]
    unknown = tuple(name for name, value in known.items() if value is None)
    return RiskRange(min(probabilities), max(probabilities), unknown)


def _span(name: str, value: float | None) -> tuple[float, ...]:
    if value is not None:
        return (value,)
    return COHORT_AGES_YEARS if name == "age" else (False, True)


def _probability(model: _Coefficients, inputs: BrockInputs) -> float:
    size = (inputs.diameter_mm / 10) ** -0.5 - _SIZE_CENTRE
    return _logistic(
        model.intercept
        + model.age * (inputs.age_years - _AGE_CENTRE_YEARS)
        + model.female * inputs.female
        + model.family_history * inputs.family_history
        + model.emphysema * inputs.emphysema
        + model.size * size
        + model.attenuation.get(inputs.attenuation, 0.0)
        + model.upper_lobe * inputs.upper_lobe
        + model.count * (inputs.nodule_count - _COUNT_CENTRE)
        + model.spiculation * inputs.spiculation
    )


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
