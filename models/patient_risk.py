"""Cancer risk of a whole patient, by system 000: features of slice triplets, averaged, weighed by LightGBM.

No such model comes with the product: it needs patients with a known outcome. One that a user has trained is run from
its card. Demonstration and research, not for diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
import numpy.typing as npt
import torch

from models.boosters import load_booster, refuse_other_features
from models.findings import ModelIdentity, PatientRisk
from models.patient_features import FEATURES, FeatureNetwork, patient_vector
from models.slice_triplets import triplets_of
from models.volume import Volume
from models.weights import Card, CardPath, WeightsError, identity_of

SURE = 1e-4  # no probability is nearer to 0 or 1: a wrong certainty would cost an infinite log-loss


@dataclass(frozen=True, eq=False)
class PatientRiskModel:
    """A feature network and LightGBM, ready on a device.

    Parameters
    ----------
    meaning
        What the number is a probability of: the outcome that the user's labels held.
    """

    network: FeatureNetwork
    booster: lightgbm.Booster
    meaning: str
    identity: ModelIdentity

    @classmethod
    def from_card(cls, card_path: CardPath, device: torch.device) -> PatientRiskModel:
        """Load a card that ``python -m training patients`` wrote, and the network beside it that it names.

        Raises
        ------
        WeightsError
            A file is missing or damaged, or the network is not the one that it was trained with.
        """
        card, booster = load_booster(card_path)
        name, weights, sha256, seed, meaning = _settings(card)
        network_card = None if weights is None else card_path.with_name(weights)
        network = FeatureNetwork.ready(name, network_card, device, seed)
        if network.sha256 != sha256:
            raise WeightsError(f"{card_path}: trained on other network weights; install both files together")
        refuse_other_features(booster, feature_names(FEATURES[name]), card)
        return cls(network, booster, meaning, identity_of(card))

    def score(self, volume: Volume) -> PatientRisk:
        """Give the probability for a whole scan; it has no horizon in years, so ``by_year`` is one value.

        Raises
        ------
        ValueError
            The volume has fewer than three slices.
        """
        vector = patient_vector(self.network.features(triplets_of(volume)))
        return PatientRisk((float(probabilities(self.booster, vector[None])[0]),), self.identity.name, self.meaning)


def feature_names(count: int) -> tuple[str, ...]:
    """Give the names of the features as LightGBM knows them."""
    return tuple(f"feature_{number}" for number in range(count))


def probabilities(booster: lightgbm.Booster, vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the clipped predictions (N,) for patient vectors (N, F)."""
    return np.asarray(np.clip(booster.predict(vectors, num_threads=1), SURE, 1 - SURE), dtype=np.float64)


def _settings(card: Card) -> tuple[str, str | None, str, int, str]:
    """Give network, its card, its checksum, the seed of random weights, and what the number means."""
    try:
        s = card.settings
        return str(s["network"]), s["weights"], str(s["weights_sha256"]), int(s["seed"]), str(s["meaning"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{card.name}: not the card of a patient-level model ({error}); train it again") from None
