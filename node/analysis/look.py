"""A look at the end slices of a series, which tells whether the scan goes on beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.lungs import CUT_OFF_MM2, lung_air_area_mm2
from node.assembly.files import decode_slice_hu


def ends_cut_lungs(paths: Sequence[Path]) -> bool:
    """Tell whether one of these single-frame CT instances shows more lung than an apex or a costophrenic tip.

    Raises
    ------
    AssemblyError
        A slice cannot be read.
    """
    return any(lung_air_area_mm2(*decode_slice_hu(path)) > CUT_OFF_MM2 for path in paths)
