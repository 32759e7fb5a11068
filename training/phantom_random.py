"""A chest drawn at random: another patient, another scanner, other nodules for every seed.

Drawn wider than patients and scanners are spread, on purpose: what a model learns on it should not
hang on any of these settings.
"""

from __future__ import annotations

import numpy as np

from models.findings import Attenuation, Side
from training.phantom_nodules import NoduleSpec, Setting
from training.phantom_spec import STORED_PADDING, Arms, Patient, PhantomSpec, Scanner

_DIAMETER_MM = (3.5, 26.5)  # before the spread of the drawing, so that all lie within 3 and 30
_ALWAYS_FREE_BELOW_MM = 16.0  # a larger nodule finds no place clear of all vessels and lies at one, or at the pleura
_HEIGHTS_MM = (-120.0, 75.0)  # of the centres in the standard chest
_GAP_MM = 4.0
_SLICES_MM = (0.6, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 5.0)
_KINDS = {
    Attenuation.SOLID: 0.6,
    Attenuation.PART_SOLID: 0.14,
    Attenuation.GROUND_GLASS: 0.14,
    Attenuation.CALCIFIED: 0.12,
}
_HU = {
    Attenuation.SOLID: (-40.0, 90.0),
    Attenuation.PART_SOLID: (-700.0, -480.0),
    Attenuation.GROUND_GLASS: (-740.0, -450.0),
    Attenuation.CALCIFIED: (220.0, 900.0),
}


def random_spec(seed: int, nodules: int = 8, matrix: int = 512, slice_spacing_mm: float | None = None) -> PhantomSpec:
    """Draw a patient, a scanner and nodules of 3 to 30 mm: the same seed gives the same.

    Parameters
    ----------
    nodules
        How many; very many large ones find no room, which ``make_phantom`` says.
    matrix
        Rows and columns.
    slice_spacing_mm
        None draws 0.6 to 5 mm.
    """
    rng = np.random.default_rng((seed, 77))
    drawn = float(rng.choice(_SLICES_MM))
    spacing = drawn if slice_spacing_mm is None else slice_spacing_mm
    patient, scanner = _patient(rng), _scanner(rng)
    return PhantomSpec(
        slice_spacing_mm=spacing,
        matrix=matrix,
        fov_mm=float(np.clip(rng.uniform(335, 390) * patient.scale_xyz[0] + patient.fat_mm, 300, 500)),
        noise_sd_hu=float(np.exp(rng.uniform(np.log(8), np.log(60))) * (1 + 0.5 * max(scanner.sharpness, 0))),
        vessel_leaves=int(rng.integers(450, 1300)),
        nodules=tuple(random_nodule(rng) for _ in range(nodules)),
        patient=patient,
        scanner=scanner,
        nodule_gap_mm=_GAP_MM,
    )


def random_nodule(rng: np.random.Generator) -> NoduleSpec:
    """Draw one nodule; small ones and solid ones are the more frequent, as in patients."""
    diameter = float(np.exp(rng.uniform(*np.log(_DIAMETER_MM))))
    kind = Attenuation(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    if kind is Attenuation.PART_SOLID:
        diameter = max(diameter, 6.0)  # below, a core cannot be told
    free = (Setting.ISOLATED,) if diameter < _ALWAYS_FREE_BELOW_MM else ()
    settings = (*free, Setting.JUXTAVASCULAR, Setting.JUXTAPLEURAL)
    return NoduleSpec(
        diameter,
        kind,
        settings[rng.integers(len(settings))],
        tuple(Side)[rng.integers(2)],
        _HEIGHTS_MM,
        core_diameter_mm=float(diameter * rng.uniform(0.25, 0.7)) if kind is Attenuation.PART_SOLID else 0.0,
        hu=float(rng.uniform(*_HU[kind])),
        spicules=int(rng.integers(5, 18)) if kind is not Attenuation.CALCIFIED and rng.random() < 0.3 else 0,
        roughness=float(rng.uniform(0.3, 2.6)),
        soft_mm=float(rng.uniform(0.5, 1.6) if kind is Attenuation.GROUND_GLASS else rng.uniform(0.2, 0.7)),
    )


def _patient(rng: np.random.Generator) -> Patient:
    size = rng.uniform(0.88, 1.12)
    width, depth, height = np.clip(size * rng.uniform(0.92, 1.08, 3), 0.8, 1.2)
    return Patient(
        scale_xyz=(float(width), float(depth), float(height)),
        fat_mm=float(rng.uniform(-4, 22)),
        breasts=float(rng.uniform(0.4, 1.3)) if rng.random() < 0.5 else 0.0,
        arms=Arms.DOWN if rng.random() < 0.2 else Arms.UP,
        contrast_hu=float(rng.uniform(60, 350)) if rng.random() < 0.4 else 0.0,
        clothed=bool(rng.random() < 0.6),
        emphysema=float(rng.uniform(0.02, 0.4)) if rng.random() < 0.3 else 0.0,
        dependent_hu=float(rng.uniform(100, 500)) if rng.random() < 0.5 else 0.0,
        scars=int(rng.integers(0, 9)),
        consolidations=int(rng.integers(1, 3)) if rng.random() < 0.25 else 0,
        plaques=int(rng.integers(1, 6)) if rng.random() < 0.3 else 0,
        nodes=int(rng.integers(0, 16)),
    )


def _scanner(rng: np.random.Generator) -> Scanner:
    paddings = (STORED_PADDING, 0, -3024, None)
    return Scanner(
        sharpness=float(rng.uniform(-1, 1)),
        round_field=bool(rng.random() < 0.7),
        stored_padding=paddings[rng.integers(len(paddings))],
        couch_mm=float(rng.uniform(0, 25)),
    )
