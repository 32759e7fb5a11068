"""Real nodules planted into lungs, real or generated: true texture where the truth is known.

What is true of a planted nodule is its place, its diameter and its volume. Its HU are an estimate
(see ``planting_stacks``), and so is its type.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.findings import LungLabel, Side
from models.volume import Volume
from training.datasets_split import Split, patients_of_split
from training.errors import TrainingError
from training.phantom_nodules import Setting
from training.phantom_truth import PlantedNodule
from training.planting_body import Array, Box, NoduleBody, Posture, body_of, laid
from training.planting_places import Ball, Places, lung_places
from training.planting_stacks import Stacks, load_stacks

__all__ = ["PlantingOptions", "Split", "Stacks", "load_stacks", "patients_of_split", "planted"]

_SCALES = (0.6, 1.6)  # a nodule is enlarged or reduced within these, where there is one that allows it
_STRUCTURE_HU = 100.0  # what was denser than the nodule by this stays: vessels and wall
_TRIES = 20
_LOWEST_HU, _HIGHEST_HU = -1023, 3071  # 12-bit CT; -1024 is left to padding


@dataclass(frozen=True)
class PlantingOptions:
    """Which nodules are planted, and where.

    Parameters
    ----------
    diameter_mm
        Smallest and largest, 3 to 30; drawn evenly in the logarithm, because small ones are the more frequent.
    settings
        Where they may lie; drawn evenly.
    avoid
        Nodules that are already there: nothing is planted on them.
    gap_mm
        Lung kept between the surfaces of two nodules.

    Raises
    ------
    ValueError
        If the diameters are not a range within 3 to 30 mm, or no setting is given.
    """

    diameter_mm: tuple[float, float] = (3.0, 30.0)
    settings: tuple[Setting, ...] = tuple(Setting)
    avoid: tuple[PlantedNodule, ...] = ()
    gap_mm: float = 4.0

    def __post_init__(self) -> None:
        low, high = self.diameter_mm
        if not 3.0 <= low <= high <= 30.0:
            raise ValueError(f"diameter_mm must be a range within 3 and 30, found {self.diameter_mm}")
        if not self.settings:
            raise ValueError("settings must name one place at least")


def planted(
    volume: Volume,
    lung_labels: npt.NDArray[np.uint8],
    stacks: Stacks,
    rng: np.random.Generator,
    count: int,
    options: PlantingOptions | None = None,
) -> tuple[Volume, tuple[PlantedNodule, ...]]:
    """Plant real nodules into a copy of a volume: the same generator gives the same nodules.

    Parameters
    ----------
    volume
        Any slice distance; thick slices average the nodule as they do the lung.
    lung_labels
        (K, J, I) uint8, values of ``LungLabel``.
    stacks
        The nodules to choose from, such as ``stacks.of(patients_of_split(stacks.patients, Split.TRAIN))``.
    count
        How many.
    options
        None takes ``PlantingOptions()``.

    Returns
    -------
    The volume with the nodules, and the truth about each: centre of mass and volume of what lies in the lung,
    diameter of the sphere of that volume, mean of the estimated HU.

    Raises
    ------
    TrainingError
        If there is no stack, or no room for a nodule.
    """
    chosen = options or PlantingOptions()
    if not len(stacks) and count:
        raise TrainingError("planting: there is no real nodule to choose from; give stacks of other patients")
    places = lung_places(volume, lung_labels)
    result = Volume(volume.hu.copy(), volume.affine)
    found: list[PlantedNodule] = []
    taken = [_ball(volume, nodule, chosen.gap_mm) for nodule in chosen.avoid]
    for _ in range(count):
        body, posture = _drawn(stacks, places, taken, rng, chosen)
        nodule = _blended(result, lung_labels, body, posture)
        taken.append(_ball(volume, nodule, chosen.gap_mm))
        found.append(nodule)
    return result, tuple(found)


def _ball(volume: Volume, nodule: PlantedNodule, gap_mm: float) -> Ball:
    return Ball(volume.to_index(nodule.center_lps_mm), nodule.diameter_mm / 2 + gap_mm)


def _drawn(
    stacks: Stacks, places: Places, taken: list[Ball], rng: np.random.Generator, options: PlantingOptions
) -> tuple[NoduleBody, Posture]:
    """Draw a diameter, a place and a nodule of about that size; a draw that finds no room is drawn again."""
    for _ in range(_TRIES):
        diameter = float(np.exp(rng.uniform(*np.log(options.diameter_mm))))
        setting = options.settings[rng.integers(len(options.settings))]
        center = places.draw(setting, diameter / 2, taken, rng)
        if center is not None:
            body = body_of(stacks.nodule(_position(stacks, diameter, rng)))
            return body, Posture(center, _turn(rng), diameter / body.diameter_mm)
    raise TrainingError(
        f"planting: no room for a nodule of {options.diameter_mm[0]:g} to {options.diameter_mm[1]:g} mm beside "
        f"{len(taken)} others; plant fewer or smaller ones"
    )


def _position(stacks: Stacks, diameter: float, rng: np.random.Generator) -> int:
    """Choose a nodule of about the wanted diameter, or the nearest in size."""
    scales = diameter / stacks.diameters_mm
    near = np.flatnonzero((scales > _SCALES[0]) & (scales < _SCALES[1]))
    return int(rng.choice(near)) if len(near) else int(np.abs(np.log(scales)).argmin())


def _turn(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Turn about the axis across the slices and mirror: slices stay slices."""
    angle = rng.uniform(0, 2 * pi)
    upside, sideways = rng.choice([-1.0, 1.0], 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[upside, 0.0, 0.0], [0.0, cos, -sideways * sin], [0.0, sin, sideways * cos]])


def _blended(volume: Volume, lung_labels: npt.NDArray[np.uint8], body: NoduleBody, posture: Posture) -> PlantedNodule:
    """Blend one nodule into ``volume.hu``, in place, and tell the truth about it."""
    box, weight, weighted_hu, share = laid(volume, body, posture)
    before = volume.hu[box].astype(np.float32)
    denser = before * weight > weighted_hu + _STRUCTURE_HU * weight
    after = np.where(denser, before, before * (1 - weight) + weighted_hu)
    within = np.clip(np.rint(after), _LOWEST_HU, _HIGHEST_HU)
    volume.hu[box] = np.where(weight > 0, within, before).astype(np.int16)
    return _truth(volume, box, share * (lung_labels[box] > 0), lung_labels[box], body)


def _truth(volume: Volume, box: Box, share: Array, labels: npt.NDArray[np.uint8], body: NoduleBody) -> PlantedNodule:
    """Measure what lies in the lung, by its share of each voxel (k, j, i) of the box."""
    corner = np.array([side.start for side in box])
    center = volume.to_patient(ndimage.center_of_mass(share) + corner)
    x, y, z = (round(float(c), 3) for c in center)
    volume_mm3 = float(share.sum(dtype=np.float64)) * volume.voxel_volume_mm3
    left = share[labels == LungLabel.LEFT].sum() > share.sum() / 2
    side = Side.LEFT if left else Side.RIGHT
    return PlantedNodule((x, y, z), (6 * volume_mm3 / pi) ** (1 / 3), volume_mm3, body.attenuation, body.mean_hu, side)
