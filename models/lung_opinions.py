"""Two opinions on the lungs, a network's and the rules', made into one: the union of what either can defend.

Sheets along a border, thin as two voxels, are no disagreement; there the rules have the finer edge. Of what else the
network alone calls lung is kept
- what holds air and is no plain gas, where it touches the rules' lung or is large enough for a lung of its own;
- what is dense, where lung encloses it (a tumour), or where it lies between the lung and the chest wall with lung
  around a third of it (consolidation, effusion): the liver and the spleen have less.
Of what the rules alone call lung, plain gas (bowel, stomach) is given up unless lung encloses it. The shares are round
numbers, chosen with LUNG1-001 in view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.body import Scene
from models.components import Mask, Regions, Spacing, regions_of
from models.lung_filling import costal_side
from models.lung_rules import SECOND_LUNG_ML, RuledLungs, plain_gas
from models.terms import LungLabel

DISAGREEMENT_ML = 60.0  # of one side, about 2 % of a lung: from here on the report says so
AERATED_BELOW_HU = -400.0  # mean of a region; the half level between lung (-850 HU) and soft tissue (40 HU)
ENCLOSED_SHARE = 0.5  # of a region's border that is lung
COSTAL_SHARE, COSTAL_ENCLOSED_SHARE = 0.5, 1 / 3  # of a region that lies on the outer side, and of its border
SMALLEST_ML = 0.5
_SIDES = (("right", LungLabel.RIGHT, -1.0), ("left", LungLabel.LEFT, 1.0))


@dataclass(frozen=True, eq=False)
class _Judged:
    """A region that one opinion alone calls lung: its box, its voxels there, and what counts for it."""

    box: tuple[slice, slice, slice]
    voxels: Mask
    enclosed: float
    touches: tuple[int, int]  # border voxels in the right and in the left lung


def united(rules: RuledLungs, seen: npt.NDArray[np.uint8], scene: Scene) -> tuple[Mask, Mask, tuple[str, ...]]:
    """Unite both opinions.

    Parameters
    ----------
    seen
        (K, J, I) ``LungLabel`` by the network, on the scene's grid.

    Returns
    -------
    Right and left lung (K, J, I), and a sentence for the report for each side on which they disagree.
    """
    found = (rules.right | rules.left, seen > 0)
    notes = tuple(
        f"two methods disagree on the {name} lung by {ml:.0f} ml; all that either can account for was used"
        for name, ml in _disagreements(rules, seen, scene.spacing).items()
        if ml >= DISAGREEMENT_ML
    )
    right, left = _without_gas(rules, found[1], scene)
    allowed = scene.inside & ~rules.airways & ~found[0]
    for region in _regions_apart(found[1] & allowed, (right, left), scene.spacing):
        side = _side_of(region, seen, (right, left), scene)
        if side is not None:
            (right, left)[side][region.box] |= region.voxels
    return right, left & ~right, notes


def _disagreements(rules: RuledLungs, seen: npt.NDArray[np.uint8], spacing: Spacing) -> dict[str, float]:
    """Give, per side, the volume in ml that one opinion has and the other has not, thin sheets left out."""
    masks = {"right": rules.right, "left": rules.left}
    voxel_ml = float(np.prod(spacing)) / 1000
    return {
        name: float(np.count_nonzero(thick((masks[name] ^ (seen == label)) & ~rules.airways))) * voxel_ml
        for name, label, _ in _SIDES
    }


def thick(mask: Mask) -> Mask:
    """Leave out what is thinner than three voxels: open with a cross of seven voxels, (K, J, I)."""
    return _grown(~_grown(~mask)) & mask


def _grown(mask: Mask) -> Mask:
    """Grow by one voxel through the faces."""
    grown = mask.copy()
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        grown[tuple(low)] |= mask[tuple(high)]
        grown[tuple(high)] |= mask[tuple(low)]
    return grown


def _without_gas(rules: RuledLungs, seen: Mask, scene: Scene) -> tuple[Mask, Mask]:
    """Take out of the rules' lungs what only they call lung, is plain gas and is not enclosed by lung."""
    right, left = rules.right.copy(), rules.left.copy()
    agreed = (rules.right & seen, rules.left & seen)
    alone = (right | left) & ~seen
    for region in _regions_apart(alone, agreed, scene.spacing):
        part = Regions(region.voxels.astype(np.int32), np.array([0, np.count_nonzero(region.voxels)]))
        if region.enclosed < ENCLOSED_SHARE and plain_gas(part, scene.smooth_hu[region.box])[1]:
            for side in (right, left):
                side[region.box] &= ~region.voxels
    return right, left


def _regions_apart(mask: Mask, lungs: tuple[Mask, Mask], spacing: Spacing) -> list[_Judged]:
    """Part what is thick of a mask, with the sheets on it, into regions; see how lungs border on each."""
    regions = regions_of(_grown(thick(mask)) & mask)
    least = SMALLEST_ML * 1000 / float(np.prod(spacing))
    return [_judged(regions, int(n), lungs) for n in np.flatnonzero(regions.sizes >= least)]


def _judged(regions: Regions, number: int, lungs: tuple[Mask, Mask]) -> _Judged:
    where = np.nonzero(regions.labels == number)
    sides = [
        slice(max(0, int(w.min()) - 1), min(n, int(w.max()) + 2))
        for w, n in zip(where, regions.labels.shape, strict=True)
    ]
    box = (sides[0], sides[1], sides[2])
    voxels = regions.labels[box] == number
    border = _grown(voxels) & ~voxels
    touches = [int(np.count_nonzero(border & lung[box])) for lung in lungs]
    return _Judged(box, voxels, sum(touches) / max(1, int(np.count_nonzero(border))), (touches[0], touches[1]))


def _side_of(region: _Judged, seen: npt.NDArray[np.uint8], lungs: tuple[Mask, Mask], scene: Scene) -> int | None:
    """Tell to which lung (0 right, 1 left) a region belongs that only the network calls lung; None when to none."""
    touching = max(region.touches) > 0
    said = np.bincount(seen[region.box][region.voxels], minlength=len(LungLabel))
    side = int(np.argmax(region.touches)) if touching else int(said[LungLabel.LEFT] > said[LungLabel.RIGHT])
    hu = scene.smooth_hu[region.box]
    if float(hu[region.voxels].mean()) < AERATED_BELOW_HU:
        sized = Regions(region.voxels.astype(np.int32), np.array([0, np.count_nonzero(region.voxels)]))
        alone_ml = float(sized.sizes[1]) * float(np.prod(scene.spacing)) / 1000
        lung_like = (touching or alone_ml >= SECOND_LUNG_ML) and not plain_gas(sized, hu)[1]
        return side if lung_like else None
    outer = costal_side(lungs[side], scene.from_middle_mm(_whole(seen)), _SIDES[side][2] * scene.leftward_mm)
    costal = float(outer[region.box][region.voxels].mean()) >= COSTAL_SHARE
    needed = COSTAL_ENCLOSED_SHARE if costal else ENCLOSED_SHARE
    return side if touching and region.enclosed >= needed else None


def _whole(array: npt.NDArray[np.generic]) -> tuple[slice, slice, slice]:
    k, j, i = (slice(0, size) for size in array.shape)
    return k, j, i
