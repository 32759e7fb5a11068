"""The three terms of the loss, apart, so that the many negatives cannot drown the few positives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from training.proposals.targets import Targets

NEGATIVE_SHARE, POSITIVE_SHARE, BOX_SHARE = 0.5, 0.5, 1.0  # weights of the terms in the published system
HARDEST_PER_CROP = 16  # negatives of a crop, on average over the batch, that are learned from


class Terms(NamedTuple):
    """The terms of one batch, each a mean over what it is about; a term about nothing is 0."""

    negative: torch.Tensor
    positive: torch.Tensor
    box: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The weighted sum."""
        return NEGATIVE_SHARE * self.negative + POSITIVE_SHARE * self.positive + BOX_SHARE * self.box


def loss_terms(output: torch.Tensor, targets: Targets, focus: float) -> Terms:
    """Measure how wrong the network is.

    Parameters
    ----------
    output
        (N, 4, 5, k, j, i) of the network.
    targets
        Of the batch: each field with a leading N.
    focus
        Exponent of the re-weighting of misclassified samples by (1 - p of the truth) ** focus (focal loss,
        Lin 2017, arXiv:1708.02002); 0 weighs them alike.
    """
    logits = output[:, :, 0]
    negative = _hardest(logits[targets.negative], HARDEST_PER_CROP * len(output))
    chosen = targets.weight > 0
    weight = targets.weight[chosen]
    found = output[:, :, 1:].movedim(2, -1)[chosen]
    wanted = targets.boxes.movedim(2, -1)[chosen]
    box = functional.smooth_l1_loss(found, wanted, reduction="none", beta=0.1).mean(dim=1)
    return Terms(
        _focused(functional.softplus(negative), torch.ones_like(negative), focus),
        _focused(functional.softplus(-logits[chosen]), weight, focus),
        (box * weight).sum() / weight.sum().clamp(min=1e-6),
    )


def _hardest(logits: torch.Tensor, most: int) -> torch.Tensor:
    return logits.topk(min(most, len(logits))).values


def _focused(cross_entropy: torch.Tensor, weight: torch.Tensor, focus: float) -> torch.Tensor:
    """Mean of the cross entropies, weighted; with ``focus`` those far from the truth weigh more."""
    if focus > 0:
        wrong = 1 - torch.exp(-cross_entropy.detach())
        weight = weight * wrong**focus
    return (cross_entropy * weight).sum() / weight.sum().clamp(min=1e-6)
