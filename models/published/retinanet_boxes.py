"""From the maps of the RetinaNet to boxes: anchors, scores, decoding, suppression.

Anchors stand at index times stride, without half a cell of offset: so they stood when the published weights were
trained. MONAI moved them by half a stride later (pull request 8475, "breaking change"); with that offset the published
weights would put every box half a stride (1 to 8 voxels per axis) away.
"""

from __future__ import annotations

import torch

from models.boxes import clipped, decoded, nms
from models.published.retinanet_network import ANCHORS_PER_PLACE, STRIDES

# Voxels of 0.703125 x 0.703125 x 1.25 mm; twice and four times as large on the second and third level.
BASE_ANCHORS = ((6.0, 8.0, 4.0), (8.0, 6.0, 5.0), (10.0, 10.0, 6.0))
LEAST_SCORE = 0.02  # inference configuration of the published bundle, as are the three below
TOP_PER_LEVEL = 1000
OVERLAP = 0.22
MOST_MARKS = 300
LEAST_SIDE = 1.0  # voxels; what is thinner after the cut to the image is dropped

Maps = list[tuple[torch.Tensor, torch.Tensor]]


def anchors_at(level: int, shape: tuple[int, int, int], flat: torch.Tensor) -> torch.Tensor:
    """Give the anchors of one level.

    Parameters
    ----------
    level
        0, 1 or 2.
    shape
        Cells (x, y, z) of the level's map.
    flat
        (N,) int64 positions in the order (x, y, z, anchor).

    Returns
    -------
    (N, 6) float32 corners in voxels of the network's input, on the device of ``flat``.
    """
    sizes = torch.tensor(BASE_ANCHORS, device=flat.device) * 2**level
    half = (sizes / 2).round()
    place, kind = flat // ANCHORS_PER_PLACE, flat % ANCHORS_PER_PLACE
    index = torch.stack(torch.unravel_index(place, shape), dim=1)
    center = index * torch.tensor(STRIDES[level], device=flat.device)
    return torch.cat([center - half[kind], center + half[kind]], dim=1)


def marks_of(maps: Maps, size: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn the maps of one image into boxes.

    Per level: sigmoid above ``LEAST_SCORE``, the best ``TOP_PER_LEVEL``, decoded and cut to the image. Then suppressed
    over all levels.

    Parameters
    ----------
    maps
        Per level logits (3, x, y, z) and deltas (18, x, y, z).
    size
        Voxels (X, Y, Z) of the image before it was padded.

    Returns
    -------
    (N, 6) corners in voxels and (N,) scores, by falling score, at most ``MOST_MARKS``.
    """
    levels = [_of_level(level, *pair, size) for level, pair in enumerate(maps)]
    boxes = torch.cat([boxes for boxes, _ in levels])
    scores = torch.cat([scores for _, scores in levels])
    keep = nms(boxes, scores, OVERLAP, MOST_MARKS)
    return boxes[keep], scores[keep]


def _of_level(
    level: int, logits: torch.Tensor, deltas: torch.Tensor, size: tuple[int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    x, y, z = logits.shape[1:]
    scores = logits.permute(1, 2, 3, 0).reshape(-1).float().sigmoid()
    flat = torch.nonzero(scores > LEAST_SCORE)[:, 0]
    best, order = scores[flat].topk(min(TOP_PER_LEVEL, len(flat)))
    flat = flat[order]
    per_anchor = deltas.reshape(ANCHORS_PER_PLACE, 6, -1).permute(2, 0, 1).reshape(-1, 6)[flat].float()
    boxes = clipped(decoded(per_anchor, anchors_at(level, (x, y, z), flat)), size)
    thick = (boxes[:, 3:] - boxes[:, :3] >= LEAST_SIDE).all(dim=1)
    return boxes[thick], best[thick]
