"""What the network should have said: anchors matched with nodules."""

from __future__ import annotations

from typing import NamedTuple

import torch

from models.candidate_network import ANCHORS_MM, STEP_MM, STRIDE
from models.proposals import place_centers

_NEAR_MM = 3.6  # the farthest that a point can lie from the nearest of places 4 mm apart is 3.5 mm
_NEAR_SHARE = 0.2  # of the diameter: large nodules are answered at more places
_OCTAVES = 0.6  # an anchor answers for nodules so much larger or smaller, in powers of two
_AROUND_MM = 4.0  # places this near to a nodule's surface are neither right nor wrong


class Targets(NamedTuple):
    """Targets of one crop.

    Attributes
    ----------
    weight
        (4, k, j, i): positives carry 1 / (their number for the nodule), the rest 0.
    negative
        (4, k, j, i) bool.
    boxes
        (4, 4, k, j, i): per anchor offsets k, j, i over the anchor and the log of the diameter over it.
    """

    weight: torch.Tensor
    negative: torch.Tensor
    boxes: torch.Tensor


def targets_of(nodules: torch.Tensor, side: int) -> Targets:
    """Match the anchors of a cubic crop with its nodules.

    Parameters
    ----------
    nodules
        (N, 4): centre k, j, i in voxels of the crop, diameter in mm; centres may lie outside.
    side
        Of the crop, voxels.
    """
    count = side // STRIDE
    places = place_centers((count, count, count), nodules.device)
    anchors = torch.tensor(ANCHORS_MM)
    weight = torch.zeros((len(anchors), count, count, count))
    boxes = torch.zeros((len(anchors), 4, count, count, count))
    ignored = torch.zeros((count, count, count), dtype=torch.bool)
    for nodule in nodules[torch.argsort(nodules[:, 3], descending=True)]:  # small ones last: they win shared places
        away = (nodule[:3].reshape(3, 1, 1, 1) - places) * STEP_MM
        distance, diameter = away.norm(dim=0), nodule[3]
        ignored |= distance < diameter / 2 + _AROUND_MM
        if not bool(((nodule[:3] > -0.5) & (nodule[:3] < side - 0.5)).all()):
            continue
        near = distance <= max(_NEAR_MM, _NEAR_SHARE * float(diameter))
        for a in _answering(float(diameter)):
            weight[a][near] = 1.0
            boxes[a, :3, near] = away[:, near] / anchors[a]
            boxes[a, 3, near] = torch.log(diameter / anchors[a])
        share = sum(int(near.sum()) for _ in _answering(float(diameter)))
        for a in _answering(float(diameter)):
            weight[a][near] = 1.0 / share
    negative = ~ignored.expand_as(weight)
    return Targets(weight, negative, boxes)


def _answering(diameter_mm: float) -> list[int]:
    """Indices of the anchors near a diameter: the nearest, and another that is as good as near."""
    octaves = (torch.tensor(ANCHORS_MM) / diameter_mm).log2().abs()
    return [a for a in range(len(ANCHORS_MM)) if octaves[a] <= _OCTAVES or a == int(octaves.argmin())]
