"""The slice viewer and the nodule table of report.html in headless Chromium: keys, marks, windows, sorting."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.pictures import measuring_slice
from tests.page_rig import browser, drawn, files, findings, grey_at, page, series, slice_of

__all__ = ["browser", "files", "findings", "page", "series"]  # fixtures of the rig


# Slices


def test_the_viewer_opens_on_the_slice_of_the_first_nodule(page: Page, findings: Findings) -> None:
    assert slice_of(page) == measuring_slice(findings.nodules[0])
    assert "nodule 1" in page.locator("#slice-text").inner_text()


def test_keys_leaf_through_the_slices(page: Page, series: AssembledSeries) -> None:
    last = len(series.frames) - 1
    page.locator("#slice-screen").focus()
    for key, expected in (
        ("Home", 0),
        ("ArrowDown", 1),
        ("ArrowRight", 2),
        ("ArrowUp", 1),
        ("ArrowLeft", 0),
        ("ArrowLeft", 0),
        ("PageDown", 10),
        ("PageDown", 20),
        ("PageUp", 10),
        ("End", last),
        ("ArrowRight", last),
    ):
        page.keyboard.press(key)
        assert slice_of(page) == expected, key


def test_another_slice_is_another_picture(page: Page) -> None:
    page.locator("#slice-screen").focus()
    page.keyboard.press("Home")
    first = drawn(page, slice=0)
    page.keyboard.press("PageDown")
    assert drawn(page, slice=10) != first
    page.keyboard.press("PageUp")
    assert drawn(page, slice=0) == first


def test_n_and_p_go_from_nodule_to_nodule_and_round(page: Page, findings: Findings) -> None:
    measured = sorted({measuring_slice(nodule) for nodule in findings.nodules})
    page.locator("#slice-screen").focus()
    page.keyboard.press("Home")
    seen = []
    for _ in range(len(measured) + 1):
        page.keyboard.press("n")
        seen.append(slice_of(page))
    assert seen == [*measured, measured[0]]
    page.keyboard.press("p")
    assert slice_of(page) == measured[-1]


def test_o_takes_the_marks_away_and_brings_them_back(page: Page) -> None:
    page.locator("#slice-screen").focus()
    marked = drawn(page, marks="on")
    page.keyboard.press("o")
    assert drawn(page, marks="off") != marked
    assert page.locator("#marks").get_attribute("aria-pressed") == "false"
    page.keyboard.press("o")
    assert drawn(page, marks="on") == marked


def test_window_presets_show_other_tissue(page: Page) -> None:
    """Soft tissue of 40 HU is white in the lung window and mid-grey in that of the mediastinum; lung is black there."""
    page.locator("#slice-screen").focus()
    greys = {}
    for key, name in (("1", "lung"), ("2", "mediastinum"), ("3", "bone"), ("4", "wide")):
        page.keyboard.press(key)
        drawn(page, window=name)
        pressed = page.locator("button[data-window][aria-pressed=true]")
        assert pressed.get_attribute("data-window") == name
        greys[name] = (grey_at(page, 0.5, 0.12), grey_at(page, 0.28, 0.62))  # chest wall, lung
    assert greys["lung"][0] > 220
    assert 90 < greys["mediastinum"][0] < 170
    assert 60 < greys["bone"][0] < 110
    assert greys["mediastinum"][1] == greys["bone"][1] == 0
    assert 60 < greys["lung"][1] < 140
    assert 0 < greys["wide"][1] < greys["wide"][0]


def test_letters_do_nothing_outside_the_viewer(page: Page) -> None:
    page.locator("#theme").focus()
    page.keyboard.press("o")
    page.keyboard.press("n")
    assert page.locator("#marks").get_attribute("aria-pressed") == "true"


def test_dragging_and_the_wheel_change_the_slice(page: Page) -> None:
    page.locator("#slice-screen").scroll_into_view_if_needed()
    page.locator("#slice-screen").focus()
    page.keyboard.press("Home")
    box = page.locator("#slice-screen").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 160, steps=4)
    page.mouse.up()
    assert slice_of(page) == 10
    page.mouse.wheel(0, 100)
    page.wait_for_function("document.getElementById('slice').value === '11'")


# Nodules


def test_a_heading_sorts_the_table_both_ways(page: Page, findings: Findings) -> None:
    sizes = sorted(nodule.measurement.mean_diameter_mm for nodule in findings.nodules)
    heading = page.get_by_role("columnheader", name="Mean mm")
    cells = page.locator("#nodules tbody td:nth-child(4)")
    for direction, expected in (("ascending", sizes), ("descending", sizes[::-1])):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == direction
        values = cells.evaluate_all("cells => cells.map((cell) => Number(cell.dataset.value))")
        assert values == pytest.approx(expected)
    assert page.locator("#nodules th[aria-sort]").count() == 1


def test_a_click_on_a_row_opens_its_slice(page: Page, findings: Findings) -> None:
    nodule = findings.nodules[2]
    page.locator(f'#nodules tr[data-nodule="{nodule.id}"] td:nth-child(3)').click()
    assert slice_of(page) == measuring_slice(nodule)
    assert page.evaluate("document.activeElement.id") == "slice-screen"
    assert page.locator(f'#nodules tr[data-nodule="{nodule.id}"]').get_attribute("aria-current") == "true"


def test_enter_on_a_number_opens_its_slice(page: Page, findings: Findings) -> None:
    nodule = findings.nodules[1]
    page.locator(f'#nodules tr[data-nodule="{nodule.id}"] a').focus()
    page.keyboard.press("Enter")
    assert slice_of(page) == measuring_slice(nodule)
