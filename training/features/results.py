"""What LightGBM made of the patients: figures, predictions, report."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.patient_features import patient_vector
from models.patient_risk import probabilities
from models.weights import Figure, write_text
from training.datasets import fingerprint
from training.errors import TrainingError
from training.evaluation.report import EvaluationReport, Roc, figure_of, write_report
from training.evaluation.scores import Interval, auc_interval, brier, calibration, interval, log_loss, roc_curve
from training.features.extraction import feature_path
from training.features.patients import Patient
from training.features.scorer import Fit, fit_folds, fit_split, geometric_mean

Floats = npt.NDArray[np.float64]
PUBLISHED = "published for ResNet-152 on the Kaggle test set (leader board): log-loss 0.55979; ResNet-18 0.5708"


@dataclass(frozen=True, eq=False)
class Known:
    """Patients with features: vectors (N, F) and labels (N,) of the labelled ones; the others to be predicted.

    Parameters
    ----------
    missing
        Names of patients without features.
    fingerprint
        Of the features and the labels.
    """

    names: tuple[str, ...]
    vectors: Floats
    labels: Floats
    other_names: tuple[str, ...]
    other_vectors: Floats
    missing: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Fits:
    """The model of the split and those of the folds."""

    split: Fit
    folds: tuple[Fit, ...]


def known_vectors(patients: Sequence[Patient], folder: Path) -> Known:
    """Read the features of all patients that have some, averaged.

    Raises
    ------
    TrainingError
        A file is damaged, lengths differ, or nothing is there.
    """
    there = [patient for patient in patients if feature_path(folder, patient.name).exists()]
    if not there:
        raise TrainingError(f"{folder}: holds no features of these patients; run `python -m training features` first")
    vectors = [_vector(feature_path(folder, patient.name)) for patient in there]
    if len({len(vector) for vector in vectors}) > 1:
        raise TrainingError(f"{folder}: holds features of different networks; make them again in an empty folder")
    rows = np.stack(vectors)
    labelled = np.array([patient.cancer is not None for patient in there])
    labels = np.array([float(patient.cancer or False) for patient in there])
    return Known(
        names=tuple(p.name for p in there if p.cancer is not None),
        vectors=rows[labelled],
        labels=labels[labelled],
        other_names=tuple(p.name for p in there if p.cancer is None),
        other_vectors=rows[~labelled],
        missing=tuple(p.name for p in patients if p not in there),
        fingerprint=_printed(there, folder),
    )


def fitted(known: Known, by_log_loss: bool) -> Fits:
    """Train the model of the split and those of the folds.

    Raises
    ------
    TrainingError
        A class has fewer patients than there are folds.
    """
    split = fit_split(known.vectors, known.labels, by_log_loss)
    return Fits(split, tuple(fit_folds(known.vectors, known.labels, by_log_loss)))


def write_results(known: Known, fits: Fits, network: str, out: Path) -> tuple[Figure, ...]:
    """Write predictions.csv (patients without a label), left-out.csv and report.html; give the figures."""
    left_out = np.empty(len(known.labels))
    for fit in fits.folds:
        left_out[fit.unseen] = fit.predictions
    split_labels = known.labels[fits.split.unseen]
    figures = (
        *_figures(split_labels, fits.split.predictions, "stratified split, 20 % kept apart"),
        *_figures(known.labels, left_out, "five stratified folds, each patient left out once"),
    )
    write_text(out / "left-out.csv", _table(known.names, left_out, known.labels))
    if known.other_names:
        joined = geometric_mean([probabilities(fit.booster, known.other_vectors) for fit in fits.folds])
        write_text(out / "predictions.csv", _table(known.other_names, joined))
    _write_report(known.labels, left_out, figures, network, out / "report.html")
    return figures


def _figures(labels: Floats, predictions: Floats, data: str) -> tuple[Figure, ...]:
    """L2, log-loss and AUC with intervals over patients, and the log-loss of saying the share of cancers to all."""
    rng = np.random.default_rng(0)
    each = np.arange(len(labels))
    share = np.full(len(labels), labels.mean())
    words = f"{len(labels)} patients, {int(labels.sum())} with cancer; {data}"
    return (
        figure_of("L2", interval(lambda some: brier(labels[some], predictions[some]), each, rng), words),
        figure_of("log-loss", interval(lambda some: log_loss(labels[some], predictions[some]), each, rng), words),
        figure_of("AUC", auc_interval(labels.astype(int), predictions, rng), words),
        Figure("log-loss of the share of cancers for all", round(log_loss(labels, share), 4), words),
    )


def _write_report(labels: Floats, left_out: Floats, figures: tuple[Figure, ...], network: str, path: Path) -> None:
    wrong, right, _ = roc_curve(labels.astype(int), left_out)
    area: Interval = auc_interval(labels.astype(int), left_out, np.random.default_rng(0))
    about = (
        "Cancer per patient, as the user's labels have it. For demonstration and research, not for diagnosis.",
        f"System 000: features of slice triplets ({network}), averaged, and LightGBM with the published parameters; "
        f"{PUBLISHED}. Other data, so not to be compared one to one.",
    )
    write_report(
        EvaluationReport(
            "Patients", about, figures, roc=Roc(wrong, right, area), calibration=calibration(labels, left_out)
        ),
        path,
    )


def _printed(patients: Sequence[Patient], folder: Path) -> str:
    """Hash features and labels."""
    files = fingerprint([feature_path(folder, patient.name) for patient in patients])
    labels = ",".join(f"{patient.name}={patient.cancer}" for patient in patients)
    return hashlib.sha256(f"{files}\0{labels}".encode()).hexdigest()


def _vector(path: Path) -> Floats:
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path}: damaged ({error}); delete it and run `python -m training features`") from None
    if features.ndim != 2 or not len(features) or not np.isfinite(features).all():
        raise TrainingError(f"{path}: not a table of finite features; delete it and run `python -m training features`")
    return patient_vector(features)


def _table(names: Sequence[str], predictions: Floats, labels: Floats | None = None) -> str:
    """Write ``id,cancer`` as the competition wanted it, with the known label in a third column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "cancer"] if labels is None else ["id", "cancer", "label"])
    for number, name in enumerate(names):
        known = [] if labels is None else [f"{labels[number]:.0f}"]
        writer.writerow([name, f"{predictions[number]:.6f}", *known])
    return text.getvalue()
