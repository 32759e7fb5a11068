"""Series that are no chest in ways that hang or eat memory elsewhere: each ends with a named error in the report."""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from models.volume import Volume
from node.analysis.analyser import Analyser
from node.analysis.choice import ModelChoice
from node.job import Job
from node.pipeline import process
from node.results.bundle import Bundle
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.create("cpu", None, ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None))


def chest() -> Volume:
    return small_phantom(shape=(40, 120, 120), spacing_kji_mm=(6.0, 2.9, 2.9)).volume


def outcome(analyser: Analyser, tmp_path: Path, datasets: list[Dataset] | Iterator[Dataset]) -> Bundle:
    files = tuple(write_series(datasets, tmp_path / "in"))
    bundle = process(Job(files, tmp_path / "out", "0" * 64, datetime.now(UTC), "1", "TEST"), analyser)
    assert bundle.report["nodules"] is None
    assert {kind for kind, _ in bundle.objects} == {"NOTICE", "NOTICE-SC"}
    assert bundle.reason is not None
    assert "\n" not in bundle.reason
    return bundle


def with_hu(hu: np.ndarray) -> Volume:
    return Volume(hu.astype(np.int16), chest().affine)


@pytest.mark.parametrize("value", [-1000, -500, 40])
def test_a_constant_image(analyser: Analyser, tmp_path: Path, value: int) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(with_hu(np.full((40, 120, 120), value))))
    assert bundle.code in {"WRONG_RESCALE", "CONSTANT_IMAGE"}


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescale_that_is_no_number(analyser: Analyser, tmp_path: Path, keyword: str) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(chest(), **{keyword: math.nan}))
    assert bundle.code == "WRONG_RESCALE"


def test_a_field_of_view_of_one_millimetre(analyser: Analyser, tmp_path: Path) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(chest(), PixelSpacing=[1 / 120, 1 / 120]))
    assert bundle.code == "SPACING_OUT_OF_RANGE"


def test_a_small_field_of_view_of_plausible_pixels(analyser: Analyser, tmp_path: Path) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(chest(), PixelSpacing=[0.5, 0.5]))
    assert bundle.code == "FIELD_OF_VIEW"
    assert "60 mm" in str(bundle.reason)


@pytest.mark.parametrize("spacing", [[0, 0], [0, 2.9]])
def test_zero_spacing(analyser: Analyser, tmp_path: Path, spacing: list[float]) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(chest(), PixelSpacing=spacing))
    assert bundle.code == "SPACING_OUT_OF_RANGE"


def test_slices_at_one_place(analyser: Analyser, tmp_path: Path) -> None:
    bundle = outcome(analyser, tmp_path, ct_datasets(chest(), ImagePositionPatient=[0, 0, 0]))
    assert bundle.code == "DUPLICATE_POSITION"


def five_thousand(first: Dataset) -> Iterator[Dataset]:
    for k in range(5000):
        slice_ = copy(first)
        slice_.file_meta = copy(first.file_meta)
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = f"2.25.{k + 1}"
        slice_.ImagePositionPatient = [0, 0, 0.6 * k]
        slice_.InstanceNumber = k + 1
        yield slice_


def test_five_thousand_slices_are_too_many_of_one_picture_and_not_too_many(analyser: Analyser, tmp_path: Path) -> None:
    """There is no limit on slices, only on bytes: 3 m of one slice are read, and are no lungs."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bundle = outcome(analyser, tmp_path, five_thousand(ct_datasets(chest())[0]))
    assert bundle.code == "NO_LUNGS"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1200 * 1024  # KiB: headers, 144 MB of voxels
