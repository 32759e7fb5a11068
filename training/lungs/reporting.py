"""The HTML report of the lung network: Dice of each lung, the course of the run, and its worst slices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.weights import Card, Figure
from training.evaluation.outlines import grey_of, least_first, outlined
from training.evaluation.report import EvaluationReport, WorstCase, figure_of, write_report
from training.evaluation.scores import Floats, Indices, interval
from training.lungs.slices import Slices
from training.lungs.task import SIDES, dice_of

_WORST = 12
Answers = npt.NDArray[np.uint8]


def figures_of(held: Slices, answers: Answers) -> tuple[Figure, ...]:
    """Measure the Dice of each lung per held-out scan, with the bootstrap interval of the mean over scans."""
    scans = np.unique(held.scan)
    data = f"{len(scans)} held-out generated chests, network alone"
    figures = []
    for side, label in SIDES.items():
        each = np.array([dice_of(answers[held.scan == n], held.labels[held.scan == n], label) for n in scans])
        figures.append(
            figure_of(f"Dice {side}", interval(partial(_mean_of, each), scans, np.random.default_rng(0)), data)
        )
    return tuple(figures)


def report(card: Card, history: tuple[Mapping[str, float], ...], held: Slices, answers: Answers, path: Path) -> None:
    """Write the report of the held-out scans.

    Parameters
    ----------
    answers
        (N, 256, 256) labels that the network gave to the slices of ``held``.
    """
    about = (
        "The compact lung network alone, before the rules that correct it. For demonstration and research, not for "
        "diagnosis.",
        f"Trained by {card.source}. Trained on {card.training_data}.",
    )
    worst = _worst_cases(held, answers)
    write_report(EvaluationReport("Lungs", about, card.figures, history, worst=worst), path)


def _worst_cases(held: Slices, answers: Answers) -> tuple[WorstCase, ...]:
    """Show the slices with the least overlap: truth green, answer red where they part."""
    lungs = [np.mean([dice_of(a, t, label) for label in SIDES.values()]) for a, t in _pairs(held, answers)]
    return tuple(
        WorstCase(
            outlined(grey_of(held.hu[n]), held.labels[n], answers[n]),
            f"Dice {lungs[n]:.2f}: truth green, answer red, answer above",
        )
        for n in least_first([float(value) for value in lungs], _WORST)
    )


def _pairs(held: Slices, answers: Answers) -> zip[tuple[Answers, Answers]]:
    return zip(answers, held.labels, strict=True)


def _mean_of(values: Floats, drawn: Indices) -> float:
    return float(values[drawn].mean())
