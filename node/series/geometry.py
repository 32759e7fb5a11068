"""Where the slices of a series stand, told from headers alone.

Law of this file: it reports what it finds and judges nothing; a header without a usable position is
counted, not an error. The volume itself is placed by the assembly, from the data sets.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.series.instances import InstanceHeader

Vector = tuple[float, float, float]

_PARALLEL_COSINE = 0.9999  # two normals within 0.8 degrees are the same direction
_UNIT_TOLERANCE = 0.01  # of the length of a row or column cosine, and of the cosine between the two
_DUPLICATE_MM = 0.01  # positions are written to 0.01 mm or finer; no CT has slices so close
_GAP_RATIO = 1.5  # a distance above this many usual distances has room for another slice
_UNIFORM_SHARE = 0.05  # of the usual distance: positions are often rounded
_UNIFORM_MM = 0.1  # the coarsest rounding of a position that is met


@dataclass(frozen=True)
class Spacing:
    """The distances between neighbouring slices along the normal.

    Parameters
    ----------
    distance_mm
        The usual one: the median of those that are no duplicates; None with fewer than two places.
    gaps
        (before, after) positions in mm on the normal, between which at least one slice is missing.
    duplicate_count
        Slices that stand where another one stands.
    is_uniform
        No duplicate, and every distance within 5 % (at least 0.1 mm) of the usual one,
        so no gap either.
    extent_mm
        From the first to the last slice centre.
    """

    distance_mm: float | None
    gaps: tuple[tuple[float, float], ...]
    duplicate_count: int
    is_uniform: bool
    extent_mm: float


def normal_of(header: InstanceHeader) -> Vector | None:
    """Give the unit normal of a slice, row direction x column direction (PS3.3 C.7.6.2.1.1), LPS.

    None if the orientation is absent, or is not two perpendicular unit vectors.
    """
    if len(header.image_orientation_patient) != 6:
        return None
    row, column = header.image_orientation_patient[:3], header.image_orientation_patient[3:]
    lengths_off = max(abs(math.hypot(*row) - 1), abs(math.hypot(*column) - 1))
    if max(lengths_off, abs(_dot(row, column))) > _UNIT_TOLERANCE:
        return None
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    length = math.hypot(*normal)
    return normal[0] / length, normal[1] / length, normal[2] / length


def common_normal(headers: Iterable[InstanceHeader]) -> Vector | None:
    """Give the normal that all slices share; None if there is none, or one slice is not parallel."""
    normals = [normal_of(header) for header in headers]
    first = normals[0] if normals else None
    if first is None:
        return None
    is_shared = all(normal is not None and _dot(first, normal) >= _PARALLEL_COSINE for normal in normals)
    return first if is_shared else None


def slice_positions_mm(headers: Sequence[InstanceHeader]) -> tuple[float, ...]:
    """Give where the slices stand on their common normal, ascending.

    Empty if the slices share no normal, or a position is absent: then nothing can be said of any.
    """
    return tuple(sorted(projections_mm(headers)))


def projections_mm(headers: Sequence[InstanceHeader]) -> tuple[float, ...]:
    """Give where each slice stands on the common normal, in the order of ``headers``; empty as above."""
    normal = common_normal(headers)
    if normal is None or any(len(header.image_position_patient) != 3 for header in headers):
        return ()
    return tuple(_dot(normal, header.image_position_patient) for header in headers)


def gaps(positions_mm: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Give the pairs of neighbouring positions (ascending) between which at least one slice is missing."""
    return spacing_of(positions_mm).gaps


def spacing_of(positions_mm: Sequence[float]) -> Spacing:
    """Describe the distances between ascending positions."""
    pairs = list(itertools.pairwise(positions_mm))
    apart = [(before, after) for before, after in pairs if after - before > _DUPLICATE_MM]
    if not apart:
        return Spacing(None, (), len(pairs), is_uniform=False, extent_mm=0.0)
    usual = statistics.median(after - before for before, after in apart)
    tolerance_mm = max(_UNIFORM_MM, _UNIFORM_SHARE * usual)
    return Spacing(
        distance_mm=usual,
        gaps=tuple((before, after) for before, after in apart if after - before > _GAP_RATIO * usual),
        duplicate_count=len(pairs) - len(apart),
        is_uniform=len(apart) == len(pairs) and all(abs(b - a - usual) <= tolerance_mm for a, b in pairs),
        extent_mm=positions_mm[-1] - positions_mm[0],
    )


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
