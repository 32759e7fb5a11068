"""Every sentence on slices that were set apart is said in the language of the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.results.language import Language, translated
from node.series.placement import place
from node.series.splits import _ATTRIBUTES
from tests.test_placement import STRAYS, at, other, scan


def sentences() -> list[str]:
    headers = scan()
    strays = [stray(header) for stray, header in zip(STRAYS.values(), headers, strict=False)]
    careless = [replace(header, mended=("PixelSpacing",)) for header in headers]
    second = [at(header, header.image_position_patient[2] + 1.25, acquisition_number=2) for header in headers]
    first = [replace(header, acquisition_number=1) for header in headers]
    own = [replace(header, frame_of_reference_uid=f"1.2.9.{k}") for k, header in enumerate(headers)]
    lost = [replace(headers[0], pixel_spacing_mm=()), replace(headers[1], image_orientation_patient=(2.0,) * 6)]
    series = [
        [*strays, *headers],
        careless,
        [*first, *second],
        [*headers, other(headers[4])],
        own,
        [*lost, *headers[2:]],
    ]
    placements = [place(each) for each in series]
    return [sentence for placement in placements for sentence in (*placement.notes, *placement.warnings)]


@pytest.mark.parametrize("language", [Language.GERMAN, Language.CHINESE])
def test_every_sentence_is_translated(language: Language) -> None:
    found = sentences()
    assert len(found) > 12
    untranslated = [sentence for sentence in found if translated(language, sentence) == sentence]
    assert not untranslated


@pytest.mark.parametrize("language", [Language.GERMAN, Language.CHINESE])
def test_what_tells_volumes_apart_is_translated(language: Language) -> None:
    for name, _ in (*_ATTRIBUTES, ("passes (Instance Number)", None), ("passes (Acquisition Time)", None)):
        assert translated(language, name) != name
