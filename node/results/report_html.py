"""report.html: one file that shows everything, needs no network and names no patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.findings import Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.results.comparison import KnownNodule, Match, compare, other_marks
from node.results.context import DISCLAIMER, MODEL_NAME
from node.results.drawing import Picture
from node.results.language import Language, say, translated
from node.results.page_content import COLUMNS, HASH_DIGITS, WORD_COLUMNS, footer_lines, page_content
from node.results.page_lungs import lung_net
from node.results.page_slices import SlicePlan, slice_plan, viewer_data
from node.results.picture_files import jpeg_uri
from node.results.pictures import key_slices, nodule_picture, slice_picture
from node.results.rendering import LungScene, lung_scene, render_scene
from node.results.views import Plane, Upright, aspect, plane_of, projection_view, upright
from node.results.wording import NO_NODULE, category_text, count_text, nodule_row

_FOLDER = Path(__file__).parent
_PLANE_HEIGHT, _CLOSE_UP, _LUNGS = 480, 260, 440  # pixels
_VIEWPOINTS_DEG = {"front": 0.0, "the patient's left": 90.0, "back": 180.0, "the patient's right": 270.0}
_MOST_STILL_SLICES = 12  # shown where there is no JavaScript


def build_html(
    series: AssembledSeries | None,
    findings: Findings | None,
    report: Mapping[str, Any],
    known: Sequence[KnownNodule] = (),
    language: Language = Language.ENGLISH,
) -> str:
    """Build the page.

    Parameters
    ----------
    series, findings
        What the pictures are drawn from. Without either, the page says that the series was not
        processed and why.
    report
        The content of report.json: status, reason, timings_s, device, software_version.
    known
        Nodules that are known to be there; they are compared with the marks in a table of their own.
    language
        Of the words; figures and names of models stay as they are.

    Returns
    -------
    HTML with style, script and images inside; nothing is fetched when it is opened. At most about 25 MB.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: dict[str, Any] = {
        "language": str(language),
        "disclaimer": translated(language, DISCLAIMER),
        "product": MODEL_NAME,
        "footer": footer_lines(report),
        "say": partial(say, language),
    }
    if series is None or findings is None:
        return environment.get_template("notice.html.j2").render(page | _refused(report, language))
    page |= _result(series, findings, report, language)
    page |= _viewers(series, findings, language) | _stills(series, findings) | _comparison(known, findings, language)
    return environment.get_template("report.html.j2").render(page)


def _refused(report: Mapping[str, Any], language: Language) -> dict[str, Any]:
    return {
        "reason": translated(language, str(report.get("reason") or "No reason was recorded.")),
        "code": str(report.get("reason_code") or ""),
    }


def _result(
    series: AssembledSeries, findings: Findings, report: Mapping[str, Any], language: Language
) -> dict[str, Any]:
    return {
        "content": page_content(findings, series.notes, report, language),
        "columns": COLUMNS,
        "word_columns": WORD_COLUMNS,
        "hash_digits": HASH_DIGITS,
        "summary": f"{_count(findings, language)}, Lung-RADS {translated(language, category_text(findings.lung_rads))}",
        "no_nodule": say(language, NO_NODULE),
        "script_words": _script_words(language),
    }


def _script_words(language: Language) -> dict[str, str]:
    """Sentences that the script fills in: their names in braces stay."""
    return {
        "slice_of": say(language, "{number} of {count}", number="{number}", count="{count}"),
        "nodule": say(language, "nodule {numbers}", numbers="{numbers}"),
        "turned": say(language, "turned {turn}°, tilted {tilt}°", turn="{turn}", tilt="{tilt}"),
    }


def _count(findings: Findings, language: Language) -> str:
    return translated(language, count_text(findings))


def _viewers(series: AssembledSeries, findings: Findings, language: Language) -> dict[str, Any]:
    """What script turns and leafs through, and still pictures for those who have none."""
    plan = slice_plan(series, findings)
    scene = lung_scene(findings.lungs, series.volume, findings.nodules)
    return {
        "viewer": viewer_data(series, findings, plan, language),
        "plan": plan,
        "net": lung_net(scene),
        "lungs": _still_lungs(scene),
        "still_slices": [
            jpeg_uri(slice_picture(series, findings, k, language=language))
            for k in _still_slices(findings, plan)[:_MOST_STILL_SLICES]
        ],
    }


def _still_slices(findings: Findings, plan: SlicePlan) -> tuple[int, ...]:
    """The slices that were measured on, or a few of all where there are none."""
    return key_slices(findings, 0) or plan.slices[:: max(1, len(plan.slices) // _MOST_STILL_SLICES)]


def _still_lungs(scene: LungScene) -> dict[str, str]:
    return {name: jpeg_uri(render_scene(scene, turn, _LUNGS)) for name, turn in _VIEWPOINTS_DEG.items()}


def _stills(series: AssembledSeries, findings: Findings) -> dict[str, Any]:
    view = upright(series.volume, findings.lungs)
    planes = {plane: plane_of(view, findings, plane, _width(view, plane)) for plane in Plane}
    projections = {
        plane: projection_view(view, plane, findings.nodules, _width(view, plane))
        for plane in (Plane.CORONAL, Plane.AXIAL)
    }
    return {
        "planes": {plane.name.lower(): _with_aspect(picture) for plane, picture in planes.items()},
        "projections": {plane.name.lower(): _with_aspect(picture) for plane, picture in projections.items()},
        "close_ups": {n.id: jpeg_uri(nodule_picture(series, n, _CLOSE_UP)) for n in findings.nodules},
    }


def _width(view: Upright, plane: Plane) -> int:
    """Pictures that stand in one row are equally high."""
    return max(1, round(aspect(view, plane) * _PLANE_HEIGHT))


def _with_aspect(picture: Picture) -> tuple[str, float]:
    """A picture as data URI, and its width over its height."""
    return jpeg_uri(picture), picture.shape[1] / picture.shape[0]


def _comparison(known: Sequence[KnownNodule], findings: Findings, language: Language) -> dict[str, Any]:
    matches = compare(known, findings.nodules)
    others = [nodule.id for nodule in other_marks(matches, findings.nodules)]
    return {"matches": [_compared(match, language) for match in matches], "others": others}


def _compared(match: Match[Nodule], language: Language) -> dict[str, str]:
    known, nodule = match.known, match.nodule
    place = ", ".join(f"{coordinate:.0f}" for coordinate in known.center_lps_mm)
    kind = translated(language, known.kind.replace("_", " ") or "not known")
    row = {"place": place, "kind": kind, "diameter": f"{known.diameter_mm:.1f}"}
    if nodule is None or match.distance_mm is None:
        return row | {"found": "", "distance": "", "measured": "", "type": ""}
    measured = nodule_row(nodule)
    return row | {
        "found": measured.number,
        "distance": f"{match.distance_mm:.1f}",
        "measured": measured.mean_mm,
        "type": translated(language, measured.type),
    }
