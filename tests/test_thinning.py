"""A volume that does not fit into the memory that is set is read at every second slice or pixel, with a warning."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from models.volume import Volume
from node import errors
from node.assembly.assemble import assemble
from node.assembly.limits import AssemblyLimits, volume_bytes
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

SHAPE = (33, 40, 48)


def volume(distance_mm: float, pixel_mm: float) -> Volume:
    return small_phantom((), SHAPE, (distance_mm, pixel_mm, pixel_mm)).volume


def test_fine_slices_are_thinned_first() -> None:
    whole = volume(0.25, 1.0)
    limits = AssemblyLimits(max_bytes=volume_bytes(SHAPE) - 1)
    series = assemble(ct_datasets(whole), limits)
    assert np.array_equal(series.volume.hu, whole.hu[::2])
    assert len(series.frames) == len(series.headers) == 17
    assert np.allclose(series.volume.to_patient(np.asarray([(3, 7, 9)])), whole.to_patient(np.asarray([(6, 7, 9)])))
    assert series.pixel_step == 1
    assert any("one slice in 2 was read" in sentence for sentence in series.warnings)


def test_fine_pixels_are_thinned_first_and_lead_back_to_their_source() -> None:
    whole = volume(2.5, 0.5)
    series = assemble(ct_datasets(whole), AssemblyLimits(max_bytes=volume_bytes(SHAPE) - 1))
    assert np.array_equal(series.volume.hu, whole.hu[:, ::2, ::2])
    assert np.allclose(series.volume.to_patient(np.asarray([(6, 7, 9)])), whole.to_patient(np.asarray([(6, 14, 18)])))
    assert series.pixel_step == 2
    assert series.source_point_ji(6, 7.0, 9.0) == (14.0, 18.0)
    assert any("one pixel in 2 was read" in sentence for sentence in series.warnings)


def test_slices_of_a_tilted_gantry_keep_their_own_shift() -> None:
    slices = ct_datasets(volume(0.25, 1.0))
    for k, dataset in enumerate(slices):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, f"{float(y) + 0.1 * k:.4f}", z]
    whole = assemble(slices)
    assert whole.shifts_ji_px.any()
    series = assemble(slices, AssemblyLimits(max_bytes=volume_bytes(SHAPE) - 1))
    assert np.array_equal(series.volume.hu, whole.volume.hu[::2])
    assert np.array_equal(series.shifts_ji_px, whole.shifts_ji_px[::2])
    assert series.source_point_ji(3, 7.0, 9.0) == whole.source_point_ji(6, 7.0, 9.0)


def test_what_fits_is_read_whole_and_nothing_is_said() -> None:
    series = assemble(ct_datasets(volume(0.25, 1.0)), AssemblyLimits(max_bytes=volume_bytes(SHAPE)))
    assert series.volume.shape == SHAPE
    assert series.warnings == ()


def test_a_copy_of_a_slice_that_is_read_is_still_compared() -> None:
    slices = ct_datasets(volume(0.25, 1.0))
    limits = AssemblyLimits(max_bytes=volume_bytes(SHAPE) - 1)
    twin = copy.deepcopy(slices[4])
    twin.SOPInstanceUID = "2.25.4711"
    assert assemble([twin, *slices], limits).volume.shape[0] == 17
    pixels = np.frombuffer(twin.PixelData, "<i2").copy()
    pixels[100] += 50
    twin.PixelData = pixels.tobytes()
    with pytest.raises(errors.DuplicatePosition):
        assemble([twin, *slices], limits)


def test_what_fits_in_no_way_is_refused_by_name() -> None:
    with pytest.raises(errors.TooLarge, match="volume_limit_gb"):
        assemble(ct_datasets(volume(2.5, 2.9)), AssemblyLimits(max_bytes=1000))
