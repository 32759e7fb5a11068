"""Nodule or not: a small residual network looks at axial cuts of 35 mm through a candidate.

The input contract is that of the LUNA16 candidate crops that it is trained on: 50 x 50 pixels of about 0.7 mm,
-1000 to 400 HU mapped to 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.volume import Volume

CROP_PX = 50
PIXEL_MM = 0.7  # the usual pixel of a LUNA16 scan, whose crops are cut in native pixels
LARGEST_MM = 25.0  # larger bodies leave too little around them in 35 mm
WINDOW_HU = (-1000.0, 400.0)
CUT_APART_MM = 1.5  # distance of the neighbouring cuts, where slices are not thicker
CUTS = (-1, 0, 1)
BATCH = 128
_GREY_MEAN, _GREY_SD = 0.27, 0.27  # of the training crops after the window; only centres the input


class FalsePositiveNetwork(nn.Module):
    """Several residual networks of the same form; their logits are averaged.

    Parameters
    ----------
    members
        Number of networks, trained from different seeds.
    width
        Channels of the first stage; doubled twice.
    """

    def __init__(self, members: int = 1, width: int = 32) -> None:
        super().__init__()
        self.members = nn.ModuleList(_member(width) for _ in range(members))

    def forward(self, grey: torch.Tensor) -> torch.Tensor:
        """Give the logits (N,) of crops (N, 1, 50, 50), grey 0 to 1."""
        normal = (grey - _GREY_MEAN) / _GREY_SD
        return torch.stack([member(normal)[:, 0] for member in self.members]).mean(dim=0)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolved(inputs, outputs, 3, stride)
        self.second = _convolved(outputs, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _convolved(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


@dataclass(frozen=True, eq=False)
class FalsePositiveStage:
    """The network, ready on a device, with its calibration.

    Parameters
    ----------
    network
        In evaluation mode on ``device``.
    slope, intercept
        Calibrated logit = slope * logit + intercept (Platt).
    """

    network: FalsePositiveNetwork
    slope: float
    intercept: float
    device: torch.device

    @classmethod
    def ready(
        cls, network: FalsePositiveNetwork, slope: float, intercept: float, device: torch.device
    ) -> FalsePositiveStage:
        """Bring a network to a device, in evaluation mode and in the layout that is fast there."""
        network = network.to(device).to(memory_format=torch.channels_last).eval()
        return cls(network, slope, intercept, device)

    def logits(
        self, volume: Volume, centers_kji: npt.NDArray[np.float64], diameters_mm: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Look at neighbouring axial cuts through places of a volume.

        Parameters
        ----------
        centers_kji
            (N, 3) fractional voxel indices.
        diameters_mm
            (N,); what is larger than ``LARGEST_MM`` is made smaller, so that the crop shows it with its surroundings.

        Returns
        -------
        (N, 3) calibrated logits: of the cut below, through and above the centre.
        """
        zooms = np.maximum(diameters_mm / LARGEST_MM, 1.0)
        crops = crops_at(volume, centers_kji, zooms, self.device)
        raw = _in_batches(self.network, crops.flatten(0, 1)[:, None])
        return self.slope * raw.reshape(-1, len(CUTS)).double().cpu().numpy() + self.intercept


def crops_at(
    volume: Volume, centers_kji: npt.NDArray[np.float64], zooms: npt.NDArray[np.float64], device: torch.device
) -> torch.Tensor:
    """Cut axial crops around places by linear interpolation; beyond the volume its border is repeated.

    Parameters
    ----------
    zooms
        (N,) how many times ``PIXEL_MM`` a pixel of the crop is.

    Returns
    -------
    (N, 3, 50, 50) float32 on ``device``, grey 0 to 1.
    """
    hu = torch.from_numpy(np.ascontiguousarray(volume.hu)).to(device)
    centers = torch.as_tensor(centers_kji, dtype=torch.float32, device=device).reshape(-1, 3)
    slice_mm, row_mm, column_mm = volume.spacing_kji_mm
    zoom = torch.as_tensor(zooms, dtype=torch.float32, device=device)[:, None]
    offsets = (torch.arange(CROP_PX, device=device) - (CROP_PX - 1) / 2) * PIXEL_MM * zoom
    cuts = torch.tensor(CUTS, device=device) * zoom * max(CUT_APART_MM / slice_mm, 1.0)
    k = centers[:, 0, None] + cuts
    j = centers[:, 1, None] + offsets / row_mm
    i = centers[:, 2, None] + offsets / column_mm
    low, high = WINDOW_HU
    parts = [_sampled(hu, *part) for part in zip(*(torch.split(at, BATCH) for at in (k, j, i)), strict=True)]
    values = torch.cat(parts) if parts else torch.zeros((0, len(CUTS), CROP_PX, CROP_PX), device=device)
    return ((values - low) / (high - low)).clamp(0, 1)


def _sampled(hu: torch.Tensor, k: torch.Tensor, j: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    """Interpolate ``hu`` at the products of k (N, S), j (N, R) and i (N, C): (N, S, R, C)."""
    (k0, k1, kw), (j0, j1, jw), (i0, i1, iw) = (
        _neighbours(at, size) for at, size in zip((k, j, i), hu.shape, strict=True)
    )
    result = torch.zeros((k.shape[0], k.shape[1], j.shape[1], i.shape[1]), device=hu.device)
    for ks, ksw in ((k0, 1 - kw), (k1, kw)):
        for js, jsw in ((j0, 1 - jw), (j1, jw)):
            for is_, isw in ((i0, 1 - iw), (i1, iw)):
                weight = ksw[:, :, None, None] * jsw[:, None, :, None] * isw[:, None, None, :]
                result += weight * hu[ks[:, :, None, None], js[:, None, :, None], is_[:, None, None, :]]
    return result


def _neighbours(at: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give the voxels below and above each position, and the share of the upper one."""
    inside = at.clamp(0, size - 1)
    below = inside.floor().clamp(max=max(size - 2, 0))
    index = below.long()
    return index, (index + 1).clamp(max=size - 1), inside - below


def _in_batches(network: FalsePositiveNetwork, crops: torch.Tensor) -> torch.Tensor:
    """Run the network in batches of which the size is halved when the device's memory does not suffice."""
    batch, done, logits = BATCH * len(CUTS), 0, [torch.zeros(0, device=crops.device)]
    while done < len(crops):
        try:
            logits.append(_run(network, crops[done : done + batch]))
            done += batch
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2
            torch.cuda.empty_cache()
    return torch.cat(logits)


def _run(network: FalsePositiveNetwork, crops: torch.Tensor) -> torch.Tensor:
    half = crops.device.type == "cuda"
    dense = crops.to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast(crops.device.type, torch.bfloat16, enabled=half):
        logits: torch.Tensor = network(dense)
    return logits.float()


def _member(width: int) -> nn.Sequential:
    """Stem at half resolution, three stages of two residual blocks, average, one logit."""
    blocks: list[nn.Module] = []
    for inputs, outputs in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
        blocks += [_Residual(inputs, outputs, 1 if inputs == outputs else 2), _Residual(outputs, outputs, 1)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * width, 1))
    return nn.Sequential(_convolved(1, width, 5, 2), nn.ReLU(), *blocks, *head)


def _convolved(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs))


def calibrated(logits: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn calibrated logits into probabilities 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(logits, dtype=np.float64), -50, 50))))
