"""Hard mining: what a level's model finds hard is what the next level sees most of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from models.candidate_network import STEP_MM
from models.proposals import marks_of
from training.proposals.crops import Floats, Places
from training.proposals.scan import WorkedScan

_MOST_NEGATIVES = 60  # false marks kept of one scan
_AROUND_MM = 3.0  # a mark so near to a nodule's surface is no false mark
_EASY_SHARE = 0.2  # how often a nodule that was found with certainty is still shown, over a missed one


def mined(scans: Sequence[WorkedScan], network: nn.Module, device: torch.device) -> list[Places]:
    """Choose the places of the next level.

    Nodules weigh by how little the network believed in them, false marks by how much it did.

    Parameters
    ----------
    network
        The level's best, in evaluation mode on ``device``.
    """
    return [hard_places(scan, marks_of(scan.scene(device), network).double().numpy()) for scan in scans]


def hard_places(scan: WorkedScan, marks: Floats) -> Places:
    """Choose the places of one scan from its marks.

    Parameters
    ----------
    marks
        (N, 5) by falling probability: probability, centre k, j, i in voxels of the scan, diameter in mm.
    """
    known = np.concatenate([scan.nodules, scan.excluded]).astype(np.float64)
    false = marks[(_apart_mm(known, marks) > known[:, 3:] / 2 + _AROUND_MM).all(axis=0)][:_MOST_NEGATIVES]
    nodules = scan.nodules.astype(np.float64)
    hit = _apart_mm(nodules, marks) < nodules[:, 3:] / 2
    believed = np.where(hit, marks[:, 0], 0.0).max(axis=1, initial=0.0)
    return Places(np.maximum(1 - believed, _EASY_SHARE), false[:, 1:4], false[:, 0])


def _apart_mm(places: Floats, marks: Floats) -> Floats:
    """(places, marks) distances of the centres."""
    return np.asarray(np.linalg.norm(places[:, None, :3] - marks[None, :, 1:4], axis=2) * STEP_MM)
