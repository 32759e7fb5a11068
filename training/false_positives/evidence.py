"""What the joined detector's witnesses say about every place of a scan, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from models.detector import Evidence, NetworkDetector
from models.volume import Volume
from training.evaluation.outlines import grey_of
from training.false_positives.scans import MadeScan
from training.phantom_truth import PlantedNodule

Floats = npt.NDArray[np.float64]
NAMES = tuple(field.name for field in fields(Evidence))
CROP_PX = 48
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
    crops
        (N, 48, 48) uint8, the slice through each place at the scan's own pixels, for the report.
    """

    rows: Floats
    nodule: npt.NDArray[np.int64]
    nodules: int
    crops: npt.NDArray[np.uint8]


def gather(detector: NetworkDetector, scan: MadeScan) -> Gathered:
    """Ask all witnesses about a scan."""
    witnessed = detector.witnessed(scan.volume, scan.lungs)
    rows = np.array([evidence.row(NAMES) for _, evidence in witnessed]).reshape(-1, len(NAMES))
    centers = np.array([place.center_kji for place, _ in witnessed]).reshape(-1, 3)
    nodule = nodules_at(scan.volume, centers, scan.nodules)
    counted = sum(n.diameter_mm >= LEAST_MM for n in scan.nodules)
    return Gathered(rows, nodule, counted, crops_at(scan.volume, centers))


def crops_at(volume: Volume, centers_kji: Floats) -> npt.NDArray[np.uint8]:
    """Cut (N, 48, 48) grey levels of the slice through each place; beyond the slice they are black."""
    cut = [_crop(volume.hu[round(k)], round(j), round(i)) for k, j, i in centers_kji]
    return np.stack(cut) if cut else np.zeros((0, CROP_PX, CROP_PX), np.uint8)


def _crop(plane: npt.NDArray[np.int16], j: int, i: int) -> npt.NDArray[np.uint8]:
    half = CROP_PX // 2
    return np.pad(grey_of(plane), half)[j : j + CROP_PX, i : i + CROP_PX]


def nodules_at(volume: Volume, centers_kji: Floats, nodules: Sequence[PlantedNodule]) -> npt.NDArray[np.int64]:
    """Tell in which nodule each place lies, by LUNA16's rule: nearer to its centre than its radius."""
    found = np.full(len(centers_kji), -1, dtype=np.int64)
    places = volume.to_patient(centers_kji)
    for number, nodule in enumerate(nodules):
        apart = np.linalg.norm(places - np.asarray(nodule.center_lps_mm), axis=1)
        found[apart < nodule.diameter_mm / 2] = number if nodule.diameter_mm >= LEAST_MM else -2
    return found
