"""When a series counts as complete: proof at once, else quiet, else the cap of its study."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, RTStructureSetStorage

from node.series.completeness import (
    Completeness,
    Evidence,
    SeriesSnapshot,
    end_instances,
    judge,
    needs_look_at_lungs,
)
from node.series.instances import Frame, InstanceHeader, header_of

BEGAN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
QUIET_S, CAP_S = 60.0, 900.0
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slices(count: int = 20, distance_mm: float = 2.5, **attributes: object) -> list[InstanceHeader]:
    return [
        replace(
            InstanceHeader(
                f"1.2.3.{k}",
                CTImageStorage,
                "1.2.3",
                "1.2",
                modality="CT",
                instance_number=k + 1,
                rows=512,
                columns=512,
                pixel_spacing_mm=(0.7, 0.7),
                image_position_patient=(-180.0, -180.0, -300.0 + distance_mm * k),
                image_orientation_patient=AXIAL,
                frame_of_reference_uid="1.2.9",
            ),
            **attributes,  # type: ignore[arg-type]
        )
        for k in range(count)
    ]


def snapshot(headers: list[InstanceHeader], **known: object) -> SeriesSnapshot:
    arrived = SeriesSnapshot(tuple(headers), BEGAN, BEGAN + timedelta(seconds=5), association_open=False)
    return replace(arrived, **{"end_slices_cut_lungs": False} | known)  # type: ignore[arg-type]


def judged(series: SeriesSnapshot, after_s: float = 6.0) -> Completeness:
    return judge(series, BEGAN + timedelta(seconds=after_s), QUIET_S, BEGAN, CAP_S)


def test_an_unbroken_scan_of_whole_lungs_is_complete_at_once() -> None:
    found = judged(snapshot(slices()))
    assert found.evidence is Evidence.GEOMETRY
    assert found.is_complete
    assert "20 slices every 2.50 mm" in found.reason


def test_the_order_of_arrival_does_not_matter() -> None:
    headers = slices()
    assert judged(snapshot(headers[::-1])).evidence is Evidence.GEOMETRY
    assert judged(snapshot(headers[1::2] + headers[::2])).evidence is Evidence.GEOMETRY


@pytest.mark.parametrize(
    "known",
    [
        {"association_open": True},
        {"end_slices_cut_lungs": True},
        {"end_slices_cut_lungs": None},
        {"association_count": 20},
    ],
    ids=["sender still there", "lungs cut", "nobody looked", "an association for each image"],
)
def test_geometry_alone_proves_nothing(known: dict[str, object]) -> None:
    assert judged(snapshot(slices(), **known)).evidence is None


def test_a_dropped_middle_slice_waits_for_quiet() -> None:
    headers = slices()
    del headers[9]
    assert judged(snapshot(headers)).evidence is None
    found = judged(snapshot(headers), after_s=65)
    assert found.evidence is Evidence.QUIET
    assert "19 instances, none for 60 s" in found.reason


def test_a_duplicate_slice_is_no_proof() -> None:
    headers = slices()
    headers.append(replace(headers[3], sop_instance_uid="1.2.3.99"))
    assert judged(snapshot(headers)).evidence is None


def test_a_slice_of_another_orientation_is_no_proof() -> None:
    headers = slices()
    headers[0] = replace(headers[0], image_orientation_patient=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    assert judged(snapshot(headers)).evidence is None


def test_a_slice_of_another_matrix_or_frame_of_reference_is_no_proof() -> None:
    for other in ({"rows": 256}, {"frame_of_reference_uid": "1.2.8"}):
        headers = slices()
        headers[0] = replace(headers[0], **other)  # type: ignore[arg-type]
        assert judged(snapshot(headers)).evidence is None


def test_a_slice_without_position_is_no_proof() -> None:
    headers = slices()
    headers[4] = replace(headers[4], image_position_patient=())
    assert judged(snapshot(headers)).evidence is None


def test_seven_slices_are_no_chest_whatever_their_geometry() -> None:
    assert judged(snapshot(slices(7))).evidence is None


def test_the_announced_number_completes_a_series_even_while_the_sender_is_there() -> None:
    headers = slices(20, number_of_series_related_instances=20)
    found = judged(snapshot(headers, association_open=True, end_slices_cut_lungs=None))
    assert found.evidence is Evidence.EXPECTED_COUNT
    assert "all 20" in found.reason


def test_fewer_or_more_than_announced_proves_nothing() -> None:
    for count in (19, 21):
        headers = slices(count, number_of_series_related_instances=20)
        assert judged(snapshot(headers, association_open=True)).evidence is None


def test_an_announced_number_that_no_chest_can_have_is_not_believed() -> None:
    headers = slices(1, number_of_series_related_instances=1)
    assert judged(snapshot(headers)).evidence is None


def test_slices_that_announce_different_numbers_are_not_believed() -> None:
    headers = slices(20, number_of_series_related_instances=20)
    headers[0] = replace(headers[0], number_of_series_related_instances=21)
    assert judged(snapshot(headers, association_open=True)).evidence is None


def test_images_in_acquisition_is_never_believed() -> None:
    headers = slices(20, images_in_acquisition=20)
    assert judged(snapshot(headers, end_slices_cut_lungs=None)).evidence is None


def test_a_multi_frame_object_is_complete_once_the_sender_has_let_go() -> None:
    enhanced = [multi_frame(1, range(200))]
    assert judged(snapshot(enhanced, end_slices_cut_lungs=None)).evidence is Evidence.EXPECTED_COUNT
    assert judged(snapshot(enhanced, association_open=True)).evidence is None


def test_instances_of_a_concatenation_are_complete_when_none_is_missing() -> None:
    parts = [
        replace(
            multi_frame(number, range(20 * number, 20 * number + 20)),
            concatenation_uid="1.2.5",
            in_concatenation_number=number + 1,
            in_concatenation_total=4,
        )
        for number in range(4)
    ]
    assert judged(snapshot(parts)).evidence is Evidence.EXPECTED_COUNT
    for lost in range(4):
        assert judged(snapshot(parts[:lost] + parts[lost + 1 :])).evidence is None


def multi_frame(number: int, places: range) -> InstanceHeader:
    """An instance of several frames."""
    frames = tuple(Frame((-180.0, -180.0, -300.0 + 2.5 * k), AXIAL, (0.7, 0.7)) for k in places)
    (header,) = slices(1, sop_class_uid=EnhancedCTImageStorage, number_of_frames=len(frames), image_position_patient=())
    return replace(header, sop_instance_uid=f"1.2.3.{number}", frames=frames)


def test_an_object_that_is_no_ct_waits_for_quiet() -> None:
    structures = slices(
        1, sop_class_uid=RTStructureSetStorage, modality="RTSTRUCT", number_of_series_related_instances=1
    )
    assert judged(snapshot(structures)).evidence is None
    assert judged(snapshot(structures), after_s=65).evidence is Evidence.QUIET


def test_waiting_says_since_when_and_until_when() -> None:
    found = judged(snapshot(slices(), end_slices_cut_lungs=None), after_s=25)
    assert not found.is_complete
    assert "the last one 20 s ago" in found.reason
    assert found.due_at == BEGAN + timedelta(seconds=65)


def test_quiet_begins_exactly_at_its_end() -> None:
    series = snapshot(slices(), end_slices_cut_lungs=None)
    assert judged(series, after_s=64.999).evidence is None
    assert judged(series, after_s=65).evidence is Evidence.QUIET


def test_a_study_that_trickles_in_is_taken_after_its_cap() -> None:
    trickling = snapshot(slices(), end_slices_cut_lungs=None, last_arrival=BEGAN + timedelta(seconds=890))
    assert judged(trickling, after_s=899).evidence is None
    assert judged(trickling, after_s=899).due_at == BEGAN + timedelta(seconds=900)
    assert judged(trickling, after_s=900).evidence is Evidence.STUDY_CAP


def test_a_series_that_begins_after_the_cap_has_a_cap_of_its_own() -> None:
    next_day = BEGAN + timedelta(days=1)
    late = snapshot(
        slices(3), first_arrival=next_day, last_arrival=next_day, association_open=True, end_slices_cut_lungs=None
    )
    assert judged(late, after_s=86_401).evidence is None
    streaming = replace(late, last_arrival=next_day + timedelta(seconds=899))
    assert judged(streaming, after_s=86_400 + 900).evidence is Evidence.STUDY_CAP


def test_an_empty_series_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="without instances"):
        judged(snapshot([]))


def test_only_a_series_that_lacks_nothing_else_needs_a_look_at_its_lungs() -> None:
    assert needs_look_at_lungs(snapshot(slices(), end_slices_cut_lungs=None))
    assert not needs_look_at_lungs(snapshot(slices(), end_slices_cut_lungs=False))
    assert not needs_look_at_lungs(snapshot(slices(), end_slices_cut_lungs=None, association_open=True))
    broken = slices()
    del broken[9]
    assert not needs_look_at_lungs(snapshot(broken, end_slices_cut_lungs=None))


def test_the_end_instances_are_those_outermost_along_the_normal() -> None:
    headers = slices()
    shuffled = tuple(headers[5:] + headers[:5])
    assert end_instances(shuffled) == (headers[0], headers[-1])
    assert end_instances((replace(headers[0], image_position_patient=()),)) is None


def headers_below(folder: Path) -> list[InstanceHeader]:
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        try:
            found.append(header_of(dcmread(path, stop_before_pixels=True)))
        except InvalidDicomError:
            continue
    return found


def test_a_real_series_is_proven_complete_and_with_a_slice_lost_it_is_not(lidc_0003: Path) -> None:
    headers = headers_below(lidc_0003)
    assert judged(snapshot(headers)).evidence is Evidence.GEOMETRY
    _, lost = sorted((header.image_position_patient[2], k) for k, header in enumerate(headers))[70]
    del headers[lost]
    assert judged(snapshot(headers)).evidence is None


def test_the_radiotherapy_objects_of_a_real_study_wait_for_quiet(lung1_001: Path) -> None:
    by_modality: dict[str, list[InstanceHeader]] = {}
    for header in headers_below(lung1_001):
        by_modality.setdefault(header.modality, []).append(header)
    evidence = {modality: judged(snapshot(headers)).evidence for modality, headers in by_modality.items()}
    assert evidence == {"CT": Evidence.GEOMETRY, "RTSTRUCT": None, "RTPLAN": None, "RTDOSE": None}
