"""Pre- and post-processing beside lungmask's own functions; orientation, memory, lobes, damaged weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from models.axial import axial_order
from models.label_cleaning import cleaned
from models.lung_network import LungNetwork, fused, lung_network, network_labels, network_labels_on
from models.lung_slices import network_input, network_slices, on_slices
from models.unet import UNet, UNetSettings
from models.volume import Volume
from models.weights import Card, WeightsError
from training.phantom_small import small_phantom

CPU = torch.device("cpu")
CHEST = small_phantom(shape=(7, 150, 171), spacing_kji_mm=(20.0, 2.3, 2.1)).volume


@pytest.fixture(scope="module")
def utils() -> Any:
    return pytest.importorskip("lungmask.utils")


def card(**settings: float) -> Card:
    return Card("lungs", "1", "lungs.safetensors", "", "UNet", "", "", "", "", settings=settings)


def random_tensors(settings: UNetSettings, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights, the last layer centred on a chest so that every label is said somewhere."""
    torch.manual_seed(seed)
    network = UNet(settings).eval()
    with torch.inference_mode():
        shares = network(torch.from_numpy(network_input(network_slices(CHEST.hu).hu)))
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    tensors["last.bias"] -= shares.mean(dim=(0, 2, 3))
    return tensors


def random_network(settings: UNetSettings, seed: int = 0, **more: float) -> LungNetwork:
    given = {"n_classes": settings.n_classes, "depth": settings.depth, "width_exponent": settings.width_exponent}
    return lung_network(card(**given, **more), random_tensors(settings, seed), CPU)


