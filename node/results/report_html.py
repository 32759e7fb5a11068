"""report.html: one file that shows everything, needs no network and names no patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.findings import Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.results.comparison import KnownNodule, Match, compare, other_marks
from node.results.context import DISCLAIMER, MODEL_NAME
from node.results.drawing import Picture, colour_of
from node.results.picture_files import jpeg_uri, png_uri
from node.results.pictures import image_number, key_slices, measuring_slice, outlined_on, slice_grey, slice_overlay
from node.results.rendering import lung_scene, render_ring
from node.results.views import Plane, Upright, aspect, plane_of, projection_view, upright
from node.results.wording import (
    NO_NODULE,
    all_warnings,
    category_text,
    count_text,
    nodule_row,
    score_meanings,
    unknown_inputs,
)

_FOLDER = Path(__file__).parent
_MOST_SLICES = 40  # with more, only the measuring slices are shown: the file stays below 8 MB
_SLICES_WITHOUT_NODULE = 16
_OVERLAY_SCALE = 2  # lines and letters finer than the CT's own pixels
_RING_VIEWS, _RING_SIZE, _PLANE_HEIGHT = 24, 440, 480


def build_html(
    series: AssembledSeries | None,
    findings: Findings | None,
    report: Mapping[str, Any],
    known: Sequence[KnownNodule] = (),
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

    Returns
    -------
    HTML with style, script and images inside; nothing is fetched when it is opened.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: dict[str, Any] = {"disclaimer": DISCLAIMER, "product": MODEL_NAME, "report": _told(report)}
    if series is None or findings is None:
        return environment.get_template("notice.html.j2").render(page)
    page |= _result(series, findings) | _pictures(series, findings) | _comparison(known, findings)
    return environment.get_template("report.html.j2").render(page)


def _told(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the page takes from report.json; nothing else of it is shown."""
    names = ("status", "reason", "code", "device", "software_version", "created_at", "series_instance_uid")
    told: dict[str, Any] = {name: report.get(name) or "" for name in names}
    return told | {"timings_s": dict(report.get("timings_s") or {})}


def _result(series: AssembledSeries, findings: Findings) -> dict[str, Any]:
    return {
        "category": category_text(findings.lung_rads),
        "basis": findings.lung_rads.basis,
        "count": len(findings.nodules),
        "count_text": count_text(findings),
        "no_nodule": NO_NODULE,
        "lungs": findings.lungs,
        "warnings": all_warnings(findings, series.notes),
        "unknown": unknown_inputs(findings),
        "meanings": score_meanings(findings),
        "models": findings.models,
        "nodules": [{"row": nodule_row(n), "nodule": n, "colour": _css(n)} for n in findings.nodules],
    }


def _css(nodule: Nodule) -> str:
    return "rgb({} {} {})".format(*colour_of(nodule.id))


def _pictures(series: AssembledSeries, findings: Findings) -> dict[str, Any]:
    """Every image of the page as a data URI."""
    view = upright(series.volume, findings.lungs)
    scene = lung_scene(findings.lungs, series.volume, findings.nodules)
    slices = _slices(findings)
    slice_of = {nodule.id: slices.index(measuring_slice(nodule)) for nodule in findings.nodules}
    planes = {plane: plane_of(view, findings, plane, _width(view, plane)) for plane in Plane}
    projections = {
        plane: projection_view(view, plane, findings.nodules, _width(view, plane))
        for plane in (Plane.CORONAL, Plane.AXIAL)
    }
    return {
        "slices": [_slice(series, findings, k) for k in slices],
        "slice_of": slice_of,
        "start": slice_of[findings.nodules[0].id] if findings.nodules else len(slices) // 2,
        "planes": {plane.name.lower(): _with_aspect(picture) for plane, picture in planes.items()},
        "projections": {plane.name.lower(): _with_aspect(picture) for plane, picture in projections.items()},
        "ring": [jpeg_uri(picture) for picture in render_ring(scene, _RING_VIEWS, _RING_SIZE)],
    }


def _width(view: Upright, plane: Plane) -> int:
    """Pictures that stand in one row are equally high."""
    return max(1, round(aspect(view, plane) * _PLANE_HEIGHT))


def _with_aspect(picture: Picture) -> tuple[str, float]:
    """A picture as data URI, and its width over its height."""
    return jpeg_uri(picture), picture.shape[1] / picture.shape[0]


def _slices(findings: Findings) -> tuple[int, ...]:
    """The slices of the viewer: around the nodules, or spread over the scan where there are none."""
    if not findings.nodules:
        total = findings.lungs.labels.shape[0]
        count = min(total, _SLICES_WITHOUT_NODULE)
        return tuple(round((number + 0.5) * total / count - 0.5) for number in range(count))
    wide = key_slices(findings, 1)
    return wide if len(wide) <= _MOST_SLICES else key_slices(findings, 0)


def _slice(series: AssembledSeries, findings: Findings, k: int) -> dict[str, Any]:
    """One slice as two layers, and how it is called."""
    numbers = [n.id for n in findings.nodules if outlined_on(n, k)]
    z_mm = series.volume.to_patient((k, 0, 0))[2]
    return {
        "grey": jpeg_uri(slice_grey(series, k)),
        "marks": png_uri(slice_overlay(series, findings, k, _OVERLAY_SCALE)),
        "name": f"{image_number(series, k)}, z = {z_mm:.1f} mm",
        "nodules": numbers,
    }


def _comparison(known: Sequence[KnownNodule], findings: Findings) -> dict[str, Any]:
    matches = compare(known, findings.nodules)
    others = [nodule.id for nodule in other_marks(matches, findings.nodules)]
    return {"matches": [_compared(match) for match in matches], "others": others}


def _compared(match: Match[Nodule]) -> dict[str, str]:
    known, nodule = match.known, match.nodule
    place = ", ".join(f"{coordinate:.0f}" for coordinate in known.center_lps_mm)
    row = {"place": place, "kind": known.kind.replace("_", " ") or "not known", "diameter": f"{known.diameter_mm:.1f}"}
    if nodule is None or match.distance_mm is None:
        return row | {"found": "", "distance": "", "measured": "", "type": ""}
    measured = nodule_row(nodule)
    return row | {
        "found": measured.number,
        "distance": f"{match.distance_mm:.1f}",
        "measured": measured.mean_mm,
        "type": measured.type,
    }
