"""A tilted gantry: the volume is straight, and every point of it is found in its source image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydicom import Dataset

from models.volume import Volume
from node.assembly.assemble import assemble
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

SHAPE = (12, 64, 64)


@pytest.fixture(scope="module")
def volume() -> Volume:
    return small_phantom((), SHAPE, (2.5, 3.0, 3.0)).volume


BLOB_LPS = (-20.0, 15.0, 5.0)


def tilted_slices(volume: Volume, degrees: float) -> list[Dataset]:
    """A smooth blob seen by a gantry tilted about x: only the z of the position grows, by 7 mm a slice."""
    angle = math.radians(degrees)
    orientation = [1, 0, 0, 0, math.cos(angle), math.sin(angle)]
    slices = ct_datasets(volume, ImageOrientationPatient=[f"{c:.8f}" for c in orientation])
    row, column = np.asarray(orientation, float).reshape(2, 3)
    j, i = np.mgrid[: SHAPE[1], : SHAPE[2]]
    for k, dataset in enumerate(slices):
        position = np.asarray(
            [-95.0, -95.0, 5.0 + 7.0 * (k - 5.5) - 110.0 * math.tan(angle)]
        )  # the blob is in the middle
        points = position + 3.0 * (j[..., None] * column + i[..., None] * row)
        blob = np.exp(-((points - BLOB_LPS) ** 2).sum(axis=-1) / (2 * 9.0**2))
        dataset.ImagePositionPatient = list(position)
        dataset.PixelData = np.rint(24 + 2000 * blob).astype("<i2").tobytes()
    return slices


def center_of_blob(volume: Volume) -> np.ndarray:
    weights = np.clip(volume.hu.astype(float) + 990, 0, None)
    indices = np.indices(volume.shape).reshape(3, -1).T
    return volume.to_patient(np.average(indices, axis=0, weights=weights.ravel()))


@pytest.mark.parametrize("degrees", [-22.0, 5.0, 15.0])
def test_a_tilted_gantry_is_straightened(volume: Volume, degrees: float) -> None:
    series = assemble(tilted_slices(volume, degrees))
    assert series.volume.spacing_kji_mm[0] == pytest.approx(7 * math.cos(math.radians(degrees)), abs=1e-6)
    assert np.abs(center_of_blob(series.volume) - BLOB_LPS).max() < 0.3
    assert f"gantry tilt of {abs(degrees):.1f} degrees corrected" in series.notes[0]


def test_a_point_of_a_straightened_volume_is_found_in_its_source_image(volume: Volume) -> None:
    slices = tilted_slices(volume, 15.0)
    series = assemble(slices)
    assert series.shifts_ji_px.shape == (12, 2)
    for k in (0, 4, 11):
        j, i = series.source_point_ji(k, 30.0, 20.0)
        header = series.headers[k]
        row, column = np.asarray(header.ImageOrientationPatient, float).reshape(2, 3)
        in_source = np.asarray(header.ImagePositionPatient, float) + 3.0 * (i * row + j * column)
        assert np.allclose(series.volume.to_patient((k, 30.0, 20.0)), in_source, atol=1e-4)
