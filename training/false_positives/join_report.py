"""What leaving one scan out at a time says of the joined detector: figures with intervals, and the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.detector import Calibration
from models.weights import Card, Figure
from training.evaluation.report import EvaluationReport, Roc, WorstCase, figure_of, write_report
from training.evaluation.scores import Floats, Indices, auc_interval, calibration, interval, roc_curve
from training.false_positives.evidence import Gathered
from training.page import Section, Table

_WORST = 16
THRESHOLDS = np.arange(0.1, 0.95, 0.05)


@dataclass(frozen=True, eq=False)
class Judged:
    """Scans, and what a fit that never saw a scan says of each of its places.

    Parameters
    ----------
    said
        For each scan, (N,) probabilities of its places.
    """

    scans: Sequence[Gathered]
    said: Sequence[Floats]

    def false_places(self, threshold: float) -> float:
        """Places a scan at or above the threshold that lie in no nodule."""
        return self._mean_false(threshold, np.arange(len(self.scans)))

    def sensitivity(self, threshold: float) -> float:
        """Share of the nodules with a place at or above the threshold."""
        return self._share_found(threshold, np.arange(len(self.scans)))

    def labelled(self) -> tuple[npt.NDArray[np.bool_], Floats, npt.NDArray[np.intp]]:
        """Give, for the places that count, whether they lie in a nodule, what was said, and their scan."""
        counted = [scan.nodule > -2 for scan in self.scans]
        labels = np.concatenate([s.nodule[c] >= 0 for s, c in zip(self.scans, counted, strict=True)])
        said = np.concatenate([p[c] for p, c in zip(self.said, counted, strict=True)])
        return labels, said, np.repeat(np.arange(len(self.scans)), [int(c.sum()) for c in counted])

    def figures(self, threshold: float, data: str) -> tuple[Figure, ...]:
        """Measure at a threshold, with bootstrap intervals over scans."""
        scans, rng = np.arange(len(self.scans)), np.random.default_rng(0)
        found = interval(lambda drawn: self._share_found(threshold, drawn), scans, rng)
        false = interval(lambda drawn: self._mean_false(threshold, drawn), scans, rng)
        labels, said, _ = self.labelled()
        return (
            figure_of(f"sensitivity at {threshold:g}", found, data),
            figure_of(f"false places a scan at {threshold:g}", false, data),
            # no interval: resampling makes this error larger, so that its limits would not hold the figure itself
            Figure("expected calibration error, 10 bins", round(calibration(labels, said).error, 4), data),
        )

    def _mean_false(self, threshold: float, drawn: Indices) -> float:
        return float(np.mean([((self.said[n] >= threshold) & (self.scans[n].nodule == -1)).sum() for n in drawn]))

    def _share_found(self, threshold: float, drawn: Indices) -> float:
        found = [self.scans[n].nodule[(self.said[n] >= threshold) & (self.scans[n].nodule >= 0)] for n in drawn]
        nodules = sum(self.scans[n].nodules for n in drawn)
        return float(sum(len(np.unique(numbers)) for numbers in found) / max(1, nodules))


def report(card: Card, judged: Judged, fitted: Calibration, path: Path) -> None:
    """Write the report: what is fitted, what each threshold gives, and the places it is most wrong about."""
    labels, said, scan = judged.labelled()
    wrong, right, _ = roc_curve(labels, said)
    about = (
        "All stages of the detector joined. For demonstration and research, not for diagnosis.",
        f"Fitted by {card.source}. Fitted on {card.training_data}; every scan was judged by a fit without it.",
    )
    write_report(
        EvaluationReport(
            title="Detector",
            about=about,
            figures=card.figures,
            roc=Roc(wrong, right, auc_interval(labels, said, np.random.default_rng(0), scan)),
            calibration=calibration(labels, said),
            worst=worst_cases(judged),
            more=(_thresholds(judged), _coefficients(fitted)),
        ),
        path,
    )


def worst_cases(judged: Judged) -> tuple[WorstCase, ...]:
    """Show the places, of those that count, about which the fit was most wrong."""
    labels, said, _ = judged.labelled()
    crops = np.concatenate([scan.crops[scan.nodule > -2] for scan in judged.scans])
    order = np.argsort(-np.abs(said - labels), kind="stable")[:_WORST]
    names = ("no nodule", "a nodule")
    return tuple(WorstCase(crops[n], f"{names[int(labels[n])]}, said {said[n]:.2f}") for n in order)


def _thresholds(judged: Judged) -> Section:
    rows = tuple((f"{t:.2f}", f"{judged.sensitivity(t):.3f}", f"{judged.false_places(t):.2f}") for t in THRESHOLDS)
    return Section("Thresholds", table=Table(("threshold", "sensitivity", "false places a scan"), rows))


def _coefficients(fitted: Calibration) -> Section:
    rows = (*fitted.weights.items(), ("intercept", fitted.intercept))
    return Section("Fit", table=Table(("evidence", "weight"), tuple((name, f"{value:.3f}") for name, value in rows)))
