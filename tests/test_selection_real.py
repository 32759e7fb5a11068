"""The series that is chosen of real studies."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from node.series.instances import InstanceHeader, header_of
from node.series.rules import SelectionRules
from node.series.selection import SeriesSummary, select, summarize

RULES = SelectionRules()


def summaries_below(folder: Path) -> list[SeriesSummary]:
    series: dict[str, list[InstanceHeader]] = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        try:
            found = header_of(dcmread(path, stop_before_pixels=True))
        except InvalidDicomError:
            continue
        series.setdefault(found.series_instance_uid, []).append(found)
    return [summarize(headers) for headers in series.values()]


def test_of_two_real_reconstructions_the_medium_kernel_is_chosen(lungdx_a0002: Path) -> None:
    summaries = summaries_below(lungdx_a0002)
    selection = select(summaries, RULES)
    by_uid = {one.series_instance_uid: one for one in summaries}
    assert selection.chosen is not None
    assert by_uid[selection.chosen].convolution_kernel == "B40f"
    assert list(selection.reasons.values()) == ["series 3 is preferred: kernel B40f is better for measuring than B70f"]


def test_of_a_real_radiotherapy_study_the_ct_is_chosen(lung1_001: Path) -> None:
    summaries = summaries_below(lung1_001)
    selection = select(summaries, RULES)
    by_uid = {one.series_instance_uid: one for one in summaries}
    assert selection.chosen is not None
    assert (by_uid[selection.chosen].modality, by_uid[selection.chosen].slice_count) == ("CT", 134)
    assert len(selection.reasons) == 3
    assert all("not a CT image series" in reason for reason in selection.reasons.values())


def test_a_single_real_series_is_chosen(lidc_0003: Path) -> None:
    (only,) = summaries_below(lidc_0003)
    assert select([only], RULES).chosen == only.series_instance_uid
    assert (only.slice_count, only.slice_distance_mm) == (140, 2.5)