def patches(shape: tuple[int, ...], labels: int, seed: int) -> npt.NDArray[np.uint8]:
    """Blobs of several labels with specks and holes."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.standard_normal((labels, *shape)), (0, 0.7, 1.3, 1.3))
    image = fields.argmax(axis=0).astype(np.uint8)
    image[rng.random(shape) < 0.02] = labels - 1
    return image


@pytest.mark.parametrize(
    "hu",
    [
        CHEST.hu,
        np.pad(CHEST.hu, ((0, 0), (0, 154), (60, 0)), constant_values=-1024),
        np.random.default_rng(0).integers(-1024, 1500, (4, 200, 230)).astype(np.int16),
        np.full((2, 100, 100), -1000, np.int16),
        np.full((2, 512, 512), 40, np.int16),
    ],
    ids=["chest", "off_centre", "noise", "air", "flesh"],
)
def test_slices_are_those_of_lungmask(hu: npt.NDArray[np.int16], utils: Any) -> None:
    pictures, boxes = utils.preprocess(hu, [256, 256])
    seen = network_slices(hu)
    assert np.array_equal(seen.boxes, np.asarray(boxes))
    assert np.array_equal(seen.hu, pictures)
    assert np.allclose(network_input(seen.hu)[:, 0], np.divide(pictures + 1024, 1624), atol=1e-6)


@pytest.mark.parametrize("size", [64, 100, 256, 300, 512])
def test_labels_come_back_as_from_lungmask(size: int, utils: Any) -> None:
    hu = np.full((2, size, size + 9), -1000, np.int16)
    hu[:, size // 8 : -size // 6, size // 9 : -size // 5] = 40
    seen = network_slices(hu)
    labels = patches((2, 256, 256), 4, size)
    theirs = [utils.reshape_mask(one, box, hu.shape[1:]) for one, box in zip(labels, seen.boxes, strict=True)]
    assert np.array_equal(on_slices(labels, seen), np.asarray(theirs))


@pytest.mark.parametrize("spare", [(), (3,)], ids=["plain", "spare"])
@pytest.mark.parametrize("slices", [1, 2, 9])
def test_cleaning_is_that_of_lungmask(slices: int, spare: tuple[int, ...], utils: Any) -> None:
    for seed in range(4):
        labels = patches((slices, 40, 44), 4, seed)
        theirs = utils.postprocessing(labels.copy(), spare=list(spare), disable_tqdm=True)
        ours = cleaned(labels, spare)
        # The fill_voids package also fills background pixels on the first line of the first slice, the array's edge.
        ours[0, 0], theirs[0, 0] = 0, 0
        assert np.array_equal(ours, theirs)


def test_an_empty_label_image_stays_empty() -> None:
    assert not cleaned(np.zeros((3, 8, 8), np.uint8)).any()


def their_labels(monkeypatch: pytest.MonkeyPatch, volume: Volume, folder: Path, **weights: Any) -> Any:
    """What lungmask says of a volume whose axes run as LPS, with weights saved as it loads them."""
    mask = pytest.importorskip("lungmask.mask")
    paths = {}
    for name, tensors in weights.items():
        paths[name] = str(folder / f"{name}.pth")
        torch.save(tensors, paths[name])
    monkeypatch.setattr(mask, "UNet", lambda **given: _theirs(**given))
    inferer = mask.LMInferer(force_cpu=True, tqdm_disable=True, **paths)
    return inferer.apply(volume.hu)


def _theirs(**given: Any) -> torch.nn.Module:
    """Their network, as narrow as the weights of these tests: the width is no setting of theirs."""
    from lungmask.resunet import UNet as Published

    network: torch.nn.Module = Published(**given, wf=2)
    return network


def test_a_volume_is_labelled_as_by_lungmask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = UNetSettings(3, 5, 2)
    theirs = their_labels(monkeypatch, CHEST, tmp_path, modelpath=random_tensors(settings))
    ours = network_labels(CHEST, random_network(settings))
    assert len(np.unique(theirs)) == 3
    assert (ours == theirs).mean() > 0.9999  # logits equal within rounding may tie differently


def test_lobes_are_fused_as_by_lungmask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lobes, lungs = UNetSettings(6, 5, 2), UNetSettings(3, 5, 2)
    weights = {"modelpath": random_tensors(lobes, 1), "fillmodel_path": random_tensors(lungs, 2)}
    theirs = their_labels(monkeypatch, CHEST, tmp_path, **weights)
    both = (network_labels(CHEST, random_network(*pair)) for pair in ((lobes, 1), (lungs, 2)))
    assert (fused(*both) == theirs).mean() > 0.999
    assert len(np.unique(theirs)) >= 3


@pytest.mark.parametrize("flip", [(True, False, False), (False, True, True), (True, True, True)])
def test_the_patient_counts_and_not_the_array(flip: tuple[bool, bool, bool]) -> None:
    network = random_network(UNetSettings(3, 4, 2))
    straight = network_labels(CHEST, network)
    axes = [axis for axis in range(3) if flip[axis]]
    affine = CHEST.affine.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (CHEST.shape[axis] - 1)
        affine[:3, axis] *= -1
    turned = Volume(np.ascontiguousarray(np.flip(CHEST.hu, axes)), affine)
    assert np.array_equal(np.flip(network_labels(turned, network), axes), straight)


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0), (1, 2, 0)], ids=["coronal", "sagittal", "turned"])
def test_slices_of_another_direction_are_turned_to_axial(axes: tuple[int, int, int]) -> None:
    volume = Volume(np.ascontiguousarray(CHEST.hu.transpose(axes)), CHEST.affine[:, [*axes, 3]])
    order = axial_order(volume)
    assert np.array_equal(order.turned(volume.hu), CHEST.hu)
    assert np.array_equal(order.back(order.turned(volume.hu)), volume.hu)


def test_joined_voxels_get_the_label_of_their_centre() -> None:
    network = random_network(UNetSettings(3, 4, 2))
    flipped = Volume(np.ascontiguousarray(CHEST.hu[::-1]), CHEST.affine @ np.diag([-1.0, 1, 1, 1]))
    last = network_slices(CHEST.hu).boxes[:, 2].max() - 1  # the contract drops this row for some sizes
    for volume in (CHEST, flipped):
        whole = network_labels(volume, network)
        assert np.array_equal(network_labels_on(volume, network, (1, 1, 1))[:, :last], whole[:, :last])
        coarse = network_labels_on(volume, network, (1, 3, 3))
        assert np.array_equal(coarse[:, : last // 3], whole[:, 1::3, 1::3][:, : last // 3])


def test_close_slices_are_left_out_by_compact_weights() -> None:
    fine = small_phantom((), shape=(30, 64, 64), spacing_kji_mm=(2.5, 5.5, 5.5)).volume
    network = random_network(UNetSettings(3, 3, 2), slice_step_mm=5.0)
    seen: list[int] = []
    network.module.register_forward_hook(lambda _module, given, _answer: seen.append(len(given[0])))
    assert network_labels(fine, network).shape == fine.shape
    assert sum(seen) == 15


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(UNetSettings(3, 3, 2))
    expected = network_labels(CHEST, network)
    sizes: list[int] = []
    forward = network.module.forward

    def small_memory(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return forward(images)

    monkeypatch.setattr(network.module, "forward", small_memory)
    assert np.array_equal(network_labels(CHEST, network), expected)
    assert sizes[:3] == [7, 3, 1]


def test_memory_for_not_even_one_slice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(UNetSettings(3, 3, 2))

    def no_memory(images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(network.module, "forward", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        network_labels(CHEST, network)


def test_weights_of_another_width_are_refused() -> None:
    tensors = random_tensors(UNetSettings(3, 5, 2))
    with pytest.raises(WeightsError, match="wrong layout"):
        lung_network(card(), tensors, CPU)
    del tensors["last.bias"]
    with pytest.raises(WeightsError, match=r"last\.bias is missing"):
        lung_network(card(), tensors, CPU)


def test_published_weights_need_no_settings() -> None:
    shapes = UNet(UNetSettings(6)).state_dict()
    network = lung_network(card(), shapes, CPU)
    assert network.sees_lobes
    assert network.slice_step_mm == 0
