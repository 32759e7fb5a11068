"""Hierarchical hard mining: three levels, each trained on what the one before found hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from models.candidate_network import CHANNELS, DEEPEST_STRIDE, CandidateNetwork
from training.errors import TrainingError
from training.evaluation.froc import Froc, bootstrap
from training.loop import RunSettings, Trained, train
from training.proposals.crops import Places, first_places
from training.proposals.evaluate import froc_of
from training.proposals.mining import mined
from training.proposals.scan import WorkedScan
from training.proposals.task import LevelSettings, ProposalTask

LEVELS, CONTROL = 3, 0  # number of levels; number of the control, which is trained as long without mining
LEAST_SIDE = 32  # voxels; with less, the deepest layers have nothing to look at
PUBLISHED_GAIN = {2: 0.05, 3: 0.02}  # FROC gained by a level in the published system (Yiyuan, Tianchi 2017)
BOOTSTRAP_SEED = 2016


@dataclass(frozen=True)
class ProposalSettings:
    """Settings of a run of three levels.

    Parameters
    ----------
    epochs, learning_rates
        Of each level.
    crops
        In each epoch.
    sides
        Curriculum of the first level, in voxels; later levels keep to the last.
    focus
        Of the last level, see ``losses``.
    dropout
        Before the head.
    patience
        Epochs without a better CPM after which a level ends.
    workers
        Processes that cut crops.
    """

    epochs: tuple[int, int, int] = (12, 8, 8)
    learning_rates: tuple[float, float, float] = (2e-3, 1e-3, 5e-4)
    crops: int = 1000
    sides: tuple[int, ...] = (32, 64, 128)
    focus: float = 2.0
    dropout: float = 0.1
    patience: int = 10
    channels: tuple[int, int, int, int] = CHANNELS
    seed: int = 0
    workers: int = 0

    def level(self, number: int) -> LevelSettings:
        """Give the settings of one level."""
        if number == CONTROL:
            epochs = sum(self.epochs[1:])
            return LevelSettings(1, epochs, self.crops, self.sides[-1:], self.learning_rates[1], 0.0, self.seed)
        n = number - 1
        sides = self.sides if number == 1 else self.sides[-1:]
        focus = self.focus if number == LEVELS else 0.0
        return LevelSettings(number, self.epochs[n], self.crops, sides, self.learning_rates[n], focus, self.seed)


class ScanSets(NamedTuple):
    """Scans to train on, to choose the best epoch with, and to measure on; no patient is in two of them."""

    train: Sequence[WorkedScan]
    choose: Sequence[WorkedScan]
    held_out: Sequence[WorkedScan]


class LevelResult(NamedTuple):
    """One level: its best weights, the course of its training, and its figures on the held-out scans."""

    number: int
    trained: Trained
    froc: Froc

    def row(self) -> dict[str, Any]:
        """Give the figures for a table."""
        interval = bootstrap(self.froc, np.random.default_rng(BOOTSTRAP_SEED))
        return {
            "level": self.number,
            "cpm": self.froc.cpm,
            "cpm_low": interval.cpm_low,
            "cpm_high": interval.cpm_high,
            "sensitivity_8": float(self.froc.sensitivity_at(8.0)),
            "found": self.froc.true_positives,
            "nodules": self.froc.nodules,
            "false_marks_per_scan": self.froc.false_positives / len(self.froc.scans),
            "epochs": len(self.trained.history),
        }


def three_levels(
    sets: ScanSets, settings: ProposalSettings, identity: Mapping[str, Any], folder: Path, device: torch.device
) -> list[LevelResult]:
    """Train level after level; what was finished before a kill is not done again.

    Parameters
    ----------
    identity
        Fingerprint of the data; kept in the checkpoints with the settings.
    folder
        Gets ``level-1``, ``level-2`` and ``level-3``.

    Raises
    ------
    TrainingError
        A set is empty, a crop's side is not a multiple of 16, or the loss is not a number.
    """
    _check(sets, settings)
    torch.manual_seed(settings.seed)
    network = CandidateNetwork(settings.channels, settings.dropout).to(device)
    places: Sequence[Places] = [first_places(scan) for scan in sets.train]
    results = []
    for number in range(1, LEVELS + 1):
        trained = _one_level(network, sets, places, settings, {**identity, "level": number}, folder)
        network.load_state_dict(trained.weights)
        network.eval()
        results.append(LevelResult(number, trained, froc_of(sets.held_out, network, device)))
        if number < LEVELS:
            places = mined(sets.train, network, device)
    return results


def without_mining(
    first: LevelResult,
    sets: ScanSets,
    settings: ProposalSettings,
    identity: Mapping[str, Any],
    folder: Path,
    device: torch.device,
) -> LevelResult:
    """Train on from the first level for as long as the others are trained, without mining: what mining is held against.

    ``folder`` gets ``level-0``; the other parameters and errors are those of ``three_levels``.
    """
    network = CandidateNetwork(settings.channels, settings.dropout).to(device)
    network.load_state_dict(first.trained.weights)
    places = [first_places(scan) for scan in sets.train]
    trained = _one_level(network, sets, places, settings, {**identity, "level": CONTROL}, folder)
    network.load_state_dict(trained.weights)
    network.eval()
    return LevelResult(CONTROL, trained, froc_of(sets.held_out, network, device))


def _one_level(
    network: CandidateNetwork,
    sets: ScanSets,
    places: Sequence[Places],
    settings: ProposalSettings,
    identity: dict[str, Any],
    folder: Path,
) -> Trained:
    level = settings.level(identity["level"])
    task = ProposalTask(network, sets.train, places, sets.choose, level, settings.workers)
    run = RunSettings(level.epochs, settings.patience, settings.seed, "cpm", larger_is_better=True)
    told = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items() if k != "workers"}
    return train(task, run, {**identity, "settings": told}, folder / f"level-{identity['level']}")


def _check(sets: ScanSets, settings: ProposalSettings) -> None:
    for name, scans in sets._asdict().items():
        if not sum(len(scan.nodules) for scan in scans):
            raise TrainingError(f"no nodule in the scans for {name.replace('_', ' ')}: give more scans or annotations")
    if not settings.sides or any(side < LEAST_SIDE or side % DEEPEST_STRIDE for side in settings.sides):
        found = ", ".join(map(str, settings.sides)) or "none"
        raise TrainingError(f"sides of crops are multiples of {DEEPEST_STRIDE} from {LEAST_SIDE} voxels, found {found}")
