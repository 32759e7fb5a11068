"""A scan as the training of candidates sees it: on the network's grid, with the nodules in it; kept as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from models.candidate_network import STEP_MM
from models.components import box_of
from models.findings import LungLabel
from models.proposals import BOX_MARGIN_MM, HU_RANGE, Scene, network_input
from models.resampling import Grid, isotropic_grid, sampled
from models.volume import Volume
from training.errors import TrainingError

GREYS = 255  # HU_RANGE in 8 bits, 7 HU a step: far below the noise
_KEYS = ("grey", "inside", "nodules", "excluded")


@dataclass(frozen=True, eq=False)
class WorkedScan:
    """One scan on the network's grid.

    Parameters
    ----------
    name
        Series or phantom; unique within a data set.
    grey
        (K, J, I) uint8, ``HU_RANGE`` in ``GREYS`` steps, cubic voxels of ``STEP_MM``.
    inside
        (K, J, I) bool, the lungs as the node segments them.
    nodules
        (N, 4) float32: centre k, j, i in voxels of this grid, diameter in mm.
    excluded
        (M, 4) float32: places that count neither as nodule nor as false mark.
    """

    name: str
    grey: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]
    nodules: npt.NDArray[np.float32]
    excluded: npt.NDArray[np.float32]

    def scene(self, device: torch.device) -> Scene:
        """Give what the network is shown of the whole scan."""
        inside = torch.from_numpy(self.inside).to(device)
        hu = hu_of(torch.from_numpy(self.grey).to(device))
        shape = (self.grey.shape[0], self.grey.shape[1], self.grey.shape[2])
        return Scene(network_input(hu, inside), inside, Grid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), shape))


def hu_of(grey: torch.Tensor) -> torch.Tensor:
    """Give float32 HU of 8-bit greys."""
    return grey.float() * ((HU_RANGE[1] - HU_RANGE[0]) / GREYS) + HU_RANGE[0]


def worked(
    name: str,
    volume: Volume,
    lung_labels: npt.NDArray[np.uint8],
    nodules_lps: npt.NDArray[np.float64],
    excluded_lps: npt.NDArray[np.float64],
) -> WorkedScan:
    """Bring a volume to the network's grid.

    Parameters
    ----------
    lung_labels
        (K, J, I) on the volume's grid, values of ``LungLabel``.
    nodules_lps, excluded_lps
        (N, 4): centre x, y, z in LPS mm, diameter in mm.

    Raises
    ------
    TrainingError
        No voxel is lung.
    """
    mask = lung_labels != LungLabel.BACKGROUND
    if not mask.any():
        raise TrainingError(f"{name}: no lung in this scan; leave it out")
    margin = [int(np.ceil(BOX_MARGIN_MM / spacing)) for spacing in volume.spacing_kji_mm]
    grid = isotropic_grid(volume, box_of(mask, (margin[0], margin[1], margin[2])), STEP_MM)
    low, high = HU_RANGE
    hu = sampled(volume.hu, grid, torch.device("cpu")).clamp(low, high)
    grey = ((hu - low) * (GREYS / (high - low))).round().to(torch.uint8).numpy()
    inside = (sampled(mask, grid, torch.device("cpu")) > 0.5).numpy()
    return WorkedScan(name, grey, inside, _on_grid(nodules_lps, volume, grid), _on_grid(excluded_lps, volume, grid))


def save_scan(scan: WorkedScan, folder: Path) -> Path:
    """Write a scan aside and move it to ``NAME.npz``."""
    path = folder / f"{scan.name}.npz"
    aside = path.with_name(f".{path.stem}.part.npz")
    np.savez(aside, grey=scan.grey, inside=np.packbits(scan.inside), nodules=scan.nodules, excluded=scan.excluded)
    aside.replace(path)
    return path


def load_scan(path: Path) -> WorkedScan:
    """Read a scan.

    Raises
    ------
    TrainingError
        The file is missing, damaged or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            grey, packed, nodules, excluded = (stored[key] for key in _KEYS)
            inside = np.unpackbits(packed, count=grey.size).reshape(grey.shape).astype(bool)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise TrainingError(f"{path}: not a prepared scan ({type(error).__name__}); delete it and run again") from None
    return WorkedScan(path.stem, grey, inside, nodules, excluded)


def _on_grid(places_lps: npt.NDArray[np.float64], volume: Volume, grid: Grid) -> npt.NDArray[np.float32]:
    places = np.asarray(places_lps, dtype=np.float64).reshape(-1, 4)
    centers = grid.from_base(volume.to_index(places[:, :3]))
    return np.column_stack([centers, places[:, 3]]).astype(np.float32)
