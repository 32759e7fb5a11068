"""Stored values to Hounsfield units, as one table for every pattern of 16 bits (PS3.3 C.11.1.1.2, PS3.5 8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.volume import AIR_HU
from node.errors import WrongRescale

PATTERNS = 1 << 16
_HIGHEST_HU = int(np.iinfo(np.int16).max)
# A chest holds air below and tissue above this, in every window of view that lungs fit in. Fat is -100 HU, lung -850.
_AIR_OR_TISSUE_HU = -200
# Where no unit vouches for the numbers, they must look like a chest: air about the body or in the lungs, and muscle,
# blood and organs. A hundredth of the image is less than any field of view holds of either.
_AIR_HU, _SOFT_TISSUE_HU = (AIR_HU, -700), (-150, 200)
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class StoredValues:
    """How the stored values of one slice are meant.

    Parameters
    ----------
    slope, intercept
        HU = stored value * slope + intercept.
    bits_stored, signed
        Of the 16 (or 8) bits allocated; the bits above are not part of the value.
    padding
        PixelPaddingValue and PixelPaddingRangeLimit (the same number if there is no limit) as
        written, in any of the two's complement readings; None if absent.
    bits_allocated
        8 or 16.
    low_bit
        Number of the lowest bit of the value: High Bit + 1 - Bits Stored, 0 in every header that is right
        (PS3.5 8.1.1); negative if High Bit is impossible.
    is_unit_hu
        Whether Rescale Type says HU, or is absent, which means HU.
    """

    slope: float
    intercept: float
    bits_stored: int
    signed: bool
    padding: tuple[int, int] | None = None
    bits_allocated: int = 16
    low_bit: int = 0
    is_unit_hu: bool = True


def hu_table(stored: StoredValues) -> npt.NDArray[np.int16]:
    """Give the HU of every 16-bit pattern.

    Nothing is less dense than air, so that lower results (-2048 or -8192 outside the field of view)
    become ``AIR_HU``.

    Returns
    -------
    (65536,) int16; index it with the bits of the stored value read as an unsigned number.
    """
    hu = np.rint(values_of_patterns(stored) * stored.slope + stored.intercept)
    table: npt.NDArray[np.int16] = np.clip(hu, AIR_HU, _HIGHEST_HU).astype(np.int16)
    return table


def check_plausible(hu: npt.NDArray[np.int16], is_unit_hu: bool = True) -> None:
    """Raise ``WrongRescale`` if the numbers cannot be those of a chest.

    Only clear nonsense is refused: no air anywhere, or nothing else, such as stored values that were never
    rescaled or rescaled twice. Without a unit (``is_unit_hu``) air and soft tissue must both be there.
    """
    lowest, highest = int(hu.min()), int(hu.max())
    if lowest > _AIR_OR_TISSUE_HU or highest < _AIR_OR_TISSUE_HU:
        raise WrongRescale(
            f"CT numbers run from {lowest} to {highest} HU: a chest has air below {_AIR_OR_TISSUE_HU} HU and tissue "
            "above; Rescale Slope and Intercept cannot be right"
        )
    if not is_unit_hu and min(_share(hu, *_AIR_HU), _share(hu, *_SOFT_TISSUE_HU)) < _LEAST_SHARE:
        raise WrongRescale(
            "Rescale Type is not HU, and the values do not look like HU: less than "
            f"{_LEAST_SHARE:.0%} are air or soft tissue"
        )


def values_of_patterns(stored: StoredValues) -> npt.NDArray[np.int64]:
    """Read every 16-bit pattern as the number that it stores: unused bits cut, sign extended; (65536,) int64."""
    return values_of(np.arange(PATTERNS, dtype=np.int64), stored)


def values_of(patterns: npt.NDArray[np.int64], stored: StoredValues) -> npt.NDArray[np.int64]:
    """Read 16-bit patterns as the numbers that they store."""
    values = (patterns >> max(stored.low_bit, 0)) & ((1 << stored.bits_stored) - 1)
    sign_bit = 1 << (stored.bits_stored - 1)
    return (values ^ sign_bit) - sign_bit if stored.signed else values


def _share(hu: npt.NDArray[np.int16], low: int, high: int) -> float:
    """Tell what part of the numbers lies between two, both included; slice by slice, to need no copy of a volume."""
    count = sum(int(((image >= low) & (image <= high)).sum()) for image in hu)
    return count / hu.size
