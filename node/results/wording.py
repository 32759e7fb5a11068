"""The findings in plain words and rounded figures, the same on every page and picture."""

from __future__ import annotations

from dataclasses import dataclass

from models.findings import Attenuation, Findings, LungRads, Nodule, RiskRange

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


def nodule_row(nodule: Nodule) -> NoduleRow:
    """Round and word what is known of a nodule (Lung-RADS v2022: diameters to 0.1 mm, volume to 1 mm³)."""
    measured = nodule.measurement
    return NoduleRow(
        number=str(nodule.id),
        place=_place(nodule),
        type=_type(nodule),
        mean_mm=f"{measured.mean_diameter_mm:.1f}",
        sure_mm="" if measured.uncertainty is None else f"± {measured.uncertainty.diameter_mm:.1f}",
        axes_mm=f"{measured.long_axis.length_mm:.1f} × {measured.short_axis.length_mm:.1f}",
        volume_mm3=f"{measured.volume_mm3:.0f}",
        mean_hu=f"{measured.mean_hu:.0f}",
        probability=probability_text(nodule.probability),
        brock=risk_text(nodule.brock),
        suspicion="" if nodule.malignancy is None else suspicion_text(nodule.malignancy.probability),
        lung_rads=category_text(nodule.lung_rads),
    )


def probability_text(probability: float) -> str:
    """Write a probability to two places; none is ever certain."""
    return ">0.99" if probability > 0.995 else "<0.01" if probability < 0.005 else f"{probability:.2f}"


def suspicion_text(probability: float) -> str:
    """Write a learned score in whole percent; none is ever certain."""
    return ">99 %" if probability > 0.995 else "<1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def risk_text(risk: RiskRange) -> str:
    """Write a risk in percent: one figure when all inputs are known, else the range."""
    low, high = _percent(risk.low), _percent(risk.high)
    return f"{low} %" if low == high else f"{low} to {high} %"


def category_text(lung_rads: LungRads) -> str:
    """Write a Lung-RADS category; never leave it blank."""
    return lung_rads.category.value if lung_rads.category else UNDETERMINED


def count_text(findings: Findings) -> str:
    """Say how many nodules were marked."""
    count = len(findings.nodules)
    return "1 nodule marked" if count == 1 else f"{count or 'No'} nodules marked"


def score_meanings(findings: Findings) -> tuple[str, ...]:
    """Say what the learned scores are probabilities of, each once."""
    return tuple(dict.fromkeys(n.malignancy.meaning for n in findings.nodules if n.malignancy))


def unknown_inputs(findings: Findings) -> tuple[str, ...]:
    """List the inputs of the risk model that nobody knew, each once."""
    return tuple(dict.fromkeys(name for nodule in findings.nodules for name in nodule.brock.unknown))


def all_warnings(findings: Findings, notes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Collect what the reader must know: of the series, the lungs, the exam and each nodule."""
    of_nodules = [f"Nodule {nodule.id}: {text}" for nodule in findings.nodules for text in nodule.warnings]
    return tuple(dict.fromkeys([*notes, *findings.lungs.warnings, *findings.warnings, *of_nodules]))


def _place(nodule: Nodule) -> str:
    if nodule.lobe is not None:
        return f"{nodule.lobe.value} lobe"
    return f"{nodule.side.value}, {nodule.third.value} third"


def _type(nodule: Nodule) -> str:
    core = nodule.measurement.solid_diameter_mm
    name = _ATTENUATION[nodule.measurement.attenuation]
    return name if core is None else f"{name} (core {core:.1f} mm)"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}" if share < 0.1 else f"{share * 100:.0f}"
