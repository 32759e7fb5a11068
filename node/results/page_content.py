"""What report.html and the PDF say, in words: the same for both, before either is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.findings import Findings, Nodule
from node.results.context import DISCLAIMER, MODEL_NAME
from node.results.drawing import Colour, colour_of
from node.results.page_words import Words, page_words
from node.results.structured_report import follow_up_comments, patient_comments
from node.results.wording import NoduleRow, all_warnings, category_text, nodule_row, score_meanings, unknown_inputs

# Columns of the nodule table: name of the word and of the field of NoduleRow; the first three are words, not figures.
COLUMNS = (
    "number",
    "place",
    "type",
    "mean_mm",
    "axes_mm",
    "volume_mm3",
    "mean_hu",
    "probability",
    "brock",
    "suspicion",
    "lung_rads",
)


@dataclass(frozen=True)
class Headline:
    """A figure that is read first: what it is, the figure, and what stands beside it."""

    name: str
    value: str
    more: str


@dataclass(frozen=True, eq=False)
class ContentRow:
    """A nodule with its figures in words and the colour of its marks."""

    nodule: Nodule
    row: NoduleRow
    colour: Colour


@dataclass(frozen=True, eq=False)
class PageContent:
    """All sentences and tables of the page, in reading order.

    Parameters
    ----------
    advice
        Sentences on the patient's risk and on follow-up; may be empty.
    remarks
        What the columns of the nodule table mean; empty without nodules.
    timings
        Stage and seconds.
    footer
        Program, date and series; no patient.
    """

    words: Words
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


def page_content(
    findings: Findings, notes: tuple[str, ...], report: Mapping[str, Any], language: str = "en"
) -> PageContent:
    """Put findings into words.

    Parameters
    ----------
    notes
        Of the assembly.
    report
        The content of report.json: device, timings_s and the footer's figures are taken from it.
    language
        ``en``, ``de`` or ``zh``.
    """
    words = page_words(language)
    timings = tuple((str(name), float(seconds)) for name, seconds in (report.get("timings_s") or {}).items())
    return PageContent(
        words=words,
        disclaimer=DISCLAIMER,
        headlines=tuple(_headlines(findings, words, timings, str(report.get("device") or ""))),
        warnings=all_warnings(findings, notes),
        rows=tuple(ContentRow(nodule, nodule_row(nodule), colour_of(nodule.id)) for nodule in findings.nodules),
        remarks=_remarks(findings, words) if findings.nodules else (),
        advice=(*patient_comments(findings.patient_risk), *follow_up_comments(findings.follow_up)),
        limits=_limits(words),
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


def _headlines(findings: Findings, words: Words, timings: tuple[tuple[str, float], ...], device: str) -> list[Headline]:
    lungs, count = findings.lungs, len(findings.nodules)
    both = words["both_lungs"].format(right=f"{lungs.right_ml:.0f}", left=f"{lungs.left_ml:.0f}")
    said = [
        Headline("Lung-RADS v2022", category_text(findings.lung_rads), findings.lung_rads.basis),
        Headline(
            words["nodules_marked"],
            str(count or words["none"]),
            words["unmarked"] if count else words["no_nodule"],
        ),
        Headline(words["lung_volume"], f"{lungs.volume_ml:.0f} ml", both),
    ]
    if timings:
        total = sum(seconds for _, seconds in timings)
        said.append(Headline(words["time"], f"{total:.1f} s", words["device"].format(device=device) if device else ""))
    return said


def _remarks(findings: Findings, words: Words) -> tuple[str, ...]:
    meanings = [words["suspicion_is"].format(meaning=meaning) for meaning in score_meanings(findings)]
    unknown = unknown_inputs(findings)
    brock = [words["brock_unknown"].format(names=", ".join(unknown))] if unknown else []
    return (words["sure"], *brock, *meanings)


def _limits(words: Words) -> tuple[str, ...]:
    names = ("limit_validated", "limit_marks", "limit_prior", "limit_thirds")
    return tuple(words[name].format(disclaimer=DISCLAIMER) for name in names)
