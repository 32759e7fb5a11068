"""The LIDC stacks beside the triplets: the same nodules, all of their slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.malignancy_input import CloseUp, Stack
from training.errors import TrainingError
from training.malignancy.triplets import Triplets
from training.planting_stacks import load_stacks


def read_close_ups(path: Path, triplets: Triplets) -> tuple[CloseUp, ...]:
    """Read ``lidc-nodule-stacks.npz`` beside its triplets, on the same grey scale.

    Raises
    ------
    TrainingError
        The file is unfit, or holds other nodules than the triplets.
    """
    stacks = load_stacks(path)
    if not np.array_equal(stacks.patients, triplets.patients):
        raise TrainingError(f"{path}: not the nodules of the triplets; give both files of the same LIDC-IDRI nodules")
    ends = stacks.shapes.prod(axis=1).cumsum()
    pairs: list[CloseUp] = []
    for case, scale, shape, end in zip(triplets.cases, triplets.scales, stacks.shapes, ends, strict=True):
        part = slice(int(end - shape.prod()), int(end))
        grey, mask = (values[part].reshape(shape) for values in (stacks.voxels, stacks.masks))
        if not mask.any():
            raise TrainingError(f"{path}: nodule {len(pairs)} has no mask; fetch the file again")
        pairs.append(CloseUp(case, Stack(scale.undone(grey), mask)))
    return tuple(pairs)
