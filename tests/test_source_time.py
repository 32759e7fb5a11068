"""Where the source names its zone, results name the same and tell their times in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.bundle import analysed_bundle, notice_bundle
from node.results.checks import check
from node.results.forms import Kind
from node.results.source_attributes import carried_over
from tests.all_kinds import every_kind
from tests.result_examples import CONTEXT, as_enhanced, encoded, example_findings, reread, with_headers, with_raw

CREATED = datetime(2026, 1, 5, 23, 30, 15, 250000, tzinfo=UTC)
AT_NIGHT = replace(CONTEXT, created_at=CREATED)
OURS = ("InstanceCreation", "Series", "Content", "PresentationCreation")


def times_of(dataset: Dataset) -> Iterator[str]:
    """Every date and time that is ours: pairs of DA and TM, and the DT of the models' contributions."""
    for stem in OURS:
        if f"{stem}Date" in dataset:
            yield dataset[f"{stem}Date"].value + dataset[f"{stem}Time"].value.partition(".")[0]
    for item in dataset.get("ContributingEquipmentSequence") or []:
        yield str(item.ContributionDateTime)


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["single frames", "multi-frame"])
@pytest.mark.parametrize(
    ("zone", "local"), [("+0100", "20260106003015"), ("-0330", "20260105200015"), ("+0000", "20260105233015")]
)
def test_all_kinds_tell_their_times_in_the_zone_of_the_source(
    series: AssembledSeries, zone: str, local: str, is_enhanced: bool
) -> None:
    source = with_headers(as_enhanced(series) if is_enhanced else series, TimezoneOffsetFromUTC=zone)
    leave_out = () if zone == "+0100" else (Kind.PDF, Kind.SEG_LABELMAP)
    made = every_kind(source, example_findings(series.volume, 1), leave_out, AT_NIGHT)
    for dataset in map(reread, (dataset for datasets in made.values() for dataset in datasets)):
        found = list(times_of(dataset))
        assert dataset.TimezoneOffsetFromUTC == zone
        assert set(found) == {local}
        assert len(found) >= 3


def test_without_a_zone_times_are_those_of_the_node(series: AssembledSeries) -> None:
    vienna = replace(CONTEXT, created_at=CREATED.astimezone(timezone(timedelta(hours=1))))
    made = every_kind(series, example_findings(series.volume, 1), (Kind.PDF, Kind.SEG_LABELMAP), vienna)
    for dataset in (dataset for datasets in made.values() for dataset in datasets):
        assert "TimezoneOffsetFromUTC" not in dataset
        assert set(times_of(dataset)) == {"20260106003015"}


def test_the_zone_changes_no_uid_and_no_time_of_the_study(series: AssembledSeries) -> None:
    plain, zoned = (
        every_kind(source, example_findings(series.volume, 1), (Kind.PDF, Kind.SEG_LABELMAP), AT_NIGHT)
        for source in (series, with_headers(series, TimezoneOffsetFromUTC="+0530"))
    )
    for kind, datasets in plain.items():
        for one, other in zip(datasets, zoned[kind], strict=True):
            assert one.SOPInstanceUID == other.SOPInstanceUID
            assert (one.StudyDate, one.StudyTime) == (other.StudyDate, other.StudyTime)


@pytest.mark.parametrize(
    ("found", "carried"),
    [
        (b"+0100 ", "+0100"),
        (b"-1200", "-1200"),
        (b"+1400", "+1400"),
        (b"+05:45", "+0545"),
        (b"-0000", "+0000"),
        (b"Z ", "+0000"),
        (b"+1500", None),
        (b"-1230", None),
        (b"+0160", None),
        (b"0100", None),
        (b"CET ", None),
        (b"+0100\\+0200", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_a_zone_is_legal_or_left_out(series: AssembledSeries, found: bytes, carried: str | None) -> None:
    dataset = carried_over(with_raw(series, {"TimezoneOffsetFromUTC": found}).headers[0]).dataset
    assert (dataset.get("TimezoneOffsetFromUTC") or None) == carried


def test_the_report_and_the_notice_tell_the_time_in_the_zone_of_the_source(series: AssembledSeries) -> None:
    source = with_headers(series, TimezoneOffsetFromUTC="+0530")
    findings = example_findings(series.volume, 1)
    analysed = analysed_bundle(source, findings, AT_NIGHT, kinds=[Kind.SR], neighbours=0, clock=lambda: 0.0)
    notice = notice_bundle(source.headers, "SLICE_GAP", "a gap", AT_NIGHT, [Kind.NOTICE])
    for bundle in (analysed, notice):
        assert bundle.report["created_at"] == "2026-01-06T05:00:15.250000+05:30"
        assert set(times_of(bundle.objects[0][1])) == {"20260106050015"}


def test_the_same_work_in_another_zone_of_the_node_gives_the_same_bytes(series: AssembledSeries) -> None:
    source = with_headers(series, TimezoneOffsetFromUTC="+0100")
    moved = replace(AT_NIGHT, created_at=CREATED.astimezone(timezone(timedelta(hours=9))))
    first, second = (
        analysed_bundle(
            source, example_findings(series.volume, 1), context, kinds=[Kind.SR], neighbours=0, clock=lambda: 0
        )
        for context in (AT_NIGHT, moved)
    )
    assert encoded(first.objects[0][1]) == encoded(second.objects[0][1])


def test_a_result_in_another_zone_is_not_sent(series: AssembledSeries) -> None:
    source = with_headers(series, TimezoneOffsetFromUTC="+0100")
    made = every_kind(source, example_findings(series.volume, 1), (Kind.PDF, Kind.SEG_LABELMAP))
    made["KO"][0].TimezoneOffsetFromUTC = "+0200"
    with pytest.raises(ResultError, match="KO 1: TimezoneOffsetFromUTC differs"):
        check(made["KO"], source.headers)
