"""The trained patient-level scorer as a file that the node can run: LightGBM as text, its card, and its network."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lightgbm

from models.slice_triplets import SIDE_PX, WINDOW_HU
from models.weights import Card, Figure, place_weights, verified
from training.errors import TrainingError

NAME, VERSION = "patient-risk", "1"
MEANING = "cancer, as the labels that this model was trained on have it"


@dataclass(frozen=True)
class Origin:
    """The network that made the features: name, origin in words, sha256 of its weights, seed where they are random."""

    network: str
    weights: str
    sha256: str
    seed: int

    @property
    def described(self) -> str:
        """In words, for reports."""
        return f"{self.network}, {self.weights}"


@dataclass(frozen=True, eq=False)
class Product:
    """What is exported, with what was measured on patients that it did not see."""

    booster: lightgbm.Booster
    origin: Origin
    figures: tuple[Figure, ...]
    fingerprint: str


def export(product: Product, weights: Path | None, folder: Path) -> Card:
    """Write patient-risk.txt and its card; the network's weights and card are copied beside them.

    Raises
    ------
    TrainingError
        The features were made with weights that are not those of ``weights``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = _beside(product.origin, weights, folder)
    low, high = WINDOW_HU
    card = Card(
        name=NAME,
        version=VERSION,
        file=f"{NAME}.txt",
        sha256="",
        architecture="models.patient_risk.PatientRiskModel",
        input_contract=(
            f"whole scan, feet first; {low:.0f} to {high:.0f} HU, each slice histogram-equalised, three slices to one "
            f"picture of {SIDE_PX} x {SIDE_PX}; features averaged over the scan"
        ),
        training_data="patients and labels of the user",
        licence="that of the user's data",
        source=f"python -m training patients; features and labels sha256 {product.fingerprint[:12]}",
        settings={
            "network": product.origin.network,
            "weights": beside,
            "weights_sha256": product.origin.sha256,
            "seed": product.origin.seed,
            "meaning": MEANING,
        },
        figures=product.figures,
    )
    aside = folder / f".{card.file}.{os.getpid()}.part"
    product.booster.save_model(aside)
    return place_weights(aside, card, folder)


def _beside(origin: Origin, weights: Path | None, folder: Path) -> str | None:
    """Copy the network's weights; give the name of their card, None where they are random."""
    if not origin.sha256:
        return None
    if weights is None:
        raise TrainingError("the features were made with weights from a card; name it with --weights")
    card, path = verified(weights)
    if card.sha256 != origin.sha256:
        raise TrainingError(f"{weights}: not the weights that made the features ({origin.weights})")
    for source in (path, weights):
        if source.parent.resolve() != folder.resolve():
            shutil.copy2(source, folder / source.name)
    return weights.name
