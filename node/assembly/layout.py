"""From headers to the layout of a volume: which plane is which slice, and where the grid lies. Pure; no pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from node.assembly.attributes import text
from node.assembly.identity import check_one_person
from node.assembly.limits import AssemblyLimits, thinning
from node.assembly.planes import Plane, pixel_plane
from node.errors import CannotUnderstand, MissingGeometry, MixedSeries
from node.series.grid import Grid
from node.series.instances import InstanceHeader, header_of
from node.series.placement import Placement, place
from node.series.planes import Stray


@dataclass(frozen=True, eq=False)
class Layout:
    """Where every slice of the volume comes from and where it lies; only the voxels are missing.

    Parameters
    ----------
    planes
        In slice order.
    copies
        (k, plane): another image that stands where slice ``k`` stands; its pixels must be the same.
    headers
        As in ``AssembledSeries``.
    grid
        Affine, and the shift of every slice.
    pixel_step
        Every n-th row and column of the images is kept; the grid is that of the pixels kept.
    """

    planes: tuple[Plane, ...]
    copies: tuple[tuple[int, Plane], ...]
    headers: tuple[Dataset, ...]
    grid: Grid
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    pixel_step: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        plane, step = self.planes[0], self.pixel_step
        return len(self.planes), -(-plane.rows // step), -(-plane.columns // step)


def lay_out(headers: Sequence[Dataset], limits: AssemblyLimits) -> Layout:
    """Order the slices of one series and place their grid.

    Parameters
    ----------
    headers
        Instances of one series in any order; pixel data is not looked at.
    limits
        Bounds of what is read.

    Raises
    ------
    AssemblyError
        The subclass names the precondition that does not hold.
    """
    _check_one_series(headers)
    check_one_person(headers)
    read, strays = instance_headers(headers)
    sources = list(read)
    placement = place(list(read.values()), limits.placement, strays)
    return _layout(_from_sources(placement, sources), headers, limits)


def _check_one_series(headers: Sequence[Dataset]) -> None:
    """Raise unless the instances are of one series."""
    found = Counter(text(header, "SeriesInstanceUID") for header in headers)
    if len(found) > 1 or "" in found:
        sizes = ", ".join(str(size) for size in sorted(found.values(), reverse=True))
        empty = "; some have none" if "" in found else ""
        raise MixedSeries(f"the images have {len(found)} different SeriesInstanceUID ({sizes} images){empty}")


def instance_headers(headers: Sequence[Dataset]) -> tuple[dict[int, InstanceHeader], list[Stray]]:
    """Read the headers as the series rules see them, by their index; one without its identity is a stray."""
    read: dict[int, InstanceHeader] = {}
    strays: list[Stray] = []
    for source, header in enumerate(headers):
        try:
            read[source] = header_of(header)
        except CannotUnderstand as error:
            cause = MissingGeometry(f"instance number {text(header, 'InstanceNumber')[:12]}: {error}")
            strays.append(Stray(source, "image(s) without a UID", cause))
    return read, strays


def _from_sources(placement: Placement, sources: Sequence[int]) -> Placement:
    """Count the sources as the caller does, who knows those too that could not be read."""
    return replace(
        placement,
        planes=tuple(replace(plane, source=sources[plane.source]) for plane in placement.planes),
        copies=tuple((k, replace(plane, source=sources[plane.source])) for k, plane in placement.copies),
    )


def _layout(placement: Placement, headers: Sequence[Dataset], limits: AssemblyLimits) -> Layout:
    """Say how each slice is read, at every n-th slice and pixel where the whole is too large for this machine."""
    whole = tuple(pixel_plane(plane, headers[plane.source]) for plane in placement.planes)
    slice_step, pixel_step = thinning(placement.shape, placement.spacing_kji_mm, limits)
    planes = whole[::slice_step]
    kept = [(k, plane) for k, plane in placement.copies if k % slice_step == 0]
    return Layout(
        planes=planes,
        copies=tuple((k // slice_step, pixel_plane(plane, headers[plane.source])) for k, plane in kept),
        headers=tuple(headers[source] for source in dict.fromkeys(plane.source for plane in planes)),
        grid=_thinned(placement.grid, slice_step, pixel_step),
        notes=placement.notes,
        warnings=(*placement.warnings, *_thinning_warnings(slice_step, pixel_step)),
        pixel_step=pixel_step,
    )


def _thinned(grid: Grid, slice_step: int, pixel_step: int) -> Grid:
    """Give the grid of every n-th slice, row and column, from the first ones on."""
    affine = grid.affine @ np.diag([slice_step, pixel_step, pixel_step, 1.0])
    return replace(grid, affine=affine, shifts_ji_px=grid.shifts_ji_px[::slice_step])


def _thinning_warnings(slice_step: int, pixel_step: int) -> list[str]:
    named = (("slice", slice_step), ("pixel", pixel_step))
    return [
        f"too large for the memory that is set: one {name} in {step} was read, small nodules may be missed"
        for name, step in named
        if step > 1
    ]


def voxel_array(layout: Layout) -> npt.NDArray[np.int16]:
    """Give the one array that the voxels are decoded into: (K, J, I), not yet filled."""
    return np.empty(layout.shape, dtype=np.int16)
