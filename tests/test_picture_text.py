"""What stands on pictures can be read where a viewer shows them small, in the language of the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import node.results.drawing
import node.results.pictures
import node.results.rendering
import node.results.summary_page
import node.results.summary_table
import node.results.views
from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.drawing import drawable_language, wrapped
from node.results.language import translated
from node.results.pictures import label_of, measuring_slice, slice_overlay
from node.results.summary_page import PAGE_SIZE, summary_page


def sizes_px(monkeypatch: pytest.MonkeyPatch, *modules: object) -> dict[str, int]:
    """Collect the font size of every line of text that the modules write."""
    sizes: dict[str, int] = {}
    for module in modules:
        monkeypatch.setattr(module, "write", lambda _c, _at, text, size, *_args, **_more: sizes.update({text: size}))
    return sizes


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_summary_can_be_read_on_512_pixels(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """No font is smaller than 10 pixels when the page fills a viewport of 512 x 512; numbers and letters neither."""
    modules = (node.results.summary_page, node.results.summary_table, node.results.views, node.results.rendering)
    sizes = sizes_px(monkeypatch, *modules)
    summary_page(series, replace(findings, nodules=findings.nodules[:count]))
    assert {"R", "H", "P", *(str(number + 1) for number in range(count))} <= set(sizes)
    assert min(sizes.values()) * 512 / max(PAGE_SIZE) >= 10


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_a_slice_can_be_read_on_512_pixels(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch, scale: int
) -> None:
    sizes = sizes_px(monkeypatch, node.results.pictures)
    nodule = findings.nodules[1]
    overlay = slice_overlay(series, findings, measuring_slice(nodule), scale)
    assert label_of(nodule) in sizes
    assert min(sizes.values()) * 512 / max(overlay.shape) >= 10


def test_text_is_in_the_pixels_and_not_only_asked_for(series: AssembledSeries, findings: Findings) -> None:
    """The disclaimer stands in the picture as high as its font says: capitals are 0.7 of it."""
    page = summary_page(series, findings).astype(int)
    banner = page[52:94, 24:1000]
    rows = np.flatnonzero((banner.sum(axis=-1) < 200).any(axis=1))  # dark letters on amber
    assert rows[-1] - rows[0] >= 0.7 * 26
    assert (rows[-1] - rows[0]) * 512 / max(PAGE_SIZE) >= 7


def test_every_line_stays_on_the_page(series: AssembledSeries, findings: Findings) -> None:
    """With much to say in the longest language, nothing is cut at the right edge."""
    worst = replace(findings, lung_rads=replace(findings.lung_rads, category=None), warnings=("w " * 300,))
    page = summary_page(series, worst, "de")
    assert (page[:, 1004:] == page[0, 0]).all()
    assert (page[1016:] == page[0, 0]).all()


@pytest.mark.parametrize("language", ["de", "en"])
def test_pictures_speak_the_language_of_the_report(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    texts = sizes_px(monkeypatch, node.results.summary_page, node.results.summary_table, node.results.pictures)
    summary_page(series, findings, language)
    slice_overlay(series, findings, measuring_slice(findings.nodules[0]), 4, language)
    assert translated(language, DISCLAIMER) in texts
    assert ("Schicht" in " ".join(texts) or "Bild" in " ".join(texts)) == (language == "de")


@pytest.mark.parametrize("installed", [True, False])
def test_pictures_are_chinese_only_where_a_font_has_the_signs(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    monkeypatch.setattr(node.results.drawing, "chinese_font_file", lambda: "font" if installed else None)
    assert drawable_language("zh") == ("zh" if installed else "en")
    assert drawable_language("de") == "de"


def test_chinese_breaks_between_any_two_signs() -> None:
    lines = wrapped("未标记结节。 CT 3 mm 这并不表示没有结节。", 20, 100)
    assert "".join(lines).replace(" ", "") == "未标记结节。CT3mm这并不表示没有结节。"
    assert len(lines) > 2
