"""The axes of a volume in the order and direction that networks on axial slices expect."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.volume import Volume

_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True)
class AxialOrder:
    """How to turn an array of the volume so that slices run to the head, rows to the back, columns to the left.

    Parameters
    ----------
    axes
        The volume's axis that becomes slices, rows, columns.
    reversed_
        True where that axis runs the other way.
    """

    axes: tuple[int, int, int]
    reversed_: tuple[bool, bool, bool]

    def turned(self, array: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """Turn (K, J, I) of the volume to slices, rows, columns; a view."""
        return np.transpose(array, self.axes)[self._flips]

    def back(self, array: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """Turn slices, rows, columns back to (K, J, I) of the volume; a view."""
        return np.transpose(array[self._flips], np.argsort(self.axes))

    @property
    def _flips(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if way else 1) for way in self.reversed_)


def axial_order(volume: Volume) -> AxialOrder:
    """Find, for oblique volumes too, the axes nearest to the patient's: the orientation "LPS" of SimpleITK."""
    along = np.abs(volume.directions)
    axes = max(permutations(range(3)), key=lambda p: along[2, p[0]] + along[1, p[1]] + along[0, p[2]])
    away = [bool(volume.directions[row, axis] < 0) for row, axis in zip((2, 1, 0), axes, strict=True)]
    return AxialOrder((axes[0], axes[1], axes[2]), (away[0], away[1], away[2]))
