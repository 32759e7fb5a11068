"""The scans that judge the node teach it nothing: their crops are found among those of LUNA16 and left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.false_positives import CROP_PX, WINDOW_HU
from models.volume import Volume
from training.datasets_images import find_series, read_series
from training.false_positives.crops import read_crops
from training.false_positives.judges import of_judges
from training.false_positives.matching import cut_from, repeated

AROUND_KJI = (8, 16, 16)  # slices and pixels around a nodule's middle in which LUNA16 has candidates of it


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    """Structure of a few pixels and of many, in HU."""
    rng = np.random.default_rng(0)
    coarse, fine = (gaussian_filter(rng.normal(size=(3, 128, 128)), (0, s, s)) * s for s in (5.0, 1.5))
    return np.clip(-500 + 800 * coarse + 80 * fine, -1000, 400).astype(np.int16)


def crop(scan: np.ndarray, k: int, j: int, i: int) -> np.ndarray:
    """Cut as LUNA16's crops are cut, with the error of JPEG."""
    half = CROP_PX // 2
    hu = scan[k, j - half : j + half, i - half : i + half].astype(float)
    grey = (hu - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]) * 255
    return np.clip(grey + np.random.default_rng(k + j + i).normal(0, 1, hu.shape), 0, 255).astype(np.uint8)


def test_crops_of_a_scan_are_found_wherever_they_lie_and_others_are_not(scan: np.ndarray) -> None:
    other = scan[:, ::-1]
    crops = np.stack([crop(scan, 0, 40, 77), crop(other, 0, 40, 77), crop(scan, 2, 99, 31), crop(other, 1, 60, 60)])
    assert cut_from(scan, np.ones(scan.shape, dtype=bool), crops).tolist() == [True, False, True, False]


def test_a_crop_is_sought_where_it_may_lie_only(scan: np.ndarray) -> None:
    places = np.zeros(scan.shape, dtype=bool)
    places[0, 40, 70:80] = True
    crops = np.stack([crop(scan, 0, 40, 77), crop(scan, 2, 99, 31)])
    assert cut_from(scan, places, crops).tolist() == [True, False]


@pytest.mark.parametrize(("down", "right", "same"), [(0, 0, True), (5, -7, True), (8, 8, True), (40, 30, False)])
def test_a_place_is_known_again_a_few_pixels_off(scan: np.ndarray, down: int, right: int, same: bool) -> None:
    first, second = crop(scan, 1, 60, 60)[None], crop(scan, 1, 60 + down, 60 + right)[None]
    assert repeated(first, second).tolist() == [same]
    assert repeated(second, first).tolist() == [same]


@pytest.mark.parametrize("name", ["lidc-0001", "lidc-0003"])
def test_no_crop_of_a_judging_nodule_is_left_in_any_split(
    name: str, shared_data: Path, unpack: Callable[[str], Path]
) -> None:
    with np.load(shared_data / "luna16-candidates-2d.npz") as file:
        images = np.asarray(file["images"])
    truth = json.loads((shared_data / "truth.json").read_text())[name]
    volume = read_series(find_series(unpack(name))[0])
    found = cut_from(volume.hu, around(volume, truth["nodules"]), images)
    assert 0 < found.sum() == (found & of_judges(images)).sum()
    left = {image.tobytes() for part in read_crops(shared_data / "luna16-candidates-2d.npz").values()
            for image in part.images.numpy()}  # fmt: skip
    assert not left & {image.tobytes() for image in images[found]}
    assert len(left) >= len(np.unique(images, axis=0)) - of_judges(images).sum()


def around(volume: Volume, nodules: list[dict[str, list[float]]]) -> np.ndarray:
    places = np.zeros(volume.shape, dtype=bool)
    for nodule in nodules:
        middle = np.rint(volume.to_index(np.array(nodule["center_lps_mm"]))).astype(int).ravel()
        spans = (slice(max(m - most, 0), m + most + 1) for m, most in zip(middle, AROUND_KJI, strict=True))
        places[tuple(spans)] = True
    return places
