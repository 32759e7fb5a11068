"""Stored values to Hounsfield units, as one table for every pattern of 16 bits (PS3.3 C.11.1.1.2, PS3.5 8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.volume import AIR_HU
from node.errors import WrongRescale

_PATTERNS = 1 << 16
_HIGHEST_HU = int(np.iinfo(np.int16).max)
# Stored value around the round field of view of several scanners, also where PixelPaddingValue is
# absent; with the usual slope of 1 no tissue is stored that low.
_OUTSIDE_STORED = -2000
# A chest holds air below and tissue above this, in every window of view that lungs fit in. Fat is -100 HU, lung -850.
_AIR_OR_TISSUE_HU = -200


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
    """

    slope: float
    intercept: float
    bits_stored: int
    signed: bool
    padding: tuple[int, int] | None = None


def hu_table(stored: StoredValues) -> npt.NDArray[np.int16]:
    """Give the HU of every 16-bit pattern.

    Padding becomes ``AIR_HU``. Nothing is less dense than air, so that lower results (-2048 or
    -8192 outside the field of view) become ``AIR_HU`` too.

    Returns
    -------
    (65536,) int16; index it with the bits of the stored value read as an unsigned number.
    """
    values = _values_of_patterns(stored)
    hu = np.rint(values * stored.slope + stored.intercept)
    table: npt.NDArray[np.int16] = np.clip(hu, AIR_HU, _HIGHEST_HU).astype(np.int16)
    table[_is_padding(values, stored)] = AIR_HU
    return table


def check_plausible(hu: npt.NDArray[np.int16]) -> None:
    """Raise ``WrongRescale`` if the numbers cannot be those of a chest: no air anywhere, or nothing else.

    Only clear nonsense is refused, such as stored values that were never rescaled or rescaled twice.
    """
    lowest, highest = int(hu.min()), int(hu.max())
    if lowest > _AIR_OR_TISSUE_HU or highest < _AIR_OR_TISSUE_HU:
        raise WrongRescale(
            f"CT numbers run from {lowest} to {highest} HU: a chest has air below {_AIR_OR_TISSUE_HU} HU and tissue "
            "above; Rescale Slope and Intercept cannot be right"
        )


def _values_of_patterns(stored: StoredValues) -> npt.NDArray[np.int64]:
    """Read every 16-bit pattern as the number that it stores: unused high bits cut, sign extended."""
    values = np.arange(_PATTERNS, dtype=np.int64)
    return _reading(values, stored)


def _reading(patterns: npt.NDArray[np.int64], stored: StoredValues) -> npt.NDArray[np.int64]:
    values = patterns & ((1 << stored.bits_stored) - 1)
    sign_bit = 1 << (stored.bits_stored - 1)
    return (values ^ sign_bit) - sign_bit if stored.signed else values


def _is_padding(values: npt.NDArray[np.int64], stored: StoredValues) -> npt.NDArray[np.bool_]:
    """Tell which patterns are padding (PS3.3 C.7.5.1.1.2)."""
    outside = np.zeros(_PATTERNS, np.bool_)
    if stored.slope == 1:
        outside |= values <= _OUTSIDE_STORED
    if stored.padding is not None:
        # PixelPaddingValue is often written with the other sign: 63536 is -2000. It may also use
        # the bits above BitsStored, so that the pattern itself is compared as well.
        limits = np.asarray(stored.padding, dtype=np.int64)
        low, high = np.sort(_reading(limits & (_PATTERNS - 1), stored))
        outside |= (values >= low) & (values <= high)
        outside[limits & (_PATTERNS - 1)] = True
    return outside
