"""grt123's steps around its networks (image, tiles, marks, crops) against an independent statement, in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.morphology import convex_hull_image

from models.findings import Lungs
from models.published.grt123_case import crop_at
from models.published.grt123_image import grey_of, lung_image, rim_and_lungs
from models.published.grt123_marks import decoded, suppressed
from models.published.grt123_tiles import Tiles
from models.volume import Volume
from tests.grt123_rig import noise

CPU = torch.device("cpu")


def stated_tiles(grey: np.ndarray, side: int, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """SplitComb by padding the whole image and the whole map of places."""
    padded = np.pad(grey, [(0, (4 - n % 4) % 4) for n in grey.shape], constant_values=170)
    lines = [np.linspace(-0.5, 0.5, n // 4) for n in padded.shape]
    places = np.stack(np.meshgrid(*lines, indexing="ij")).astype(np.float32)

    def split(array: np.ndarray, side: int, margin: int) -> np.ndarray:
        counts = [math.ceil(n / side) for n in array.shape[1:]]
        widths = [(margin, count * side - n + margin) for n, count in zip(array.shape[1:], counts, strict=True)]
        array = np.pad(array, [(0, 0), *widths], mode="edge")
        length = side + 2 * margin
        return np.stack(
            [
                array[:, z * side : z * side + length, y * side : y * side + length, x * side : x * side + length]
                for z in range(counts[0])
                for y in range(counts[1])
                for x in range(counts[2])
            ]
        )

    return (split(padded[None].astype(np.float32), side, margin) - 128) / 128, split(places, side // 4, margin // 4)


def test_tiles_are_those_of_the_padded_image() -> None:
    grey = np.random.default_rng(2).integers(0, 256, (41, 66, 30)).astype(np.uint8)
    stated, stated_places = stated_tiles(grey, side=32, margin=16)
    tiles = Tiles(grey, CPU, side=32, surroundings=16)
    assert len(tiles) == len(stated) == 2 * 3 * 1
    for n in range(len(tiles)):
        tile, place = tiles[n]
        np.testing.assert_allclose(tile.numpy(), stated[n], atol=1e-6)
        np.testing.assert_allclose(place.numpy(), stated_places[n], atol=1e-6)


def test_the_map_is_put_together_from_the_middles() -> None:
    grey = np.zeros((41, 66, 30), dtype=np.uint8)
    tiles = Tiles(grey, CPU, side=32, surroundings=16)
    outputs = noise(len(tiles), 16, 16, 16, 3, 5)
    whole = tiles.empty_map()
    for n in range(len(tiles)):
        tiles.put(whole, n, outputs[n])
    stated = np.full((16, 24, 8, 3, 5), np.nan, dtype=np.float32)
    for n, (z, y) in enumerate((z, y) for z in range(2) for y in range(3)):
        stated[8 * z : 8 * z + 8, 8 * y : 8 * y + 8] = outputs[n, 4:12, 4:12, 4:12].numpy()
    np.testing.assert_array_equal(whole.numpy(), stated)


def stated_marks(output: np.ndarray) -> list[tuple[float, ...]]:
    marks = []
    for z, y, x, a in np.ndindex(output.shape[:4]):
        logit, dz, dy, dx, dd = output[z, y, x, a]
        if logit > -3:
            size = (10.0, 30.0, 60.0)[a]
            marks.append((logit, 1.5 + 4 * z + dz * size, 1.5 + 4 * y + dy * size, 1.5 + 4 * x + dx * size))
            marks[-1] += (math.exp(dd) * size,)
    return sorted(marks, reverse=True)


def stated_overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    shared = 1.0
    for n in (1, 2, 3):
        low = max(first[n] - first[4] / 2, second[n] - second[4] / 2)
        shared *= max(0.0, min(first[n] + first[4] / 2, second[n] + second[4] / 2) - low)
    return shared / (first[4] ** 3 + second[4] ** 3 - shared)


def test_marks_are_decoded_and_suppressed_as_described() -> None:
    output = noise(6, 5, 7, 3, 5)
    output[..., 0] = output[..., 0] * 3 - 2
    stated = stated_marks(output.numpy())
    found = decoded(output)
    assert len(stated) > 50
    np.testing.assert_allclose(found.numpy(), np.array(stated), atol=1e-4)
    kept: list[tuple[float, ...]] = []
    for mark in stated:
        if all(stated_overlap(mark, other) < 0.05 for other in kept):
            kept.append(mark)
    assert 1 < len(kept) < len(stated)
    np.testing.assert_allclose(suppressed(found).numpy(), np.array(kept), atol=1e-4)


def test_no_mark_above_the_logit_gives_none() -> None:
    output = torch.full((2, 2, 2, 3, 5), -3.5)
    assert len(suppressed(decoded(output))) == 0


def test_grey_values_are_the_window_cut_off_to_bytes() -> None:
    hu = np.array([-32768, -1200, -1199, -300, 0, 599, 600, 3000], dtype=np.int16)
    stated = (np.clip((hu.astype(np.float64) + 1200) / 1800, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(grey_of(hu), stated)


def lungs_of(shape: tuple[int, int, int]) -> np.ndarray:
    """Two lungs, the left one a crescent whose hull is more than twice as large on some slices."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    labels = np.zeros(shape, dtype=np.uint8)
    labels[(x + 0.45) ** 2 / 0.06 + y**2 / 0.3 + z**2 / 0.6 < 1] = 1
    ring = (x - 0.45) ** 2 / 0.1 + y**2 / 0.3
    labels[(ring < 1) & (ring > 0.75) & (x > 0.4) & (np.abs(z) < 0.5)] = 2
    return labels


