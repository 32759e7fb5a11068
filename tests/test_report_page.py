"""report.html in headless Chromium: what the script does, by keys, mouse and touch, and that nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.language import Language
from node.results.pictures import measuring_slice
from node.results.report_html import build_html
from tests.conftest import tool
from tests.result_examples import example_findings, phantom_series

REPORT = {"status": "ANALYSED", "device": "cpu", "software_version": "0.1.0", "timings_s": {"lungs": 1.25}}
DRAWN = "#slice-canvas[data-slice]"
PIXELS = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=tool("chromium"), args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def series() -> AssembledSeries:
    return phantom_series()


@pytest.fixture(scope="module")
def findings(series: AssembledSeries) -> Findings:
    return example_findings(series.volume)


@pytest.fixture(scope="module")
def files(series: AssembledSeries, findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in English and in German, and the page of a series that was not processed."""
    folder = tmp_path_factory.mktemp("pages")
    refused = {"status": "NOT_PROCESSED", "reason": "a gap after slice 41", "reason_code": "SLICE_GAP"}
    pages = {
        "report": build_html(series, findings, REPORT),
        "german": build_html(series, findings, REPORT, language=Language.GERMAN),
        "notice": build_html(None, None, refused),
    }
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    """The page in a context of its own; whatever the browser complains of or fetches fails the test."""
    complaints: list[str] = []
    fetched: list[str] = []
    with browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri())
        yield page
    assert not complaints
    assert [url for url in fetched if not url.startswith("data:image/")] == [path.as_uri()]


@pytest.fixture
def page(browser: Browser, files: Path) -> Iterator[Page]:
    with opened(browser, files / "report.html") as page:
        page.wait_for_selector(DRAWN)
        yield page


def slice_of(page: Page) -> int:
    """The slice that the slider stands on."""
    return int(page.locator("#slice").input_value())


def pixels(page: Page, canvas: str = "#slice-canvas") -> str:
    return str(page.locator(canvas).evaluate(PIXELS))


def drawn(page: Page, **state: str | int) -> str:
    """Pixels of the slice once it is drawn in this state."""
    page.wait_for_selector("#slice-canvas" + "".join(f'[data-{name}="{value}"]' for name, value in state.items()))
    return pixels(page)


def grey_at(page: Page, x: float, y: float) -> int:
    """Grey of the slice at a share of its width and height."""
    copied = """(slice, [x, y]) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
        const context = canvas.getContext("2d");
        context.drawImage(slice, x * slice.width, y * slice.height, 1, 1, 0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data[0];
    }"""
    return int(page.locator("#slice-canvas").evaluate(copied, [x, y]))


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


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


# Lungs in 3D


def test_keys_turn_the_lungs(page: Page) -> None:
    page.wait_for_selector("#lung-canvas[data-turn]")
    page.locator("#lung-screen").focus()
    front = pixels(page, "#lung-canvas")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector('#lung-canvas[data-turn="15"]')
    assert pixels(page, "#lung-canvas") != front
    page.keyboard.press("ArrowDown")
    page.wait_for_selector('#lung-canvas[data-turn="15"][data-tilt="15"]')
    page.keyboard.press("Home")
    page.wait_for_selector('#lung-canvas[data-turn="0"][data-tilt="0"]')
    assert pixels(page, "#lung-canvas") == front


def test_the_mouse_turns_the_lungs(page: Page) -> None:
    page.locator("#lung-screen").scroll_into_view_if_needed()
    box = page.locator("#lung-screen").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 140, steps=3)
    page.mouse.up()
    page.wait_for_selector('#lung-canvas[data-turn="30"][data-tilt="20"]')


def test_a_finger_turns_the_lungs(browser: Browser, files: Path) -> None:
    with opened(browser, files / "report.html", has_touch=True) as page:
        page.locator("#lung-screen").scroll_into_view_if_needed()
        box = page.locator("#lung-screen").bounding_box()
        assert box is not None
        devtools = page.context.new_cdp_session(page)
        for kind, x in (("touchStart", 200), ("touchMove", 150), ("touchMove", 100)):
            points = [{"x": box["x"] + x, "y": box["y"] + 60}]
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_function("Number(document.getElementById('lung-canvas').dataset.turn) > 0")


def test_buttons_show_the_lungs_from_each_side(page: Page) -> None:
    for turn, tilt in ((90, 0), (180, 0), (270, 0), (0, 90), (0, 0)):
        page.locator(f'button[data-turn="{turn}"][data-tilt="{tilt}"]').click()
        page.wait_for_selector(f'#lung-canvas[data-turn="{turn}"][data-tilt="{tilt}"]')


# The page


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_page_follows_the_system_until_the_switch_is_used(browser: Browser, files: Path, system: str) -> None:
    with opened(browser, files / "report.html", color_scheme=system) as page:
        switch, before = page.locator("#theme"), background(page)
        assert switch.get_attribute("aria-checked") == str(system == "dark").lower()
        switch.click()
        assert switch.get_attribute("aria-checked") == str(system == "light").lower()
        assert background(page) != before
        switch.click()
        assert background(page) == before


def test_tab_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    wanted = page.evaluate(
        "[...document.querySelectorAll('button, a, input, summary, [tabindex]')].filter((e) => e.offsetParent).length"
    )
    describe = "(e => [e.outerHTML.slice(0, 90), getComputedStyle(e).outlineStyle])(document.activeElement)"
    reached = set()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        element, outline = page.evaluate(describe)
        assert outline == "solid", element
        reached.add(element)
    assert len(reached) == wanted


def test_the_disclaimer_stays_in_sight(page: Page) -> None:
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    box = page.get_by_text(DISCLAIMER, exact=True).first.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 40


def test_a_narrow_window_needs_no_sideways_scrolling(browser: Browser, files: Path) -> None:
    with opened(browser, files / "report.html", viewport={"width": 400, "height": 800}) as page:
        page.wait_for_selector(DRAWN)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 400


def test_without_script_the_table_and_still_pictures_are_there(browser: Browser, files: Path) -> None:
    with opened(browser, files / "report.html", java_script_enabled=False) as page:
        assert page.locator("#nodules").is_visible()
        assert page.locator("img.still").first.is_visible()
        assert page.locator(".views img").count() == 4
        assert not page.locator("#slice-screen").is_visible()
        assert not page.locator("#theme").is_visible()


def test_on_paper_there_are_pictures_and_no_controls(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("#slice-canvas").is_visible()
    assert page.get_by_text(DISCLAIMER, exact=True).first.is_visible()
    assert not [button for button in page.locator("section .controls button").all() if button.is_visible()]
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_the_viewer_speaks_the_language_of_the_page(browser: Browser, files: Path) -> None:
    with opened(browser, files / "german.html") as page:
        page.wait_for_selector(DRAWN)
        assert " von 40: " in page.locator("#slice-text").inner_text()
        assert "Rundherd 1" in page.locator("#slice-text").inner_text()


def test_a_series_that_was_not_processed_says_so(browser: Browser, files: Path) -> None:
    with opened(browser, files / "notice.html") as page:
        said = page.get_by_role("alert").inner_text()
    assert "NOT PROCESSED" in said
    assert "not a negative result" in said
    assert "a gap after slice 41" in said
