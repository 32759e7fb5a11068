"""The candidate network measured on whole scans, as LUNA16 does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.candidate_network import STEP_MM
from models.proposals import marks_of
from training.evaluation.froc import Annotation, Froc, Mark, froc
from training.proposals.scan import WorkedScan


def froc_of(scans: Sequence[WorkedScan], network: nn.Module, device: torch.device) -> Froc:
    """Mark every scan and score the marks; the network is in evaluation mode on ``device``.

    Raises
    ------
    TrainingError
        There is no scan, or no nodule in any.
    """
    marks = [mark for scan in scans for mark in _marks(scan, network, device)]
    included = [place for scan in scans for place in _annotations(scan.name, scan.nodules)]
    excluded = [place for scan in scans for place in _annotations(scan.name, scan.excluded)]
    return froc(included, excluded, marks, [scan.name for scan in scans])


def _marks(scan: WorkedScan, network: nn.Module, device: torch.device) -> list[Mark]:
    return [
        Mark(scan.name, (k * STEP_MM, j * STEP_MM, i * STEP_MM), probability)
        for probability, k, j, i, _ in marks_of(scan.scene(device), network).tolist()
    ]


def _annotations(series: str, places: npt.NDArray[np.float32]) -> list[Annotation]:
    """Places of a scan in millimetres along its own axes, the frame of its marks."""
    return [Annotation(series, (k * STEP_MM, j * STEP_MM, i * STEP_MM), d) for k, j, i, d in places.tolist()]
