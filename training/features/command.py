"""``python -m training features`` and ``patients``: system 000 on data in the layout of the Data Science Bowl 2017."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.patient_features import FEATURES, FeatureNetwork
from models.weights import write_text
from training.devices import device_of
from training.errors import TrainingError
from training.features.export import Origin, Product, export
from training.features.extraction import extract
from training.features.patients import read_patients
from training.features.results import fitted, known_vectors, write_results

ORIGIN_FILE = "network.json"

Data = Annotated[Path, typer.Argument(help="Folder that holds one folder of DICOM slices for each patient.")]
Features = Annotated[Path, typer.Argument(help="Folder for the features, one .npy a patient.")]
Labels = Annotated[
    Path | None, typer.Option(help="Table id,cancer; by default stage1_labels.csv in DATA or beside it.")
]
Weights = Annotated[Path | None, typer.Option(help="Card of ImageNet or other weights; without it they are random.")]


def features(
    data: Data,
    folder: Features,
    labels: Labels = None,
    network: Annotated[str, typer.Option(help=f"{' or '.join(FEATURES)}.")] = "resnet152",
    weights: Weights = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random weights.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Patients decoded side by side.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """Turn patients into features; those that are there are kept, those that cannot be read are named and skipped."""
    console = Console(stderr=True)
    patients = read_patients(data, labels)
    extractor = FeatureNetwork.ready(network, weights, device_of(device), seed)
    _keep_origin(Origin(network, extractor.origin, extractor.sha256, seed), folder)
    console.print(f"{network}: {extractor.origin}", highlight=False)
    result = extract(patients, extractor, folder, threads)
    console.print(
        f"{result.done} patients ({result.pictures} pictures) in {result.seconds:.0f} s, "
        f"{result.patients_per_minute:.1f} a minute; {result.kept} were there; {len(result.broken)} skipped",
        highlight=False,
    )
    if len(result.broken) == len(patients):
        raise TrainingError(f"{data}: not one of {len(patients)} patients could be read")


def patients(
    data: Data,
    folder: Features,
    out: Annotated[Path, typer.Argument(help="Folder for predictions, figures, report and the card.")],
    labels: Labels = None,
    weights: Weights = None,
    log_loss: Annotated[bool, typer.Option(help="Train and stop on log-loss in place of the published L2.")] = False,
) -> None:
    """Train LightGBM with the published parameters on the patients' mean features; writes predictions and a card."""
    console = Console(stderr=True)
    origin = _read_origin(folder)
    known = known_vectors(read_patients(data, labels), folder)
    if known.missing:
        console.print(f"{len(known.missing)} patients without features are left out", highlight=False)
    fits = fitted(known, log_loss)
    figures = write_results(known, fits, origin.described, out)
    export(Product(fits.split.booster, origin, figures, known.fingerprint), weights, out)
    for figure in figures:
        interval = "" if figure.low is None else f" (95 % {figure.low} to {figure.high})"
        console.print(f"{figure.name}: {figure.value}{interval}", highlight=False)


def _keep_origin(origin: Origin, folder: Path) -> None:
    """Write what made the features; a folder that holds another network's is refused."""
    path = folder / ORIGIN_FILE
    if path.exists() and _read_origin(folder) != origin:
        raise TrainingError(f"{folder}: holds features of another network or other weights; choose an empty folder")
    write_text(path, json.dumps(asdict(origin), indent=2) + "\n")


def _read_origin(folder: Path) -> Origin:
    path = folder / ORIGIN_FILE
    try:
        return Origin(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); run `python -m training features` first") from None
