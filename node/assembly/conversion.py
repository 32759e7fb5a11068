"""One slice of stored values to HU: what the header says, what the values prove, and padding."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.volume import AIR_HU
from node.assembly.hounsfield import StoredValues, hu_table
from node.assembly.meaning import Oddity, meaning_of
from node.assembly.padding import Mask, padding_mask, padding_patterns, padding_region

_TABLES_KEPT = 16  # 128 KiB each; a series needs one to four, PET/CT software writes others for every slice


class Conversion:
    """Turns slices into HU, and remembers the tables of the last ones; safe for several threads."""

    def __init__(self) -> None:
        self._table = lru_cache(_TABLES_KEPT)(hu_table)
        self._padding = lru_cache(_TABLES_KEPT)(padding_patterns)
        self._last_region: tuple[Mask, Mask] | None = None

    def to_hu(
        self, bits: npt.NDArray[np.uint16], stored: StoredValues
    ) -> tuple[npt.NDArray[np.int16], frozenset[Oddity]]:
        """Give the HU of one slice, padding as ``AIR_HU``.

        Parameters
        ----------
        bits
            (J, I) stored values as unsigned patterns.
        stored
            As the header has it.

        Returns
        -------
        (J, I), and what was taken otherwise than the header has it.
        """
        meaning = meaning_of(bits, stored, self._table)
        oddities = meaning.oddities if stored.is_unit_hu else meaning.oddities | {Oddity.UNIT}
        hu = self._table(meaning.stored)[bits]
        padding = self._padding(meaning.stored)
        if padding is None:
            return hu, oddities
        mask = padding_mask(bits, padding)
        if mask is not None:
            hu[self._region(mask)] = AIR_HU
        return hu, oddities | {Oddity.TISSUE_PADDING} if padding.is_tissue else oddities

    def _region(self, mask: Mask) -> Mask:
        """Find the padding, or know it: a round field of view leaves the same corners in every slice."""
        last = self._last_region
        if last is not None and np.array_equal(mask, last[0]):
            return last[1]
        region = padding_region(mask)
        self._last_region = mask, region
        return region
