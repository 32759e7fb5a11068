"""Generated scans for the training of candidates: chests of many kinds with made and real nodules in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.findings import Attenuation, Side
from models.lungs import segment_lungs
from models.volume import Volume
from training.errors import TrainingError
from training.phantom import PhantomSpec, make_phantom
from training.phantom_nodules import NoduleSpec, Setting
from training.phantom_random import random_spec
from training.phantom_truth import Phantom, PlantedNodule
from training.planting import PlantingOptions, Stacks, planted
from training.proposals.scan import WorkedScan, worked

_MADE, _REAL = 8, 10  # nodules of each kind that are tried in a scan
_SLICE_MM = (0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
_MATRIX = (320, 384, 448)
_FOV_MM = (320.0, 380.0)
_NOISE_HU = (10.0, 20.0, 30.0, 45.0)
_VESSEL_LEAVES = (400, 650, 900)
_DIAMETER_MM = (3.2, 32.0)
_FAINT_FROM_MM = 6.0  # ground glass of less cannot be seen
_TYPES = (Attenuation.SOLID,) * 6 + (Attenuation.GROUND_GLASS,) * 2 + (Attenuation.PART_SOLID, Attenuation.CALCIFIED)
_SETTINGS = (Setting.ISOLATED, Setting.ISOLATED, Setting.JUXTAVASCULAR, Setting.JUXTAPLEURAL)
_CARINA_TO_MM = (-125.0, 35.0)  # lowest z of a nodule's range, from the carina
_HEIGHT_MM = 40.0


def generated_scan(seed: int, stacks: Stacks, device: str = "cpu") -> WorkedScan:
    """Make the scan of a seed: thickness, noise, vessels and nodules differ from seed to seed.

    Every second one is of a patient and a scanner drawn at random too: size, disease, contrast, kernel.

    Parameters
    ----------
    stacks
        Real nodules of the split that the scan belongs to.
    device
        Where tissue is painted, see ``make_phantom``.

    Raises
    ------
    TrainingError
        No real nodule can be planted.
    """
    rng = np.random.default_rng((seed, 77))
    phantom = _phantom(seed, rng, device)
    volume, nodules = with_real_nodules(phantom, stacks, rng)
    return worked_phantom(f"generated-{seed}", Phantom(volume, phantom.lung_labels, nodules))


def with_real_nodules(
    phantom: Phantom, stacks: Stacks, rng: np.random.Generator
) -> tuple[Volume, tuple[PlantedNodule, ...]]:
    """Plant real nodules beside the made ones; fewer where there is no room for all."""
    options, count = PlantingOptions(avoid=phantom.nodules), _REAL
    while True:
        try:
            volume, added = planted(phantom.volume, phantom.lung_labels, stacks, rng, count, options)
            return volume, phantom.nodules + added
        except TrainingError:
            if count == 1:
                raise
            count //= 2


def worked_phantom(name: str, phantom: Phantom) -> WorkedScan:
    """Bring a phantom to the network's grid, its lungs segmented as the node does."""
    lungs = segment_lungs(phantom.volume)
    return worked(name, phantom.volume, lungs.labels, truth_of(phantom.nodules), np.zeros((0, 4)))


def truth_of(nodules: Sequence[PlantedNodule]) -> npt.NDArray[np.float64]:
    """(N, 4): centre x, y, z in LPS mm, diameter in mm."""
    return np.array([(*nodule.center_lps_mm, nodule.diameter_mm) for nodule in nodules]).reshape(-1, 4)


def _phantom(seed: int, rng: np.random.Generator, device: str) -> Phantom:
    """Make a chest; a made nodule for which there is no room is left out."""
    scan = _drawn_spec(seed, rng) if seed % 2 else _plain_spec(rng)
    nodules = list(scan.nodules)
    while True:
        try:
            return make_phantom(replace(scan, nodules=tuple(nodules)), seed, device)
        except ValueError:
            nodules.pop(int(rng.integers(len(nodules))))


def _plain_spec(rng: np.random.Generator) -> PhantomSpec:
    """Draw thickness, noise, vessels and nodules of the standard chest."""
    nodules = tuple(_nodule_spec(rng) for _ in range(_MADE))
    return PhantomSpec(
        slice_spacing_mm=float(rng.choice(_SLICE_MM)),
        matrix=int(rng.choice(_MATRIX)),
        fov_mm=float(rng.uniform(*_FOV_MM)),
        noise_sd_hu=float(rng.choice(_NOISE_HU)),
        vessel_leaves=int(rng.choice(_VESSEL_LEAVES)),
        nodules=nodules,
    )


def _drawn_spec(seed: int, rng: np.random.Generator) -> PhantomSpec:
    """Draw patient and scanner too; no thicker slices than those of the standard chest."""
    return random_spec(seed, _MADE, int(rng.choice(_MATRIX)), float(rng.choice(_SLICE_MM)))


def _nodule_spec(rng: np.random.Generator) -> NoduleSpec:
    """Draw a nodule: small ones are the more frequent."""
    kind, setting = _TYPES[rng.integers(len(_TYPES))], _SETTINGS[rng.integers(len(_SETTINGS))]
    diameter = float(np.exp(rng.uniform(*np.log(_DIAMETER_MM))))
    if kind in (Attenuation.GROUND_GLASS, Attenuation.PART_SOLID):
        diameter = max(diameter, _FAINT_FROM_MM)
    core = diameter * float(rng.uniform(0.3, 0.6)) if kind is Attenuation.PART_SOLID else 0.0
    lowest = float(rng.uniform(*_CARINA_TO_MM))
    side = (Side.LEFT, Side.RIGHT)[rng.integers(2)]
    return NoduleSpec(diameter, kind, setting, side, (lowest, lowest + _HEIGHT_MM), core)
