"""What is known of the patient, and what rules and models say of risk. Frozen."""

from __future__ import annotations

from dataclasses import dataclass

from models.terms import LungRadsCategory


@dataclass(frozen=True)
class PatientFacts:
    """What is known of the patient that a risk model asks for; None is unknown, never assumed."""

    age_years: float | None = None
    female: bool | None = None
    family_history: bool | None = None
    emphysema: bool | None = None
    spiculation: bool | None = None


@dataclass(frozen=True)
class RiskRange:
    """A probability, as a range where inputs are unknown; ``low == high`` when all are known.

    Parameters
    ----------
    low, high
        0 to 1.
    unknown
        Names of the inputs that were not known and span the range.
    """

    low: float
    high: float
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class LungRads:
    """A Lung-RADS v2022 assessment; ``category`` is None when it is undetermined, ``basis`` says why.

    ``possible`` lists, ascending, the categories that an undetermined one may be; empty when determined.
    """

    category: LungRadsCategory | None
    basis: str
    possible: tuple[LungRadsCategory, ...] = ()


@dataclass(frozen=True)
class FollowUp:
    """What a guideline says of the next step.

    Parameters
    ----------
    guideline
        Its name and year.
    recommendation
        None where it depends on what is not known; ``basis`` lists what it may be.
    applies
        Whether the guideline is meant for this patient; None where what is known does not settle it.
    """

    guideline: str
    recommendation: str | None
    basis: str
    applies: bool | None


@dataclass(frozen=True)
class Malignancy:
    """How suspicious a learned model finds a nodule.

    Parameters
    ----------
    probability
        0 to 1.
    model
        Name of the model, as in ``ModelIdentity``.
    meaning
        What the number is a probability of, for the report: "rated suspicious by radiologists", or "cancer".
    """

    probability: float
    model: str
    meaning: str


@dataclass(frozen=True)
class PatientRisk:
    """Probability of cancer for the whole patient by a model of its own.

    Parameters
    ----------
    by_year
        Cumulative probability 0 to 1 within 1, 2, ... years; one value where the model has no horizon.
    model, meaning
        As in ``Malignancy``.
    """

    by_year: tuple[float, ...]
    model: str
    meaning: str
