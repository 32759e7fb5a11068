"""From grt123's map to marks: anchors of 10, 30 and 60 mm on every fourth voxel, decoding, suppression."""

from __future__ import annotations

import torch

from models.boxes import cubes, nms
from models.published.grt123_network import ANCHORS_MM, STRIDE

LEAST_LOGIT = -3.0  # lfz/DSB2017, test_detect
OVERLAP = 0.05  # IoU of the cubes; lfz/DSB2017, classifier configuration
# Neither number is of the original, which has no limit; they bound the work where a network marks everything.
MOST_BEFORE, MOST_AFTER = 5000, 300


def decoded(output: torch.Tensor) -> torch.Tensor:
    """Decode the places whose logit is above ``LEAST_LOGIT``.

    Parameters
    ----------
    output
        (z, y, x, 3, 5): per cell and anchor logit, shift along z, y, x in anchors, log of the growth.

    Returns
    -------
    (N, 5): logit, centre z, y, x in voxels of the image, diameter in mm; by falling logit.
    """
    places = torch.nonzero(output[..., 0] > LEAST_LOGIT)
    numbers = output[tuple(places.T)]
    anchors = torch.tensor(ANCHORS_MM, dtype=output.dtype, device=output.device)[places[:, 3]]
    centers = places[:, :3] * STRIDE + (STRIDE - 1) / 2 + numbers[:, 1:4] * anchors[:, None]
    marks = torch.cat([numbers[:, :1], centers, (numbers[:, 4].exp() * anchors)[:, None]], dim=1)
    return marks[torch.argsort(marks[:, 0], descending=True, stable=True)]


def suppressed(marks: torch.Tensor) -> torch.Tensor:
    """Keep of marks (N, 5) that overlap the one with the highest logit."""
    best = marks[:MOST_BEFORE]
    return best[nms(cubes(best[:, 1:4], best[:, 4]), best[:, 0], OVERLAP, MOST_AFTER)]
