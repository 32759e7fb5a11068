"""Padding: stored values that stand for no tissue (PS3.3 C.7.5.1.1.2). Pure.

A padding value that lies below every tissue needs nothing: its number is that of air. One that a tissue, bone or
metal may have as well counts only where it fills the image from its border inwards; inside the body it is what
its number says. Scanners pad around a round field of view, so that padding reaches the corners of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.volume import AIR_HU
from node.assembly.hounsfield import PATTERNS, StoredValues, values_of, values_of_patterns

Mask = npt.NDArray[np.bool_]

# Stored around the round field of view of several scanners, also where PixelPaddingValue is absent; with the usual
# slope of 1 no tissue is stored that low.
_OUTSIDE_STORED = -2000
_THINNEST_TISSUE_HU = -950  # what is less dense than this is read as air or as destroyed lung, padding or not
# The largest number of 12 bits with the usual intercept; no tissue is denser, metal may be.
_DENSEST_TISSUE_HU = 3071
# A range of padding that spans more HU than this within tissue cannot be meant: only its two ends are believed.
_WIDEST_RANGE_HU = 100
# A patch of padding values at the border that reaches no corner is padding from this part of the image on (a strip
# of one row in 512 has 0.002); noise makes smaller ones where the body touches the border.
_LEAST_PATCH = 0.0005


@dataclass(frozen=True, eq=False)
class PaddingPatterns:
    """Which stored values may be padding and are not air by their number.

    Parameters
    ----------
    is_padding
        (65536,) for every 16-bit pattern.
    is_tissue
        Whether the header names a value that tissue may have as well.
    """

    is_padding: npt.NDArray[np.bool_]
    is_tissue: bool


def padding_patterns(stored: StoredValues) -> PaddingPatterns | None:
    """List the padding values that have to be looked for; None if there are none, as nearly always."""
    values = values_of_patterns(stored)
    hu = values * stored.slope + stored.intercept
    declared = _declared(values, stored)
    above_air = hu > _THINNEST_TISSUE_HU
    # The largest number that fits means "no value" to many a program that wrote nothing into the header.
    implied = (values == values.max()) & (hu > _DENSEST_TISSUE_HU)
    if stored.slope == 1:
        implied |= values <= _OUTSIDE_STORED
    found = (declared | implied) & above_air
    if not found.any():
        return None
    return PaddingPatterns(found, bool((declared & above_air & (hu <= _DENSEST_TISSUE_HU)).any()))


def padding_mask(bits: npt.NDArray[np.uint16], patterns: PaddingPatterns) -> Mask | None:
    """Tell which stored values of one slice (J, I) are padding values; None if none is at the border of the image."""
    if not patterns.is_padding[_border(bits)].any():
        return None
    mask: Mask = patterns.is_padding.take(bits)
    return mask


def padding_region(mask: Mask) -> Mask:
    """Keep of the padding values (J, I) the patches that join the border of the image."""
    labels, _ = ndimage.label(mask)
    patches = set(np.unique(labels[[0, 0, -1, -1], [0, -1, 0, -1]]).tolist())
    others = set(np.unique(_border(labels)).tolist()) - patches
    if others:
        sizes = np.bincount(labels.ravel())
        patches |= {patch for patch in others if sizes[patch] >= _LEAST_PATCH * mask.size}
    region = np.zeros(mask.shape, np.bool_)
    for patch in patches - {0}:  # one to four: a corner, or all of them
        region |= labels == patch
    return region


def _border(image: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _declared(values: npt.NDArray[np.int64], stored: StoredValues) -> npt.NDArray[np.bool_]:
    """Tell which patterns the header names as padding.

    The value is often written with the other sign: 63536 is -2000. It may also use the bits above Bits Stored,
    so that the pattern itself is compared as well. The range may run either way.
    """
    if stored.padding is None:
        return np.zeros(PATTERNS, np.bool_)
    patterns = np.asarray(stored.padding, dtype=np.int64) & (PATTERNS - 1)
    low, high = np.sort(values_of(patterns, stored))
    low_hu, high_hu = np.clip(np.array([low, high]) * stored.slope + stored.intercept, AIR_HU, _DENSEST_TISSUE_HU)
    is_believed = high_hu - low_hu <= _WIDEST_RANGE_HU
    found: npt.NDArray[np.bool_] = (
        (values >= low) & (values <= high) if is_believed else (values == low) | (values == high)
    )
    found[patterns] = True
    return found
