"""Test figures of a trained head and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.weights import Figure
from training.evaluation import scores
from training.evaluation.report import EvaluationReport, Roc, figure_of, write_report
from training.page import Picture, Section
from training.transfer.errors_sheet import Said, sheet_png
from training.transfer.folders import Folders, opened, patient_of
from training.transfer.task import nll

_SHOWN = 12  # errors, and examples
_TOP = 4


@dataclass(frozen=True, eq=False)
class Tested:
    """Labels (N,) and log-probabilities (N, C) of the test images, in the order of their files."""

    folders: Folders
    labels: npt.NDArray[np.int64]
    logs: npt.NDArray[np.float32]
    seed: int

    @property
    def patients(self) -> list[str]:
        """Of each image, by the name of its file."""
        return [patient_of(path) for path, _ in self.folders.files["test"]]


def figures_of(tested: Tested, data: str) -> tuple[Figure, ...]:
    """Measure loss and accuracy, resampled by patient; with two classes the AUC of the second too."""
    right = tested.logs.argmax(axis=1) == tested.labels
    rng = np.random.default_rng(tested.seed)
    accuracy = scores.interval(lambda drawn: float(right[drawn].mean()), tested.patients, rng)
    loss = scores.interval(lambda drawn: nll(tested.labels[drawn], tested.logs[drawn]), tested.patients, rng)
    found = (figure_of("accuracy", accuracy, data), figure_of("negative log-likelihood", loss, data))
    return (*found, figure_of("AUC", _area(tested), data)) if len(tested.folders.classes) == 2 else found


def report(
    tested: Tested,
    figures: tuple[Figure, ...],
    history: list[dict[str, float]],
    about: tuple[str, ...],
    sections: tuple[Section, ...],
    path: Path,
) -> None:
    """Write the report: figures, curves, confusion matrix, errors, examples, and ``sections`` on the data."""
    said = tested.logs.argmax(axis=1)
    names = tested.folders.classes
    two = len(names) == 2
    content = EvaluationReport(
        title="VGG16 with a new head",
        about=about,
        figures=figures,
        history=tuple(history),
        roc=_roc(tested) if two else None,
        calibration=scores.calibration(tested.labels, np.exp(tested.logs[:, 1])) if two else None,
        confusion=(names, scores.confusion_matrix(tested.labels, said, len(names))),
        more=(*sheets(tested), *sections),
    )
    write_report(content, path)


def sheets(tested: Tested) -> tuple[Section, ...]:
    """Show the errors that the network was surest of, and the most probable classes of the first images."""
    said = tested.logs.argmax(axis=1)
    sure = tested.logs.max(axis=1)
    wrong = sorted(np.flatnonzero(said != tested.labels).tolist(), key=lambda n: -sure[n])[:_SHOWN]
    spread = np.linspace(0, len(said) - 1, min(6, len(said))).astype(int).tolist()
    text = "The true class stands over the image and its bar is green."
    errors = Section("Errors", (f"{int((said != tested.labels).sum())} of {len(said)} images. {text}",))
    if wrong:
        errors = Section(errors.title, errors.text, pictures=(_sheet(tested, wrong),))
    return errors, Section("Predictions", (text,), pictures=(_sheet(tested, spread),))


def _sheet(tested: Tested, chosen: list[int]) -> Picture:
    names, files = tested.folders.classes, tested.folders.files["test"]
    cases = []
    for n in chosen:
        order = np.argsort(-tested.logs[n])[:_TOP]
        probabilities = tuple(float(np.exp(tested.logs[n, label])) for label in order)
        image = opened(files[n][0])
        cases.append(Said(image, tuple(names[label] for label in order), probabilities, names[tested.labels[n]]))
    return Picture(sheet_png(cases), "Most probable classes of single images.")


def _area(tested: Tested) -> scores.Interval:
    rng = np.random.default_rng(tested.seed)
    return scores.auc_interval(tested.labels, tested.logs[:, 1], rng, tested.patients)


def _roc(tested: Tested) -> Roc:
    wrong, right, _ = scores.roc_curve(tested.labels, tested.logs[:, 1])
    return Roc(wrong, right, _area(tested))
