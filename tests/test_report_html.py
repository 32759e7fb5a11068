"""report.html: one file, nothing fetched, nobody named, every word escaped, what was found and what was not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.findings import Findings, LungRads
from node.assembly.assembled import AssembledSeries
from node.results.comparison import KnownNodule, compare, other_marks
from node.results.context import DISCLAIMER
from node.results.language import Language
from node.results.pictures import measuring_slice
from node.results.report_html import build_html
from node.results.wording import NO_NODULE
from tests.page_reader import Page
from tests.result_examples import with_headers

REPORT: dict[str, Any] = {
    "status": "ANALYSED",
    "reason": None,
    "device": "cpu",
    "software_version": "0.1.0",
    "timings_s": {"assembly": 1.25, "nodules": 14.5},
}


@pytest.fixture(scope="module")
def html(series: AssembledSeries, findings: Findings) -> str:
    return build_html(series, findings, REPORT)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def known_from(findings: Findings) -> list[KnownNodule]:
    return [KnownNodule(n.center_lps_mm, n.measurement.mean_diameter_mm, "solid") for n in findings.nodules]


# One file


def test_the_page_fetches_nothing(html: str, page: Page) -> None:
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert all(link.startswith("#") for link in links)
    assert not page.all("link")
    outside = html.replace("data:image/", "")
    assert not [word for word in ("http://", "https://", "url(", "@import", "//cdn", "fetch(") if word in outside]


def test_the_page_forbids_itself_the_network(page: Page) -> None:
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "img-src data:" in policy


def test_the_page_is_closed_properly(page: Page) -> None:
    assert page.open == []


# What is said


def test_the_page_says_what_it_is_before_anything_else(page: Page) -> None:
    body = [text for tag, text in page.texts if tag not in {"title", "style", "script"}]
    assert body[0] == DISCLAIMER


def test_every_nodule_has_a_row_that_leads_to_its_slice(page: Page, findings: Findings) -> None:
    rows = [int(row["data-nodule"]) for row in page.all("tr") if "data-nodule" in row]
    viewer = page.data("viewer-data")
    assert rows == [nodule.id for nodule in findings.nodules]
    assert [n["slice"] for n in viewer["nodules"]] == [measuring_slice(nodule) for nodule in findings.nodules]
    for words in ("12.0", "20.0 × 20.0", "1.2 to 3.5 %", "4A", "family history, emphysema"):
        assert words in page.said()


def test_a_row_leads_to_a_picture_where_there_is_no_script(page: Page) -> None:
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= targets


def test_every_slice_is_carried_with_the_marks_on_it(page: Page, series: AssembledSeries, findings: Findings) -> None:
    slices = page.data("viewer-data")["slices"]
    assert len(slices) == len(series.frames)
    marked = {k: [mark["id"] for mark in slice_["marks"]] for k, slice_ in enumerate(slices)}
    for nodule in findings.nodules:
        assert nodule.id in marked[measuring_slice(nodule)]
        mark = next(m for m in slices[measuring_slice(nodule)]["marks"] if m["id"] == nodule.id)
        assert mark["outlines"]
        assert len(mark["axes"]) == 2


def test_an_outline_lies_around_its_nodule(page: Page, findings: Findings) -> None:
    nodule = findings.nodules[0]
    marks = page.data("viewer-data")["slices"][measuring_slice(nodule)]["marks"]
    outline = np.asarray(next(m for m in marks if m["id"] == 1)["outlines"][0])
    _, row, column = nodule.measurement.center_kji
    assert np.allclose(outline.mean(axis=0), (column + 0.5, row + 0.5), atol=0.7)


def test_headline_warnings_times_and_models_are_there(page: Page, findings: Findings) -> None:
    for words in (*findings.warnings, *findings.lungs.warnings, "Nodule 1: touches the pleura", "15.8 s", "14.50"):
        assert words in page.said()
    for model in findings.models:
        assert model.name in page.said()


def test_an_undetermined_category_is_written_out(series: AssembledSeries, findings: Findings) -> None:
    first = replace(findings.nodules[0], lung_rads=LungRads(None, "the solid part is not known"))
    unsure = replace(findings, nodules=(first,), lung_rads=LungRads(None, "no prior"))
    assert Page(build_html(series, unsure, REPORT)).said().count("undetermined") == 3  # title, headline and row


def test_without_nodules_the_page_shows_slices_and_does_not_say_that_there_are_none(
    series: AssembledSeries, findings: Findings
) -> None:
    page = Page(build_html(series, replace(findings, nodules=()), REPORT))
    assert NO_NODULE in page.said()
    viewer = page.data("viewer-data")
    assert len(viewer["slices"]) == len(series.frames)
    assert viewer["nodules"] == []


def test_words_from_outside_are_escaped(series: AssembledSeries, findings: Findings) -> None:
    evil = "<script>alert('x')</script>"
    told = replace(findings, warnings=(evil,), device=evil)
    page = Page(build_html(series, told, REPORT | {"device": evil, "series_instance_uid": '"><img src=x>'}))
    assert [script.get("type") for script in page.all("script")] == ["application/json"] * 3 + [None]
    assert page.said().count(evil) == 2
    assert all(image["src"].startswith("data:") for image in page.all("img"))


def test_the_page_does_not_tell_who_the_patient_is(series: AssembledSeries, findings: Findings, html: str) -> None:
    somebody = with_headers(series, PatientName="Somebody^Else", PatientID="4711", PatientBirthDate="19010203")
    assert build_html(somebody, findings, REPORT | {"patient_name": "Somebody^Else"}) == html


# For everybody


def test_every_image_and_every_control_has_a_name(page: Page) -> None:
    assert all("alt" in image for image in page.all("img"))
    ranges = [a for a in page.all("input") if a["type"] == "range"]
    assert len(ranges) == 1
    assert all(control["aria-label"] for control in ranges)
    assert page.all("html") == [{"lang": "en"}]
    assert all(button.get("type") == "button" for button in page.all("button"))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert set(labels) <= set(identifiers)


def test_the_page_has_a_light_and_a_dark_face(html: str) -> None:
    assert "(prefers-color-scheme: dark)" in html
    assert ':root[data-theme="dark"]' in html
    assert ':root, :root[data-theme="light"]' in html


@pytest.mark.parametrize(("language", "heading"), [("de", "Zuerst lesen"), ("zh", "请先阅读")])
def test_the_page_speaks_the_language_it_is_told(
    series: AssembledSeries, findings: Findings, language: str, heading: str
) -> None:
    page = Page(build_html(series, findings, REPORT, language=Language(language)))
    assert page.all("html") == [{"lang": language}]
    assert heading in page.said()
    assert "Read this first" not in page.said()
    assert "20.0 × 20.0" in page.said()


def test_found_against_known_is_told_in_the_language_of_the_page(series: AssembledSeries, findings: Findings) -> None:
    page = Page(build_html(series, findings, REPORT, known_from(findings)[:1], Language.GERMAN))
    assert "gefunden, Rundherd 1" in page.said()
    assert "Andere Markierungen: 2, 3." in page.said()
    assert "Found against known" not in page.said()


# Not processed


def test_a_series_that_was_not_processed_gets_its_reason_and_no_picture() -> None:
    reason = "a gap of 12.5 mm after slice 41: <at least one> slice is missing"
    page = Page(build_html(None, None, {"status": "REFUSED", "reason_code": "SLICE_GAP", "reason": reason}))
    assert "NOT PROCESSED This is not a negative result." in page.said()
    assert reason in page.said()
    assert "SLICE_GAP" in page.said()
    assert DISCLAIMER in page.said()
    assert not page.all("img")
    assert "No nodule was marked" not in page.said()


def test_a_volume_without_findings_is_not_processed(series: AssembledSeries) -> None:
    page = Page(build_html(series, None, {"status": "FAILED", "reason": "no lungs in view"}))
    assert "no lungs in view" in page.said()


# Found against known


def test_found_and_missed_are_told_apart(series: AssembledSeries, findings: Findings) -> None:
    known = [*known_from(findings)[:2], KnownNodule((0.0, 0.0, 0.0), 6.0, "ground_glass")]
    said = Page(build_html(series, findings, REPORT, known)).said()
    assert "2 of 3 known nodules were marked within half their diameter. Other marks: 3." in said
    assert said.count("missed") == 1
    assert "ground glass" in said


def test_without_known_nodules_there_is_no_comparison(page: Page) -> None:
    assert "Found against known" not in page.said()


def test_a_mark_finds_a_nodule_within_half_its_diameter(findings: Findings) -> None:
    x, y, z = findings.nodules[0].center_lps_mm
    inside, outside = (KnownNodule((x + off, y, z), 10.0) for off in (4.9, 5.1))
    assert compare([inside], findings.nodules)[0].nodule is findings.nodules[0]
    assert compare([outside], findings.nodules)[0].nodule is None


def test_one_mark_finds_one_nodule_only_and_the_nearest(findings: Findings) -> None:
    x, y, z = findings.nodules[0].center_lps_mm
    far, near = KnownNodule((x + 3, y, z), 10.0), KnownNodule((x + 1, y, z), 10.0)
    matches = compare([far, near], findings.nodules)
    assert [match.nodule and match.nodule.id for match in matches] == [None, 1]
    assert matches[1].distance_mm == pytest.approx(1.0)
    assert [nodule.id for nodule in other_marks(matches, findings.nodules)] == [2, 3]
