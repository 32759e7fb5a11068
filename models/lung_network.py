"""Lungs and lobes by a U-Net on axial slices: the contract of lungmask, for its published weights and for ours.

Slices to LPS, clipped, cropped to the body, 256 x 256, 20 at a time, the likeliest label of each pixel; then cleaned
and brought back. Compact weights may look at every few millimetres only (``slice_step_mm`` in their card).

References
----------
Hofmanninger 2020, doi:10.1186/s41747-020-00173-2; https://github.com/JoHof/lungmask
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.axial import AxialOrder, axial_order
from models.label_cleaning import cleaned
from models.layers import half_precision
from models.lung_slices import NETWORK_SIZE, NetworkSlices, network_input, network_slices, on_slices
from models.terms import LOBE_LABELS
from models.unet import UNet, UNetSettings
from models.volume import Volume
from models.weights import Card, WeightsError, fill

BATCH = 20  # slices at once, as lungmask; halved while they do not fit into memory
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LungNetwork:
    """A network with its weights, ready to run.

    Parameters
    ----------
    card
        Whose weights these are.
    module
        In evaluation mode, on ``device``.
    slice_step_mm
        Slices closer than this are left out; 0 looks at all of them.
    """

    card: Card
    module: UNet
    device: torch.device
    slice_step_mm: float = 0.0

    @property
    def sees_lobes(self) -> bool:
        """Tell whether the labels are five lobes instead of two lungs."""
        return self.module.settings.n_classes == len(LOBE_LABELS) + 1


@dataclass(frozen=True, eq=False)
class SeenLabels:
    """What the network said.

    Parameters
    ----------
    labels
        (n, 256, 256) uint8, cleaned.
    slices
        What it was shown, with the crops.
    places
        (n,) which slices, counted to the head.
    order
        How the volume was turned.
    """

    labels: Labels
    slices: NetworkSlices
    places: npt.NDArray[np.intp]
    order: AxialOrder


def lung_network(card: Card, tensors: Mapping[str, Tensor], device: torch.device) -> LungNetwork:
    """Build the network of a card and put its weights in.

    Parameters
    ----------
    card, tensors
        As ``models.weights.load_tensors`` gives them; without settings in the card it is a published network.

    Raises
    ------
    WeightsError
        The weights have another layout than the card says.
    """
    if "last.bias" not in tensors:
        raise WeightsError(f"{card.file}: wrong layout: last.bias is missing; import the weights again")
    known = {field.name for field in fields(UNetSettings)}
    given = {name: int(value) for name, value in card.settings.items() if name in known}
    settings = UNetSettings(**{"n_classes": len(tensors["last.bias"]), **given})
    module = UNet(settings)
    fill(module, tensors, card.file)
    placed = module.eval().to(device).to(memory_format=torch.channels_last)
    return LungNetwork(card, placed, device, float(card.settings.get("slice_step_mm", 0.0)))


def network_labels(volume: Volume, network: LungNetwork) -> Labels:
    """Label a volume by lungmask's contract.

    Returns
    -------
    (K, J, I) uint8 on the volume's grid: ``LungLabel``, or the keys of ``LOBE_LABELS`` for a lobe network.
    """
    seen = seen_labels(volume, network)
    length = volume.shape[seen.order.axes[0]]
    nearest = np.abs(np.arange(length)[:, None] - seen.places).argmin(axis=1)
    return np.ascontiguousarray(seen.order.back(on_slices(seen.labels, seen.slices)[nearest]))


def network_labels_on(volume: Volume, network: LungNetwork, factors: tuple[int, int, int]) -> Labels:
    """Label joined voxels (see ``models.resampling.block_mean``) instead of all: the label at each block's centre."""
    seen = seen_labels(volume, network)
    rows, columns = (_block_centres(volume, seen.order, factors, axis) for axis in (1, 2))
    nearest = np.abs(_block_centres(volume, seen.order, factors, 0)[:, None] - seen.places).argmin(axis=1)
    picked = np.stack(
        [_picked(one, box, rows, columns) for one, box in zip(seen.labels, seen.slices.boxes, strict=True)]
    )
    return np.ascontiguousarray(np.transpose(picked[nearest], np.argsort(seen.order.axes)))


