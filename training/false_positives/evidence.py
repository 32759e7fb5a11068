"""What the joined detector's witnesses say about every place of a scan, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from models.detector import Evidence, NetworkDetector
from models.volume import Volume
from training.false_positives.scans import MadeScan
from training.phantom_truth import PlantedNodule

Floats = npt.NDArray[np.float64]
NAMES = tuple(field.name for field in fields(Evidence))
LEAST_MM = 3.0  # smaller nodules are neither right nor wrong, as in LUNA16


@dataclass(frozen=True, eq=False)
class Gathered:
    """The places of one scan.

    Parameters
    ----------
    rows
        (N, F) ``Evidence`` in the order of ``NAMES``.
    nodule
        (N,) index of the nodule that the place lies in, -1 for none, -2 for one that does not count.
    nodules
        How many count.
    """

    rows: Floats
    nodule: npt.NDArray[np.int64]
    nodules: int


def gather(detector: NetworkDetector, scan: MadeScan) -> Gathered:
    """Ask all witnesses about a scan."""
    witnessed = detector.witnessed(scan.volume, scan.lungs)
    rows = np.array([evidence.row(NAMES) for _, evidence in witnessed]).reshape(-1, len(NAMES))
    centers = np.array([place.center_kji for place, _ in witnessed]).reshape(-1, 3)
    nodule = nodules_at(scan.volume, centers, scan.nodules)
    return Gathered(rows, nodule, sum(n.diameter_mm >= LEAST_MM for n in scan.nodules))


def nodules_at(volume: Volume, centers_kji: Floats, nodules: Sequence[PlantedNodule]) -> npt.NDArray[np.int64]:
    """Tell in which nodule each place lies, by LUNA16's rule: nearer to its centre than its radius."""
    found = np.full(len(centers_kji), -1, dtype=np.int64)
    places = volume.to_patient(centers_kji)
    for number, nodule in enumerate(nodules):
        apart = np.linalg.norm(places - np.asarray(nodule.center_lps_mm), axis=1)
        found[apart < nodule.diameter_mm / 2] = number if nodule.diameter_mm >= LEAST_MM else -2
    return found
