"""What software does to a series on its way, and harms nothing: equal voxels, and every place within 0.1 mm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from node.assembly.assemble import assemble
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

CORNERS = np.asarray([(0, 0, 0), (0, 47, 0), (0, 0, 47), (15, 0, 0), (15, 47, 47), (7.5, 20.3, 31.8)])
CORONAL = [1, 0, 0, 0, 0, -1]


def rounded(digits: int) -> Callable[[list[Dataset]], list[Dataset]]:
    def disturb(slices: list[Dataset]) -> list[Dataset]:
        for dataset in slices:
            dataset.ImagePositionPatient = [f"{float(x):.{digits}f}" for x in dataset.ImagePositionPatient]
        return slices

    return disturb


def numbered_at_random(slices: list[Dataset]) -> list[Dataset]:
    for dataset, number in zip(slices, np.random.default_rng(1).permutation(len(slices)), strict=True):
        dataset.InstanceNumber = int(number) + 1
    return slices


def all_numbers_equal(slices: list[Dataset]) -> list[Dataset]:
    for dataset in slices:
        dataset.InstanceNumber = 1
    return slices


def reversed_files(slices: list[Dataset]) -> list[Dataset]:
    return slices[::-1]


def with_copies(slices: list[Dataset]) -> list[Dataset]:
    copies = copy.deepcopy(slices[3:6])
    for number, dataset in enumerate(copies):
        dataset.SOPInstanceUID = f"2.25.99{number}"
    return [*copies, *slices]


def with_a_reformat(slices: list[Dataset]) -> list[Dataset]:
    reformat = copy.deepcopy(slices[4])
    reformat.SOPInstanceUID, reformat.ImageOrientationPatient = "2.25.77", CORONAL
    return [reformat, *slices]


def with_a_page_in_colour(slices: list[Dataset]) -> list[Dataset]:
    page = copy.deepcopy(slices[4])
    page.SOPInstanceUID, page.SamplesPerPixel, page.PhotometricInterpretation = "2.25.78", 3, "RGB"
    del page.ImagePositionPatient, page.RescaleSlope
    return [*slices, page]


def with_another_kernel_between(slices: list[Dataset]) -> list[Dataset]:
    others = copy.deepcopy(slices)
    low, high = (float(slices[k].ImagePositionPatient[2]) for k in (0, 1))
    for number, dataset in enumerate(others):
        x, y, z = dataset.ImagePositionPatient
        dataset.SOPInstanceUID, dataset.ConvolutionKernel = f"2.25.66{number}", "BONE"
        dataset.ImagePositionPatient = [x, y, f"{float(z) + (high - low) / 2:.4f}"]
    return [*others, *slices]


def thickness_and_location_wrong(slices: list[Dataset]) -> list[Dataset]:
    for dataset in slices:
        dataset.SliceThickness, dataset.SliceLocation, dataset.SpacingBetweenSlices = 10, 0, -7
    return slices


DISTURBANCES = {
    "positions to 0.1 mm": rounded(1),
    "positions to 0.01 mm": rounded(2),
    "numbers at random": numbered_at_random,
    "all numbers equal": all_numbers_equal,
    "files in reverse": reversed_files,
    "copies": with_copies,
    "a reformat": with_a_reformat,
    "a page in colour": with_a_page_in_colour,
    "another kernel between": with_another_kernel_between,
    "thickness, location and spacing wrong": thickness_and_location_wrong,
}


@pytest.mark.parametrize("distance_mm", [0.5, 0.625, 1.25, 2.5])
@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_voxels_and_places_stay(disturb: Callable[[list[Dataset]], list[Dataset]], distance_mm: float) -> None:
    volume = small_phantom((), (16, 48, 48), (distance_mm, 3.0, 3.0)).volume
    slices = ct_datasets(volume, ConvolutionKernel="STANDARD")
    found = assemble(disturb(slices)).volume
    assert np.array_equal(found.hu, volume.hu)
    off_mm = np.linalg.norm(found.to_patient(CORNERS) - volume.to_patient(CORNERS), axis=1)
    assert off_mm.max() <= 0.1


def test_a_real_chest_stays_where_it_is(lidc_0003: Path) -> None:
    """Positions to 0.1 mm, a scout without the word, copies, and a series numbered at random."""
    found = [dcmread(path) for path in sorted(lidc_0003.rglob("*.dcm"))]
    slices = sorted(found, key=lambda dataset: float(dataset.ImagePositionPatient[2]))[40:80]
    truth = assemble(slices).volume
    disturbed = rounded(1)(numbered_at_random(with_copies(with_a_reformat(copy.deepcopy(slices)))))
    series = assemble(disturbed)
    assert np.array_equal(series.volume.hu, truth.hu)
    corners = np.asarray([(0, 0, 0), (39, 511, 511), (20, 256, 100)])
    off_mm = np.linalg.norm(series.volume.to_patient(corners) - truth.to_patient(corners), axis=1)
    assert off_mm.max() <= 0.1
    assert len(series.notes) == 2
