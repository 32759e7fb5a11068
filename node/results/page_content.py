"""What report.html and the PDF say, in words: the same for both, before either is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from models.findings import Findings, Nodule
from node.results.context import DISCLAIMER, MODEL_NAME
from node.results.drawing import Colour, colour_of
from node.results.language import Language, say, translated
from node.results.sentences import follow_up_sentences, patient_sentences
from node.results.wording import NO_NODULE, NoduleRow, category_text, nodule_row, score_meanings, unknown_inputs

# Columns of the nodule table: field of NoduleRow and heading. The first WORD_COLUMNS hold words, the others figures.
COLUMNS: Final = MappingProxyType(
    {
        "number": "No.",
        "place": "Place",
        "type": "Type",
        "mean_mm": "Mean mm",
        "axes_mm": "Axes mm",
        "volume_mm3": "Volume mm³",
        "mean_hu": "Mean HU",
        "probability": "Probability",
        "brock": "Brock 2a",
        "suspicion": "Suspicion",
        "lung_rads": "Lung-RADS",
    }
)
WORD_COLUMNS = 3
HASH_DIGITS = 12  # of a model's sha256 that are shown; report.json has all of them
_LIMITS = (
    "A nodule that is not marked may still be there, and a mark may be no nodule. The probability is the device's "
    "own estimate that a mark is a nodule; it says nothing of cancer.",
    "Only this one examination was read: no prior, no growth. Lung-RADS follows from type and size alone.",
    "Upper, middle and lower third are heights within the lung, not lobes.",
)


@dataclass(frozen=True)
class Headline:
    """A figure that is read first: what it is, the figure, and what stands beside it."""

    name: str
    value: str
    more: str


@dataclass(frozen=True, eq=False)
class ContentRow:
    """A nodule, its row of the table in words, why it has its category, and the colour of its marks."""

    nodule: Nodule
    row: NoduleRow
    basis: str
    colour: Colour


@dataclass(frozen=True, eq=False)
class PageContent:
    """All sentences and tables of the page, in reading order.

    Parameters
    ----------
    remarks
        What the columns of the nodule table mean; empty without nodules.
    advice
        Sentences on the patient's risk and on follow-up; may be empty.
    timings
        Stage and seconds.
    footer
        Program, date and series; no patient.
    """

    language: Language
    disclaimer: str
    headlines: tuple[Headline, ...]
    warnings: tuple[str, ...]
    rows: tuple[ContentRow, ...]
    remarks: tuple[str, ...]
    advice: tuple[str, ...]
    limits: tuple[str, ...]
    findings: Findings
    timings: tuple[tuple[str, float], ...]
    footer: tuple[str, ...]

    def say(self, sentence: str, **values: object) -> str:
        """Say a sentence of the tables in the page's language; see ``node.results.language``."""
        return say(self.language, sentence, **values)


def page_content(
    findings: Findings, notes: tuple[str, ...], report: Mapping[str, Any], language: Language = Language.ENGLISH
) -> PageContent:
    """Put findings into words.

    Parameters
    ----------
    notes
        Of the assembly.
    report
        The content of report.json: device, timings_s and what the footer says are taken from it.
    language
        Of the sentences; figures and names of models stay as they are.
    """
    timings = tuple((str(name), float(seconds)) for name, seconds in (report.get("timings_s") or {}).items())
    advice = (
        *patient_sentences(findings.patient_risk, language),
        *follow_up_sentences(findings.follow_up, language),
    )
    return PageContent(
        language=language,
        disclaimer=translated(language, DISCLAIMER),
        headlines=(*_headlines(findings, language), *_time(timings, str(report.get("device") or ""), language)),
        warnings=_warnings(findings, notes, language),
        rows=tuple(_content_row(nodule, language) for nodule in findings.nodules),
        remarks=_remarks(findings, language) if findings.nodules else (),
        advice=advice,
        limits=_limits(language),
        findings=findings,
        timings=timings,
        footer=footer_lines(report),
    )


def footer_lines(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which program made the page, when, and of which series."""
    made = [f"{MODEL_NAME} {report.get('software_version') or ''}".strip()]
    made += [str(report[name]) for name in ("created_at", "status") if report.get(name)]
    series = report.get("series_instance_uid")
    return (", ".join(made), f"Series Instance UID {series}") if series else (", ".join(made),)


def _headlines(findings: Findings, language: Language) -> list[Headline]:
    lungs, count = findings.lungs, len(findings.nodules)
    both = say(language, "right {right} ml, left {left} ml", right=f"{lungs.right_ml:.0f}", left=f"{lungs.left_ml:.0f}")
    category, basis = category_text(findings.lung_rads), findings.lung_rads.basis
    unmarked = "Unmarked nodules may be there." if count else NO_NODULE
    return [
        Headline("Lung-RADS v2022", translated(language, category), translated(language, basis)),
        Headline(say(language, "Nodules marked"), str(count or say(language, "none")), say(language, unmarked)),
        Headline(say(language, "Lung volume"), f"{lungs.volume_ml:.0f} ml", both),
    ]


def _time(timings: tuple[tuple[str, float], ...], device: str, language: Language) -> list[Headline]:
    if not timings:
        return []
    total = sum(seconds for _, seconds in timings)
    return [
        Headline(say(language, "Time"), f"{total:.1f} s", say(language, "on {device}", device=device) if device else "")
    ]


def _warnings(findings: Findings, notes: tuple[str, ...], language: Language) -> tuple[str, ...]:
    """What the reader must know: of the series, the lungs, the exam and each nodule, each once."""
    of_all = [translated(language, text) for text in (*notes, *findings.lungs.warnings, *findings.warnings)]
    of_nodules = [
        f"{say(language, 'Nodule {number}', number=nodule.id)}: {translated(language, text)}"
        for nodule in findings.nodules
        for text in nodule.warnings
    ]
    return tuple(dict.fromkeys([*of_all, *of_nodules]))


def _content_row(nodule: Nodule, language: Language) -> ContentRow:
    basis = translated(language, nodule.lung_rads.basis)
    return ContentRow(nodule, _row(nodule, language), basis, colour_of(nodule.id))


def _row(nodule: Nodule, language: Language) -> NoduleRow:
    row, words = nodule_row(nodule), partial(translated, language)
    return replace(
        row,
        place=words(row.place),
        type=words(row.type),
        brock=words(row.brock),
        suspicion=row.suspicion or say(language, "not scored"),
        lung_rads=words(row.lung_rads),
    )


def _remarks(findings: Findings, language: Language) -> tuple[str, ...]:
    meanings = [
        say(language, "Suspicion: probability of being {meaning}.", meaning=translated(language, meaning))
        for meaning in score_meanings(findings)
    ]
    names = ", ".join(translated(language, name) for name in unknown_inputs(findings))
    brock = [say(language, "The Brock model gives a range where it was not told: {names}.", names=names)]
    sure = [say(language, "± is the half-width of the 95 % interval that voxel size and slice thickness imply.")]
    certain = [say(language, "Probability: the device's own estimate that the mark is a nodule.")]
    return (*sure, *certain, *(brock if names else ()), *meanings)


def _limits(language: Language) -> tuple[str, ...]:
    validated = "{text}: nobody has validated this device for use on patients."
    said = translated(language, DISCLAIMER)
    return (say(language, validated, text=said), *(say(language, limit) for limit in _LIMITS))
