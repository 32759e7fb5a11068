"""Generated scans with made and planted real nodules, of a chosen slice thickness and noise.

Seeds have owners: training takes 0 to 999, calibration 1000 to 1999, the benchmark 9000 to 9999.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.findings import Attenuation, Lungs, Side
from models.lungs import segment_lungs
from models.volume import Volume
from training.errors import TrainingError
from training.phantom import PhantomSpec, make_phantom
from training.phantom_nodules import NoduleSpec, Setting
from training.phantom_truth import Phantom, PlantedNodule
from training.planting import PlantingOptions, Split, Stacks, patients_of_split, planted

CALIBRATION_SEEDS = range(2000, 3000)  # the candidate network is trained on chests of 1000 and up
BENCHMARK_SEEDS = range(9000, 10000)
MADE, REAL = 5, 5  # nodules of each kind that are tried in a scan
SLICES_MM = (0.6, 1.0, 1.25, 2.0, 3.0)
NOISES_HU = (12.0, 22.0, 40.0)  # low dose is noisy
_MATRIX, _FOV_MM = 288, (300.0, 340.0)
_DIAMETER_MM = (3.2, 32.0)
_MASS_MM = (32.0, 45.0)
_MASS_EVERY = 4  # seeds of which one gets a mass
_FAINT_FROM_MM = 6.0  # ground glass of less cannot be seen
_TYPES = (Attenuation.SOLID,) * 6 + (Attenuation.GROUND_GLASS,) * 2 + (Attenuation.PART_SOLID, Attenuation.CALCIFIED)
_CARINA_TO_MM, _HEIGHT_MM = (-125.0, 35.0), 40.0  # where the z of a made nodule begins, and its range


@dataclass(frozen=True, eq=False)
class MadeScan:
    """A generated scan, its lungs as the node segments them, and its nodules."""

    seed: int
    slice_mm: float
    noise_hu: float
    volume: Volume
    lungs: Lungs
    nodules: tuple[PlantedNodule, ...]


def made_scan(seed: int, stacks: Stacks, with_mass: bool = False, device: str = "cpu") -> MadeScan:
    """Make the scan of a seed; thickness and noise go round with the seed, so that any 15 in a row hold all pairs.

    Parameters
    ----------
    stacks
        Real nodules of the split that the scan belongs to.
    with_mass
        Every fourth scan gets a mass of 32 to 45 mm too.
    device
        Where tissue is painted, see ``make_phantom``.
    """
    rng = np.random.default_rng((seed, 78))
    slice_mm, noise_hu = SLICES_MM[seed % len(SLICES_MM)], NOISES_HU[seed // len(SLICES_MM) % len(NOISES_HU)]
    specs = [_spec(rng, _DIAMETER_MM) for _ in range(MADE)]
    if with_mass and seed % _MASS_EVERY == 0:
        specs.insert(0, _spec(rng, _MASS_MM))
    phantom = _phantom(PhantomSpec(slice_mm, _MATRIX, float(rng.uniform(*_FOV_MM)), noise_hu), specs, seed, device)
    volume, real = _with_real(phantom, stacks, rng)
    return MadeScan(seed, slice_mm, noise_hu, volume, segment_lungs(volume), phantom.nodules + real)


def _phantom(scan: PhantomSpec, specs: list[NoduleSpec], seed: int, device: str) -> Phantom:
    """Make a chest; a nodule for which there is no room is left out, the last one first."""
    while True:
        nodules = tuple(specs)
        try:
            return make_phantom(replace(scan, nodules=nodules), seed, device)
        except ValueError:
            if not specs:
                raise
            specs.pop()


def _with_real(phantom: Phantom, stacks: Stacks, rng: np.random.Generator) -> tuple[Volume, tuple[PlantedNodule, ...]]:
    """Plant real nodules; fewer where there is no room for all."""
    options, count = PlantingOptions(avoid=phantom.nodules), REAL
    while True:
        try:
            return planted(phantom.volume, phantom.lung_labels, stacks, rng, count, options)
        except TrainingError:
            if count == 1:
                raise
            count //= 2


def _spec(rng: np.random.Generator, diameters_mm: tuple[float, float]) -> NoduleSpec:
    """Draw a nodule: small ones are the more frequent."""
    kind, setting = _TYPES[rng.integers(len(_TYPES))], tuple(Setting)[rng.integers(len(Setting))]
    diameter = float(np.exp(rng.uniform(*np.log(diameters_mm))))
    if kind in (Attenuation.GROUND_GLASS, Attenuation.PART_SOLID):
        diameter = max(diameter, _FAINT_FROM_MM)
    core = diameter * float(rng.uniform(0.3, 0.6)) if kind is Attenuation.PART_SOLID else 0.0
    lowest = float(rng.uniform(*_CARINA_TO_MM))
    side = (Side.LEFT, Side.RIGHT)[rng.integers(2)]
    return NoduleSpec(diameter, kind, setting, side, (lowest, lowest + _HEIGHT_MM), core)


def held_apart(stacks: Stacks, benchmark: bool) -> Stacks:
    """Give the real nodules of the held-out patients: every second patient judges, the others calibrate."""
    patients = patients_of_split(stacks.patients, Split.HELD_OUT)
    return stacks.of(patients[1::2] if benchmark else patients[::2])
