"""A procedural chest CT with nodules of known place, size and type.

The phantom shows that the whole way through the node works and lets everybody count what was
found. It says nothing about how well nodules are found in patients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from models.findings import LungLabel, Side
from models.volume import AIR_HU, Volume
from training import phantom_skeleton as skeleton
from training.phantom_dicom import iterate_ct_datasets, write_series
from training.phantom_nodules import NODULES, NoduleSpec, plant
from training.phantom_raster import Grid, Tube, fill, raise_to
from training.phantom_tissue import AIR_OUTSIDE_HU, LUNG_HU, paint
from training.phantom_trees import Branch, airways, tubes_of, vessel_trees
from training.phantom_truth import Phantom, PlantedNodule

LOWEST_MM, HIGHEST_MM = -205.0, 132.0  # z covered: upper abdomen to the shoulders, the carina at 0
STORED_PADDING = -2000  # what scanners with a round reconstruction field store around it
_MIDDLE_Y_MM = 14.0  # of the field of view: patient and table
_BONE_HU, _MARROW_HU, _CARTILAGE_HU, _SOFT_HU = 620.0, 210.0, 110.0, 40.0
_VESSEL_HU, _AIRWAY_WALL_HU, _AIRWAY_HU = 40.0, -20.0, -990.0
_AIRWAY_WALL_MM, _AIRWAY_WALL_SHARE = 0.45, 0.1  # wall thickness, and what it grows by per mm of lumen radius
_CORTEX_MM = 1.3
_NOISE_PEAK_PER_MM, _NOISE_FLOOR = 0.28, 0.12  # spatial frequency of most noise, and share of white noise


@dataclass(frozen=True)
class PhantomSpec:
    """How the phantom is scanned and what is planted.

    Parameters
    ----------
    slice_spacing_mm
        0.6 to 5.
    matrix
        Rows and columns, 64 to 1024.
    fov_mm
        Side of the square image; outside the circle within it there is padding.
    noise_sd_hu
        In the body; the noise is correlated in the plane as a standard kernel does it.
    vessel_leaves
        Ends of each of the two vessel trees of a lung.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    slice_spacing_mm: float = 2.5
    matrix: int = 512
    fov_mm: float = 360.0
    noise_sd_hu: float = 22.0
    vessel_leaves: int = 650
    nodules: tuple[NoduleSpec, ...] = NODULES

    def __post_init__(self) -> None:
        allowed = {
            "slice_spacing_mm": (0.6, 5.0),
            "matrix": (64, 1024),
            "fov_mm": (300.0, 500.0),
            "noise_sd_hu": (0.0, 200.0),
            "vessel_leaves": (2, 5000),
        }
        for name, (low, high) in allowed.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between {low} and {high}, found {getattr(self, name)}")

    @property
    def grid(self) -> Grid:
        """The grid of the scan."""
        pixel = self.fov_mm / self.matrix
        slices = round((HIGHEST_MM - LOWEST_MM) / self.slice_spacing_mm) + 1
        corner = -pixel * (self.matrix - 1) / 2
        spacing = (self.slice_spacing_mm, pixel, pixel)
        return Grid((slices, self.matrix, self.matrix), spacing, (corner, corner + _MIDDLE_Y_MM, LOWEST_MM))


def make_phantom(spec: PhantomSpec, seed: int) -> Phantom:
    """Make the chest of a seed: the same seed and settings give the same voxels.

    Returns
    -------
    Volume (padding at ``AIR_HU``), lung labels and the planted nodules.

    Raises
    ------
    ValueError
        If there is no room for a nodule.
    """
    tissue, trees, nodules = (np.random.default_rng((seed, stream)) for stream in range(3))
    grid = spec.grid
    hu, labels = paint(grid, tissue)
    _add_bones(hu, grid)
    branches = _add_trees(hu, grid, spec.vessel_leaves, trees)
    planted = plant(hu, grid, spec.nodules, branches, nodules)
    for k in range(grid.shape[0]):
        _add_noise(hu[k], spec.noise_sd_hu, grid.spacing_kji_mm[1], seed, k)
    np.clip(hu, AIR_HU + 1, 3071, out=hu)
    outside = _outside_field(grid)
    hu[:, outside], labels[:, outside] = AIR_HU, LungLabel.BACKGROUND
    return Phantom(Volume(hu, grid.affine), labels, planted)


def write_phantom(phantom: Phantom, folder: Path, seed: int) -> list[Path]:
    """Write the series as DICOM files into ``folder`` and what is true of it into ``folder/truth.json``."""
    datasets = iterate_ct_datasets(phantom.volume, seed=seed, padding_stored=STORED_PADDING)
    paths = write_series(datasets, folder)
    (folder / "truth.json").write_text(json.dumps(truth(phantom, seed), indent=1) + "\n")
    return paths


