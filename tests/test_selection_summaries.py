"""What the headers of a series tell the selection: distance, resolution, tilt, gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, SecondaryCaptureImageStorage

from node.series.instances import Frame, InstanceHeader
from node.series.rules import SelectionRules
from node.series.selection import refusal, summarize

RULES = SelectionRules()


def header(k: int, **attributes: object) -> InstanceHeader:
    one = InstanceHeader(
        f"1.2.3.{k}",
        CTImageStorage,
        "1.2.3",
        "1.2",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        slice_thickness_mm=1.0,
        image_position_patient=(0.0, 0.0, 2.0 * k),
        image_orientation_patient=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.7, 0.7),
        rows=512,
        columns=512,
        instance_number=k,
    )
    return replace(one, **attributes)  # type: ignore[arg-type]


def test_a_summary_tells_distance_from_positions_and_resolution_from_the_larger() -> None:
    found = summarize([header(k) for k in range(10)])
    assert (found.slice_distance_mm, found.resolution_mm, found.extent_mm) == (2.0, 2.0, 18.0)
    overlapping = summarize([header(k, slice_thickness_mm=5.0) for k in range(10)])
    assert (overlapping.slice_distance_mm, overlapping.resolution_mm) == (2.0, 5.0)


def test_a_summary_leaves_a_localizer_within_the_series_aside() -> None:
    scout = header(
        99,
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        image_orientation_patient=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    )
    found = summarize([scout, *(header(k) for k in range(10))])
    assert (found.slice_count, found.tilt_degrees) == (10, 0.0)
    assert refusal(found, RULES) is None


def test_a_series_of_localizers_alone_is_told_as_such() -> None:
    found = summarize([header(k, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")) for k in range(10)])
    assert "LOCALIZER" in (refusal(found, RULES) or "")


def test_a_summary_says_why_slices_make_no_volume() -> None:
    found = summarize([header(k) for k in (*range(10), *range(11, 20))])
    assert found.obstacle is not None
    assert found.obstacle[0] == "SLICE_GAP"
    assert (found.slice_count, found.slice_distance_mm, found.resolution_mm) == (19, None, 1.0)


def test_images_of_another_kind_do_not_rule_the_slices_out() -> None:
    page = header(50, image_type=("DERIVED", "SECONDARY", "SCREEN SAVE"), image_position_patient=())
    found = summarize([page, *(header(k) for k in range(10))])
    assert (found.obstacle, found.slice_count, found.image_type) == (None, 10, ("ORIGINAL", "PRIMARY", "AXIAL"))
    assert refusal(found, RULES) is None


def test_data_for_processing_are_told_as_such() -> None:
    found = summarize([header(k, sop_class_uid="1.2.840.10008.5.1.4.1.1.2.3") for k in range(10)])
    assert "For Processing" in (refusal(found, RULES) or "")


def test_a_summary_of_coronal_slices_is_tilted_by_90_degrees() -> None:
    coronal = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    found = summarize([header(k, image_orientation_patient=coronal) for k in range(10)])
    assert found.tilt_degrees == pytest.approx(90.0)


def test_axial_slices_of_a_prone_patient_are_not_tilted() -> None:
    prone = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    assert summarize([header(k, image_orientation_patient=prone) for k in range(10)]).tilt_degrees == 0.0


def test_a_multi_frame_object_counts_its_frames_and_takes_their_distance() -> None:
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    frames = tuple(Frame((0.0, 0.0, 2.0 * k), axial, (0.7, 0.7)) for k in range(200))
    enhanced = header(
        0, sop_class_uid=EnhancedCTImageStorage, number_of_frames=200, frames=frames, image_position_patient=()
    )
    found = summarize([enhanced])
    assert (found.slice_count, found.slice_distance_mm, found.resolution_mm) == (200, 2.0, 2.0)
    assert refusal(found, RULES) is None


def test_captures_of_a_ct_are_no_candidates() -> None:
    found = summarize([header(k, sop_class_uid=SecondaryCaptureImageStorage) for k in range(10)])
    assert "not a CT image series" in (refusal(found, RULES) or "")


def test_nothing_cannot_be_summarized() -> None:
    with pytest.raises(ValueError, match="without instances"):
        summarize([])
