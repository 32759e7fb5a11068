"""The models of one node: weights chosen by name, verified, on their device; and who they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import torch

from models.detector_loading import shipped_detector
from models.detector_rules import RuleDetector
from models.findings import ModelIdentity
from models.lung_network import LungNetwork, lung_network
from models.malignancy import MalignancyModel
from models.nodules import Detector
from models.patient_risk import PatientRiskModel
from models.published.grt123 import Grt123Detector
from models.published.grt123_case import Grt123Classifier
from models.published.retinanet import RetinaNetDetector
from models.published.sybil import SybilScorer
from models.weights import SHIPPED as SHIPPED_FOLDER
from models.weights import Card, WeightsError, identity_of, load_tensors, read_card
from node.analysis.choice import RULES, SHIPPED, ModelChoice
from node.analysis.identity import rule_identity
from node.analysis.scorers import (
    CaseNodules,
    CasePatient,
    NoduleScorer,
    OneByOne,
    PatientScorer,
    SybilPatient,
    TrainedPatient,
)
from node.errors import ConfigError

Loaded = TypeVar("Loaded")

GRT123_DETECTOR = "grt123-detector"  # the classifier works on this one's marks


@dataclass(frozen=True, eq=False)
class Models:
    """What the analyser works with; None where the settings leave a step out."""

    lungs: LungNetwork | None
    lobes: LungNetwork | None
    detector: Detector
    malignancy: NoduleScorer | None
    patient: PatientScorer | None
    identities: tuple[ModelIdentity, ...]


def load_models(choice: ModelChoice, device: torch.device) -> Models:
    """Load and verify what the settings name.

    Raises
    ------
    ConfigError
        A file is missing, damaged, of another layout, or does not do what the setting asks for; one line that names
        the setting and what to do.
    """
    detector, of_detector = _loaded("models.detector", choice.detector, lambda: _detector(choice, device))
    lungs, of_lungs = _loaded("models.lungs", choice.lungs, lambda: _lungs(choice, device))
    lobes, of_lobes = _loaded("models.lobes", choice.lobes, lambda: _lobes(choice, device))
    nodules, of_nodules = _loaded("models.malignancy", choice.malignancy, lambda: _malignancy(choice, device))
    patient, of_patient = _loaded("models.patient", choice.patient, lambda: _patient(choice, device))
    if detector is None:
        raise ConfigError("models.detector: an analysis needs a detector; set shipped, rules or imported weights")
    who = (rule_identity(), *of_lungs, *of_lobes, *of_detector, *of_nodules, *of_patient)
    return Models(lungs, lobes, detector, nodules, patient, tuple(dict.fromkeys(who)))


def _loaded(
    setting: str, name: str | None, load: Callable[[], tuple[Loaded, tuple[Card, ...]]]
) -> tuple[Loaded | None, tuple[ModelIdentity, ...]]:
    """Load one step's weights and tell who they are; nothing where the setting is null."""
    if name is None:
        return None, ()
    try:
        step, cards = load()
        return step, tuple(identity_of(card) for card in cards)
    except WeightsError as error:
        raise ConfigError(f"{setting} = {name!r}: {error}") from None


def _path(choice: ModelChoice, name: str, shipped: str) -> Path:
    return SHIPPED_FOLDER / f"{shipped}.json" if name == SHIPPED else choice.folder / f"{name}.json"


def _lungs(choice: ModelChoice, device: torch.device) -> tuple[LungNetwork | None, tuple[Card, ...]]:
    if choice.lungs == RULES:
        return None, ()
    network = lung_network(*load_tensors(_path(choice, choice.lungs, "lungs")), device)
    if network.sees_lobes:
        raise WeightsError("these weights see lobes; set them as models.lobes")
    return network, (network.card,)


def _lobes(choice: ModelChoice, device: torch.device) -> tuple[LungNetwork, tuple[Card, ...]]:
    network = lung_network(*load_tensors(_path(choice, choice.lobes or "", "lobes")), device)
    if not network.sees_lobes:
        raise WeightsError("these weights see lungs, no lobes; set them as models.lungs")
    return network, (network.card,)


def _detector(choice: ModelChoice, device: torch.device) -> tuple[Detector, tuple[Card, ...]]:
    if choice.detector == RULES:
        return RuleDetector(device), ()
    if choice.detector == SHIPPED:
        return shipped_detector(device)
    return _by_architecture(_DETECTORS, choice.folder / f"{choice.detector}.json", device)


def _malignancy(choice: ModelChoice, device: torch.device) -> tuple[NoduleScorer, tuple[Card, ...]]:
    return _by_architecture(_NODULE_SCORERS, _path(choice, choice.malignancy or "", "malignancy"), device)


def _patient(choice: ModelChoice, device: torch.device) -> tuple[PatientScorer, tuple[Card, ...]]:
    return _by_architecture(_PATIENT_SCORERS, _path(choice, choice.patient or "", "patient"), device)


def _by_architecture(
    loaders: Mapping[str, Callable[[Path, torch.device], Loaded]], path: Path, device: torch.device
) -> tuple[Loaded, tuple[Card, ...]]:
    """Load weights by the loader that their card asks for."""
    card = read_card(path)
    if card.architecture not in loaders:
        known = ", ".join(loaders)
        raise WeightsError(f"{path}: holds {card.architecture}, which cannot do this; what can: {known}")
    return loaders[card.architecture](path, device), (card,)


def _case_classifier(card: Path, device: torch.device) -> Grt123Classifier:
    """The grt123 classifier, with the detector of the same folder, on whose marks it was made."""
    detector = Grt123Detector.from_card(card.with_name(f"{GRT123_DETECTOR}.json"), device)
    return Grt123Classifier.from_card(card, device, detector)


_DETECTORS: Mapping[str, Callable[[Path, torch.device], Detector]] = MappingProxyType(
    {"monai-retinanet": RetinaNetDetector.from_card, "grt123-detector": Grt123Detector.from_card}
)
_NODULE_SCORERS: Mapping[str, Callable[[Path, torch.device], NoduleScorer]] = MappingProxyType(
    {
        "models.malignancy.MalignancyModel": lambda card, device: OneByOne(MalignancyModel.from_card(card, device)),
        "grt123-classifier": lambda card, device: CaseNodules(_case_classifier(card, device)),
    }
)
_PATIENT_SCORERS: Mapping[str, Callable[[Path, torch.device], PatientScorer]] = MappingProxyType(
    {
        "models.patient_risk.PatientRiskModel": lambda card, device: TrainedPatient(
            PatientRiskModel.from_card(card, device)
        ),
        "sybil": lambda card, device: SybilPatient(SybilScorer.from_card(card, device)),
        "grt123-classifier": lambda card, device: CasePatient(_case_classifier(card, device)),
    }
)
