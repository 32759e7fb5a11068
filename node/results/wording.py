"""The findings in plain words and rounded figures, the same on every page and picture."""

from __future__ import annotations

from dataclasses import dataclass

from models.findings import Attenuation, Findings, LungRads, Nodule, RiskRange
from node.results.language import say, translated

NO_NODULE = "No nodule was marked. This does not mean that there is none."
UNDETERMINED = "undetermined"
_ATTENUATION = {
    Attenuation.SOLID: "solid",
    Attenuation.PART_SOLID: "part-solid",
    Attenuation.GROUND_GLASS: "ground glass",
    Attenuation.CALCIFIED: "calcified",
}


@dataclass(frozen=True)
class NoduleRow:
    """One nodule as a row of a table; lengths in mm, volume in mm³, each as text."""

    number: str
    place: str
    type: str
    mean_mm: str
    sure_mm: str
    axes_mm: str
    volume_mm3: str
    mean_hu: str
    probability: str
    brock: str
    suspicion: str
    lung_rads: str


def nodule_row(nodule: Nodule, language: str = "en") -> NoduleRow:
    """Round and word what is known of a nodule (Lung-RADS v2022: diameters to 0.1 mm, volume to 1 mm³)."""
    measured = nodule.measurement
    return NoduleRow(
        number=str(nodule.id),
        place=translated(language, _place(nodule)),
        type=_type(nodule, language),
        mean_mm=f"{measured.mean_diameter_mm:.1f}",
        sure_mm="" if measured.uncertainty is None else f"± {measured.uncertainty.diameter_mm:.1f}",
        axes_mm=f"{measured.long_axis.length_mm:.1f} × {measured.short_axis.length_mm:.1f}",
        volume_mm3=f"{measured.volume_mm3:.0f}",
        mean_hu=f"{measured.mean_hu:.0f}",
        probability=probability_text(nodule.probability),
        brock=risk_text(nodule.brock, language),
        suspicion="" if nodule.malignancy is None else suspicion_text(nodule.malignancy.probability),
        lung_rads=category_text(nodule.lung_rads, language),
    )


def probability_text(probability: float) -> str:
    """Write a probability to two places; none is ever certain."""
    return ">0.99" if probability > 0.995 else "<0.01" if probability < 0.005 else f"{probability:.2f}"


def suspicion_text(probability: float) -> str:
    """Write a learned score in whole percent; none is ever certain."""
    return ">99 %" if probability > 0.995 else "<1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def risk_text(risk: RiskRange, language: str = "en") -> str:
    """Write a risk in percent: one figure when all inputs are known, else the range."""
    low, high = _percent(risk.low), _percent(risk.high)
    return f"{low} %" if low == high else say(language, "{low} to {high} %", low=low, high=high)


def category_text(lung_rads: LungRads, language: str = "en") -> str:
    """Write a Lung-RADS category; never leave it blank."""
    return lung_rads.category.value if lung_rads.category else say(language, UNDETERMINED)


def count_text(findings: Findings, language: str = "en") -> str:
    """Say how many nodules were marked."""
    count = len(findings.nodules)
    if count < 2:
        return say(language, ("No nodules marked", "1 nodule marked")[count])
    return say(language, "{count} nodules marked", count=count)


def score_meanings(findings: Findings, language: str = "en") -> tuple[str, ...]:
    """Say what the learned scores are probabilities of, each once."""
    return tuple(dict.fromkeys(translated(language, n.malignancy.meaning) for n in findings.nodules if n.malignancy))


def unknown_inputs(findings: Findings, language: str = "en") -> tuple[str, ...]:
    """List the inputs of the risk model that nobody knew, each once."""
    names = dict.fromkeys(name for nodule in findings.nodules for name in nodule.brock.unknown)
    return tuple(translated(language, name) for name in names)


def all_warnings(findings: Findings, notes: tuple[str, ...] = (), language: str = "en") -> tuple[str, ...]:
    """Collect what the reader must know: of the series, the lungs, the exam and each nodule."""
    said = [translated(language, text) for text in (*notes, *findings.lungs.warnings, *findings.warnings)]
    for nodule in findings.nodules:
        name = say(language, "Nodule {number}", number=nodule.id)
        said += [say(language, "{name}: {text}", name=name, text=translated(language, w)) for w in nodule.warnings]
    return tuple(dict.fromkeys(said))


def _place(nodule: Nodule) -> str:
    if nodule.lobe is not None:
        return f"{nodule.lobe.value} lobe"
    return f"{nodule.side.value}, {nodule.third.value} third"


def _type(nodule: Nodule, language: str) -> str:
    core = nodule.measurement.solid_diameter_mm
    name = say(language, _ATTENUATION[nodule.measurement.attenuation])
    return name if core is None else say(language, "{kind} (core {core} mm)", kind=name, core=f"{core:.1f}")


def _percent(share: float) -> str:
    return f"{share * 100:.1f}" if share < 0.1 else f"{share * 100:.0f}"