def stated_rim(labels: np.ndarray) -> np.ndarray:
    hulls = np.zeros(labels.shape, dtype=bool)
    for label in (1, 2):
        for z in range(len(labels)):
            lung = labels[z] == label
            hull = convex_hull_image(lung) if lung.any() else lung
            hulls[z] |= lung if hull.sum() > 2 * lung.sum() else hull
    return ndimage.binary_dilation(hulls, structure=ndimage.generate_binary_structure(3, 1), iterations=10)


def test_the_rim_is_the_hull_of_each_lung_grown_ten_times() -> None:
    labels = lungs_of((80, 60, 70))
    crescent = labels[40] == 2
    assert convex_hull_image(crescent).sum() > 2 * crescent.sum()
    np.testing.assert_array_equal(rim_and_lungs(labels), stated_rim(labels))


def test_the_image_is_that_of_the_described_steps() -> None:
    shape, spacing = (30, 70, 80), np.array([2.5, 0.8, 0.8])
    hu = np.random.default_rng(4).integers(-1300, 900, shape).astype(np.int16)
    labels = lungs_of(shape)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = (*spacing, 1)
    image = lung_image(Volume(hu, affine), Lungs(labels, 1.0, 1.0))

    rim, lung = stated_rim(labels), labels > 0
    grey = (np.clip((hu.astype(np.float64) + 1200) / 1800, 0, 1) * 255).astype(np.uint8)
    grey = np.where(rim, grey, 170).astype(np.uint8)
    grey[(rim ^ lung) & (grey > 210)] = 170
    full = np.round(np.array(shape) * spacing)
    zoomed = ndimage.zoom(grey, full / shape, order=1, mode="nearest")
    places = np.array(np.nonzero(lung))
    low = np.maximum(np.floor(places.min(axis=1) * spacing) - 5, 0).astype(int)
    high = np.minimum(np.floor(places.max(axis=1) * spacing) + 10, full).astype(int)
    stated = zoomed[low[0] : high[0], low[1] : high[1], low[2] : high[2]]

    assert image.grey.shape == stated.shape
    apart = np.abs(image.grey.astype(int) - stated.astype(int))
    assert apart.max() <= 1  # a half that single precision rounds the other way
    assert (apart > 0).mean() < 1e-3
    corner = image.to_volume([[0, 0, 0]])[0] * spacing  # of the crop, in mm from the first voxel
    np.testing.assert_allclose(corner, low * (np.array(shape) - 1) * spacing / (full - 1), atol=1e-9)
    np.testing.assert_allclose(image.from_volume(image.to_volume([[3.0, 4, 5]])), [[3, 4, 5]], atol=1e-9)


@pytest.mark.parametrize("center", [[60.2, 55.7, 70.1], [10.4, 100.9, 3.0], [118.0, 5.5, 139.0]])
def test_crops_are_cut_and_placed_as_described(center: list[float]) -> None:
    grey = np.random.default_rng(6).integers(0, 256, (120, 110, 140)).astype(np.uint8)
    crop, place = crop_at(grey, center)
    wide = np.pad(grey, 96, constant_values=160)
    start = [int(c - 48) for c in center]
    np.testing.assert_array_equal(
        crop[0].numpy(), wide[tuple(slice(s + 96, s + 192) for s in start)].astype(np.float32)
    )
    for axis in range(3):
        size = grey.shape[axis] + max(0, -start[axis]) + max(0, max(start[axis], 0) + 96 - grey.shape[axis])
        first = max(start[axis], 0) / size - 0.5
        stated = np.linspace(first, first + 96 / size, 24)
        line = place[axis].numpy().swapaxes(0, axis)[:, 0, 0]
        np.testing.assert_allclose(line, stated, atol=1e-6)
