"""The networks: some for every pair of folds, trained on neither, so that every score is given by a stranger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.malignancy_network import SCORES, MalignancyNetwork, scores_of
from training.loop import RunSettings, Trained, train
from training.malignancy.task import Hyperparameters, MalignancyTask, Targets
from training.malignancy.triplets import Triplets, folds_of

Pair = tuple[int, int]
Weights = Mapping[str, torch.Tensor]
Floats = npt.NDArray[np.float64]
_PARTS_TO_VALIDATE = 10  # one part of this many of the training patients says when to stop
_SEEDS_APART = 1000  # networks of neighbouring seeds do not share theirs


@dataclass(frozen=True)
class Plan:
    """How the networks are trained: ``folds`` of patients, ``repeats`` networks for each pair of folds."""

    run: RunSettings
    chosen: Hyperparameters
    folds: int
    device: torch.device
    repeats: int = 1


def train_networks(triplets: Triplets, plan: Plan, fingerprint: str, out: Path) -> dict[Pair, tuple[Trained, ...]]:
    """Train the networks of every pair of folds, in folders of their own; finished ones are not trained again.

    Raises
    ------
    TrainingError
        A folder holds another run, or a loss is not a number.
    """
    targets = Targets(triplets)
    folds = folds_of(triplets.patients, plan.folds, plan.run.seed)
    pairs = tuple(combinations(range(plan.folds), 2))
    trained: dict[Pair, tuple[Trained, ...]] = dict.fromkeys(pairs, ())
    for number, (repeat, pair) in enumerate(product(range(plan.repeats), pairs)):
        run = replace(plan.run, seed=plan.run.seed * _SEEDS_APART + number)
        split = _split(triplets, np.flatnonzero(~np.isin(folds, pair)), run.seed)
        torch.manual_seed(run.seed)
        task = MalignancyTask(targets, split, plan.chosen, run.epochs, plan.device)
        identity = {"data": fingerprint, "chosen": asdict(plan.chosen), "folds": plan.folds, "without": list(pair)}
        folder = out / f"without-{pair[0]}-{pair[1]}-repeat-{repeat}"
        trained[pair] += (train(task, run, identity, folder),)
    return trained


def weights_of(networks: Sequence[Trained]) -> list[Weights]:
    """Give the weights of trained networks."""
    return [network.weights for network in networks]


def joined(trained: Sequence[Weights], width: int) -> MalignancyNetwork:
    """Put networks of one member each into one network, in evaluation mode, with weights as 16-bit floats hold them."""
    network = MalignancyNetwork(len(trained), width)
    for member, weights in zip(network.members, trained, strict=True):
        member.load_state_dict({name.removeprefix("members.0."): tensor for name, tensor in weights.items()})
    network.load_state_dict({name: _rounded(tensor) for name, tensor in network.state_dict().items()})
    return network.eval()


def strangers_scores(
    networks: Mapping[Pair, MalignancyNetwork], triplets: Triplets, folds: npt.NDArray[np.int64]
) -> dict[Pair, Floats]:
    """Score with each pair's networks the nodules that they did not see: (N, 3) for each pair, NaN elsewhere."""
    scores = {}
    for pair, network in networks.items():
        unseen = np.flatnonzero(np.isin(folds, pair))
        scores[pair] = np.full((len(triplets), len(SCORES)), np.nan)
        scores[pair][unseen] = scores_of(network, [triplets.cases[n] for n in unseen]).double().numpy()
    return scores


def without(scores: Mapping[Pair, Floats], folds: npt.NDArray[np.int64], also: int | None = None) -> Floats:
    """Give each nodule the mean score (N, 3) of the networks that saw neither its fold nor the fold ``also``.

    Nodules of the fold ``also`` itself get the mean of all networks that did not see it.
    """
    result = np.zeros_like(next(iter(scores.values())))
    for fold in np.unique(folds):
        unseen = {int(fold)} if also is None else {int(fold), also}
        strangers = [values for pair, values in scores.items() if unseen <= set(pair)]
        result[folds == fold] = np.mean(strangers, axis=0)[folds == fold]
    return result


def _split(
    triplets: Triplets, chosen: npt.NDArray[np.intp], seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Keep the patients of one part in ten for validation."""
    part = folds_of(triplets.patients[chosen], _PARTS_TO_VALIDATE, seed)
    return chosen[part != 0], chosen[part == 0]


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().float() if tensor.is_floating_point() else tensor
