"""report.html in headless Chromium: lungs in 3D, light and dark, focus, narrow windows, paper, no script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from node.results.context import DISCLAIMER
from tests.page_rig import DRAWN, background, browser, files, findings, opened, page, pixels, series

__all__ = ["browser", "files", "findings", "page", "series"]  # fixtures of the rig


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
