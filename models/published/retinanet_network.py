"""The network of MONAI's lung_nodule_ct_detection: a 3D ResNet-50 cut after its second layer, a pyramid, two heads.

Names and shapes of its 190 tensors (20,912,877 numbers) are those of the published state_dict, so that it drops in
unchanged. Source: MONAI model zoo, lung_nodule_ct_detection 0.6 (Apache-2.0); Lin 2017, doi:10.1109/ICCV.2017.324.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

ANCHORS_PER_PLACE = 3
STRIDES = ((4, 4, 2), (8, 8, 4), (16, 16, 8))  # voxels of the input per cell of each level, axes x, y, z
_CHANNELS = 256
_GROUPS = 8
_EXPANSION = 4


class RetinaNet(nn.Module):
    """Scores and box deltas for every anchor of three levels.

    ``forward`` takes (B, 1, X, Y, Z) grey values 0 to 1, the sides divisible by 16, 16 and 8, and gives one pair per
    level: logits (B, 3, x, y, z) and deltas (B, 18, x, y, z), six after six for the three anchors; x = X / 4, 8, 16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = _Features()
        self.classification_head = _ClassificationHead()
        self.regression_head = _RegressionHead()

    def forward(self, image: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """See the class."""
        levels = self.feature_extractor(image)
        return [(self.classification_head(level), self.regression_head(level)) for level in levels]


def layout() -> dict[str, tuple[int, ...]]:
    """Give name and shape of every tensor of the published file, from the network itself, without memory."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in RetinaNet().state_dict().items()}


class _Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = _Body()
        self.fpn = _Pyramid()

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        levels: list[torch.Tensor] = self.fpn(*self.body(image))
        return levels


class _Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(1, 64, kernel_size=7, stride=(2, 2, 1), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _layer(inputs=64, width=64, blocks=3, stride=1)
        self.layer2 = _layer(inputs=256, width=128, blocks=4, stride=2)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        stem = self.maxpool(functional.relu(self.bn1(self.conv1(image)), inplace=True))
        first = self.layer1(stem)
        return first, self.layer2(first)


def _layer(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(inputs, width, stride, widened=True)
    return nn.Sequential(first, *(_Bottleneck(width * _EXPANSION, width, 1) for _ in range(blocks - 1)))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, widened: bool = False) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1 = nn.Conv3d(inputs, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, outputs, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        if widened:  # the only convolution of the body with a bias
            shortcut = nn.Conv3d(inputs, outputs, kernel_size=1, stride=stride)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(outputs))
        else:
            self.downsample = nn.Sequential()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return functional.relu(out, inplace=True)


class _Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList([nn.Conv3d(n, _CHANNELS, kernel_size=1) for n in (256, 512)])
        self.layer_blocks = nn.ModuleList([nn.Conv3d(_CHANNELS, _CHANNELS, kernel_size=3, padding=1) for _ in range(2)])

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        coarse = self.inner_blocks[1](second)
        lateral = self.inner_blocks[0](first)
        fine = lateral + functional.interpolate(coarse, size=lateral.shape[2:], mode="nearest")
        levels = [self.layer_blocks[0](fine), self.layer_blocks[1](coarse)]
        return [*levels, functional.max_pool3d(levels[1], kernel_size=1, stride=2)]


def _tower() -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(4):
        parts.append(nn.Conv3d(_CHANNELS, _CHANNELS, kernel_size=3, padding=1))
        parts += [nn.GroupNorm(_GROUPS, _CHANNELS), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


class _ClassificationHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = _tower()
        self.cls_logits = nn.Conv3d(_CHANNELS, ANCHORS_PER_PLACE, kernel_size=3, padding=1)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.cls_logits(self.conv(level))
        return logits


class _RegressionHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = _tower()
        self.bbox_reg = nn.Conv3d(_CHANNELS, ANCHORS_PER_PLACE * 6, kernel_size=3, padding=1)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        deltas: torch.Tensor = self.bbox_reg(self.conv(level))
        return deltas
