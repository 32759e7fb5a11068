"""Joined blocks of voxels."""

from __future__ import annotations

import numpy as np
import pytest

from models.resampling import block_mean


def averaged(hu: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """The same in plain numpy: NaN beyond the edge is left out of the mean."""
    short = [(0, -size % factor) for size, factor in zip(hu.shape, factors, strict=True)]
    padded = np.pad(hu.astype(float), short, constant_values=np.nan)
    k, j, i = (size // factor for size, factor in zip(padded.shape, factors, strict=True))
    return np.asarray(np.nanmean(padded.reshape(k, factors[0], j, factors[1], i, factors[2]), axis=(1, 3, 5)))


@pytest.mark.parametrize("slices", range(60, 75))
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_blocks_of_any_number_of_slices_are_averaged(slices: int, factor: int) -> None:
    hu = np.random.default_rng(slices).integers(-1000, 400, (slices, 7, 6)).astype(np.int16)
    assert block_mean(hu, (factor, 2, 3)) == pytest.approx(averaged(hu, (factor, 2, 3)), abs=1e-2)


def test_a_volume_smaller_than_a_block_is_one_block() -> None:
    hu = np.arange(12, dtype=np.int16).reshape(2, 2, 3)
    assert block_mean(hu, (4, 4, 4)) == pytest.approx(np.array([[[5.5]]]))