def fused(lobes: Labels, lungs: Labels) -> Labels:
    """Give every voxel of the lungs a lobe: lungmask's fusion, as in LTRCLobes_R231.

    Parameters
    ----------
    lobes, lungs
        (K, J, I) uint8 of a lobe network and of a lung network; lung without a lobe goes to a neighbouring one.
    """
    spare = int(lobes.max()) + 1
    joined = np.where((lobes == 0) & (lungs > 0), spare, lobes)
    joined[lungs == 0] = 0
    return cleaned(joined.astype(np.uint8), (spare,))


def seen_labels(volume: Volume, network: LungNetwork) -> SeenLabels:
    """Show the network the slices that its card asks for."""
    order = axial_order(volume)
    axial = order.turned(volume.hu)
    step = max(1, int(network.slice_step_mm / volume.spacing_kji_mm[order.axes[0]] + 0.5))
    places = np.arange(min((len(axial) - 1) % step // 2, len(axial) - 1), len(axial), step)
    slices = network_slices(np.ascontiguousarray(axial[places]))
    return SeenLabels(cleaned(_answers(network, slices.hu)), slices, places, order)


def _answers(network: LungNetwork, hu: npt.NDArray[np.int16]) -> Labels:
    """Run all slices (n, 256, 256); a batch that does not fit is halved, down to one slice."""
    answers = np.empty((len(hu), NETWORK_SIZE, NETWORK_SIZE), np.uint8)
    batch, done = BATCH, 0
    while done < len(hu):
        now = hu[done : done + batch]
        try:
            answers[done : done + len(now)] = _batch(network, now)
        except torch.OutOfMemoryError:
            if len(now) == 1:
                raise
            batch = max(1, len(now) // 2)
            continue
        done += len(now)
    return answers


def _batch(network: LungNetwork, hu: npt.NDArray[np.int16]) -> Labels:
    """Give the likeliest labels of a few slices, in 16 bits where the device multiplies them natively."""
    given = torch.from_numpy(network_input(hu)).to(network.device, memory_format=torch.channels_last)
    half = _half_of(network)
    with torch.inference_mode(), torch.autocast(network.device.type, half, enabled=half is not None):
        likeliest = _likeliest(network.module(given))
    return np.asarray(likeliest.cpu().numpy())


def _likeliest(answer: Tensor) -> Tensor:
    """Give the first label of the highest value, (N, H, W) uint8: argmax, several times as fast for a few labels."""
    best = answer[:, 0]
    label = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for number in range(1, answer.shape[1]):
        label.masked_fill_(answer[:, number] > best, number)
        best = torch.maximum(best, answer[:, number])
    return label


def _half_of(network: LungNetwork) -> torch.dtype | None:
    """Choose the 16-bit type to compute in; None is 32 bits. On a CPU only our own weights: theirs answer exactly."""
    ours = network.slice_step_mm > 0
    return half_precision(network.device) if ours or network.device.type == "cuda" else None


def _block_centres(
    volume: Volume, order: AxialOrder, factors: tuple[int, int, int], axis: int
) -> npt.NDArray[np.float64]:
    """Give the place of each block's centre on an axis of the turned volume, in the volume's own order of blocks."""
    size, factor = volume.shape[order.axes[axis]], factors[order.axes[axis]]
    first = np.arange(0, size, factor)
    centres = (first + np.minimum(first + factor, size) - 1) / 2
    return size - 1 - centres if order.reversed_[axis] else centres


def _picked(
    labels: Labels, box: Sequence[int], rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> Labels:
    """Read a label image (256, 256) of a crop at places of the whole slice; 0 outside the crop."""
    inside, index = [], []
    for places, first, after in ((rows, box[0], box[2]), (columns, box[1], box[3])):
        scaled = (places - first) * (NETWORK_SIZE - 1) / max(1, after - 1 - first)
        index.append(np.clip(np.floor(scaled + 0.5).astype(np.intp), 0, NETWORK_SIZE - 1))
        inside.append((places >= first - 0.5) & (places <= after - 0.5))
    return np.where(inside[0][:, None] & inside[1], labels[index[0][:, None], index[1]], 0).astype(np.uint8)
