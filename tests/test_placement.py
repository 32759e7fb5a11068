"""One geometry: headers are a volume or a named reason, at every spacing, with strays and several acquisitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from node import errors
from node.series.instances import InstanceHeader
from node.series.limits import PlacementLimits
from node.series.placement import Placement, place

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def scan(
    count: int = 40, distance_mm: float = 2.5, first_mm: float = -300.0, **attributes: object
) -> list[InstanceHeader]:
    return [
        replace(
            InstanceHeader(
                f"1.2.3.{k}.{round(1000 * distance_mm)}",
                CTImageStorage,
                "1.2.3",
                "1.2",
                modality="CT",
                image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
                instance_number=k + 1,
                rows=512,
                columns=512,
                pixel_spacing_mm=(0.7, 0.7),
                image_position_patient=(-180.0, -180.0, first_mm + distance_mm * k),
                image_orientation_patient=AXIAL,
                frame_of_reference_uid="1.2.9",
            ),
            **attributes,  # type: ignore[arg-type]
        )
        for k in range(count)
    ]


def other(header: InstanceHeader, **attributes: object) -> InstanceHeader:
    """Another instance like this one."""
    return replace(header, sop_instance_uid=header.sop_instance_uid + ".9", **attributes)  # type: ignore[arg-type]


def at(header: InstanceHeader, z: float, **attributes: object) -> InstanceHeader:
    x, y, _ = header.image_position_patient
    return other(header, image_position_patient=(x, y, z), **attributes)


def refused(headers: Sequence[InstanceHeader], error: type[errors.AssemblyError]) -> str:
    with pytest.raises(error) as caught:
        place(headers)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


def is_the_scan(placement: Placement, headers: Sequence[InstanceHeader]) -> bool:
    placed = [plane.header.sop_instance_uid for plane in placement.planes]
    return placed == [header.sop_instance_uid for header in headers]


# --- the grid


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("first_mm", [-379.0, -189.55, -101.3, 0.04, 1234.56])
@pytest.mark.parametrize("distance_mm", [0.5, 0.6, 0.625, 0.7, 0.75, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 2.5, 3.27, 5.0])
def test_rounded_positions_are_one_grid_at_every_spacing(distance_mm: float, first_mm: float, digits: int) -> None:
    headers = [
        at(header, round(header.image_position_patient[2], digits)) for header in scan(60, distance_mm, first_mm)
    ]
    placement = place(headers)
    assert placement.shape == (60, 512, 512)
    assert placement.spacing_kji_mm == pytest.approx((distance_mm, 0.7, 0.7), abs=0.005)
    assert placement.grid.affine[2, 3] == pytest.approx(first_mm, abs=0.06)
    assert placement.is_whole


@pytest.mark.parametrize("distance_mm", [0.5, 0.625, 0.8, 1.25, 2.5, 5.0])
@pytest.mark.parametrize("lost", [1, 20, 58])
def test_one_lost_slice_is_a_gap_at_every_spacing_also_when_positions_are_rounded(
    distance_mm: float, lost: int
) -> None:
    headers = [at(header, round(header.image_position_patient[2], 1)) for header in scan(60, distance_mm)]
    assert "1 slice(s) missing" in refused(headers[:lost] + headers[lost + 1 :], errors.SliceGap)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
def test_a_slice_off_its_place_is_refused(share: float) -> None:
    headers = scan(40, 2.5)
    headers[10] = at(headers[10], headers[10].image_position_patient[2] + share * 2.5)
    assert "not uniformly spaced" in refused(headers, errors.SliceGap)


def test_the_order_of_instances_and_numbers_given_at_random_change_nothing() -> None:
    headers = scan(30)
    generator = np.random.default_rng(3)
    numbers = generator.permutation(30).tolist()
    numbered = [replace(header, instance_number=number) for header, number in zip(headers, numbers, strict=True)]
    shuffled = [numbered[k] for k in generator.permutation(30)]
    assert is_the_scan(place(shuffled), headers)


def test_a_scan_in_sections_of_acquisitions_that_follow_each_other_is_one_volume() -> None:
    headers = [replace(header, acquisition_number=1 + k // 10) for k, header in enumerate(scan(40))]
    assert place(headers).is_whole


def test_a_gap_between_sections_is_no_reason_to_read_one_section() -> None:
    headers = [replace(header, acquisition_number=1 + k // 10) for k, header in enumerate(scan(40))]
    refused(headers[:15] + headers[16:], errors.SliceGap)


def test_limits_are_the_callers() -> None:
    with pytest.raises(errors.TooFewSlices):
        place(scan(7))
    assert place(scan(3), PlacementLimits(min_slices=3)).shape[0] == 3


# --- one stray does not cost the chest

STRAYS: dict[str, Callable[[InstanceHeader], InstanceHeader]] = {
    "localizer": lambda h: other(h, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"), image_orientation_patient=CORONAL),
    "scout without the word": lambda h: other(h, image_orientation_patient=CORONAL),
    "scout by a vendor's word": lambda h: other(h, image_type=("ORIGINAL", "PRIMARY", "SCOUT")),
    "sagittal reformat": lambda h: other(h, image_orientation_patient=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),
    "oblique reformat": lambda h: other(h, image_orientation_patient=(0.8, 0.6, 0.0, -0.6, 0.8, 0.0)),
    "other matrix": lambda h: other(h, rows=256, columns=256),
    "other field of view": lambda h: other(h, pixel_spacing_mm=(0.9, 0.9)),
    "other frame of reference": lambda h: other(h, frame_of_reference_uid="1.2.8"),
    "page in colour": lambda h: other(
        h, samples_per_pixel=3, photometric_interpretation="RGB", image_position_patient=()
    ),
    "page without geometry": lambda h: other(h, image_position_patient=(), image_orientation_patient=()),
    "image between the slices": lambda h: at(h, h.image_position_patient[2] + 1.1),
    "image off the end": lambda h: at(h, -350.7),
    "structures": lambda h: other(h, sop_class_uid=RTStructureSetStorage, modality="RTSTRUCT"),
    "secondary picture": lambda h: other(h, sop_class_uid="1.2.840.10008.5.1.4.1.1.7"),
}


@pytest.mark.parametrize("kind", STRAYS)
@pytest.mark.parametrize("place_of", [0, 17, 39])
def test_one_stray_is_set_apart_with_a_note(kind: str, place_of: int) -> None:
    headers = scan()
    placement = place([STRAYS[kind](headers[place_of]), *headers])
    assert is_the_scan(placement, headers)
    assert placement.left_out == 1
    assert placement.notes
    assert not placement.is_whole


@pytest.mark.parametrize("kind", ["localizer", "page in colour", "sagittal reformat", "structures"])
def test_a_slice_is_missing_whatever_strays_stand_beside(kind: str) -> None:
    headers = scan()
    strays = [STRAYS[kind](headers[3]), other(STRAYS[kind](headers[4]))]
    refused([*strays, *headers[:20], *headers[21:]], errors.SliceGap)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"image_orientation_patient": CORONAL}, errors.MixedOrientation),
        ({"rows": 256}, errors.MixedGeometry),
        ({"pixel_spacing_mm": (0.9, 0.9)}, errors.MixedGeometry),
        ({"frame_of_reference_uid": "1.2.8"}, errors.MixedFrameOfReference),
        ({"image_position_patient": ()}, errors.MissingGeometry),
    ],
)
def test_a_slice_that_differs_where_the_volume_needs_it_is_the_reason(
    values: dict[str, object], error: type[errors.AssemblyError]
) -> None:
    headers = scan()
    headers[9] = replace(headers[9], **values)  # type: ignore[arg-type]
    refused(headers, error)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"rows": 256, "columns": 256, "pixel_spacing_mm": (1.4, 1.4)}, errors.MixedGeometry),
        ({"frame_of_reference_uid": "1.2.8"}, errors.MixedFrameOfReference),
        ({"pixel_spacing_mm": (0.8, 0.8)}, errors.MixedGeometry),
    ],
)
def test_half_a_scan_is_never_read_as_the_whole(values: dict[str, object], error: type[errors.AssemblyError]) -> None:
    headers = scan()
    lower = [replace(header, **values) for header in headers[:15]]  # type: ignore[arg-type]
    refused([*lower, *headers[15:]], error)


def test_reformats_beside_the_slices_are_left_out_however_many() -> None:
    headers = scan()
    coronal = [
        other(header, image_orientation_patient=CORONAL, image_position_patient=(-180.0, 2.5 * k, 0.0))
        for k, header in enumerate(scan(90, 2.0))
    ]
    assert is_the_scan(place([*coronal, *headers]), headers)


def test_an_image_that_cannot_be_placed_is_a_warning_because_it_may_be_a_slice() -> None:
    headers = scan()
    placement = place([*headers[1:], replace(headers[0], image_position_patient=())])
    assert "they may be slices of this scan" in placement.warnings[0]


def test_frames_of_reference_of_a_de_identifier_are_read_as_one_with_a_warning() -> None:
    headers = [replace(header, frame_of_reference_uid=f"1.2.9.{k}") for k, header in enumerate(scan())]
    placement = place(headers)
    assert is_the_scan(placement, headers)
    assert "Frame of Reference" in placement.warnings[0]


def test_a_frame_of_reference_that_some_images_lack_is_that_of_the_others() -> None:
    headers = scan()
    headers[7] = replace(headers[7], frame_of_reference_uid="")
    assert is_the_scan(place(headers), headers)


# --- copies


def test_copies_stand_beside_the_slice_whose_pixels_they_must_show() -> None:
    headers = scan()
    placement = place([*headers, other(headers[5]), other(headers[30])])
    assert is_the_scan(placement, headers)
    assert [k for k, _ in placement.copies] == [5, 30]
    assert "2 image(s) that repeat" in placement.notes[0]


def test_a_whole_scan_sent_twice_with_new_uids_is_one() -> None:
    headers = scan()
    placement = place([*headers, *map(other, headers)])
    assert placement.shape[0] == 40
    assert len(placement.copies) == 40


def test_an_image_at_the_same_height_that_is_moved_is_no_copy() -> None:
    headers = scan()
    moved = other(headers[5], image_position_patient=(-100.0, -180.0, headers[5].image_position_patient[2]))
    refused([*headers, moved], errors.DuplicatePosition)


# --- several volumes in one series

TOLD_APART: dict[str, dict[str, object]] = {
    "acquisition": {"acquisition_number": 2},
    "phase": {"phase_percent": 50.0},
    "time": {"temporal_position": 2},
    "trigger": {"trigger_time_ms": 400.0},
    "kernel": {"convolution_kernel": "LUNG"},
    "image type": {"image_type": ("DERIVED", "PRIMARY", "AXIAL", "VNC")},
    "tube voltage": {"kvp": 80.0},
    "thickness": {"slice_thickness_mm": 5.0},
    "patient position": {"patient_position": "HFP"},
    "acquisition time": {"acquisition_time": "101500"},
}
FIRST: dict[str, object] = {
    "acquisition_number": 1,
    "phase_percent": 0.0,
    "temporal_position": 1,
    "trigger_time_ms": 0.0,
    "convolution_kernel": "STANDARD",
    "kvp": 120.0,
    "slice_thickness_mm": 2.5,
    "patient_position": "HFS",
    "acquisition_time": "101000",
}


@pytest.mark.parametrize("kind", TOLD_APART)
@pytest.mark.parametrize("shift_mm", [0.0, 1.25, 0.8])
def test_interleaved_volumes_are_told_apart_and_one_is_read(kind: str, shift_mm: float) -> None:
    """At equal places, half a slice apart, and in between: never one volume of both."""
    first = [replace(header, **FIRST) for header in scan()]  # type: ignore[arg-type]
    second = [at(header, header.image_position_patient[2] + shift_mm, **TOLD_APART[kind]) for header in first]
    placement = place([*second, *first])
    assert placement.spacing_kji_mm[0] == pytest.approx(2.5)
    chosen = {plane.header.sop_instance_uid for plane in placement.planes}
    assert chosen in ({h.sop_instance_uid for h in first}, {h.sop_instance_uid for h in second})
    assert "in one series" in placement.notes[0]
    assert not placement.is_whole


def test_two_passes_that_only_their_numbers_tell_apart_are_never_one_volume() -> None:
    first = scan()
    second = [at(h, h.image_position_patient[2] + 1.25, instance_number=41 + k) for k, h in enumerate(first)]
    placement = place([*first, *second])
    assert placement.spacing_kji_mm[0] == pytest.approx(2.5)
    assert "passes (Instance Number)" in placement.notes[0]


@pytest.mark.parametrize(
    "form", ["{:02d}{:02d}{:06.3f}", "20260105{:02d}{:02d}{:06.3f}+0100", "{:02d}:{:02d}:{:06.3f}"]
)
def test_two_acquisitions_that_only_their_times_tell_apart_are_never_one_volume(form: str) -> None:
    """Four slices a rotation share a time, as with a scanner of four rows; the second scan comes ten minutes later."""
    first = [
        replace(h, acquisition_time=form.format(10, 0, 0.5 * (k // 2)), instance_number=None)
        for k, h in enumerate(scan(80))
    ]
    second = [
        at(h, h.image_position_patient[2] + 1.25, acquisition_time=form.format(10, 10, 0.5 * (k // 2)))
        for k, h in enumerate(first)
    ]
    placement = place([plane for pair in zip(first, second, strict=True) for plane in pair])
    assert placement.spacing_kji_mm[0] == pytest.approx(2.5)
    assert "pause in Acquisition Time" in placement.notes[0]


@pytest.mark.parametrize("attribute", ["acquisition_time", "acquisition_number", "kvp"])
def test_an_attribute_that_changes_at_random_from_slice_to_slice_says_nothing(attribute: str) -> None:
    generator = np.random.default_rng(7)
    values: dict[str, list[object]] = {
        "acquisition_time": [f"{n:06d}" for n in generator.integers(100000, 110000, 40).tolist()],
        "acquisition_number": generator.integers(1, 4, 40).tolist(),
        "kvp": [float(n) for n in generator.integers(80, 82, 40).tolist()],
    }
    headers = [replace(h, **{attribute: value}) for h, value in zip(scan(), values[attribute], strict=True)]  # type: ignore[arg-type]
    assert is_the_scan(place(headers), headers)


def test_a_pause_in_one_scan_is_no_reason_to_read_half_of_it() -> None:
    headers = [replace(h, acquisition_time=f"10{10 * (k // 20):02d}{k % 20:02d}") for k, h in enumerate(scan())]
    assert place(headers).is_whole


def test_supine_is_read_before_prone_of_equal_length() -> None:
    prone = [
        other(h, patient_position="HFP", image_orientation_patient=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)) for h in scan()
    ]
    supine = [replace(h, patient_position="HFS") for h in scan()]
    assert is_the_scan(place([*prone, *supine]), supine)


def test_the_longer_acquisition_is_read_then_the_better_kernel() -> None:
    short = [replace(header, acquisition_number=1) for header in scan(20, first_mm=-270.0)]
    long = [other(header, acquisition_number=2) for header in scan(40)]
    assert is_the_scan(place([*short, *long]), long)
    sharp = [replace(header, convolution_kernel="LUNG") for header in scan()]
    medium = [other(header, convolution_kernel="STANDARD") for header in scan()]
    assert is_the_scan(place([*sharp, *medium]), medium)


def test_acquisitions_of_two_kernels_each_are_parted_twice() -> None:
    all_four = [
        replace(
            header,
            sop_instance_uid=f"{header.sop_instance_uid}.{number}.{kernel == 'LUNG':d}",
            acquisition_number=number,
            convolution_kernel=kernel,
            instance_number=None,
        )
        for number in (1, 2)
        for kernel in ("LUNG", "STANDARD")
        for header in scan()
    ]
    placement = place(all_four)
    assert {(p.frame.acquisition_number, p.frame.convolution_kernel) for p in placement.planes} in (
        {(1, "STANDARD")},
        {(2, "STANDARD")},
    )


def test_images_of_bolus_tracking_are_left_out() -> None:
    headers = [replace(header, acquisition_number=2) for header in scan()]
    tracking = [replace(headers[18], sop_instance_uid=f"1.2.4.{k}", acquisition_number=1) for k in range(25)]
    assert is_the_scan(place([*tracking, *headers]), headers)


def test_interleaved_acquisitions_that_both_lack_slices_are_refused_by_name() -> None:
    first = [replace(header, acquisition_number=1) for header in scan()]
    second = [at(h, h.image_position_patient[2] + 1.25, acquisition_number=2) for h in first]
    refused(first[:10] + first[12:] + second[:20] + second[23:], errors.Interleaved)


def test_headers_of_a_hostile_sender_cost_little() -> None:
    """Each attribute parts the series, and no part is a volume: the search ends after two levels."""
    generator = np.random.default_rng(5)
    headers = [
        replace(
            header,
            image_position_patient=(-180.0, -180.0, float(generator.uniform(-300, 0))),
            acquisition_number=int(generator.integers(4)),
            temporal_position=int(generator.integers(4)),
            phase_percent=float(generator.integers(4)),
            trigger_time_ms=float(generator.integers(4)),
            kvp=float(1 + generator.integers(4)),
            slice_thickness_mm=float(1 + generator.integers(4)),
            scan_options=str(generator.integers(4)),
            convolution_kernel=str(generator.integers(4)),
        )
        for header in scan(400)
    ]
    with pytest.raises(errors.AssemblyError):
        place(headers)
