"""The lungs of a volume: by rules, and by a network where there is one; lobes where lobe weights are installed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from models.body import scene_of
from models.components import Mask, box_of
from models.findings import LungLabel, Lungs
from models.lung_network import LungNetwork, fused, network_labels, network_labels_on
from models.lung_opinions import united
from models.lung_rules import lung_air, lung_air_area_mm2, margin_of, ruled_lungs
from models.resampling import block_factors, unblocked
from models.volume import Volume

__all__ = ["CUT_OFF_MM2", "lung_air_area_mm2", "segment_lungs"]

WORKING_STEP_MM = 2.0  # in-plane grid on which both opinions meet
WORKING_SLICE_MM = 2.5  # slices closer than this are joined
CUT_OFF_MM2 = 3000.0  # lung on an end slice of the volume that is no apex and no costophrenic tip


def segment_lungs(volume: Volume, network: LungNetwork | None = None, lobe_network: LungNetwork | None = None) -> Lungs:
    """Segment both lungs of a chest CT of any slice direction and patient position.

    Parameters
    ----------
    network
        A second opinion beside the rules; where the two disagree, the union of what either can defend is used and a
        warning says so. None: the rules alone.
    lobe_network
        Parts the lungs into lobes; None: no lobes.

    Returns
    -------
    Labels on the volume's grid, volumes in ml, and warnings for the report.

    Raises
    ------
    AnalysisRefused
        ``NO_LUNGS`` when nothing in the volume is lung by the rules.
    """
    factors = _working_factors(volume)
    scene = scene_of(volume, factors)
    air = lung_air(scene)
    seen = None if network is None else network_labels_on(volume, network, factors)
    box = box_of(air if seen is None else air | (seen > 0), margin_of(scene.spacing))
    scene = scene.crop(box)
    rules = ruled_lungs(scene, air[box])
    right, left, notes = rules.right, rules.left, rules.notes
    if seen is not None:
        right, left, disagreement = united(rules, seen[box], scene)
        notes += disagreement
    labels = _labels(volume.shape, factors, box, right, left)
    lobes = None if lobe_network is None else fused(network_labels(volume, lobe_network), labels)
    return _described(labels, volume, notes, lobes)


def _working_factors(volume: Volume) -> tuple[int, int, int]:
    """Give how many voxels are joined: to ``WORKING_SLICE_MM`` between slices, ``WORKING_STEP_MM`` within them."""
    in_plane = block_factors(volume.spacing_kji_mm, WORKING_STEP_MM)
    return block_factors(volume.spacing_kji_mm, WORKING_SLICE_MM)[0], in_plane[1], in_plane[2]


def _labels(
    shape: tuple[int, int, int],
    factors: tuple[int, int, int],
    box: tuple[slice, slice, slice],
    right: Mask,
    left: Mask,
) -> npt.NDArray[np.uint8]:
    """Bring both masks to the full grid, each in its own box."""
    labels = torch.zeros(shape, dtype=torch.uint8)
    for mask, label in ((right, LungLabel.RIGHT), (left, LungLabel.LEFT)):
        if mask.any():
            inner = box_of(mask, (1, 1, 1))
            first = [whole.start + part.start for whole, part in zip(box, inner, strict=True)]
            full = tuple(
                slice(start * f, min((start + part.stop - part.start) * f, n))
                for start, part, f, n in zip(first, inner, factors, shape, strict=True)
            )
            target = labels[full]
            size = (target.shape[0], target.shape[1], target.shape[2])
            target[unblocked(np.ascontiguousarray(mask[inner]), factors, size)] = int(label)
    return np.asarray(labels.numpy())


def _described(
    labels: npt.NDArray[np.uint8], volume: Volume, notes: tuple[str, ...], lobes: npt.NDArray[np.uint8] | None
) -> Lungs:
    """Measure the labels and say what the reader must know."""
    sides = (LungLabel.RIGHT, LungLabel.LEFT)
    counts = [sum(int(np.count_nonzero(section == side)) for section in labels) for side in sides]
    right_ml, left_ml = (count * volume.voxel_volume_mm3 / 1000 for count in counts)
    warnings = list(notes)
    for name, ml in (("right", right_ml), ("left", left_ml)):
        if ml == 0:
            warnings.append(f"only one lung was found: no aerated {name} lung")
    ends = [("first", 0), ("last", -1)]
    pixel_mm2 = volume.spacing_kji_mm[1] * volume.spacing_kji_mm[2]
    for name, k in ends:
        if np.count_nonzero(labels[k]) * pixel_mm2 > CUT_OFF_MM2:
            warnings.append(f"the lungs are cut off at the {name} slice")
    return Lungs(labels, right_ml, left_ml, tuple(warnings), lobes)
