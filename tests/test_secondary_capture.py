"""Secondary Captures: the picture unchanged, in the place of its slice."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.tag import Tag
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import DISCLAIMER
from node.results.envelope import CAPTURE, CAPTURE_JPEG, CAPTURE_JPEG_LS, CAPTURE_MULTI, ObjectKind
from node.results.multiframe_capture import build_multiframe_captures
from node.results.secondary_capture import CapturePicture, build_captures
from tests.result_examples import CONTEXT, MODELS, encoded, with_headers


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


def test_a_slice_of_a_tilted_gantry_lies_over_its_source_image(series: AssembledSeries) -> None:
    """It is drawn in the pixels of the source, the correction undone, so that the shift must not count twice."""
    shifts = np.tile([3.0, -2.0], (len(series.frames), 1))
    capture = one(replace(series, shifts_ji_px=shifts), 7)
    assert np.allclose(
        np.asarray(capture.ImagePositionPatient, float), np.asarray(series.headers[7].ImagePositionPatient, float)
    )


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


# Compressed


def drawn(series: AssembledSeries, k: int | None) -> CapturePicture:
    """Grey with coloured lines, as real pictures are; noise would not compress."""
    _, rows, columns = series.volume.shape
    rgb = np.repeat(np.linspace(20, 200, columns, dtype=np.uint8)[None, :, None], rows, axis=0).repeat(3, axis=2)
    rgb[20:22, 10:90], rgb[30:80, 40:42] = (255, 176, 0), (86, 190, 245)
    return CapturePicture(rgb, k, "Slice with marks")


def compressed(series: AssembledSeries, kind: ObjectKind) -> Dataset:
    (capture,) = build_captures(series, [drawn(series, 7)], CONTEXT, MODELS, kind)
    return reread(capture)


def reread(dataset: Dataset) -> Dataset:
    return dcmread(BytesIO(encoded(dataset)))


def test_jpeg_ls_gives_back_every_pixel(series: AssembledSeries) -> None:
    capture = compressed(series, CAPTURE_JPEG_LS)
    assert capture.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert np.array_equal(capture.pixel_array, drawn(series, 7).rgb)
    assert (capture.PhotometricInterpretation, capture.LossyImageCompression) == ("RGB", "00")


def test_jpeg_keeps_thin_coloured_lines(series: AssembledSeries) -> None:
    """With halved colour resolution (4:2:2) they smear: errors above 50 of 255 on this picture."""
    capture = compressed(series, CAPTURE_JPEG)
    assert capture.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert np.abs(capture.pixel_array.astype(int) - drawn(series, 7).rgb).max() < 30
    (frame,) = generate_frames(capture.PixelData, number_of_frames=1)
    with Image.open(BytesIO(frame)) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3  # sampling factors of ISO 10918-1: 4:4:4


def test_jpeg_says_what_was_lost(series: AssembledSeries) -> None:
    """PS3.3 C.7.6.1.1.5: flag, ratio and method; C.7.6.1.1.3: derivation."""
    capture = compressed(series, CAPTURE_JPEG)
    assert (capture.LossyImageCompression, capture.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    (frame,) = generate_frames(capture.PixelData, number_of_frames=1)
    assert capture.LossyImageCompressionRatio == pytest.approx(drawn(series, 7).rgb.nbytes / len(frame), rel=0.01)
    assert "JPEG baseline 4:4:4" in capture.DerivationDescription
    assert capture.DerivationCodeSequence[0].CodeValue == "113040"
    assert capture.PhotometricInterpretation == "YBR_FULL_422"


def test_loss_of_the_source_comes_before_our_own(series: AssembledSeries) -> None:
    lossy = with_headers(
        series,
        LossyImageCompression="01",
        LossyImageCompressionRatio="12.5",
        LossyImageCompressionMethod="ISO_15444_1",
    )
    (capture,) = build_captures(lossy, [drawn(series, 7)], CONTEXT, MODELS, CAPTURE_JPEG)
    assert list(capture.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_10918_1"]
    assert capture.LossyImageCompressionRatio[0] == 12.5


def test_an_odd_jpeg_stream_is_padded(series: AssembledSeries) -> None:
    for width in range(16, 26):
        picture = CapturePicture(drawn(series, None).rgb[:, :width], None, "page")
        (capture,) = build_captures(series, [picture], CONTEXT, MODELS, CAPTURE_JPEG)
        assert len(capture.PixelData) % 2 == 0
        assert reread(capture).pixel_array.shape[1] == width


def test_compression_changes_identity_but_not_place(series: AssembledSeries) -> None:
    plain, *others = (
        build_captures(series, [drawn(series, 7)], CONTEXT, MODELS, kind)[0]
        for kind in (CAPTURE, CAPTURE_JPEG, CAPTURE_JPEG_LS)
    )
    for other in others:
        assert other.ImagePositionPatient == plain.ImagePositionPatient
        assert {other.SOPInstanceUID, other.SeriesInstanceUID}.isdisjoint(
            {plain.SOPInstanceUID, plain.SeriesInstanceUID}
        )


def test_another_transfer_syntax_is_refused(series: AssembledSeries) -> None:
    strange = replace(CAPTURE, transfer_syntax_uid=RLELossless)
    with pytest.raises(ResultError, match="transfer syntax"):
        build_captures(series, [drawn(series, 7)], CONTEXT, MODELS, strange)


# Multi-frame


def test_slices_are_frames_of_one_object_and_a_page_is_its_own(series: AssembledSeries) -> None:
    page = CapturePicture(np.full((20, 30, 3), 9, np.uint8), None, "page")
    pictures = [page, drawn(series, 4), drawn(series, 5), drawn(series, 9)]
    first, slices = build_multiframe_captures(series, pictures, CONTEXT, MODELS)
    assert (first.NumberOfFrames, slices.NumberOfFrames) == (1, 3)
    assert np.array_equal(slices.pixel_array, [picture.rgb for picture in pictures[1:]])
    assert np.array_equal(first.pixel_array, page.rgb)
    assert first.SeriesInstanceUID == slices.SeriesInstanceUID
    assert slices.SOPClassUID == CAPTURE_MULTI.sop_class_uid


def test_frames_lie_where_their_slices_lie(series: AssembledSeries) -> None:
    (slices,) = build_multiframe_captures(series, [drawn(series, k) for k in (4, 5, 9)], CONTEXT, MODELS)
    for k, group in zip((4, 5, 9), slices.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient]
        assert np.allclose(position, [float(x) for x in series.headers[k].ImagePositionPatient], atol=1e-6)
    assert slices.FrameIncrementPointer == Tag("SliceLocationVector")
    assert len(slices.SliceLocationVector) == 3
    assert [s.ReferencedSOPInstanceUID for s in slices.SourceImageSequence] == [
        series.frames[k].sop_instance_uid for k in (4, 5, 9)
    ]


def test_one_slice_alone_has_no_vector(series: AssembledSeries) -> None:
    (slices,) = build_multiframe_captures(series, [drawn(series, 4)], CONTEXT, MODELS)
    assert "FrameIncrementPointer" not in slices


def test_slices_of_two_sizes_cannot_share_an_object(series: AssembledSeries) -> None:
    with pytest.raises(ResultError, match="differ in size"):
        build_multiframe_captures(series, [picture(series, 4), picture(series, 5, 2.0)], CONTEXT)
