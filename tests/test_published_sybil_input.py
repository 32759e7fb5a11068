"""What Sybil is given: window, size, resampling and padding against an independent statement of the published steps."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
import torch

from models.findings import AnalysisRefused
from models.published.sybil import prepared, windowed
from models.volume import Volume


def scan(shape: tuple[int, int, int], spacing: tuple[float, float, float], upwards: bool = True) -> Volume:
    rng = np.random.default_rng(7)
    coarse = rng.normal(-500, 500, size=tuple(max(2, n // 4) for n in shape))
    hu = np.asarray(np.kron(coarse, np.ones((5, 5, 5)))[: shape[0], : shape[1], : shape[2]])
    hu = np.pad(hu, [(0, n - m) for n, m in zip(shape, hu.shape, strict=True)], mode="edge")
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = (spacing[0] if upwards else -spacing[0]), *spacing[1:], 1
    return Volume(np.clip(hu, -1024, 3000).astype(np.int16), affine)


def restated_window(hu: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The three cases of PS3.3 C.11.2.1.2.1 for centre -600, width 1500, 16 bit; then whole steps of 256."""
    c, w = -600.5, 1499.0
    between = ((hu - c) / w + 0.5) * 65535
    return np.where(hu <= c - w / 2, 0, np.where(hu > c + w / 2, 65535, between)) // 256


def restated_resize(image: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Bilinear between the four pixels around each new centre; the edge pixel beyond the edge."""
    for axis in (0, 1):
        size = image.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, size - 1)
        share = np.expand_dims(place - low, 1 - axis)
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image


def restated_input(volume: Volume, thickness: float) -> npt.NDArray[np.float64]:
    """The published steps with SimpleITK for what torchio does with it (Resample, then CropOrPad with 0)."""
    hu = volume.hu[np.argsort(volume.to_patient(np.eye(3)[0] * np.arange(volume.shape[0])[:, None])[:, 2])]
    pixels = np.stack([restated_resize(restated_window(image.astype(float)), 256) for image in hu])
    pixels = (pixels - 128.1722) / 87.1849
    image = SimpleITK.GetImageFromArray(pixels.transpose(0, 2, 1).astype(np.float32))  # ITK: rows, columns, slices
    old = np.float32([*volume.spacing_kji_mm[1:], thickness]).astype(float)
    new = np.array([0.703125, 0.703125, 2.5])
    image.SetSpacing(old.tolist())
    size = np.ceil(np.array(image.GetSize()) * old / new).astype(int)
    origin = image.TransformContinuousIndexToPhysicalPoint((0.5 * (new / old - 1)).tolist())
    identity = np.eye(3).ravel().tolist()
    sampled = SimpleITK.Resample(
        image,
        size.tolist(),
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        origin,
        new.tolist(),
        identity,
        0.0,
        SimpleITK.sitkFloat32,
    )
    array = SimpleITK.GetArrayFromImage(sampled).transpose(0, 2, 1)
    for axis, target in enumerate((200, 256, 256)):
        excess = array.shape[axis] - target
        before = math.ceil(abs(excess) / 2)
        if excess > 0:
            array = np.take(array, range(before, before + target), axis)
        elif excess < 0:
            array = np.pad(array, [(before, -excess - before) if a == axis else (0, 0) for a in range(3)])
    return array


@pytest.mark.parametrize(
    ("shape", "spacing", "upwards"),
    [
        ((30, 512, 512), (2.5, 0.703125, 0.703125), True),  # nothing to resample
        ((40, 128, 96), (3.1, 0.83, 0.83), True),  # larger pixels: cropped
        ((41, 300, 300), (1.25, 0.59, 0.59), False),  # smaller pixels: padded; slices from head to feet
        ((251, 64, 64), (2.1, 0.9, 0.5), True),  # more slices than fit; oblong pixels
    ],
    ids=["as published", "large pixels", "from head to feet", "long scan"],
)
def test_the_input_equals_its_restatement(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], upwards: bool
) -> None:
    volume = scan(shape, spacing, upwards)
    x = prepared(volume)
    assert x.shape == (1, 3, 200, 256, 256)
    assert torch.equal(x[0, 0], x[0, 2])
    np.testing.assert_allclose(x[0, 0].numpy(), restated_input(volume, spacing[0]), atol=1e-4)


def test_the_thickness_of_the_header_takes_the_place_of_the_distance() -> None:
    volume = scan((30, 64, 64), (1.25, 0.7, 0.7))
    np.testing.assert_allclose(prepared(volume, 2.0)[0, 0].numpy(), restated_input(volume, 2.0), atol=1e-4)


def test_every_grey_level_is_that_of_the_window() -> None:
    hu = np.arange(-1500, 400, dtype=np.int16)
    np.testing.assert_array_equal(windowed(hu), restated_window(hu.astype(float)))


def test_slices_above_5_mm_are_refused() -> None:
    with pytest.raises(AnalysisRefused, match="at most 5 mm") as refused:
        prepared(scan((10, 32, 32), (5.1, 0.7, 0.7)))
    assert refused.value.code == "SLICES_TOO_THICK"
