"""Padding: air where it surrounds the image, a CT number where tissue has it too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.volume import AIR_HU
from node.assembly.conversion import Conversion
from node.assembly.hounsfield import StoredValues
from node.assembly.meaning import Oddity
from node.assembly.padding import padding_patterns

SIZE = 96
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
FROM_MIDDLE = np.hypot(ROWS - SIZE / 2 + 0.5, COLUMNS - SIZE / 2 + 0.5)
OUTSIDE = FROM_MIDDLE > SIZE / 2  # of a round field of view
INSIDE_BODY = FROM_MIDDLE < 30


def slice_hu(body_hu: int = 0) -> npt.NDArray[np.int64]:
    """A round body in air with a lung in it, and every fifth voxel of it at ``body_hu`` exactly."""
    hu = np.where(INSIDE_BODY, 40 + ROWS % 7, -1000)
    hu[INSIDE_BODY & ((ROWS + 2 * COLUMNS) % 5 == 0)] = body_hu
    hu[FROM_MIDDLE < 10] = -850
    return hu.astype(np.int64)


def read(
    hu: npt.NDArray[np.int64], stored: StoredValues, outside: int
) -> tuple[npt.NDArray[np.int16], frozenset[Oddity]]:
    values = np.rint((hu - stored.intercept) / stored.slope).astype(np.int64)
    values[OUTSIDE] = outside
    return Conversion().to_hu((values & 0xFFFF).astype(np.uint16), stored)


@pytest.mark.parametrize(
    ("outside", "padding", "intercept"),
    [
        (-2000, None, -1024.0),
        (-2000, (-2000, -2000), -1024.0),
        (-2000, (63536, 63536), 0.0),
        (-3024, None, 0.0),
        (-32768, None, 0.0),
        (32767, (32767, 32767), 0.0),
        (32767, None, 0.0),
        (32767, (32767, 32767), -1024.0),
        (500, (500, 500), 0.0),
        (500, (500, 500), -1024.0),
        (0, (0, 0), 0.0),
        (3000, (2990, 3010), -1024.0),
        (3000, (3010, 2990), -1024.0),
        (-2000, (-2000, 0), 0.0),
        (-2000, (0, -2000), 0.0),
        (-2000, (63536, 0), 0.0),
        (-1024, (64512, 64512), 0.0),
        (-2000, (-2000, -2000), 1500.0),
        (-2000, None, 1500.0),
    ],
)
def test_what_surrounds_the_image_is_air_and_the_body_keeps_its_numbers(
    outside: int, padding: tuple[int, int] | None, intercept: float
) -> None:
    hu = slice_hu()
    read_hu, _ = read(hu, StoredValues(1.0, intercept, 16, True, padding), outside)
    assert (read_hu[OUTSIDE] == AIR_HU).all()
    assert np.array_equal(read_hu[~OUTSIDE], hu[~OUTSIDE])


@pytest.mark.parametrize("padded", [0, 40, -100, 1000])
def test_a_padding_value_that_tissue_has_makes_no_holes_and_is_warned_of(padded: int) -> None:
    hu = slice_hu(padded)
    read_hu, oddities = read(hu, StoredValues(1.0, 0.0, 16, True, (padded, padded)), -1024)
    assert np.array_equal(read_hu[~OUTSIDE], hu[~OUTSIDE])
    assert oddities == {Oddity.TISSUE_PADDING}


def test_a_body_that_fills_the_image_keeps_the_padding_value_at_its_border() -> None:
    """Noise gives single voxels of the padding value along the border, which are no patch."""
    hu = np.random.default_rng(0).normal(0, 5, (128, 128)).round().astype(np.int64)
    hu[[0, 0, -1, -1], [0, -1, 0, -1]] = 20
    read_hu, _ = Conversion().to_hu((hu & 0xFFFF).astype(np.uint16), StoredValues(1.0, 0.0, 16, True, (0, 0)))
    assert np.array_equal(read_hu, hu)


@pytest.mark.parametrize("strip", [np.s_[:, :3], np.s_[-2:, :], np.s_[30:60, :5]])
def test_a_strip_of_padding_at_one_side_is_air(strip: tuple[slice, slice]) -> None:
    hu = np.full((SIZE, SIZE), 40, np.int64)
    hu[40:50, 40:50] = 0
    hu[strip] = 0
    read_hu, _ = Conversion().to_hu((hu & 0xFFFF).astype(np.uint16), StoredValues(1.0, 0.0, 16, True, (0, 0)))
    assert (read_hu[strip] == AIR_HU).all()
    assert (read_hu == AIR_HU).sum() == hu[strip].size


def test_metal_at_the_largest_number_inside_the_body_is_metal() -> None:
    hu = slice_hu()
    hu[40:44, 40:44] = 32767
    read_hu, _ = read(hu, StoredValues(1.0, 0.0, 16, True, (32767, 32767)), 32767)
    assert (read_hu[40:44, 40:44] == 32767).all()


def test_padding_that_uses_the_bits_above_bits_stored_is_air() -> None:
    bits = np.where(OUTSIDE, 0xF830, 1064).astype(np.uint16)
    read_hu, _ = Conversion().to_hu(bits, StoredValues(1.0, -1024.0, 12, False, (0xF830, 0xF830)))
    assert (read_hu[OUTSIDE] == AIR_HU).all()
    assert (read_hu[~OUTSIDE] == 40).all()


@pytest.mark.parametrize(
    "stored",
    [
        StoredValues(1.0, -1024.0, 16, True, (-2000, -2000)),
        StoredValues(1.0, -1024.0, 12, False, (0, 0)),
        StoredValues(1.0, -8192.0, 16, False, (0, 0)),
        StoredValues(0.1, -1000.0, 16, True),
        StoredValues(1.0, 0.0, 16, True, (-1024, -1024)),
    ],
)
def test_padding_below_tissue_costs_nothing(stored: StoredValues) -> None:
    """The largest number, which may be padding too, is all that is looked for, at the border of the image alone."""
    patterns = padding_patterns(stored)
    assert patterns is None or (patterns.is_padding.sum() == 1 and not patterns.is_tissue)
