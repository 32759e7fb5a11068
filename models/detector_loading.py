"""The joined detector from its weight files and cards."""

from __future__ import annotations

import torch

from models.candidate_network import CHANNELS, CandidateNetwork
from models.detector import Calibration, NetworkDetector
from models.false_positives import FalsePositiveNetwork, FalsePositiveStage
from models.weights import Card, WeightsError, fill, load_tensors, shipped_card

STAGE, CALIBRATION, CANDIDATES = "false-positives", "detector", "candidates"


def shipped_detector(device: torch.device) -> tuple[NetworkDetector, tuple[Card, ...]]:
    """Load the detector that comes with the product, and the cards of all that it runs on.

    Raises
    ------
    WeightsError
        A file is missing, damaged or of another layout.
    """
    stage_card, tensors = load_tensors(shipped_card(STAGE))
    joined_card, weights = load_tensors(shipped_card(CALIBRATION))
    stage = false_positive_stage(stage_card, tensors, device)
    calibration = calibration_of(joined_card, weights)
    if not joined_card.settings.get("candidate_network"):
        return NetworkDetector(stage, calibration, device), (stage_card, joined_card)
    candidate_card, candidates = load_tensors(shipped_card(CANDIDATES))
    network = candidate_network(candidate_card, candidates, device)
    return NetworkDetector(stage, calibration, device, network), (candidate_card, stage_card, joined_card)


def false_positive_stage(card: Card, tensors: dict[str, torch.Tensor], device: torch.device) -> FalsePositiveStage:
    """Build the false-positive stage that a card describes.

    Raises
    ------
    WeightsError
        The card lacks a setting, or a tensor does not fit.
    """
    try:
        network = FalsePositiveNetwork(int(card.settings["members"]), int(card.settings["width"]))
        slope, intercept = float(card.settings["slope"]), float(card.settings["intercept"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{card.file}: its card lacks a setting ({error}); train or import it again") from None
    fill(network, tensors, card.file)
    return FalsePositiveStage.ready(network, slope, intercept, device)


def calibration_of(card: Card, tensors: dict[str, torch.Tensor]) -> Calibration:
    """Read the joining coefficients: tensors ``weights`` (F,) and ``intercept`` (1,), names and threshold in the card.

    Raises
    ------
    WeightsError
        The card lacks a setting, or names and weights differ in number.
    """
    try:
        names, threshold = tuple(card.settings["evidence"]), float(card.settings["threshold"])
        weights = dict(zip(names, tensors["weights"].tolist(), strict=True))
        return Calibration(weights, float(tensors["intercept"]), threshold)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{card.file}: not a detector's calibration ({error}); train it again") from None


def candidate_network(card: Card, tensors: dict[str, torch.Tensor], device: torch.device) -> CandidateNetwork:
    """Build the candidate network that a card describes.

    Raises
    ------
    WeightsError
        The card lacks its channels, or a tensor does not fit.
    """
    channels = card.settings.get("channels")
    if (
        not isinstance(channels, list)
        or len(channels) != len(CHANNELS)
        or not all(isinstance(c, int) for c in channels)
    ):
        raise WeightsError(f"{card.file}: its card is not that of a candidate network; train or import it again")
    network = CandidateNetwork(channels)
    fill(network, tensors, card.file)
    return network.eval().to(device)
