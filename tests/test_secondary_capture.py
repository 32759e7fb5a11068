"""Secondary Captures: the picture unchanged, in the place of its slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import DISCLAIMER
from node.results.secondary_capture import CapturePicture, build_captures
from tests.result_examples import CONTEXT, MODELS, encoded, phantom_series, with_headers


@pytest.fixture(scope="module")
def series() -> AssembledSeries:
    return phantom_series()


def picture(series: AssembledSeries, k: int | None, scale: float = 1.0, extra: int = 0) -> CapturePicture:
    _, rows, columns = series.volume.shape
    shape = (round(rows * scale) + extra, round(columns * scale), 3)
    rgb = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    return CapturePicture(rgb, k, "Slice with marks", scale)


def one(series: AssembledSeries, k: int | None, scale: float = 1.0, extra: int = 0) -> Dataset:
    (capture,) = build_captures(series, [picture(series, k, scale, extra)], CONTEXT, MODELS)
    return capture


def center_of_first_pixel(capture: Dataset, row: float, column: float) -> np.ndarray:
    """Patient position of a fractional pixel of the capture (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.asarray(capture.ImageOrientationPatient, float).reshape(2, 3)
    rows_mm, columns_mm = (float(value) for value in capture.PixelSpacing)
    corner = np.asarray(capture.ImagePositionPatient, float)
    return corner + along_row * column * columns_mm + along_column * row * rows_mm


def test_pixels_are_those_that_were_drawn(series: AssembledSeries) -> None:
    capture = one(series, 7)
    assert np.array_equal(capture.pixel_array, picture(series, 7).rgb)
    assert capture.PhotometricInterpretation == "RGB"


def test_an_odd_number_of_bytes_is_padded(series: AssembledSeries) -> None:
    odd = CapturePicture(np.ones((3, 3, 3), np.uint8), None, "odd")
    (capture,) = build_captures(series, [odd], CONTEXT)
    assert len(capture.PixelData) == 28


def test_a_slice_lies_where_its_source_lies(series: AssembledSeries) -> None:
    capture, header = one(series, 7), series.headers[7]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        assert np.allclose(capture[keyword].value, header[keyword].value, atol=1e-6)
    assert capture.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert capture.PatientOrientation == ["L", "P"]
    (source,) = capture.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


@pytest.mark.parametrize("scale", [2.0, 3.0, 0.5])
def test_a_magnified_slice_still_shows_each_voxel_in_its_place(series: AssembledSeries, scale: float) -> None:
    capture = one(series, 7, scale)
    for j, i in ((0, 0), (30, 50)):
        # voxel j covers the picture's pixels from j * scale to (j + 1) * scale
        row, column = ((index + 0.5) * scale - 0.5 for index in (j, i))
        assert np.allclose(center_of_first_pixel(capture, row, column), series.volume.to_patient((7, j, i)), atol=1e-4)


def test_a_straightened_slice_lies_where_its_voxels_were_seen(series: AssembledSeries) -> None:
    shifts = np.tile([3.0, 0.0], (len(series.frames), 1))
    capture = one(replace(series, shifts_ji_px=shifts), 7)
    moved = np.asarray(capture.ImagePositionPatient, float) - np.asarray(series.headers[7].ImagePositionPatient, float)
    assert np.allclose(moved, [0, 3 * series.volume.spacing_kji_mm[1], 0])


def test_a_margin_below_does_not_move_the_slice(series: AssembledSeries) -> None:
    assert one(series, 7, extra=40).ImagePositionPatient == one(series, 7).ImagePositionPatient


def test_a_summary_page_has_no_place(series: AssembledSeries) -> None:
    capture = one(series, None)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID"):
        assert keyword not in capture
    assert len(capture.SourceImageSequence) == len(series.frames)


def test_captures_are_one_series_numbered_from_one(series: AssembledSeries) -> None:
    captures = build_captures(series, [picture(series, k) for k in (None, 3, 4)], CONTEXT)
    assert [capture.InstanceNumber for capture in captures] == [1, 2, 3]
    assert len({capture.SeriesInstanceUID for capture in captures}) == 1
    assert len({capture.SOPInstanceUID for capture in captures}) == 3


def test_the_same_work_twice_gives_the_same_bytes(series: AssembledSeries) -> None:
    assert encoded(one(series, 7)) == encoded(one(series, 7))


def test_no_identity_is_burned_in_and_the_disclaimer_is_said(series: AssembledSeries) -> None:
    capture = one(series, 7)
    assert capture.BurnedInAnnotation == "NO"
    assert capture.ImageComments == f"Slice with marks. {DISCLAIMER}"


def test_loss_of_the_source_stays_marked(series: AssembledSeries) -> None:
    assert one(series, 7).LossyImageCompression == "00"
    assert one(with_headers(series, LossyImageCompression="01"), 7).LossyImageCompression == "01"


def test_without_frame_of_reference_a_capture_is_still_made(series: AssembledSeries) -> None:
    assert "FrameOfReferenceUID" not in one(with_headers(series, FrameOfReferenceUID=None), 7)


def test_a_picture_too_small_for_its_slice_is_refused(series: AssembledSeries) -> None:
    with pytest.raises(ResultError, match="cannot show"):
        one(series, 7, extra=-1)


def test_a_picture_of_no_slice_is_refused(series: AssembledSeries) -> None:
    with pytest.raises(ResultError, match="slice 40"):
        one(series, 40)


@pytest.mark.parametrize("rgb", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), float), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(series: AssembledSeries, rgb: np.ndarray) -> None:
    with pytest.raises(ResultError, match="uint8 array"):
        build_captures(series, [CapturePicture(rgb, None, "none")], CONTEXT)
