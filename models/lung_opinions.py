"""Two opinions on the lungs, a network's and the rules', made into one: the union of what either can defend.

Sheets along a border, thin as two voxels, are no disagreement; there the rules have the finer edge. Of what else the
network alone calls lung is kept
- what holds air and is no plain gas, near the rules' lung or large enough for a lung of its own;
- what is dense, where lung encloses it (a tumour), or where it lies between the lung and the chest wall with lung
  around a quarter of it (consolidation, effusion): the liver and the spleen have less.
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
AERATED_BELOW_HU = -400.0  # the half level between lung (-850 HU) and soft tissue (40 HU)
ENCLOSED_SHARE = 0.5  # of a region's border that is lung
COSTAL_SHARE, COSTAL_ENCLOSED_SHARE = 0.5, 0.25  # of a region that lies on the outer side, and of its border
SMALLEST_ML = 0.5
NEAR_MM = 10.0  # air this close to a lung may be a part of it that a scar or a tumour cuts off
_SIDES = (("right", LungLabel.RIGHT, -1.0), ("left", LungLabel.LEFT, 1.0))


@dataclass(frozen=True, eq=False)
class _Judged:
    """A region that one opinion alone calls lung: its box with a margin, its voxels there, what counts for it."""

    box: tuple[slice, slice, slice]
    voxels: Mask
    enclosed: float
    touches: tuple[int, int]  # border voxels in the right and in the left lung
    near: tuple[int, int]  # voxels of the right and of the left lung in the box


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
    lungs = (right, left)
    aerated = scene.smooth_hu < AERATED_BELOW_HU
    for region in _regions_apart(found[1] & allowed & aerated, lungs, scene.spacing):
        _add(region, _side_of_aerated(region, seen, scene), lungs)
    for region in _regions_apart(found[1] & allowed & ~aerated, lungs, scene.spacing):
        _add(region, _side_of_dense(region, lungs, scene), lungs)
    return right, left & ~right, notes


def _add(region: _Judged, side: int | None, lungs: tuple[Mask, Mask]) -> None:
    if side is not None:
        lungs[side][region.box] |= region.voxels


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
    margin = [int(np.ceil(NEAR_MM / step)) for step in spacing]
    return [_judged(regions, int(n), lungs, margin) for n in np.flatnonzero(regions.sizes >= least)]


def _judged(regions: Regions, number: int, lungs: tuple[Mask, Mask], margin: list[int]) -> _Judged:
    where = np.nonzero(regions.labels == number)
    sides = [
        slice(max(0, int(w.min()) - room), min(n, int(w.max()) + 1 + room))
        for w, n, room in zip(where, regions.labels.shape, margin, strict=True)
    ]
    box = (sides[0], sides[1], sides[2])
    voxels = regions.labels[box] == number
    border = _grown(voxels) & ~voxels
    touches = [int(np.count_nonzero(border & lung[box])) for lung in lungs]
    near = [int(np.count_nonzero(lung[box])) for lung in lungs]
    share = sum(touches) / max(1, int(np.count_nonzero(border)))
    return _Judged(box, voxels, share, (touches[0], touches[1]), (near[0], near[1]))


def _side_of_aerated(region: _Judged, seen: npt.NDArray[np.uint8], scene: Scene) -> int | None:
    """Tell to which lung (0 right, 1 left) air belongs that only the network calls lung; None when to none."""
    sized = Regions(region.voxels.astype(np.int32), np.array([0, np.count_nonzero(region.voxels)]))
    ml = float(sized.sizes[1]) * float(np.prod(scene.spacing)) / 1000
    lung_near = max(region.near) > 0
    if not (lung_near or ml >= SECOND_LUNG_ML) or plain_gas(sized, scene.smooth_hu[region.box])[1]:
        return None
    if lung_near:
        return int(np.argmax(region.touches if max(region.touches) else region.near))
    said = np.bincount(seen[region.box][region.voxels], minlength=len(LungLabel))
    return int(said[LungLabel.LEFT] > said[LungLabel.RIGHT])


def _side_of_dense(region: _Judged, lungs: tuple[Mask, Mask], scene: Scene) -> int | None:
    """Tell to which lung (0 right, 1 left) tissue belongs that only the network calls lung; None when to none."""
    side = int(np.argmax(region.touches))
    if region.enclosed >= ENCLOSED_SHARE:
        return side
    if region.enclosed < COSTAL_ENCLOSED_SHARE:
        return None
    outer = costal_side(lungs[side], scene.from_middle_mm(_whole(lungs[side])), _SIDES[side][2] * scene.leftward_mm)
    return side if float(outer[region.box][region.voxels].mean()) >= COSTAL_SHARE else None


def _whole(array: npt.NDArray[np.generic]) -> tuple[slice, slice, slice]:
    k, j, i = (slice(0, size) for size in array.shape)
    return k, j, i