def truth(phantom: Phantom, seed: int) -> dict[str, Any]:
    """Describe the phantom for ``truth.json``."""
    voxel_ml = phantom.volume.voxel_volume_mm3 / 1000
    voxels = np.bincount(phantom.lung_labels.reshape(-1), minlength=len(LungLabel))
    return {
        "seed": seed,
        "lungs": {
            "left_ml": round(float(voxels[LungLabel.LEFT]) * voxel_ml, 1),
            "right_ml": round(float(voxels[LungLabel.RIGHT]) * voxel_ml, 1),
        },
        "nodules": [_nodule_truth(nodule) for nodule in phantom.nodules],
    }


def _nodule_truth(nodule: PlantedNodule) -> dict[str, Any]:
    return {
        "center_lps_mm": list(nodule.center_lps_mm),
        "diameter_mm": round(nodule.diameter_mm, 2),
        "volume_mm3": round(nodule.volume_mm3, 1),
        "attenuation": nodule.attenuation.value,
        "mean_hu": round(nodule.mean_hu, 1),
        "side": nodule.side.value,
    }


def _add_bones(hu: npt.NDArray[np.int16], grid: Grid) -> None:
    bones = skeleton.tubes()
    raise_to(hu, grid, skeleton.cartilages(), _SOFT_HU, _CARTILAGE_HU)
    raise_to(hu, grid, bones, _SOFT_HU, _BONE_HU)
    fill(hu, grid, [bone.swollen(-_CORTEX_MM) for bone in bones], _MARROW_HU)


def _add_trees(
    hu: npt.NDArray[np.int16], grid: Grid, leaves: int, rng: np.random.Generator
) -> dict[Side, list[Branch]]:
    """Draw vessels and airways; return all vessels by side."""
    arteries: dict[Side, list[Branch]] = {}
    vessels: dict[Side, list[Branch]] = {}
    for side in Side:
        arteries[side], veins = vessel_trees(side, leaves, rng)
        vessels[side] = arteries[side] + veins
        tubes = [tube for branch in vessels[side] for tube in tubes_of(branch)]
        raise_to(hu, grid, tubes, LUNG_HU, _VESSEL_HU)
    _add_airways(hu, grid, airways(arteries))
    return vessels


def _add_airways(hu: npt.NDArray[np.int16], grid: Grid, lumens: list[Tube]) -> None:
    walls = [lumen.swollen(_AIRWAY_WALL_MM + _AIRWAY_WALL_SHARE * lumen.start_radius) for lumen in lumens]
    raise_to(hu, grid, walls, LUNG_HU, _AIRWAY_WALL_HU)
    fill(hu, grid, lumens, _AIRWAY_HU)


def _add_noise(hu: npt.NDArray[np.int16], sd_hu: float, pixel_mm: float, seed: int, k: int) -> None:
    """Add noise to one slice, in place; the same slice gets the same noise whatever else is made."""
    rows, columns = hu.shape
    white = np.random.default_rng((seed, 3, k)).standard_normal((rows, columns), dtype=np.float32)
    spectrum = scipy.fft.rfft2(white, workers=2)
    spectrum *= _noise_filter(rows, columns, pixel_mm)
    noise = scipy.fft.irfft2(spectrum, s=(rows, columns), workers=2)
    hu += np.rint(noise * sd_hu * np.where(hu < AIR_OUTSIDE_HU + 100, 0.6, 1.0)).astype(np.int16)


def _noise_filter(rows: int, columns: int, pixel_mm: float) -> npt.NDArray[np.float32]:
    """Amplitude over frequency of filtered back projection: a ramp, rolled off; unit variance."""
    fy, fx = np.fft.fftfreq(rows, pixel_mm)[:, None], np.fft.rfftfreq(columns, pixel_mm)
    frequency = np.hypot(fy, fx) / _NOISE_PEAK_PER_MM
    amplitude = np.sqrt(frequency) * np.exp(-(frequency**2) / 4) + _NOISE_FLOOR * np.exp(-(frequency**2) / 8)
    weight = np.full(len(fx), 2.0)
    weight[0] = 1.0
    if columns % 2 == 0:
        weight[-1] = 1.0
    power = (amplitude**2 * weight).sum() / (rows * columns)
    return np.asarray(amplitude / np.sqrt(power), dtype=np.float32)


def _outside_field(grid: Grid) -> npt.NDArray[np.bool_]:
    """(J, I): pixels outside the round field of view."""
    offsets = np.arange(grid.shape[1]) - (grid.shape[1] - 1) / 2
    return np.asarray(np.hypot(offsets[:, None], offsets) > grid.shape[1] / 2)
