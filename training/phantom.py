"""A procedural chest CT with nodules of known place, size and type.

The phantom shows that the whole way through the node works and lets everybody count what was
found. It says nothing about how well nodules are found in patients.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.findings import LungLabel, Side
from models.volume import AIR_HU, Volume
from training import phantom_disease as disease
from training import phantom_skeleton as skeleton
from training.phantom_dicom import iterate_ct_datasets, write_series
from training.phantom_nodules import NoduleSpec, Room, plant
from training.phantom_raster import Grid, Tube, fill, raise_to
from training.phantom_scanner import add_noise, outside_field, reconstruct
from training.phantom_spec import STORED_PADDING, Arms, Patient, PhantomSpec, Scanner
from training.phantom_tissue import AIR_OUTSIDE_HU, LUNG_HU, Look, paint
from training.phantom_trees import Branch, airways, tubes_of, vessel_trees
from training.phantom_truth import Phantom, PlantedNodule

__all__ = ["STORED_PADDING", "Arms", "Patient", "PhantomSpec", "Scanner", "make_phantom", "truth", "write_phantom"]

_BONE_HU, _MARROW_HU, _CARTILAGE_HU, _SOFT_HU = 620.0, 210.0, 110.0, 40.0
_VESSEL_HU, _AIRWAY_WALL_HU, _AIRWAY_HU = 40.0, -20.0, -990.0
_AIRWAY_WALL_MM, _AIRWAY_WALL_SHARE = 0.45, 0.1  # wall thickness, and what it grows by per mm of lumen radius
_CORTEX_MM = 1.3
_LUNG_CONTRAST = 0.9  # share of the contrast in the aorta that the vessels of the lung show
_FLESH_MM = 8.0  # fat between skin and muscle of an arm
_FAT_HU = -105.0


def make_phantom(spec: PhantomSpec, seed: int, device: str = "cpu") -> Phantom:
    """Make the chest of a seed: the same seed, settings and kind of device give the same voxels.

    Parameters
    ----------
    device
        Where tissue is painted, such as ``cuda``; vessels, bones and nodules are drawn on the CPU.

    Returns
    -------
    Volume (padding at ``AIR_HU``), lung labels and the planted nodules.

    Raises
    ------
    ValueError
        If there is no room for a nodule.
    """
    tissue, trees, nodules, ills = (np.random.default_rng((seed, stream)) for stream in (0, 1, 2, 4))
    grid, patient = spec.standard_grid, spec.patient
    hu, labels = paint(grid, tissue, _look(spec), device)
    _add_arms(hu, grid, patient.arms)
    _add_bones(hu, grid)
    disease.add_nodes(hu, grid, patient, ills)
    branches = _add_trees(hu, grid, spec, trees)
    taken = disease.add_to_lungs(hu, labels, grid, patient, ills)
    planted = plant(hu, grid, _standard(spec), branches, nodules, Room(spec.nodule_gap_mm, taken))
    _scan(hu, spec, seed)
    if spec.scanner.round_field:
        outside = outside_field(grid)
        hu[:, outside], labels[:, outside] = AIR_HU, LungLabel.BACKGROUND
    return Phantom(Volume(hu, spec.grid.affine), labels, tuple(_scaled(nodule, patient) for nodule in planted))


def write_phantom(
    phantom: Phantom, folder: Path, seed: int, stored_padding: int | None = STORED_PADDING, **overrides: Any
) -> list[Path]:
    """Write the series as DICOM files into ``folder`` and what is true of it into ``folder/truth.json``.

    Parameters
    ----------
    overrides
        DICOM keywords and values for every instance.
    """
    datasets = iterate_ct_datasets(phantom.volume, seed=seed, padding_stored=stored_padding, **overrides)
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


def _look(spec: PhantomSpec) -> Look:
    who = spec.patient
    couch = spec.scanner.couch_mm + max(who.fat_mm, 0.0)  # a stout patient lies on it as well
    return Look(who.contrast_hu, who.emphysema, who.dependent_hu, who.clothed, couch, who.fat_mm, who.breasts)


def _standard(spec: PhantomSpec) -> tuple[NoduleSpec, ...]:
    """Give the nodules the size that they have in the standard chest, from which the patient is scaled."""
    size = float(np.prod(spec.patient.scale_xyz)) ** (1 / 3)
    if size == 1.0:
        return spec.nodules
    return tuple(
        replace(nodule, diameter_mm=nodule.diameter_mm / size, core_diameter_mm=nodule.core_diameter_mm / size)
        for nodule in spec.nodules
    )


def _scaled(nodule: PlantedNodule, patient: Patient) -> PlantedNodule:
    """Turn the truth in the standard chest into that of the patient."""
    growth = float(np.prod(patient.scale_xyz))
    x, y, z = (round(c * scale, 3) for c, scale in zip(nodule.center_lps_mm, patient.scale_xyz, strict=True))
    return replace(
        nodule,
        center_lps_mm=(x, y, z),
        diameter_mm=nodule.diameter_mm * growth ** (1 / 3),
        volume_mm3=nodule.volume_mm3 * growth,
    )


def _scan(hu: npt.NDArray[np.int16], spec: PhantomSpec, seed: int) -> None:
    """Pass the finished chest through the scanner, in place."""
    pixel_mm, sharpness = spec.grid.spacing_kji_mm[1], spec.scanner.sharpness
    reconstruct(hu, pixel_mm, sharpness)
    for k in range(hu.shape[0]):
        add_noise(hu[k], spec.noise_sd_hu, pixel_mm, sharpness, (seed, k))
    np.clip(hu, AIR_HU + 1, 3071, out=hu)


def _add_arms(hu: npt.NDArray[np.int16], grid: Grid, arms: Arms) -> None:
    """Lay both arms beside the trunk; raised ones are not in the picture but for the shoulders."""
    if arms is Arms.UP:
        return
    left = Tube(np.array([205.0, 25.0, -210.0]), np.array([172.0, 12.0, 92.0]), 34.0, 46.0)
    both = [left, left._replace(start=left.start * [-1, 1, 1], end=left.end * [-1, 1, 1])]
    raise_to(hu, grid, both, AIR_OUTSIDE_HU, _FAT_HU)
    raise_to(hu, grid, [arm.swollen(-_FLESH_MM) for arm in both], _FAT_HU, _SOFT_HU)
    bones = [arm._replace(start_radius=10.0, end_radius=12.0) for arm in both]
    raise_to(hu, grid, bones, _SOFT_HU, _BONE_HU)
    fill(hu, grid, [bone.swollen(-4.0) for bone in bones], _MARROW_HU)


def _add_bones(hu: npt.NDArray[np.int16], grid: Grid) -> None:
    bones = skeleton.tubes()
    raise_to(hu, grid, skeleton.cartilages(), _SOFT_HU, _CARTILAGE_HU)
    raise_to(hu, grid, bones, _SOFT_HU, _BONE_HU)
    fill(hu, grid, [bone.swollen(-_CORTEX_MM) for bone in bones], _MARROW_HU)


def _add_trees(
    hu: npt.NDArray[np.int16], grid: Grid, spec: PhantomSpec, rng: np.random.Generator
) -> dict[Side, list[Branch]]:
    """Draw vessels and airways; return all vessels by side."""
    blood = _VESSEL_HU + _LUNG_CONTRAST * spec.patient.contrast_hu
    arteries: dict[Side, list[Branch]] = {}
    vessels: dict[Side, list[Branch]] = {}
    for side in Side:
        arteries[side], veins = vessel_trees(side, spec.vessel_leaves, rng)
        vessels[side] = arteries[side] + veins
        tubes = [tube for branch in vessels[side] for tube in tubes_of(branch)]
        raise_to(hu, grid, tubes, LUNG_HU, blood)
    _add_airways(hu, grid, airways(arteries))
    return vessels


def _add_airways(hu: npt.NDArray[np.int16], grid: Grid, lumens: list[Tube]) -> None:
    walls = [lumen.swollen(_AIRWAY_WALL_MM + _AIRWAY_WALL_SHARE * lumen.start_radius) for lumen in lumens]
    raise_to(hu, grid, walls, LUNG_HU, _AIRWAY_WALL_HU)
    fill(hu, grid, lumens, _AIRWAY_HU)
