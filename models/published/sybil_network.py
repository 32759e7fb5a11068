"""The network of Sybil: a 3D ResNet-18 and two ways of attending to slices, with the tensor names of its checkpoints.

References
----------
Mikhael 2023, doi:10.1200/JCO.22.01345; Tran 2018, doi:10.1109/CVPR.2018.00675 (r3d_18).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models.video import r3d_18

MEMBERS = 5  # networks in the ensemble
YEARS = 6
_CHANNELS = 512  # of the trunk's last layer
_KERNEL = 11  # slices that the second attention looks over at once
_EARLY = 2  # parts of the trunk that keep every slice: stem and first layer
_REACH = 5  # slices on each side that they look at: 3x3x3 convolutions, one in the stem and four in the layer
SLAB = 50  # slices that they take at once: the whole scan would need more memory than the rest of an analysis


class SybilNetwork(nn.Module):
    """One member of the ensemble.

    Input (N, 3, T, H, W): slices from feet to head, rows, columns. Output: (N, 6) logits of cancer within 1 to 6 years,
    and (N, T / 8, H / 16, W / 16) attention, which sums to 1 over each slice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = nn.Sequential(*list(r3d_18(weights=None).children())[:-2])  # without pooling and head
        self.pool = _Pooling()
        self.prob_of_failure_layer = _Hazards()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score a batch."""
        early, late = self.image_encoder[:_EARLY], self.image_encoder[_EARLY:]
        hidden, attention = self.pool(late(_in_slabs(early, x)))
        logits: Tensor = self.prob_of_failure_layer(torch.relu(hidden))
        return logits, attention


def _in_slabs(early: nn.Module, x: Tensor) -> Tensor:
    """Run layers that keep every slice (N, C, T, H, W) slab by slab, each with the neighbours that it looks at."""
    slices = x.shape[2]
    joined: Tensor | None = None
    for start in range(0, slices, SLAB):
        stop = min(start + SLAB, slices)
        low, high = max(0, start - _REACH), min(slices, stop + _REACH)
        part: Tensor = early(x[:, :, low:high])
        if joined is None:
            joined = _empty_like(part, slices)
        joined[:, :, start:stop] = part[:, :, start - low : stop - low]
    if joined is None:
        raise ValueError("a scan without slices")
    return joined


def _empty_like(part: Tensor, slices: int) -> Tensor:
    """Make room for more slices of the same features, in the same order of memory."""
    last = part.is_contiguous(memory_format=torch.channels_last_3d)
    order = torch.channels_last_3d if last else torch.contiguous_format
    shape = (*part.shape[:2], slices, *part.shape[3:])
    return torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=order)


class _Attention(nn.Module):
    """Weights places by a learned score: (N, C, P) to (N, C) and the weights (N, P)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_fc = nn.Linear(_CHANNELS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.softmax(self.attention_fc(x.transpose(1, 2)).squeeze(-1), dim=-1)
        return torch.einsum("ncp,np->nc", x, weights), weights


class _SliceAttention(nn.Module):
    """Mixes neighbouring slices, then attends: (N, C, T) to (N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(_CHANNELS, _CHANNELS, _KERNEL, padding=_KERNEL // 2, bias=False)
        self.aggregate = _Attention()

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.aggregate(self.conv1d(x))[0]
        return hidden


class _Pooling(nn.Module):
    """(N, C, T, H, W) features to (N, C) and the attention within slices (N, T, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.image_pool1 = _Attention()
        self.volume_pool1 = _Attention()
        self.volume_pool2 = _SliceAttention()
        self.multi_img_hidden_fc = nn.Linear(2 * _CHANNELS, _CHANNELS)  # in the checkpoints; no risk is read from it
        self.hidden_fc = nn.Linear(3 * _CHANNELS, _CHANNELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        batch, channels, slices, rows, columns = x.shape
        places = x.transpose(1, 2).reshape(batch * slices, channels, rows * columns)
        attended, attention = self.image_pool1(places)
        by_attention, _ = self.volume_pool1(attended.reshape(batch, slices, channels).transpose(1, 2))
        by_maximum = self.volume_pool2(x.amax(dim=(3, 4)))
        hidden = self.hidden_fc(torch.cat([by_attention, by_maximum, x.amax(dim=(2, 3, 4))], dim=1))
        return hidden, attention.reshape(batch, slices, rows, columns)


class _Hazards(nn.Module):
    """Hazards that can only add up: (N, C) to (N, 6) logits that never fall from year to year."""

    def __init__(self) -> None:
        super().__init__()
        self.hazard_fc = nn.Linear(_CHANNELS, YEARS)
        self.base_hazard_fc = nn.Linear(_CHANNELS, 1)
        until = torch.triu(torch.ones(YEARS, YEARS))  # year of the hazard, year that is asked for
        # The name is spelled as in the published files.
        self.upper_triagular_mask = nn.Parameter(until, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = torch.relu(self.hazard_fc(x)) @ self.upper_triagular_mask + self.base_hazard_fc(x)
        return logits


def member_layout() -> Mapping[str, tuple[int, ...]]:
    """Give the name and shape of every tensor of one member."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in SybilNetwork().state_dict().items()}


def sybil_layout() -> Mapping[str, tuple[int, ...]]:
    """Give the layout of the whole ensemble as it is installed: five members, and a calibrator for each year."""
    member = member_layout()
    networks = {f"{member_prefix(i)}{name}": shape for i in range(MEMBERS) for name, shape in member.items()}
    return {**networks, **{calibrator_name(year): (-1,) for year in range(1, YEARS + 1)}}


def member_prefix(index: int) -> str:
    """Give what stands before the tensor names of one member, 0 to 4."""
    return f"member{index}."


def calibrator_name(year: int) -> str:
    """Give the name of the packed calibrator for one year, 1 to 6."""
    return f"calibrator.year{year}"
