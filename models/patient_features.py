"""Penultimate features of pictures, averaged over a patient: the vector that system 000 gives to LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from models.published.imagenet import load_imagenet, penultimate
from models.slice_triplets import network_input
from models.weights import CardPath, WeightsError, read_card

BATCH = 60  # pictures at once, as published
FEATURES = MappingProxyType({"resnet152": 2048, "resnet18": 512})  # by network


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network without its last layer, ready on a device.

    Parameters
    ----------
    name
        A key of ``FEATURES``.
    origin
        Where its weights come from, in words: random ones are said to be random.
    sha256
        Of the weight file; empty for random weights.
    """

    name: str
    origin: str
    sha256: str
    network: torch.nn.Module
    device: torch.device

    @classmethod
    def ready(cls, name: str, card_path: CardPath | None, device: torch.device, seed: int = 0) -> FeatureNetwork:
        """Load imported or trained weights, or take random ones of a seed where there is no card.

        Raises
        ------
        WeightsError
            There is no such network, or its weights are missing, damaged or another network's.
        """
        if name not in FEATURES:
            raise WeightsError(f"{name}: no such feature network; there are {', '.join(FEATURES)}")
        network = penultimate(load_imagenet(name, card_path, seed)).to(device=device).eval()
        network = network.to(memory_format=torch.channels_last)
        if card_path is None:
            return cls(name, f"random weights of seed {seed}", "", network, device)
        card = read_card(card_path)
        return cls(name, f"{card.name} {card.version} ({card.training_data})", card.sha256, network, device)

    @torch.inference_mode()
    def features(self, triplets: torch.Tensor) -> npt.NDArray[np.float32]:
        """Give the features (G, F) of pictures (G, 3, 224, 224) uint8; bfloat16 inside on a CUDA device."""
        parts = []
        for part in torch.split(triplets, BATCH):
            dense = network_input(part.to(self.device, non_blocking=True)).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                parts.append(self.network(dense).float().cpu())
        return np.asarray(torch.cat(parts).numpy())


def patient_vector(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Average features (G, F) over the pictures of a patient: (F,)."""
    return np.asarray(features.astype(np.float64).mean(axis=0))
