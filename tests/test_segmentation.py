"""The segmentation: the right voxels in the right segments, on the pixels of the source."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import highdicom
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset
from pydicom.uid import JPEGLSLossless

from models.findings import Findings, Lobe, LungLabel, Lungs
from node.assembly.assemble import assemble
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import DISCLAIMER, MODEL_NAME
from node.results.envelope import tracking_uid
from node.results.segmentation import build_labelmap, build_segmentation
from tests.result_examples import CONTEXT, as_enhanced, encoded, example_findings, with_headers


@pytest.fixture(scope="module")
def segmentation(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_segmentation(series, findings, CONTEXT)


def masks(
    segmentation: Dataset, slices: dict[tuple[str, int], int], shape: tuple[int, int, int]
) -> npt.NDArray[np.bool_]:
    """(segments, K, rows, columns), each frame put where its source reference says; (UID, frame or 1) -> k."""
    placed = np.zeros((len(segmentation.SegmentSequence), *shape), bool)
    frames = np.atleast_3d(segmentation.pixel_array).reshape(-1, *shape[1:])
    for pixels, group in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        key = str(source.ReferencedSOPInstanceUID), int(source.get("ReferencedFrameNumber") or 1)
        placed[number - 1, slices[key]] = pixels.astype(bool)
    return placed


def slice_of(series: AssembledSeries) -> dict[tuple[str, int], int]:
    return {(frame.sop_instance_uid, frame.frame_number or 1): k for k, frame in enumerate(series.frames)}


def nodule_mask(findings: Findings, number: int, shape: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    measured = findings.nodules[number].measurement
    mask = np.zeros(shape, bool)
    corner = zip(measured.mask_offset_kji, measured.mask.shape, strict=True)
    mask[tuple(slice(low, low + size) for low, size in corner)] = measured.mask
    return mask


def test_every_voxel_comes_back_in_its_segment(
    series: AssembledSeries, findings: Findings, segmentation: Dataset
) -> None:
    right, left, *nodules = masks(segmentation, slice_of(series), series.volume.shape)
    for number, mask in enumerate(nodules):
        assert np.array_equal(mask, nodule_mask(findings, number, series.volume.shape))
    outside = ~np.any(nodules, axis=0)
    assert np.array_equal(right, (findings.lungs.labels == LungLabel.RIGHT) & outside)
    assert np.array_equal(left, (findings.lungs.labels == LungLabel.LEFT) & outside)


def test_segments_do_not_overlap(series: AssembledSeries, segmentation: Dataset) -> None:
    assert segmentation.SegmentsOverlap == "NO"
    assert masks(segmentation, slice_of(series), series.volume.shape).sum(axis=0).max() == 1


def test_segments_are_described(findings: Findings, segmentation: Dataset) -> None:
    right, left, *nodules = segmentation.SegmentSequence
    for lung, side in ((right, "Right"), (left, "Left")):
        assert lung.SegmentLabel == f"{side} lung"
        kind = lung.SegmentedPropertyTypeCodeSequence[0]
        assert kind.CodeValue == "39607008"
        assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == side
        assert "without the voxels of the nodule segments" in lung.SegmentDescription
    for item, nodule in zip(nodules, findings.nodules, strict=True):
        assert item.TrackingID == f"Nodule {nodule.id}"
        assert item.TrackingUID == tracking_uid(CONTEXT, nodule)
        modifier = item.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
        assert modifier.CodeMeaning.lower() == nodule.side.value
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        assert len(item.RecommendedDisplayCIELabValue) == 3


def test_geometry_is_that_of_the_source(series: AssembledSeries, segmentation: Dataset) -> None:
    headers = {str(header.SOPInstanceUID): header for header in series.headers}
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    first = series.headers[0]
    assert (segmentation.Rows, segmentation.Columns) == (first.Rows, first.Columns)
    assert segmentation.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert shared.PixelMeasuresSequence[0].PixelSpacing == first.PixelSpacing
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == first.ImageOrientationPatient
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(position, headers[source.ReferencedSOPInstanceUID].ImagePositionPatient)


def test_every_source_instance_is_listed_once(series: AssembledSeries, segmentation: Dataset) -> None:
    expected = [frame.sop_instance_uid for frame in series.frames]
    assert [item.ReferencedSOPInstanceUID for item in segmentation.SourceImageSequence] == expected
    (referenced,) = segmentation.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == series.series_instance_uid
    assert [item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence] == expected


def test_highdicom_opens_the_segmentation(segmentation: Dataset) -> None:
    read = highdicom.seg.Segmentation.from_dataset(segmentation)
    assert read.number_of_segments == 5
    assert read.get_segment_numbers(tracking_id="Nodule 2") == [4]


def test_the_same_work_twice_gives_the_same_bytes(series: AssembledSeries, findings: Findings) -> None:
    assert encoded(build_segmentation(series, findings, CONTEXT)) == encoded(
        build_segmentation(series, findings, CONTEXT)
    )


def test_of_overlapping_nodules_the_smaller_stays_whole(series: AssembledSeries, findings: Findings) -> None:
    whole = findings.nodules[1]
    core = replace(whole.measurement, mask=np.zeros_like(whole.measurement.mask))
    core.mask[tuple(size // 2 for size in core.mask.shape)] = True
    nested = replace(findings, nodules=(whole, replace(findings.nodules[2], measurement=core)))
    segmentation = build_segmentation(series, nested, CONTEXT)
    _, _, large, small = masks(segmentation, slice_of(series), series.volume.shape)
    assert small.sum() == 1
    assert large.sum() == whole.measurement.mask.sum() - 1


def test_a_missing_lung_has_no_segment(series: AssembledSeries, findings: Findings) -> None:
    labels = np.where(findings.lungs.labels == LungLabel.LEFT, LungLabel.LEFT, 0).astype(np.uint8)
    one_lung = replace(findings, lungs=Lungs(labels, 0.0, 2400.0))
    segmentation = build_segmentation(series, one_lung, CONTEXT)
    assert [item.SegmentLabel for item in segmentation.SegmentSequence][:2] == ["Left lung", "Nodule 1"]


def test_nothing_to_segment_is_refused(series: AssembledSeries) -> None:
    labels = np.zeros(series.volume.shape, np.uint8)
    with pytest.raises(ResultError, match="neither lungs nor nodules"):
        build_segmentation(series, example_findings(series.volume, 0, lungs=Lungs(labels, 0.0, 0.0)), CONTEXT)


def test_without_frame_of_reference_there_is_no_segmentation(series: AssembledSeries, findings: Findings) -> None:
    with pytest.raises(ResultError, match="Frame of Reference UID"):
        build_segmentation(with_headers(series, FrameOfReferenceUID=None), findings, CONTEXT)


def test_masks_of_a_straightened_series_go_back_to_the_source_pixels(
    series: AssembledSeries, findings: Findings
) -> None:
    shifts = np.array([[0.1 * k - 2.0, 0.0] for k in range(len(series.frames))])
    tilted = replace(series, shifts_ji_px=shifts)
    straight = masks(build_segmentation(series, findings, CONTEXT), slice_of(series), series.volume.shape)
    shifted = masks(build_segmentation(tilted, findings, CONTEXT), slice_of(series), series.volume.shape)
    for k, (rows, _) in enumerate(shifts):
        assert np.array_equal(shifted[:, k], np.roll(straight[:, k], round(rows), axis=1))


def test_a_really_tilted_gantry_keeps_its_planes(series: AssembledSeries) -> None:
    cosine, sine = math.cos(math.radians(15)), math.sin(math.radians(15))
    slices = copy.deepcopy(series.headers)
    for dataset, hu in zip(slices, series.volume.hu, strict=True):
        dataset.ImageOrientationPatient = [1, 0, 0, 0, round(cosine, 8), round(sine, 8)]
        dataset.PixelData = (hu.astype(np.int16) + 1024).tobytes()
    tilted = assemble(slices)
    segmentation = build_segmentation(tilted, example_findings(series.volume, 1), CONTEXT)
    assert np.abs(tilted.shifts_ji_px).max() > 1
    orientation = segmentation.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    assert np.allclose(orientation, [1, 0, 0, 0, cosine, sine], atol=1e-6)
    assert (
        len(
            {
                f.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
                for f in segmentation.PerFrameFunctionalGroupsSequence
            }
        )
        > 20
    )


def test_frames_of_an_enhanced_source_are_referenced_by_number(
    series: AssembledSeries, findings: Findings, segmentation: Dataset
) -> None:
    enhanced = as_enhanced(series)
    built = build_segmentation(enhanced, findings, CONTEXT)
    assert len(built.SourceImageSequence) == 1
    assert built.SourceImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2.1"
    expected = masks(segmentation, slice_of(series), series.volume.shape)
    assert np.array_equal(masks(built, slice_of(enhanced), series.volume.shape), expected)


def test_the_disclaimer_is_in_the_segmentation(segmentation: Dataset) -> None:
    assert segmentation.ContentDescription == DISCLAIMER
    assert all(DISCLAIMER in item.SegmentDescription for item in segmentation.SegmentSequence)


def test_loss_of_the_source_stays_marked(series: AssembledSeries, findings: Findings) -> None:
    lossy = with_headers(series, LossyImageCompression="01", LossyImageCompressionRatio="12.5")
    segmentation = build_segmentation(lossy, findings, CONTEXT)
    assert (segmentation.LossyImageCompression, segmentation.LossyImageCompressionRatio) == ("01", 12.5)


def test_a_nodule_segment_names_its_lobe_where_lobes_are_known(series: AssembledSeries, findings: Findings) -> None:
    known = replace(findings.nodules[0], lobe=Lobe.RIGHT_MIDDLE)
    segmentation = build_segmentation(series, replace(findings, nodules=(known, findings.nodules[1])), CONTEXT)
    first, second = (item.AnatomicRegionSequence[0] for item in segmentation.SegmentSequence[2:])
    assert (first.CodeValue, first.AnatomicRegionModifierSequence[0].CodeMeaning) == ("72481006", "Right")
    assert second.CodeMeaning == "Lung"


def test_every_segment_says_who_drew_it(segmentation: Dataset) -> None:
    for item in segmentation.SegmentSequence:
        (algorithm,) = item.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmName == MODEL_NAME
        assert algorithm.AlgorithmVersion == CONTEXT.software_version
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
        assert (item.TrackingID, item.TrackingUID) != ("", "")


def test_categories_are_those_of_organs_and_abnormalities(segmentation: Dataset) -> None:
    """CID 7150; meanings as viewers match them."""
    right, left, *nodules = [
        (item.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning, item.SegmentedPropertyTypeCodeSequence[0].CodeValue)
        for item in segmentation.SegmentSequence
    ]
    assert right == left == ("Anatomical Structure", "39607008")
    assert set(nodules) == {("Morphologically Abnormal Structure", "27925004")}


# Label map


@pytest.fixture(scope="module")
def labelmap(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_labelmap(series, findings, CONTEXT)


def test_a_label_map_holds_the_same_voxels(series: AssembledSeries, segmentation: Dataset, labelmap: Dataset) -> None:
    expected = masks(segmentation, slice_of(series), series.volume.shape)
    placed = np.zeros(series.volume.shape, int)
    for pixels, group in zip(labelmap.pixel_array, labelmap.PerFrameFunctionalGroupsSequence, strict=True):
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        placed[slice_of(series)[str(source.ReferencedSOPInstanceUID), 1]] = pixels
    for number, mask in enumerate(expected, start=1):
        assert np.array_equal(placed == number, mask)


def test_a_label_map_is_compressed_without_loss_and_far_smaller(segmentation: Dataset, labelmap: Dataset) -> None:
    assert labelmap.SegmentationType == "LABELMAP"
    assert labelmap.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert (labelmap.LossyImageCompression, labelmap.SegmentsOverlap) == ("00", "NO")
    assert len(encoded(labelmap)) < len(encoded(segmentation)) / 3


def test_segments_of_a_label_map_are_those_of_the_segmentation(segmentation: Dataset, labelmap: Dataset) -> None:
    background, *segments = labelmap.SegmentSequence
    assert (background.SegmentNumber, labelmap.PixelPaddingValue) == (0, 0)
    assert list(segments) == list(segmentation.SegmentSequence)


def test_highdicom_opens_the_label_map(labelmap: Dataset) -> None:
    read = highdicom.seg.Segmentation.from_dataset(labelmap)
    assert list(read.segment_numbers) == [1, 2, 3, 4, 5]
    assert read.get_segment_numbers(tracking_id="Nodule 2") == [4]


def test_a_label_map_of_an_enhanced_source_names_frames(series: AssembledSeries, findings: Findings) -> None:
    enhanced = as_enhanced(series)
    labelmap = build_labelmap(enhanced, findings, CONTEXT)
    numbers = [
        int(group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for group in labelmap.PerFrameFunctionalGroupsSequence
    ]
    assert len(set(numbers)) == len(numbers) > 10


def test_a_label_map_is_another_instance_of_another_series(segmentation: Dataset, labelmap: Dataset) -> None:
    keys = ("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber")
    assert all(segmentation[key].value != labelmap[key].value for key in keys)


def test_the_same_label_map_twice_has_the_same_bytes(
    series: AssembledSeries, findings: Findings, labelmap: Dataset
) -> None:
    assert encoded(labelmap) == encoded(build_labelmap(series, findings, CONTEXT))
