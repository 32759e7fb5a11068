"""Bits Stored, High Bit and Pixel Representation that the stored values contradict."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from node.assembly.conversion import Conversion
from node.assembly.hounsfield import StoredValues
from node.assembly.meaning import Oddity

ROWS, COLUMNS = np.mgrid[:128, :128]
FROM_MIDDLE = np.hypot(ROWS - 64, COLUMNS - 64)


def slice_hu(metal_hu: int = 40, noise_hu: float = 10.0) -> npt.NDArray[np.int64]:
    """A body in air with a lung, a bone of 1500 HU and perhaps metal, as smooth and as noisy as CT is."""
    hu = np.where(FROM_MIDDLE < 50, 40.0, -990.0)
    hu[FROM_MIDDLE < 20] = -850
    hu[80:100, 40:60] = 1500
    hu[90:98, 70:80] = metal_hu
    noise = np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    return np.asarray(np.maximum(gaussian_filter(hu, 1.2) + noise, -1024).round(), dtype=np.int64)


def read(patterns: npt.NDArray[np.int64], stored: StoredValues) -> tuple[npt.NDArray[np.int16], frozenset[Oddity]]:
    return Conversion().to_hu((patterns & 0xFFFF).astype(np.uint16), stored)


@pytest.mark.parametrize("above", [0x0000, 0xF000, 0xA000, 0x1000])
def test_bits_above_twelve_unsigned_bits_are_no_value(above: int) -> None:
    hu = slice_hu()
    read_hu, oddities = read((hu + 1024) | above, StoredValues(1.0, -1024.0, 12, False))
    assert np.array_equal(read_hu, hu)
    assert oddities == set()


def test_an_overlay_in_the_unused_bits_is_no_value() -> None:
    """Retired: overlays of old lived above Bits Stored."""
    hu = slice_hu()
    overlay = np.where((ROWS // 4 + COLUMNS // 9) % 3 == 0, 0x1000, 0)
    for signed, values in ((False, hu + 1024), (True, (hu & 0xFFF))):
        stored = StoredValues(1.0, 0.0 if signed else -1024.0, 12, signed)
        read_hu, oddities = read(values | overlay, stored)
        assert np.array_equal(read_hu, np.clip(hu, -1024, 2047))
        assert oddities == set()


def test_signed_values_cut_to_twelve_bits() -> None:
    hu = slice_hu()
    read_hu, oddities = read(hu & 0xFFF, StoredValues(1.0, 0.0, 12, True))
    assert np.array_equal(read_hu, hu)
    assert oddities == set()


@pytest.mark.parametrize("metal_hu", [2500, 6000, 20000])
@pytest.mark.parametrize("outside", [None, -2000, -32768])
def test_values_of_sixteen_bits_below_a_header_of_twelve_signed_bits(metal_hu: int, outside: int | None) -> None:
    hu = slice_hu(metal_hu)
    values = hu.copy()
    if outside is not None:
        values[FROM_MIDDLE > 62] = outside
        hu[FROM_MIDDLE > 62] = -1024
    read_hu, oddities = read(values, StoredValues(1.0, 0.0, 12, True))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.BITS_ABOVE}


def test_sharp_metal_in_sixteen_bits_below_a_header_of_twelve_signed_bits() -> None:
    """No smoothness tells here, but negative numbers have all bits above set: nothing was cut to 12 bits."""
    hu = np.where(FROM_MIDDLE < 50, 40, -1000)
    hu[60:70, 60:70] = 3000
    read_hu, _ = read(hu, StoredValues(1.0, 0.0, 12, True))
    assert np.array_equal(read_hu, hu)


@pytest.mark.parametrize("metal_hu", [4000, 5000])
def test_values_beyond_a_header_of_twelve_unsigned_bits(metal_hu: int) -> None:
    hu = slice_hu(metal_hu)
    read_hu, oddities = read(hu + 1024, StoredValues(1.0, -1024.0, 12, False))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.BITS_ABOVE}


def test_unsigned_values_below_a_header_of_twelve_signed_bits() -> None:
    """Bone of more than 1023 HU would be read as less than air: a hole."""
    hu = slice_hu()
    read_hu, oddities = read(hu + 1024, StoredValues(1.0, -1024.0, 12, True))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.BITS_ABOVE}


@pytest.mark.parametrize("intercept", [0, -1000, -1024])
@pytest.mark.parametrize("bits_stored", [16, 12])
def test_signed_values_under_an_unsigned_header(intercept: int, bits_stored: int) -> None:
    """HU of 64512 are -1024 in another reading."""
    hu = slice_hu()
    hu[FROM_MIDDLE > 62] = -1024
    values = hu - intercept
    values[FROM_MIDDLE > 62] = -1024 if intercept == 0 else -2000
    read_hu, oddities = read(values, StoredValues(1.0, float(intercept), bits_stored, False))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.SIGN}


def test_signed_values_cut_to_twelve_bits_under_an_unsigned_header() -> None:
    hu = slice_hu()
    read_hu, oddities = read(hu & 0xFFF, StoredValues(1.0, 0.0, 12, False))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.SIGN}


@pytest.mark.parametrize("metal_hu", [40, 3071, 5000])
def test_a_fine_slope_that_needs_all_sixteen_bits_is_unsigned_as_it_says(metal_hu: int) -> None:
    hu = slice_hu(metal_hu)
    read_hu, oddities = read((hu + 1024) * 10, StoredValues(0.1, -1024.0, 16, False))
    assert np.array_equal(read_hu, hu)
    assert oddities == set()


def test_values_that_really_end_at_the_high_bit() -> None:
    hu = slice_hu()
    read_hu, oddities = read((hu + 1024) << 4, StoredValues(1.0, -1024.0, 12, False, low_bit=4))
    assert np.array_equal(read_hu, hu)
    assert oddities == set()


@pytest.mark.parametrize("low_bit", [4, -1, -4])
def test_a_high_bit_that_does_not_fit_the_values(low_bit: int) -> None:
    hu = slice_hu()
    read_hu, oddities = read(hu + 1024, StoredValues(1.0, -1024.0, 12, False, low_bit=low_bit))
    assert np.array_equal(read_hu, hu)
    assert oddities == {Oddity.HIGH_BIT}


def test_eight_bits() -> None:
    hu = np.clip(slice_hu(), -1000, 270) // 10 * 10
    read_hu, oddities = read(((hu + 1000) // 5) & 0xFF, StoredValues(5.0, -1000.0, 8, False, bits_allocated=8))
    assert np.array_equal(read_hu, hu)
    assert oddities == set()
