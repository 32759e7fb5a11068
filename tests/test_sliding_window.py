"""Windows over a volume: every wanted voxel once, memory given back by halves, nothing run where nothing is wanted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from models.sliding_window import WindowPlan, core_shape, sliding_windows

PLAN = WindowPlan(largest=16, margin=4, stride=4, multiple=8, batch=8)


class Pooling:
    """Means of 4x4x4 voxels; runs out of memory above ``most`` windows at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.batches: list[int] = []

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("too many windows")
        return functional.avg_pool3d(images, 4)


def image_of(shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.rand((2, *shape), generator=torch.Generator().manual_seed(1))


def joined(image: torch.Tensor, network: Pooling, wanted: torch.Tensor | None = None) -> torch.Tensor:
    """Put the cores' outputs in their places; -1 where no window was run."""
    everywhere = torch.ones(image.shape[1:], dtype=torch.bool) if wanted is None else wanted
    whole = torch.full((2, *(-(-side // 4) + 8 for side in image.shape[1:])), -1.0)
    for start, output in sliding_windows(image, everywhere, network, PLAN, (0.0, 0.0)):
        k, j, i = (first // 4 for first in start)
        box = (slice(None), slice(k, k + output.shape[1]), slice(j, j + output.shape[2]), slice(i, i + output.shape[3]))
        assert (whole[box] == -1).all()
        whole[box] = output
    return whole[:, : image.shape[1] // 4, : image.shape[2] // 4, : image.shape[3] // 4]


@pytest.mark.parametrize("shape", [(16, 16, 16), (40, 24, 36), (8, 4, 52), (64, 12, 28)])
def test_windows_together_give_what_one_pass_over_everything_gives(shape: tuple[int, int, int]) -> None:
    image = image_of(shape)
    assert torch.allclose(joined(image, Pooling(8)), functional.avg_pool3d(image, 4))


def test_out_of_memory_halves_the_batch_and_stays_there() -> None:
    image, network = image_of((64, 32, 32)), Pooling(3)
    assert torch.allclose(joined(image, network), functional.avg_pool3d(image, 4))
    assert network.batches[:3] == [8, 4, 2]
    assert set(network.batches[2:]) <= {1, 2}


def test_a_device_too_small_for_one_window_says_so() -> None:
    network = Pooling(0)
    with pytest.raises(torch.OutOfMemoryError):
        joined(image_of((32, 32, 32)), network)
    assert network.batches == [8, 4, 2, 1]


def test_windows_without_anything_wanted_are_not_run() -> None:
    wanted = torch.zeros((64, 16, 16), dtype=torch.bool)
    wanted[3, 3, 3] = True
    network = Pooling(8)
    whole = joined(image_of((64, 16, 16)), network, wanted)
    assert network.batches == [1]
    assert (whole[:, 4:] == -1).all()


def test_the_margin_sees_the_neighbours_and_padding_lies_beyond_the_image() -> None:
    image, seen = image_of((32, 16, 16)), []

    def watching(images: torch.Tensor) -> torch.Tensor:
        seen.extend(images)
        return functional.avg_pool3d(images, 4)

    list(sliding_windows(image, torch.ones((32, 16, 16), dtype=torch.bool), watching, PLAN, (-7.0, 0.5)))
    assert torch.equal(seen[0][:, 4:, 4:20, 4:20], image[:, :20])
    assert (seen[0][0, :4] == -7).all()
    assert (seen[0][1, :4] == 0.5).all()


@pytest.mark.parametrize("length", [1, 15, 16, 17, 33, 100, 301])
def test_cores_are_no_larger_than_needed_and_windows_fit_the_network(length: int) -> None:
    side, _, _ = core_shape((length, 16, 16), PLAN)
    assert (side + 2 * PLAN.margin) % PLAN.multiple == 0
    assert side <= PLAN.largest + PLAN.multiple
