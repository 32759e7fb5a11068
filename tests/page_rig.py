"""report.html open in headless Chromium: what the browser complains of or fetches fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.language import Language
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
