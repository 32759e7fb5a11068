"""The HTML report of the false-positive stage: figures, ROC, calibration, and the crops on which it is most wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.weights import Card
from training.evaluation.report import EvaluationReport, Roc, WorstCase, write_report
from training.evaluation.scores import Floats, auc_interval, calibration, roc_curve
from training.false_positives.crops import Crops

WORST = 16  # crops shown


def report(card: Card, logits: Floats, crops: Crops, history: tuple[Mapping[str, float], ...], path: Path) -> None:
    """Write the report of the test split.

    Parameters
    ----------
    logits
        (N,) calibrated, of ``crops`` in their order.
    """
    labels = crops.labels.numpy().astype(np.int64)
    said = 1 / (1 + np.exp(-logits))
    wrong, right, _ = roc_curve(labels, logits)
    about = (
        "Nodules against other candidates on axial crops. For demonstration and research, not for diagnosis.",
        f"Trained by {card.source}. Trained on {card.training_data}; measured once on the test split.",
    )
    write_report(
        EvaluationReport(
            title="False-positive stage",
            about=about,
            figures=card.figures,
            history=history,
            roc=Roc(wrong, right, auc_interval(labels, logits, np.random.default_rng(0))),
            calibration=calibration(labels, said),
            worst=_worst_cases(labels, said, crops),
        ),
        path,
    )


def _worst_cases(labels: np.ndarray, said: Floats, crops: Crops) -> tuple[WorstCase, ...]:
    order = np.argsort(-np.abs(said - labels), kind="stable")[:WORST]
    names = ("no nodule", "a nodule")
    return tuple(
        WorstCase(crops.images[n].numpy(), f"labelled {names[int(labels[n])]}, said {said[n]:.2f}") for n in order
    )
