"""Enhanced CT and Legacy Converted Enhanced CT: the planes stand in functional groups."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless

from models.volume import Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.assembly.limits import AssemblyLimits
from node.series.limits import PlacementLimits
from training.phantom_dicom import ct_datasets, seeded_uid
from training.phantom_small import small_phantom

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept")


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), (9, 64, 48), (2.5, 3.0, 3.0)).volume


def item(**values: object) -> Sequence:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


def enhanced(volume: Volume, order: list[int], shared: bool = True) -> Dataset:
    """An Enhanced CT with the frames in the order given; orientation, spacing and rescale shared or per frame."""
    slices = ct_datasets(volume)
    everywhere = Dataset()
    everywhere.PlaneOrientationSequence = item(ImageOrientationPatient=slices[0].ImageOrientationPatient)
    everywhere.PixelMeasuresSequence = item(PixelSpacing=slices[0].PixelSpacing)
    everywhere.PixelValueTransformationSequence = item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
    frames = []
    for k in order:
        frame = Dataset() if shared else copy.deepcopy(everywhere)
        frame.PlanePositionSequence = item(ImagePositionPatient=slices[k].ImagePositionPatient)
        frames.append(frame)
    dataset = copy.deepcopy(slices[0])
    for keyword in GEOMETRY:
        del dataset[keyword]
    dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.SOPInstanceUID = seeded_uid(0, "enhanced")
    dataset.NumberOfFrames = len(order)
    dataset.SharedFunctionalGroupsSequence = Sequence([everywhere] if shared else [])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = b"".join(slices[k].PixelData for k in order)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def check(series: AssembledSeries, volume: Volume, order: list[int]) -> None:
    assert np.array_equal(series.volume.hu, volume.hu)
    assert np.allclose(series.volume.affine, volume.affine, atol=1e-6)
    assert len(series.headers) == 1
    assert "PixelData" not in series.headers[0]
    assert [frame.frame_number for frame in series.frames] == [order.index(k) + 1 for k in range(len(order))]


SHUFFLED = [4, 0, 8, 1, 7, 2, 6, 3, 5]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("order", [list(range(9)), SHUFFLED], ids=["in order", "shuffled"])
def test_enhanced_ct_in_any_frame_order(volume: Volume, tmp_path: Path, order: list[int], shared: bool) -> None:
    dataset = enhanced(volume, order, shared)
    check(assemble([dataset]), volume, order)
    dataset.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    check(assemble_files([tmp_path / "enhanced.dcm"]), volume, order)


def test_compressed_enhanced_ct(volume: Volume, tmp_path: Path) -> None:
    dataset = enhanced(volume, SHUFFLED)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    check(assemble_files([tmp_path / "enhanced.dcm"]), volume, SHUFFLED)


def test_legacy_converted_enhanced_ct_of_another_library(volume: Volume, tmp_path: Path) -> None:
    slices = ct_datasets(volume)
    legacy = LegacyConvertedEnhancedCTImage(slices, seeded_uid(0, "legacy"), 9, seeded_uid(0, "legacy image"), 1)
    legacy.save_as(tmp_path / "legacy.dcm")
    series = assemble_files([tmp_path / "legacy.dcm"])
    assert np.array_equal(series.volume.hu, volume.hu)
    assert np.allclose(series.volume.affine, volume.affine, atol=1e-6)
    assert {frame.sop_instance_uid for frame in series.frames} == {seeded_uid(0, "legacy image")}


def test_a_missing_frame_position_names_the_frame(volume: Volume) -> None:
    dataset = enhanced(volume, list(range(9)))
    del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    with pytest.raises(errors.MissingGeometry, match=r"Image Position \(Patient\) of frame 4 is absent"):
        assemble([dataset])


def test_frames_and_functional_groups_must_agree(volume: Volume) -> None:
    dataset = enhanced(volume, list(range(9)))
    dataset.NumberOfFrames = 10
    with pytest.raises(errors.MissingGeometry, match="Number of Frames is 10, but functional groups describe 9"):
        assemble([dataset])


def test_fewer_frames_in_the_pixel_data_are_undecodable(volume: Volume) -> None:
    dataset = enhanced(volume, list(range(9)))
    dataset.PixelData = dataset.PixelData[: -64 * 48 * 2]
    with pytest.raises(errors.UndecodableSlice, match="frame"):
        assemble([dataset])


def test_frames_that_repeat_others_are_counted_once(volume: Volume) -> None:
    series = assemble([enhanced(volume, [*range(9), *range(9)])])
    assert np.array_equal(series.volume.hu, volume.hu)
    assert series.notes == ("9 image(s) that repeat another one left out",)


def test_two_phases_in_one_instance_that_nothing_tells_apart_are_refused(volume: Volume) -> None:
    dataset = enhanced(volume, [*range(9), *range(9)])
    pixels = np.frombuffer(dataset.PixelData, "<i2").copy()
    pixels[len(pixels) // 2 + 40] += 30
    dataset.PixelData = pixels.tobytes()
    with pytest.raises(errors.DuplicatePosition, match="shows something else"):
        assemble([dataset])


def test_two_phases_in_one_instance_are_told_apart_by_their_time(volume: Volume) -> None:
    dataset = enhanced(volume, [*range(9), *range(9)])
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence = item(TemporalPositionIndex=1 + number // 9)
    series = assemble([dataset])
    assert np.array_equal(series.volume.hu, volume.hu)
    assert "2 times (Temporal Position) in one series: the one of 9 slices is read" in series.notes[0]


def parts_of(volume: Volume, concatenation: bool) -> list[Dataset]:
    """The chest in three instances, as one concatenation or just as instances of one series."""
    parts = [enhanced(volume, order) for order in ([6, 7, 8], [2, 0, 1], [3, 4, 5])]
    for number, part in enumerate(parts, start=1):
        part.SOPInstanceUID = seeded_uid(number, "part")
        part.InstanceNumber = number
        if concatenation:
            part.ConcatenationUID = seeded_uid(0, "concatenation")
            part.InConcatenationNumber, part.InConcatenationTotalNumber = number, 3
            part.ConcatenationFrameOffsetNumber = 3 * (number - 1)
    return parts


@pytest.mark.parametrize("concatenation", [True, False], ids=["concatenation", "plain instances"])
def test_several_instances_of_one_scan_are_joined_by_position(volume: Volume, concatenation: bool) -> None:
    parts = parts_of(volume, concatenation)
    series = assemble(parts)
    assert np.array_equal(series.volume.hu, volume.hu)
    assert [header.SOPInstanceUID for header in series.headers] == [parts[n].SOPInstanceUID for n in (1, 2, 0)]
    assert [frame.frame_number for frame in series.frames] == [2, 3, 1, 1, 2, 3, 1, 2, 3]
    assert series.frames[8].sop_instance_uid == parts[0].SOPInstanceUID
    assert series.notes == ()


def test_a_concatenation_that_lacks_its_last_part_is_refused(volume: Volume) -> None:
    for lost in range(3):
        parts = parts_of(volume, concatenation=True)
        del parts[lost]
        with pytest.raises(errors.SliceGap, match="1 of 3 instances of a concatenation are missing"):
            assemble(parts)


def test_a_localizer_instance_beside_a_volume_is_left_out(volume: Volume) -> None:
    scout = enhanced(volume, [4])
    scout.SOPInstanceUID = seeded_uid(9, "scout")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    series = assemble([scout, *parts_of(volume, concatenation=False)])
    assert np.array_equal(series.volume.hu, volume.hu)
    assert series.notes == ("1 localizer image(s) in the series left out",)


def test_localizer_frames_are_left_out(volume: Volume) -> None:
    dataset = enhanced(volume, list(range(9)))
    dataset.PerFrameFunctionalGroupsSequence[0].CTImageFrameTypeSequence = item(
        FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    )
    series = assemble([dataset])
    assert series.volume.shape == (8, 64, 48)
    assert series.frames[0].frame_number == 2


def test_a_foreign_multi_frame_in_unspecified_units_is_refused_where_it_is_no_chest(odd_dicom: Path) -> None:
    path = odd_dicom / "dcmqi" / "segmentations" / "23x38x3" / "multiframe" / "mf.dcm"
    assert dcmread(path, stop_before_pixels=True).NumberOfFrames == 3
    with pytest.raises(errors.WrongRescale):
        assemble_files([path], AssemblyLimits(PlacementLimits(min_slices=3)))


def test_a_perfusion_map_is_not_ct_numbers(odd_dicom: Path) -> None:
    path = odd_dicom / "cornerstone-wado" / "testImages" / "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"
    with pytest.raises(errors.AssemblyError):
        assemble_files([path])
