"""Order, distances, orientation and tilt: where the slices of a series come to lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from models.volume import Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.limits import AssemblyLimits
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom, sphere

SHAPE = (12, 64, 64)


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((sphere((-75.0, 10.0, 0.0), 20.0, 40.0),), SHAPE, (2.5, 3.0, 3.0)).volume


@pytest.fixture
def slices(volume: Volume) -> list[Dataset]:
    return ct_datasets(volume)


def refused(slices: list[Dataset], error: type[errors.AssemblyError], **limits: Any) -> str:
    with pytest.raises(error) as caught:
        assemble(slices, AssemblyLimits(**limits))
    message = str(caught.value)
    assert "\n" not in message
    assert "PHANTOM" not in message
    return message


def put(slices: list[Dataset], k: int, **values: Any) -> list[Dataset]:
    for keyword, value in values.items():
        setattr(slices[k], keyword, value)
    return slices


def test_phantom_comes_back_voxel_for_voxel(volume: Volume, slices: list[Dataset]) -> None:
    series = assemble(slices)
    assert np.array_equal(series.volume.hu, volume.hu)
    assert np.allclose(series.volume.affine, volume.affine, atol=1e-6)
    assert not series.shifts_ji_px.any()
    assert series.notes == ()


def test_reversed_and_shuffled_slices_give_the_same_volume(slices: list[Dataset]) -> None:
    straight = assemble(slices)
    for order in (slices[::-1], [slices[k] for k in np.random.default_rng(1).permutation(len(slices))]):
        series = assemble(order)
        assert np.array_equal(series.volume.hu, straight.volume.hu)
        assert np.array_equal(series.volume.affine, straight.volume.affine)
        assert series.frames == straight.frames


def test_headers_and_frames_follow_the_slices(slices: list[Dataset]) -> None:
    series = assemble(slices[::-1])
    z = [float(header.ImagePositionPatient[2]) for header in series.headers]
    assert z == sorted(z)
    assert [frame.sop_instance_uid for frame in series.frames] == [h.SOPInstanceUID for h in series.headers]
    assert {frame.frame_number for frame in series.frames} == {None}
    assert series.source_point_ji(3, 10.0, 20.0) == (10.0, 20.0)


def test_headers_have_no_pixels_and_no_large_private_blobs_and_the_input_keeps_its_own(slices: list[Dataset]) -> None:
    block = slices[0].private_block(0x0029, "ACME", create=True)
    block.add_new(0x10, "OB", b"\0" * 70_000)
    block.add_new(0x11, "OB", b"\0" * 100)
    header = assemble(slices).headers[0]
    assert "PixelData" not in header
    assert (0x0029, 0x1010) not in header
    assert (0x0029, 0x1011) in header
    assert header.PatientName == slices[0].PatientName
    assert "PixelData" in slices[0]
    assert (0x0029, 0x1010) in slices[0]


def test_slice_thickness_is_never_used(slices: list[Dataset]) -> None:
    for dataset in slices:
        dataset.SliceThickness = 7.5
    assert assemble(slices).volume.spacing_kji_mm[0] == pytest.approx(2.5)


def test_row_and_column_spacing_are_not_swapped(volume: Volume) -> None:
    """PS3.3 10.7.1.3: the first value of Pixel Spacing is the distance between rows."""
    series = assemble(ct_datasets(volume, PixelSpacing=[2.0, 1.5]))
    assert series.volume.spacing_kji_mm == pytest.approx((2.5, 2.0, 1.5))


ORIENTATIONS = {
    "head first supine": (1, 0, 0, 0, 1, 0),
    "feet first supine, row to the right": (-1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "feet first prone": (1, 0, 0, 0, -1, 0),
    "decubitus left": (0, -1, 0, 1, 0, 0),
    "decubitus right": (0, 1, 0, -1, 0, 0),
    "head first, image rolled by 20 degrees": (math.cos(0.35), math.sin(0.35), 0, -math.sin(0.35), math.cos(0.35), 0),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_a_voxel_lies_where_the_standard_puts_it_in_every_patient_position(
    volume: Volume, orientation: tuple[float, ...]
) -> None:
    """PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1."""
    slices = ct_datasets(volume, ImageOrientationPatient=list(orientation), PixelSpacing=[2.0, 1.5])
    k, j, i = 7, 40, 11
    pixels = np.frombuffer(slices[k].PixelData, "<i2").reshape(SHAPE[1:]).copy()
    pixels[j, i] = 3000 + 1024
    slices[k].PixelData = pixels.tobytes()
    row, column = np.asarray(orientation).reshape(2, 3)
    point = np.asarray(slices[k].ImagePositionPatient, float) + i * 1.5 * row + j * 2.0 * column
    assembled = assemble(slices).volume
    index = tuple(np.rint(assembled.to_index(point)).astype(int))
    assert assembled.hu[index] == 3000
    assert np.allclose(assembled.to_patient(index), point, atol=1e-4)
    assert np.linalg.det(assembled.directions[:, [2, 1, 0]]) == pytest.approx(1)  # i x j = k: k grows along the normal


def test_a_missing_slice_is_a_gap_with_its_place(slices: list[Dataset]) -> None:
    below, above = (float(slices[k].ImagePositionPatient[2]) for k in (4, 6))
    del slices[5]
    message = refused(slices, errors.SliceGap)
    assert f"gap of 5.0 mm between z={below:.1f} and z={above:.1f} mm" in message
    assert "slice distance is 2.5 mm: 1 slice(s) missing" in message


def test_several_missing_slices_are_counted(slices: list[Dataset]) -> None:
    kept = [slice_ for k, slice_ in enumerate(slices) if k not in (3, 7, 8)]
    message = refused(kept, errors.SliceGap)
    assert "1 more such place" in message
    assert "3 slice(s) missing" in message


def test_a_slice_between_two_others_is_not_called_missing_slices(slices: list[Dataset]) -> None:
    x, y, z = slices[5].ImagePositionPatient
    message = refused(put(slices, 5, ImagePositionPatient=[x, y, z + 1.0]), errors.SliceGap)
    assert "not uniformly spaced" in message


def test_positions_that_jitter_are_one_grid(slices: list[Dataset]) -> None:
    rng = np.random.default_rng(2)
    for dataset in slices[1:-1]:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, f"{float(z) + rng.uniform(-0.04, 0.04):.2f}"]
    assert assemble(slices).volume.spacing_kji_mm[0] == pytest.approx(2.5, abs=0.01)


def test_small_deviations_that_add_up_are_refused(volume: Volume) -> None:
    long = Volume(np.concatenate([volume.hu] * 10), volume.affine)
    slices = ct_datasets(long)
    z = 0.0
    for k, dataset in enumerate(slices):
        x, y, _ = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, f"{z:.3f}"]
        z += 2.45 if k < 60 else 2.55
    assert "off its place on a uniform grid" in refused(slices, errors.SliceGap)


def test_two_slices_at_one_position(slices: list[Dataset]) -> None:
    message = refused(put(slices, 5, ImagePositionPatient=slices[6].ImagePositionPatient), errors.DuplicatePosition)
    z = float(slices[6].ImagePositionPatient[2])
    assert message == f"1 position(s) hold more than one slice: z={z:.1f} mm"


def test_mixed_orientation(slices: list[Dataset]) -> None:
    assert "Image Orientation" in refused(
        put(slices, 5, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), errors.MixedOrientation
    )


def test_mixed_frame_of_reference(slices: list[Dataset]) -> None:
    assert "Frame of Reference" in refused(put(slices, 5, FrameOfReferenceUID="1.2.3"), errors.MixedFrameOfReference)


@pytest.mark.parametrize("values", [{"Rows": 32}, {"Columns": 32}, {"PixelSpacing": [2.9, 3.0]}])
def test_mixed_geometry(slices: list[Dataset], values: dict[str, Any]) -> None:
    assert "instance number 6 at z=" in refused(put(slices, 5, **values), errors.MixedGeometry)


def test_mixed_series(slices: list[Dataset]) -> None:
    assert "SeriesInstanceUID" in refused(put(slices, 5, SeriesInstanceUID="1.2.3"), errors.MixedSeries)


def test_mixed_study(slices: list[Dataset]) -> None:
    assert "StudyInstanceUID" in refused(put(slices, 5, StudyInstanceUID="1.2.3"), errors.MixedStudy)


def test_no_slice_is_no_image() -> None:
    refused([], errors.NoImages)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_too_few_slices(slices: list[Dataset], count: int) -> None:
    assert refused(slices[:count], errors.TooFewSlices).startswith(f"{count} slice(s)")


def test_too_many_bytes(slices: list[Dataset]) -> None:
    refused(slices, errors.TooLarge, max_bytes=12 * 64 * 64 * 2 - 1)


@pytest.mark.parametrize("spacing", [[0, 3.0], [-1.0, 3.0], [0.05, 3.0], [5.0, 5.0]])
def test_absurd_pixel_spacing(volume: Volume, spacing: list[float]) -> None:
    slices = ct_datasets(volume, PixelSpacing=spacing)
    assert "Pixel Spacing" in refused(slices, errors.SpacingOutOfRange)


def test_absurd_slice_distance(slices: list[Dataset]) -> None:
    for k, dataset in enumerate(slices):
        dataset.ImagePositionPatient = [0, 0, 15.0 * k]
    assert "15 mm" in refused(slices, errors.SpacingOutOfRange)


def test_another_modality_is_not_ct(slices: list[Dataset]) -> None:
    assert "MR (12)" in refused([put(slices, k, Modality="MR")[k] for k in range(12)], errors.NotCT)


def test_a_capture_of_a_ct_screen_is_not_ct(slices: list[Dataset]) -> None:
    refused(put(slices, 5, SOPClassUID=SecondaryCaptureImageStorage), errors.NotCT)


def test_a_colour_page_is_not_ct(slices: list[Dataset]) -> None:
    assert "Samples per Pixel 3" in refused(
        put(slices, 5, SamplesPerPixel=3, PhotometricInterpretation="RGB"), errors.NotCT
    )


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]], ids=["coronal", "sagittal"])
def test_a_reformat_is_not_axial(volume: Volume, orientation: list[int]) -> None:
    slices = ct_datasets(volume, ImageOrientationPatient=orientation)
    assert "90 degrees" in refused(slices, errors.NotAxial)


BAD_GEOMETRY: dict[str, tuple[str, Callable[[Dataset], None]]] = {
    "position absent": ("Image Position", lambda d: d.pop("ImagePositionPatient")),
    "position empty": ("Image Position", lambda d: setattr(d, "ImagePositionPatient", None)),
    "position of two numbers": ("Image Position", lambda d: setattr(d, "ImagePositionPatient", [1, 2])),
    "position not finite": ("Image Position", lambda d: setattr(d, "ImagePositionPatient", [math.nan, 0, 0])),
    "orientation absent": ("Image Orientation", lambda d: d.pop("ImageOrientationPatient")),
    "spacing absent": ("Pixel Spacing", lambda d: d.pop("PixelSpacing")),
    "rows absent": ("Rows", lambda d: d.pop("Rows")),
    "no SOP Instance UID": ("SOPInstanceUID", lambda d: d.pop("SOPInstanceUID")),
    "more than one frame": ("Number of Frames", lambda d: setattr(d, "NumberOfFrames", 3)),
}


@pytest.mark.parametrize(("name", "spoil"), BAD_GEOMETRY.values(), ids=BAD_GEOMETRY.keys())
def test_missing_or_malformed_geometry(slices: list[Dataset], name: str, spoil: Callable[[Dataset], None]) -> None:
    spoil(slices[5])
    message = refused(slices, errors.MissingGeometry)
    assert name in message
    assert "instance number 6" in message


@pytest.mark.parametrize("orientation", [[2, 0, 0, 0, 1, 0], [1, 0, 0, 0.3, 0.95, 0], [0, 0, 0, 0, 0, 0]])
def test_orientation_that_is_not_two_perpendicular_unit_vectors(volume: Volume, orientation: list[float]) -> None:
    slices = ct_datasets(volume, ImageOrientationPatient=orientation)
    assert "perpendicular unit vectors" in refused(slices, errors.MissingGeometry)


def test_a_localizer_in_the_series_is_left_out_with_a_note(volume: Volume, slices: list[Dataset]) -> None:
    put(slices, 0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=[1, 0, 0, 0, 0, -1], Rows=7)
    series = assemble(slices)
    assert series.volume.shape == (11, 64, 64)
    assert np.array_equal(series.volume.hu, volume.hu[1:])
    assert series.notes == ("1 localizer image(s) in the series left out",)


def test_a_series_of_localizers_is_not_axial(volume: Volume) -> None:
    refused(ct_datasets(volume, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), errors.NotAxial)


def test_a_straight_gantry_is_not_resampled_for_rounded_positions(volume: Volume, slices: list[Dataset]) -> None:
    for k, dataset in enumerate(slices):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, float(y) + 0.01 * k, z]
    assert np.array_equal(assemble(slices).volume.hu, volume.hu)


def test_slices_that_jump_in_their_plane_are_mixed_geometry(slices: list[Dataset]) -> None:
    x, y, z = slices[5].ImagePositionPatient
    message = refused(put(slices, 5, ImagePositionPatient=[x, float(y) + 7.2, z]), errors.MixedGeometry)
    assert "moved by 2.4 pixels" in message
