"""From trained members to the file that ships: joined, calibrated on validation, measured once on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.false_positives import CROP_PX, WINDOW_HU, FalsePositiveNetwork
from models.weights import Card, Figure, save_weights
from training.evaluation.report import figure_of
from training.evaluation.scores import Floats, Indices, Interval, auc_interval, calibration, interval
from training.false_positives.crops import Crops
from training.false_positives.matching import Bools, repeated
from training.false_positives.reporting import report
from training.false_positives.task import AVERAGE, logits_of
from training.logistic import fit_logistic

NAME, VERSION = "false-positives", "1"
_INPUT = (
    f"axial crops of {CROP_PX} x {CROP_PX} pixels of about 0.7 mm, {WINDOW_HU[0]:.0f} to {WINDOW_HU[1]:.0f} HU "
    "as 0 to 1, (N, 1, rows, columns)"
)
_DATA = "{count} LUNA16 candidate crops (the training split, without those of the scans that judge); patients unknown"
_TEST = "LUNA16 candidate crops, test split of {count} ({nodules} nodules), patients unknown"
_APART = "those {count} of them ({nodules} nodules) whose place no crop of the other splits shows"


@dataclass(frozen=True)
class Run:
    """The command that trained, and the course of each member."""

    source: str
    history: tuple[Mapping[str, float], ...] = ()


def joined(members: Sequence[Mapping[str, torch.Tensor]], width: int) -> FalsePositiveNetwork:
    """Put the averaged weights of several runs into one network, in evaluation mode."""
    network = FalsePositiveNetwork(len(members), width)
    for number, weights in enumerate(members):
        inner = {
            key.removeprefix(AVERAGE + "members.0."): tensor
            for key, tensor in weights.items()
            if key.startswith(AVERAGE)
        }
        network.members[number].load_state_dict(inner)
    return network.eval()


def ship(
    network: FalsePositiveNetwork,
    crops: Mapping[str, Crops],
    settings: Mapping[str, Any],
    run: Run,
    folder: Path,
) -> Card:
    """Calibrate, measure and write the weights as 16-bit floats with their card, and ``report.html``."""
    network.load_state_dict({k: _halved(t) for k, t in network.state_dict().items()})
    device = next(network.parameters()).device
    others = torch.cat([crops[name].images for name in ("train", "validation")]).numpy()
    apart = ~repeated(crops["test"].images.numpy(), others)
    slope, intercept = _platt(logits_of(network, crops["validation"], device), crops["validation"])
    logits = slope * logits_of(network, crops["test"], device).double().numpy() + intercept
    card = Card(
        name=NAME,
        version=VERSION,
        file=f"{NAME}.safetensors",
        sha256="",
        architecture="models.false_positives.FalsePositiveNetwork",
        input_contract=_INPUT,
        training_data=_DATA.format(count=len(crops["train"])),
        licence="crops MIT, from LUNA16 (CC BY 4.0)",
        source=run.source,
        settings={**settings, "slope": slope, "intercept": intercept},
        figures=_figures(logits, crops["test"], apart),
    )
    tensors = {k: t.half() if t.is_floating_point() else t for k, t in network.state_dict().items()}
    report(card, logits, crops["test"], run.history, folder / "report.html")
    return save_weights(tensors, card, folder)


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """Round to what the file holds, so that the figures are those of the file."""
    return tensor.half().float() if tensor.is_floating_point() else tensor


def _platt(logits: torch.Tensor, crops: Crops) -> tuple[float, float]:
    slope, intercept = fit_logistic(logits.double().numpy()[:, None], crops.labels.double().numpy())
    return float(slope[0]), intercept


def _figures(logits: Floats, crops: Crops, apart: Bools) -> tuple[Figure, ...]:
    """Measure with 95 % bootstrap intervals over the crops; once more where no other split shows the place."""
    rng = np.random.default_rng(0)
    labels = crops.labels.numpy().astype(np.int64)
    probabilities = 1 / (1 + np.exp(-logits))
    data = _TEST.format(count=len(labels), nodules=int(labels.sum()))

    def error(drawn: Indices) -> float:
        return calibration(labels[drawn], probabilities[drawn]).error

    measured: dict[str, Interval] = {
        "AUC": auc_interval(labels, logits, rng),
        "expected calibration error, 10 bins": interval(error, np.arange(len(labels)), rng, resamples=500),
    }
    everywhere = tuple(figure_of(name, found, data) for name, found in measured.items())
    if len(set(labels[apart].tolist())) < 2:
        return everywhere
    alone = _APART.format(count=int(apart.sum()), nodules=int(labels[apart].sum()))
    return (*everywhere, figure_of("AUC, places apart", auc_interval(labels[apart], logits[apart], rng), alone))
