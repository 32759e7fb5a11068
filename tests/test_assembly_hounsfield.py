"""Stored values to HU: rescale, sign, unused bits and padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from models.volume import AIR_HU, Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.hounsfield import StoredValues, hu_table
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

SHAPE = (8, 40, 40)


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), SHAPE, (2.5, 3.0, 3.0)).volume


def hu_of(stored: int, **how: Any) -> int:
    meant = {"slope": 1.0, "intercept": -1024.0, "bits_stored": 16, "signed": True} | how
    return int(hu_table(StoredValues(**meant))[stored & 0xFFFF])


def refused(slices: list[Dataset], error: type[errors.AssemblyError] = errors.WrongRescale) -> str:
    with pytest.raises(error) as caught:
        assemble(slices)
    return str(caught.value)


@pytest.mark.parametrize(
    ("stored", "how", "hu"),
    [
        (0, {}, -1024),
        (1064, {}, 40),
        (-1000, {"intercept": 0.0}, -1000),
        (40000, {"signed": False}, 32767),
        (30, {"slope": 0.5, "intercept": -1000.25}, -985),
        (2500, {"slope": 0.1, "intercept": -1000.0}, -750),
    ],
)
def test_stored_value_to_hu(stored: int, how: dict[str, Any], hu: int) -> None:
    assert hu_of(stored, **how) == hu


def test_minus_2000_outside_a_round_scanner_is_air_also_without_padding_value() -> None:
    assert hu_of(-2000) == AIR_HU
    assert hu_of(-3024, intercept=0.0) == AIR_HU


def test_minus_2000_is_a_ct_number_where_the_slope_is_fine() -> None:
    assert hu_of(-2000, slope=0.1, intercept=0.0) == -200


def test_nothing_is_less_dense_than_air() -> None:
    assert hu_of(0, intercept=-8192.0, signed=False) == AIR_HU


def test_bits_above_bits_stored_are_not_part_of_the_value() -> None:
    """PS3.5 8.1.1: overlays of old used to live there."""
    assert hu_of(0xF000 | 1064, bits_stored=12, signed=False) == 40
    assert hu_of(0x0800, bits_stored=12, intercept=0.0) == AIR_HU  # -2048
    assert hu_of(0x7FFF, bits_stored=12, intercept=0.0) == -1
    assert hu_of(0x0FFF, bits_stored=12, intercept=0.0) == -1


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("padding", [None, 0])
def test_phantom_is_the_same_signed_and_unsigned(volume: Volume, signed: bool, padding: int | None) -> None:
    series = assemble(ct_datasets(volume, signed=signed, padding_stored=padding))
    assert np.array_equal(series.volume.hu, volume.hu)


def test_padding_of_a_round_field_of_view_is_air(volume: Volume) -> None:
    hu = volume.hu.copy()
    hu[:, :5] = AIR_HU
    series = assemble(ct_datasets(Volume(hu, volume.affine), padding_stored=-2000))
    assert np.array_equal(series.volume.hu, hu)


def test_each_slice_has_its_own_rescale(volume: Volume) -> None:
    slices = ct_datasets(volume)
    for k, dataset in enumerate(slices):
        stored = (volume.hu[k].astype(np.int32) + 1000 + 10 * k) * 2
        dataset.PixelData = stored.astype("<i2").tobytes()
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, -1000 - 10 * k
    assert np.array_equal(assemble(slices).volume.hu, volume.hu)


def test_twelve_bits_with_garbage_above(volume: Volume) -> None:
    slices = ct_datasets(volume, signed=False, BitsStored=12, HighBit=11)
    for dataset in slices:
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") | 0xA000).tobytes()
    assert np.array_equal(assemble(slices).volume.hu, volume.hu)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_absent_rescale(volume: Volume, keyword: str) -> None:
    slices = ct_datasets(volume)
    del slices[3][keyword]
    message = refused(slices)
    assert "Rescale" in message
    assert "instance number 4 is absent" in message


@pytest.mark.parametrize("slope", [0, -1])
def test_slope_that_is_not_positive(volume: Volume, slope: int) -> None:
    assert "Rescale Slope" in refused(ct_datasets(volume, RescaleSlope=slope))


@pytest.mark.parametrize(
    "unit", ["MGML", "Z_EFF", "OD", "ED", "EDW", "HU_MOD", "PCT", "mg/ml", "Iodine", "%", "z eff", "Electron Density"]
)
def test_a_map_of_a_material_is_refused_by_name(volume: Volume, unit: str) -> None:
    """PS3.3 C.11.1.1.2; its numbers may look like HU."""
    message = refused(ct_datasets(volume, RescaleType=unit))
    assert "Rescale Type" in message
    assert "only CT numbers in HU" in message


@pytest.mark.parametrize("unit", ["US", "hu", "Hounsfield Units", "HOUNSFIELD", "UNKNOWN", "1"])
def test_a_unit_that_says_nothing_leaves_it_to_the_numbers(volume: Volume, unit: str) -> None:
    series = assemble(ct_datasets(volume, RescaleType=unit))
    assert np.array_equal(series.volume.hu, volume.hu)
    assert series.warnings == ("Rescale Type is not HU: the values were read as HU, which they look like",)


@pytest.mark.parametrize("unit", ["HU", "HU ", "", None])
def test_hu_and_an_empty_unit_need_no_warning(volume: Volume, unit: str | None) -> None:
    assert assemble(ct_datasets(volume, RescaleType=unit)).warnings == ()


def test_numbers_without_a_unit_that_do_not_look_like_a_chest_are_refused(volume: Volume) -> None:
    """A map in mg/ml whose unit was lost: air outside, and next to no soft tissue."""
    hu = np.where(volume.hu > -700, 600, -1000).astype(np.int16)
    slices = ct_datasets(Volume(hu, volume.affine), RescaleType="US")
    assert "do not look like HU" in refused(slices)
    assert assemble(ct_datasets(Volume(hu, volume.affine))).volume.shape == SHAPE


def test_an_inverted_display_leaves_ct_numbers_as_they_are(volume: Volume) -> None:
    """PS3.3 C.7.6.3.1.2: MONOCHROME1 says how to show low numbers, not what they are."""
    series = assemble(ct_datasets(volume, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(series.volume.hu, volume.hu)


def test_an_absent_rescale_type_means_hu(volume: Volume) -> None:
    """PS3.3 C.8.2.1: Rescale Type is required if the unit is not HU."""
    assert np.array_equal(assemble(ct_datasets(volume, RescaleType=None)).volume.hu, volume.hu)


def test_values_that_were_never_rescaled_or_rescaled_twice_are_nonsense(volume: Volume) -> None:
    assert "cannot be right" in refused(ct_datasets(volume, RescaleIntercept=0))
    assert "cannot be right" in refused(ct_datasets(volume, RescaleIntercept=-4096))


def test_an_abdomen_without_lungs_is_assembled(volume: Volume) -> None:
    body = np.where(volume.hu < -500, 40, volume.hu).astype(np.int16)
    body[:, :3] = -1000
    assert np.array_equal(assemble(ct_datasets(Volume(body, volume.affine))).volume.hu, body)


@pytest.mark.parametrize("bits", [{"BitsAllocated": 32}, {"BitsAllocated": 12}, {"HighBit": 16}, {"BitsStored": 17}])
def test_bits_that_cannot_be_read_are_named(volume: Volume, bits: dict[str, Any]) -> None:
    assert "Bits Allocated" in refused(ct_datasets(volume, **bits), errors.UndecodableSlice)


@pytest.mark.parametrize("size", [{"Rows": 65535}, {"Columns": 65535}, {"Rows": 65535, "Columns": 65535}])
def test_an_absurd_matrix_is_named_before_anything_is_allocated(volume: Volume, size: dict[str, Any]) -> None:
    assert "Rows and Columns" in refused(ct_datasets(volume, **size), errors.UndecodableSlice)


def test_an_image_without_rows(volume: Volume) -> None:
    assert "Rows" in refused(ct_datasets(volume, Rows=0), errors.MissingGeometry)


def test_rows_written_with_32_bits(volume: Volume) -> None:
    slices = ct_datasets(volume)
    for dataset in slices:
        dataset.add_new(0x00280010, "UL", 1 << 31)
    assert "Rows" in refused(slices, errors.MissingGeometry), "no number of rows that an image can have"
    for dataset in slices:
        dataset.add_new(0x00280010, "UL", SHAPE[1])
    assert np.array_equal(assemble(slices).volume.hu, volume.hu)
