"""From headers to the layout of a volume: which plane is which slice, and where the grid lies. Pure; no pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from node.assembly.attributes import text
from node.assembly.geometry import Grid, check_axial, check_distances, grid_of, position_along_normal, unit_axes
from node.assembly.limits import AssemblyLimits, volume_bytes
from node.assembly.planes import MULTI_FRAME_CLASSES, Plane, is_ct_image, is_localizer, planes_of
from node.errors import (
    AssemblyError,
    MissingGeometry,
    MixedFrameOfReference,
    MixedGeometry,
    MixedOrientation,
    MixedSeries,
    NoImages,
    NotAxial,
    NotCT,
    SpacingOutOfRange,
    TooFewSlices,
    TooLarge,
)

_SAME_COSINE = 1e-3  # largest difference of two direction cosines that count as parallel (0.06 deg): decimal rounding
_SAME_SPACING_MM = 1e-3  # largest difference of two pixel spacings that count as equal: half a pixel over 500


@dataclass(frozen=True, eq=False)
class Layout:
    """Where every slice of the volume comes from and where it lies; only the voxels are missing.

    Parameters
    ----------
    planes
        In slice order.
    headers
        As in ``AssembledSeries``.
    grid
        Affine, and the shift of every slice.
    pixel_step
        Every n-th row and column of the images is kept; the grid is that of the pixels kept.
    """

    planes: tuple[Plane, ...]
    headers: tuple[Dataset, ...]
    grid: Grid
    notes: tuple[str, ...]
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
        CT instances of one series in any order; pixel data is not looked at.
    limits
        Bounds of what is read.

    Raises
    ------
    AssemblyError
        The subclass names the precondition that does not hold.
    """
    check_one_ct_series(headers)
    planes, notes = _slices_of(headers)
    _check_alike(planes)
    _check_size(planes, limits)
    check_axial(planes[0], limits)
    ordered = _in_slice_order(planes)
    check_distances(ordered, limits)
    grid = grid_of(ordered)
    return Layout(tuple(ordered), _in_order(headers, ordered), grid, (*notes, *grid.notes))


def check_one_ct_series(headers: Sequence[Dataset]) -> None:
    """Raise unless all instances are CT images of one series of one study."""
    if not headers:
        raise NoImages("there is no image in this series")
    strangers = Counter(text(header, "Modality")[:16] or "none" for header in headers if not is_ct_image(header))
    if strangers:
        raise NotCT(
            f"{strangers.total()} of {len(headers)} instances are not CT images: Modality {_counted(strangers)}"
        )
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID"):
        found = Counter(text(header, keyword) for header in headers)
        if len(found) > 1 or "" in found:
            sizes = ", ".join(str(size) for size in sorted(found.values(), reverse=True))
            empty = "; some have none" if "" in found else ""
            raise MixedSeries(f"the images have {len(found)} different {keyword} ({sizes} images){empty}")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def _slices_of(headers: Sequence[Dataset]) -> tuple[list[Plane], list[str]]:
    """List the planes of all instances, without localizers."""
    _check_single_or_multi_frame(headers)
    sources = [source for source, header in enumerate(headers) if not is_localizer(header)]
    planes = [plane for source in sources for plane in planes_of(headers[source], source)]
    slices = [plane for plane in planes if not plane.is_localizer]
    localizers = len(headers) - len(sources) + len(planes) - len(slices)
    if not slices:
        raise NotAxial(f"all {localizers} images are localizers (Image Type), none is an axial slice")
    return slices, [f"{localizers} localizer image(s) in the series left out"] if localizers else []


def _check_single_or_multi_frame(headers: Sequence[Dataset]) -> None:
    multi_frame = sum(text(header, "SOPClassUID") in MULTI_FRAME_CLASSES for header in headers)
    if multi_frame and len(headers) > 1:
        raise MixedSeries(
            f"the series holds {multi_frame} multi-frame instance(s) among {len(headers)}: "
            "one multi-frame instance alone can be read, concatenations cannot"
        )


def _check_alike(planes: Sequence[Plane]) -> None:
    """Raise if the planes are not parallel, not of one size, or not in one frame of reference."""
    _check_same(planes, lambda plane: plane.frame_of_reference_uid, MixedFrameOfReference, "Frame of Reference UID")
    _check_close(planes, lambda plane: plane.orientation, _SAME_COSINE, MixedOrientation, "Image Orientation (Patient)")
    _check_same(planes, lambda plane: (plane.rows, plane.columns), MixedGeometry, "Rows and Columns")
    _check_close(planes, lambda plane: plane.spacing_ji_mm, _SAME_SPACING_MM, MixedGeometry, "Pixel Spacing")


def _check_same(
    planes: Sequence[Plane], key: Callable[[Plane], Hashable], error: type[AssemblyError], name: str
) -> None:
    first = key(planes[0])
    other = next((plane for plane in planes if key(plane) != first), None)
    if other is not None:
        raise error(f"{name} is {first} in {planes[0].place}, but {key(other)} in {other.place}")


def _check_close(
    planes: Sequence[Plane],
    key: Callable[[Plane], tuple[float, ...]],
    tolerance: float,
    error: type[AssemblyError],
    name: str,
) -> None:
    values = np.asarray([key(plane) for plane in planes])
    worst = int(np.abs(values - values[0]).max(axis=1).argmax())
    if np.abs(values[worst] - values[0]).max() > tolerance:
        raise error(
            f"{name} is {key(planes[0])} in {planes[0].place}, but {key(planes[worst])} in {planes[worst].place}"
        )


def _check_size(planes: Sequence[Plane], limits: AssemblyLimits) -> None:
    """Raise if there are too few or too many slices or voxels, or pixels of an absurd size."""
    plane, slices = planes[0], len(planes)
    if plane.rows < 1 or plane.columns < 1:
        raise MissingGeometry(f"Rows and Columns of {plane.place} are {plane.rows} and {plane.columns}")
    if slices < limits.min_slices:
        raise TooFewSlices(f"{slices} slice(s) where a chest needs at least {limits.min_slices}")
    size = volume_bytes((slices, plane.rows, plane.columns))
    if size > limits.max_bytes:
        raise TooLarge(
            f"{slices} slices of {plane.rows} x {plane.columns} take {size / 1e9:.2g} GB: "
            f"at most {limits.max_bytes / 1e9:.2g} GB are read"
        )
    low, high = limits.pixel_spacing_mm
    if not all(low <= spacing <= high for spacing in plane.spacing_ji_mm):
        raise SpacingOutOfRange(f"Pixel Spacing is {plane.spacing_ji_mm} mm: {low} to {high} mm can be a chest CT")


def _in_slice_order(planes: Sequence[Plane]) -> list[Plane]:
    """Sort by the projection of the position on the normal, never by name or Instance Number."""
    _, _, normal = unit_axes(planes[0])
    return sorted(planes, key=lambda plane: position_along_normal(plane, normal))


def _in_order(headers: Sequence[Dataset], ordered: Sequence[Plane]) -> tuple[Dataset, ...]:
    """Give the header of every slice, or the one of the multi-frame instance."""
    sources = dict.fromkeys(plane.source for plane in ordered)
    return tuple(headers[source] for source in sources)


def voxel_array(layout: Layout) -> npt.NDArray[np.int16]:
    """Give the one array that the voxels are decoded into: (K, J, I), not yet filled."""
    return np.empty(layout.shape, dtype=np.int16)
