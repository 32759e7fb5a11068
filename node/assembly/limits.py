"""What the assembly accepts, each number once, with unit and reason."""

from __future__ import annotations

from dataclasses import dataclass

from node.series.limits import DEFAULT_PLACEMENT, PlacementLimits


@dataclass(frozen=True)
class AssemblyLimits:
    """Bounds of a series that is taken for a chest CT.

    Parameters
    ----------
    placement
        Where slices may stand.
    max_slices, max_voxels
        What the node is set to hold: 1.5e9 voxels are 3 GB of int16.
    """

    placement: PlacementLimits = DEFAULT_PLACEMENT
    max_slices: int = 4_000
    max_voxels: int = 1_500_000_000


DEFAULT_LIMITS = AssemblyLimits()
