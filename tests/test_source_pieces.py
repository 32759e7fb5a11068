"""A volume from several multi-frame instances: results name, for each slice, the instance and frame it came from."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.forms import Kind
from node.results.key_objects import build_key_objects
from node.results.multiframe_capture import build_multiframe_captures
from node.results.pictures import image_number, measuring_slice
from node.results.presentation_state import build_presentation_state
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_segmentation
from node.results.source_geometry import source_plane, source_rescale
from node.results.structured_report import build_report
from tests.all_kinds import every_kind
from tests.result_examples import CONTEXT, as_enhanced, child, groups, in_pieces, with_headers

UIDS = ["2.25.4711", "2.25.4712", "2.25.4713"]
SPLITS = ("one after the other", "interleaved", "from last to first")
Reference = tuple[str, int]


def split(series: AssembledSeries, how: str) -> AssembledSeries:
    slices, count = list(range(len(series.frames))), len(series.frames)
    if how == "interleaved":
        pieces = [slices[::3], slices[1::3][::-1], slices[2::3]]
    else:
        pieces = [slices[:5], slices[5:15], slices[15:]]
    if how == "from last to first":
        pieces = [[count - 1 - k for k in piece] for piece in pieces]
    return in_pieces(series, pieces)


@pytest.fixture(scope="module", params=SPLITS)
def pieces(request: pytest.FixtureRequest, series: AssembledSeries) -> AssembledSeries:
    return split(series, request.param)


def reference(item: Dataset) -> Reference:
    return str(item.ReferencedSOPInstanceUID), int(item.ReferencedFrameNumber)


def place(series: AssembledSeries, k: int) -> Reference:
    frame = series.frames[k]
    assert frame.frame_number is not None
    return frame.sop_instance_uid, frame.frame_number


def position(series: AssembledSeries, named: Reference) -> np.ndarray:
    """ImagePositionPatient of a frame, found by what an object says of it alone."""
    (header,) = [header for header in series.headers if header.SOPInstanceUID == named[0]]
    groups_of_frame = header.PerFrameFunctionalGroupsSequence[named[1] - 1]
    return np.asarray(groups_of_frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)


def black(series: AssembledSeries, *slices: int) -> list[CapturePicture]:
    rgb = np.zeros((*series.volume.shape[1:], 3), np.uint8)
    return [CapturePicture(rgb, k, f"Slice {k + 1}") for k in slices]


def test_every_slice_finds_its_header(pieces: AssembledSeries) -> None:
    assert [str(pieces.header_of(k).SOPInstanceUID) for k in range(40)] == [f.sop_instance_uid for f in pieces.frames]


def test_a_single_frame_series_finds_its_headers(series: AssembledSeries) -> None:
    shuffled = replace(series, headers=tuple(reversed(series.headers)))
    assert all(shuffled.header_of(k) is series.headers[k] for k in range(40))


def test_a_slice_whose_instance_is_not_there_is_an_error(pieces: AssembledSeries) -> None:
    k = next(k for k, frame in enumerate(pieces.frames) if frame.sop_instance_uid == UIDS[2])
    with pytest.raises(LookupError):
        replace(pieces, headers=pieces.headers[:2]).header_of(k)


def test_planes_are_those_of_the_single_frames(series: AssembledSeries, pieces: AssembledSeries) -> None:
    for k in range(40):
        single, own = source_plane(series, k), source_plane(pieces, k)
        assert np.array_equal(single.position_lps_mm, own.position_lps_mm)
        assert np.array_equal(single.orientation, own.orientation)
        assert single.spacing_mm == own.spacing_mm


def test_the_report_refers_to_the_frame_that_a_nodule_was_measured_on(
    series: AssembledSeries, pieces: AssembledSeries, findings: Findings
) -> None:
    report = build_report(pieces, findings, None, CONTEXT)
    for group, nodule in zip(groups(report), findings.nodules, strict=True):
        line = child(group, "Long Axis", "Source")
        named = reference(line.ContentSequence[0].ReferencedSOPSequence[0])
        k = measuring_slice(nodule)
        assert named == place(pieces, k)
        assert np.array_equal(position(pieces, named), np.asarray(series.headers[k].ImagePositionPatient, float))


def test_the_image_library_describes_the_frame_that_it_names(pieces: AssembledSeries, findings: Findings) -> None:
    report = build_report(pieces, findings, None, CONTEXT)
    for entry in child(report, "Image Library", "Image Library Group").ContentSequence:
        named = reference(entry.ReferencedSOPSequence[0])
        z = child(entry, "Image Position (Patient) Z").MeasuredValueSequence[0].NumericValue
        assert float(z) == pytest.approx(position(pieces, named)[2], abs=1e-6)


def test_evidence_lists_every_instance_once(pieces: AssembledSeries, findings: Findings) -> None:
    segmentation = build_segmentation(pieces, findings, CONTEXT)
    for document in (build_report(pieces, findings, None, CONTEXT), build_key_objects(pieces, findings, CONTEXT)):
        (study,) = document.CurrentRequestedProcedureEvidenceSequence
        (images,) = study.ReferencedSeriesSequence
        listed = [str(item.ReferencedSOPInstanceUID) for item in images.ReferencedSOPSequence]
        used = {pieces.frames[measuring_slice(nodule)].sop_instance_uid for nodule in findings.nodules}
        assert sorted(listed) == sorted(used)
    (named,) = segmentation.ReferencedSeriesSequence
    assert sorted(str(item.ReferencedSOPInstanceUID) for item in named.ReferencedInstanceSequence) == UIDS
    assert all("ReferencedFrameNumber" not in item for item in segmentation.SourceImageSequence)


def test_each_frame_of_the_segmentation_lies_on_the_frame_that_it_names(
    pieces: AssembledSeries, findings: Findings
) -> None:
    segmentation = build_segmentation(pieces, findings, CONTEXT)
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        found = np.asarray(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        assert np.allclose(found, position(pieces, reference(image)), atol=1e-6)


def test_captures_name_their_frame_and_stand_in_its_place(pieces: AssembledSeries) -> None:
    for capture, k in zip(build_captures(pieces, black(pieces, 4, 5, 22), CONTEXT), (4, 5, 22), strict=True):
        (image,) = capture.SourceImageSequence
        assert reference(image) == place(pieces, k)
        assert np.allclose(np.asarray(capture.ImagePositionPatient, float), position(pieces, place(pieces, k)))
    (multi,) = build_multiframe_captures(pieces, black(pieces, 4, 5, 22), CONTEXT)
    assert [reference(item) for item in multi.SourceImageSequence] == [place(pieces, k) for k in (4, 5, 22)]


def test_a_page_names_every_instance_once(pieces: AssembledSeries) -> None:
    (page,) = build_captures(pieces, [CapturePicture(np.zeros((9, 9, 3), np.uint8), None, "Summary")], CONTEXT)
    assert sorted(str(item.ReferencedSOPInstanceUID) for item in page.SourceImageSequence) == UIDS


def test_marks_and_key_images_are_on_the_right_frames(pieces: AssembledSeries, findings: Findings) -> None:
    state, selection = build_presentation_state(pieces, findings, CONTEXT), build_key_objects(pieces, findings, CONTEXT)
    (images,) = state.ReferencedSeriesSequence
    assert sorted(str(item.ReferencedSOPInstanceUID) for item in images.ReferencedImageSequence) == UIDS
    marked = {reference(item.ReferencedImageSequence[0]) for item in state.GraphicAnnotationSequence}
    measured = {place(pieces, measuring_slice(nodule)) for nodule in findings.nodules}
    assert measured <= marked
    chosen = [item for item in selection.ContentSequence if item.ValueType == "IMAGE"]
    assert {reference(item.ReferencedSOPSequence[0]) for item in chosen} == measured


def test_loss_stays_with_the_piece_that_was_compressed(pieces: AssembledSeries, findings: Findings) -> None:
    headers = copy.deepcopy(pieces.headers)
    headers[1].LossyImageCompression, headers[1].LossyImageCompressionRatio = "01", "12.5"
    headers[1].LossyImageCompressionMethod = "ISO_10918_1"
    lossy = replace(pieces, headers=headers)
    slices = [next(k for k in range(40) if pieces.frames[k].sop_instance_uid == uid) for uid in UIDS]
    captures = build_captures(lossy, black(lossy, *slices), CONTEXT)
    assert [capture.LossyImageCompression for capture in captures] == ["00", "01", "00"]
    assert captures[1].LossyImageCompressionRatio == 12.5
    assert build_segmentation(lossy, findings, CONTEXT).LossyImageCompression == "01"
    lossless = [
        multi.LossyImageCompression for multi in build_multiframe_captures(lossy, black(lossy, slices[0]), CONTEXT)
    ]
    assert lossless == ["00"]


def test_rescale_values_are_those_of_the_piece(pieces: AssembledSeries, findings: Findings) -> None:
    headers = copy.deepcopy(pieces.headers)
    values = headers[2].SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
    values.RescaleIntercept = "-1000"
    other = replace(pieces, headers=headers)
    for k in range(40):
        is_last = pieces.frames[k].sop_instance_uid == UIDS[2]
        assert source_rescale(other, k) == (1.0, -1000.0 if is_last else -1024.0)
    with pytest.raises(ResultError, match="differ between slices"):
        build_presentation_state(other, findings, CONTEXT)


def test_a_slice_is_named_by_image_and_frame(series: AssembledSeries, pieces: AssembledSeries) -> None:
    uid, frame = place(pieces, 7)
    assert image_number(pieces, 7) == f"image {UIDS.index(uid) + 1}, frame {frame}"
    assert image_number(pieces, 7, "de") == f"Bild {UIDS.index(uid) + 1}, Einzelbild {frame}"
    assert image_number(as_enhanced(series), 7) == "frame 33"
    assert image_number(series, 7) == "image 8"
    assert image_number(with_headers(series, InstanceNumber=None), 7) == "slice 8 of 40"


def test_all_kinds_are_valid_together(pieces: AssembledSeries, findings: Findings) -> None:
    made = every_kind(pieces, findings, (Kind.PDF,))
    check([d for kind, sets in made.items() if not kind.startswith("NOTICE") for d in sets], pieces.headers)


# A header that a strict reader refuses


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_plane_that_no_header_holds_is_that_of_the_grid(series: AssembledSeries, keyword: str) -> None:
    tilted = replace(series, shifts_ji_px=np.tile([3.0, -2.0], (40, 1)))
    plane = source_plane(with_headers(tilted, **{keyword: None}), 7)
    assert np.allclose(plane.at_pixel(0, 0), series.volume.to_patient((7, -3.0, 2.0)))
    assert np.allclose(plane.at_pixel(10, 20), series.volume.to_patient((7, 7.0, 22.0)))
