"""How suspicious a nodule looks: networks on three slices, LightGBM and a kernel on plain measurements.

Trained on the opinion of radiologists (LIDC-IDRI), not on pathology. Demonstration and research, not for diagnosis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import lightgbm
import numpy as np
import torch

from models.boosters import load_booster, raw_score, refuse_other_features
from models.findings import Malignancy, ModelIdentity, NoduleMeasurement
from models.malignancy_features import feature_names, features_of
from models.malignancy_input import Triplet, triplet_of
from models.malignancy_kernel import KernelScorer
from models.malignancy_network import SCORES, MalignancyNetwork, scores_of
from models.volume import Volume
from models.weights import Card, CardPath, WeightsError, fill, identity_of, load_tensors

KERNEL_TENSORS = ("kernel.quantiles", "kernel.rows", "kernel.weights")  # beside the networks in their file
MEANING = "rated suspicious by radiologists (LIDC-IDRI readers, 4-5 against 1-2), not pathology"


@dataclass(frozen=True)
class Stacking:
    """Calibrated logit: the weighted sum of LightGBM's, the networks' and the kernel's score."""

    booster: float
    network: float
    kernel: float
    intercept: float

    def probability(self, booster: float, network: float, kernel: float) -> float:
        """Give a probability, 0 to 1."""
        logit = self.booster * booster + self.network * network + self.kernel * kernel + self.intercept
        return 1 / (1 + math.exp(-min(max(logit, -500.0), 500.0)))


@dataclass(frozen=True, eq=False)
class MalignancyModel:
    """Networks and LightGBM, ready on a device.

    Parameters
    ----------
    network
        In evaluation mode on its device.
    booster, kernel
        Trained on the measurements.
    identity
        Of the LightGBM file, whose card names the networks' checksum.
    """

    network: MalignancyNetwork
    booster: lightgbm.Booster
    kernel: KernelScorer
    stacking: Stacking
    identity: ModelIdentity

    @classmethod
    def from_card(cls, card_path: CardPath, device: torch.device) -> MalignancyModel:
        """Load the LightGBM model of a card and the networks that it was trained with, from the same folder.

        Raises
        ------
        WeightsError
            A file is missing, damaged, of another layout, or of another training run.
        """
        card, booster = load_booster(card_path)
        refuse_other_features(booster, feature_names(), card)
        settings = _settings(card)
        networks_card, tensors = load_tensors(card_path.with_name(settings.networks))
        if networks_card.sha256 != settings.networks_sha256:
            raise WeightsError(f"{card_path}: its networks are of another training run; install both files together")
        network = MalignancyNetwork(settings.members, settings.width)
        kernel = _kernel({name: tensors.pop(name) for name in KERNEL_TENSORS if name in tensors}, networks_card)
        fill(network, {name: _widened(tensor) for name, tensor in tensors.items()}, networks_card.name)
        return cls(network.to(device).eval(), booster, kernel, settings.stacking, identity_of(card))

    def score(self, volume: Volume, measurement: NoduleMeasurement) -> Malignancy:
        """Tell how probably radiologists would rate a measured nodule as suspicious."""
        return self.score_triplet(triplet_of(volume, measurement))

    def score_triplet(self, triplet: Triplet) -> Malignancy:
        """Score what the model looks at."""
        scores = dict(zip(SCORES, scores_of(self.network, (triplet,))[0].tolist(), strict=True))
        measured = features_of(triplet)
        smooth = float(self.kernel.scores(np.array([list(measured.values())]))[0])
        probability = self.stacking.probability(raw_score(self.booster, measured), scores[SCORES[0]], smooth)
        return Malignancy(probability, self.identity.name, MEANING)


@dataclass(frozen=True)
class _Settings:
    networks: str
    networks_sha256: str
    members: int
    width: int
    stacking: Stacking


def _settings(card: Card) -> _Settings:
    try:
        values = {**card.settings, "stacking": Stacking(**card.settings["stacking"])}
        return _Settings(**values)
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{card.name}: not the card of a malignancy model ({error}); install it again") from None


def _kernel(tensors: dict[str, torch.Tensor], card: Card) -> KernelScorer:
    missing = [name for name in KERNEL_TENSORS if name not in tensors]
    if missing:
        raise WeightsError(f"{card.name}: wrong layout: {missing[0]} is missing; install it again")
    return KernelScorer(*(tensors[name].double().numpy() for name in KERNEL_TENSORS))


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    """Files hold 16-bit floats; the processor computes in 32."""
    return tensor.float() if tensor.is_floating_point() else tensor
