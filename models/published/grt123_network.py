"""The two networks of grt123 (Data Science Bowl 2017, first place): nodule detector and case classifier.

Names and shapes are those of the published checkpoints, so that their ``state_dict`` drops in unchanged: 5,383,623
trainable numbers in the detector, and no counters of batch normalisation (the files are older than those). The
checkpoints were pickled by Python 2: ``{"state_dict": ...}``, to be read with encoding latin1. Source: Liao 2019,
doi:10.1109/TNNLS.2019.2892409; lfz/DSB2017 (MIT).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

ANCHORS_MM = (10.0, 30.0, 60.0)
STRIDE = 4  # voxels of the input per cell of the output
COARSEST = 16  # the sides of what the network is given are multiples of it
_NUMBERS = 5  # per anchor: logit, shift along z, y, x in anchors, log of the growth
_FEATURES = 128
_BASELINE = -30.0  # logit of cancer that no proposal explains, before training
_EPSILON = 1e-5  # of batch normalisation, torch's default since the time of the checkpoints


class NoduleNet(nn.Module):
    """The detector: a residual U-Net with the place in the lungs as a second input.

    ``forward`` takes (B, 1, D, H, W), sides divisible by 16, and the place (B, 3, D/4, H/4, W/4); it gives the features
    (B, 128, D/4, H/4, W/4) and the output (B, D/4, H/4, W/4, 3, 5): per anchor logit, shifts along z, y, x, log growth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.preBlock = nn.Sequential(*_convolved(1, 24), *_convolved(24, 24))
        self.forw1 = _residuals(24, 32, 2)
        self.forw2 = _residuals(32, 64, 2)
        self.forw3 = _residuals(64, 64, 3)
        self.forw4 = _residuals(64, 64, 3)
        self.path1 = _doubled(64)
        self.path2 = _doubled(64)
        self.back3 = _residuals(128, 64, 3)
        self.back2 = _residuals(64 + 64 + 3, _FEATURES, 3)
        wide = nn.Conv3d(_FEATURES, 64, kernel_size=1)
        self.output = nn.Sequential(wide, nn.ReLU(), nn.Conv3d(64, _NUMBERS * len(ANCHORS_MM), kernel_size=1))

    def forward(self, image: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        half = self.forw1(functional.max_pool3d(self.preBlock(image), 2))
        quarter = self.forw2(functional.max_pool3d(half, 2))
        eighth = self.forw3(functional.max_pool3d(quarter, 2))
        lowest = self.forw4(functional.max_pool3d(eighth, 2))
        merged = self.back3(torch.cat([self.path1(lowest), eighth], dim=1))
        features = self.back2(torch.cat([self.path2(merged), quarter, place], dim=1))
        return features, self.output(features).permute(0, 2, 3, 4, 1).unflatten(4, (len(ANCHORS_MM), _NUMBERS))


class CaseNet(nn.Module):
    """The classifier: how likely each proposal is cancer, joined to a probability for the patient.

    ``forward`` takes the crops (K, 1, 96, 96, 96) of K proposals and their places (K, 3, 24, 24, 24); it gives the
    probability of each, (K,). ``baseline`` is the logit of cancer that none of them explains.
    """

    def __init__(self) -> None:
        super().__init__()
        self.NoduleNet = NoduleNet()
        self.fc1 = nn.Linear(_FEATURES, 64)
        self.fc2 = nn.Linear(64, 1)
        self.baseline = nn.Parameter(torch.tensor([_BASELINE]))

    def forward(self, crops: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """See the class."""
        features, _ = self.NoduleNet(crops, places)
        low = [n // 2 - 1 for n in features.shape[2:]]
        middle = features[:, :, low[0] : low[0] + 2, low[1] : low[1] + 2, low[2] : low[2] + 2].amax(dim=(2, 3, 4))
        logits: torch.Tensor = self.fc2(functional.relu(self.fc1(middle)))
        return logits[:, 0].sigmoid()

    def joined(self, probabilities: torch.Tensor) -> float:
        """Join the probabilities (K,) of all proposals: leaky noisy-or, 1 - (1 - P_baseline) * prod(1 - P_i)."""
        return float(1 - (1 - self.baseline.detach().sigmoid()[0]) * (1 - probabilities.detach()).prod())


def detector_layout() -> dict[str, tuple[int, ...]]:
    """Give name and shape of every tensor in the ``state_dict`` of detector.ckpt, without memory."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in NoduleNet().state_dict().items()}


def classifier_layout() -> dict[str, tuple[int, ...]]:
    """Give name and shape of every tensor in the ``state_dict`` of classifier.ckpt, without memory."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in CaseNet().state_dict().items()}


class _Norm(nn.Module):
    """Batch normalisation for inference: running statistics, and no counter in the state."""

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=_EPSILON)


class _PostRes(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, kernel_size=3, padding=1)
        self.bn1 = _Norm(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, kernel_size=3, padding=1)
        self.bn2 = _Norm(outputs)
        if inputs == outputs:
            self.shortcut = nn.Sequential()
        else:
            self.shortcut = nn.Sequential(nn.Conv3d(inputs, outputs, kernel_size=1), _Norm(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return functional.relu(out, inplace=True)


def _convolved(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv3d(inputs, outputs, kernel_size=3, padding=1), _Norm(outputs), nn.ReLU(inplace=True)


def _residuals(inputs: int, outputs: int, count: int) -> nn.Sequential:
    return nn.Sequential(_PostRes(inputs, outputs), *(_PostRes(outputs, outputs) for _ in range(count - 1)))


def _doubled(channels: int) -> nn.Sequential:
    up = nn.ConvTranspose3d(channels, channels, kernel_size=2, stride=2)
    return nn.Sequential(up, _Norm(channels), nn.ReLU(inplace=True))
