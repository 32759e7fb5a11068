"""What the stored values of a slice mean where its header contradicts them. Pure.

Bits Stored, High Bit and Pixel Representation are wrong in many a header, and the values then jump by powers of
two between neighbours, which no image does. Each other reading that a known mistake gives is compared with the one
of the header, and taken only if the image becomes smoother by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from node.assembly.hounsfield import StoredValues, values_of

Table = Callable[[StoredValues], npt.NDArray[np.int16]]

_IMPOSSIBLE_HU = 20_000  # no metal is read as more, on any scanner's extended scale
_AIR_HU = -200  # every slice of a chest has something below: air, lung


class Oddity(StrEnum):
    """What was taken otherwise than the header has it."""

    BITS_ABOVE = "values that reach beyond Bits Stored were read in full"
    SIGN = "Pixel Representation says unsigned, but the values are signed: read as signed"
    HIGH_BIT = "High Bit does not fit the values: taken as one below Bits Stored"
    TISSUE_PADDING = (
        "Pixel Padding Value is the CT number of a tissue: it counts only where it joins the border of the image"
    )
    UNIT = "Rescale Type is not HU: the values were read as HU, which they look like"


@dataclass(frozen=True)
class Meaning:
    """How stored values are to be read, and what of the header that contradicts."""

    stored: StoredValues
    oddities: frozenset[Oddity] = frozenset()


def meaning_of(bits: npt.NDArray[np.uint16], stored: StoredValues, table: Table) -> Meaning:
    """Tell how the stored values of one slice are meant.

    Parameters
    ----------
    bits
        (J, I) stored values as unsigned patterns.
    stored
        As the header has it.
    table
        ``hu_table``, which may remember its tables.
    """
    placed, found = _placed(bits, stored)
    if _is_sign_extended_beyond(bits, placed):
        return Meaning(replace(placed, bits_stored=placed.bits_allocated), found | {Oddity.BITS_ABOVE})
    candidates = list(_other_readings(bits, placed, table))
    if not candidates:
        return Meaning(placed, found)
    readings = [(placed, found), *((reading, found | {oddity}) for reading, oddity in candidates)]
    rows = bits[::2].astype(np.int64)  # every second row is enough to tell
    roughness = [_roughness(values_of(rows, reading)) for reading, _ in readings]
    chosen, oddities = readings[int(np.argmin(roughness))]  # the first of equals: the header's
    return Meaning(chosen, oddities)


def _placed(bits: npt.NDArray[np.uint16], stored: StoredValues) -> tuple[StoredValues, frozenset[Oddity]]:
    """Believe a High Bit above the usual one only if the bits below the value are all empty."""
    if stored.low_bit == 0:
        return stored, frozenset()
    if stored.low_bit > 0 and not (bits & ((1 << stored.low_bit) - 1)).any():
        return stored, frozenset()
    return replace(stored, low_bit=0), frozenset({Oddity.HIGH_BIT})


def _is_sign_extended_beyond(bits: npt.NDArray[np.uint16], stored: StoredValues) -> bool:
    """Tell whether signed values fill all bits allocated, and some do not fit into Bits Stored.

    Numbers just below zero then have every bit above set, which no program does that cuts its values to Bits
    Stored; and nothing lies below the range of Bits Stored but one number of padding.
    """
    if not stored.signed or stored.low_bit or stored.bits_stored >= stored.bits_allocated:
        return False
    if not (bits >> stored.bits_stored).any():
        return False
    values = values_of(bits.astype(np.int64), replace(stored, bits_stored=stored.bits_allocated))
    reach = 1 << (stored.bits_stored - 1)
    below = values[values < -reach]
    beyond = below.size + np.count_nonzero(values >= reach)
    just_below_zero = np.count_nonzero(values < 0) - below.size
    return bool(beyond and just_below_zero and (below == below[:1]).all())


def _other_readings(
    bits: npt.NDArray[np.uint16], stored: StoredValues, table: Table
) -> Iterable[tuple[StoredValues, Oddity]]:
    """List the readings that known mistakes give, where they differ from the header's."""
    if stored.low_bit:
        return
    wide = replace(stored, bits_stored=stored.bits_allocated)
    if stored.bits_stored < stored.bits_allocated and _has_more_bits(bits, stored):
        yield wide, Oddity.BITS_ABOVE
        if not stored.signed:
            yield replace(wide, signed=True), Oddity.SIGN
    if not stored.signed and _is_impossible(table(stored)[bits]):
        yield replace(stored, signed=True), Oddity.SIGN


def _has_more_bits(bits: npt.NDArray[np.uint16], stored: StoredValues) -> bool:
    """Tell whether the bits above Bits Stored are other than those of its number; a sign bit may be one of a number."""
    if stored.signed:
        return bool((bits >> (stored.bits_stored - 1)).any())
    return bool((bits >> stored.bits_stored).any())


def _is_impossible(hu: npt.NDArray[np.int16]) -> bool:
    """Tell whether a slice holds what no CT has, or no air at all."""
    return bool(hu.max() > _IMPOSSIBLE_HU or hu.min() > _AIR_HU)


def _roughness(image: npt.NDArray[np.int64]) -> int:
    """Add up the differences between neighbours along the rows of an image of stored values."""
    return int(np.abs(np.diff(image, axis=1)).sum())
