"""Pixel data to HU: decode frame by frame into the one array of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from scipy.ndimage import shift as shift_image

from models.volume import AIR_HU, Volume
from node.assembly.assembled import AssembledSeries
from node.assembly.conversion import Conversion
from node.assembly.frames import stored_frames
from node.assembly.hounsfield import check_plausible
from node.assembly.layout import Layout, voxel_array
from node.assembly.meaning import Oddity
from node.assembly.planes import Plane
from node.errors import DuplicatePosition


@dataclass(frozen=True)
class _Job:
    """Frames of one instance that one thread decodes: (slice, plane) in the order of the frames."""

    source: Dataset | Path
    slices: tuple[tuple[int, Plane], ...]


def build(layout: Layout, sources: Sequence[Dataset | Path], threads: int) -> AssembledSeries:
    """Decode every slice of a layout into one volume.

    Parameters
    ----------
    layout
        Which plane becomes which slice, and the grid.
    sources
        The instances with pixel data, or their files, in the order that ``Plane.source`` counts.
    threads
        How many slices are decoded at a time.

    Raises
    ------
    UndecodableSlice, WrongRescale
    DuplicatePosition
        An image stands where a slice stands, and shows something else.
    """
    hu = voxel_array(layout)
    oddities = _fill(hu, layout, _jobs(layout, sources, threads), threads)
    _check_copies(hu, layout, sources)
    check_plausible(hu, is_unit_hu=Oddity.UNIT not in oddities)
    return AssembledSeries(
        volume=Volume(hu, layout.grid.affine),
        headers=layout.headers,
        frames=tuple(plane.frame for plane in layout.planes),
        shifts_ji_px=layout.grid.shifts_ji_px,
        notes=layout.notes,
        warnings=(*layout.warnings, *(oddity.value for oddity in Oddity if oddity in oddities)),
        pixel_step=layout.pixel_step,
    )


def _jobs(layout: Layout, sources: Sequence[Dataset | Path], threads: int) -> list[_Job]:
    """Give each single-frame instance one job, and a multi-frame instance one per thread."""
    by_source: dict[int, list[tuple[int, Plane]]] = {}
    for k, plane in enumerate(layout.planes):
        by_source.setdefault(plane.source, []).append((k, plane))
    jobs = []
    for source, slices in by_source.items():
        in_file_order = sorted(slices, key=lambda item: item[1].frame_index)
        size = -(-len(in_file_order) // threads)
        for start in range(0, len(in_file_order), size):
            jobs.append(_Job(sources[source], tuple(in_file_order[start : start + size])))
    return jobs


def _fill(hu: npt.NDArray[np.int16], layout: Layout, jobs: Sequence[_Job], threads: int) -> frozenset[Oddity]:
    """Decode all jobs into ``hu`` (K, J, I) and tell what was odd; the first error stops the rest."""
    conversion, step = Conversion(), layout.pixel_step

    def decode(job: _Job) -> frozenset[Oddity]:
        planes = [plane for _, plane in job.slices]
        decoded = stored_frames(job.source, planes)
        found: frozenset[Oddity] = frozenset()
        for (k, plane), bits in zip(job.slices, decoded, strict=True):
            image, oddities = conversion.to_hu(bits, plane.stored)
            hu[k] = _untilted(image, layout.grid.shifts_ji_px[k])[::step, ::step]
            found |= oddities
        return found

    pool = ThreadPoolExecutor(threads)
    try:
        return frozenset[Oddity]().union(*pool.map(decode, jobs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_copies(hu: npt.NDArray[np.int16], layout: Layout, sources: Sequence[Dataset | Path]) -> None:
    """Raise ``DuplicatePosition`` if an image that stands where a slice stands is no copy of it."""
    step = layout.pixel_step
    for k, copy in layout.copies:
        image = _untilted(slice_hu(sources[copy.source], copy), layout.grid.shifts_ji_px[k])
        if not np.array_equal(image[::step, ::step], hu[k]):
            raise DuplicatePosition(
                f"{copy.place} stands where another image stands and shows something else, and no attribute tells "
                "which belongs to the volume"
            )


def slice_hu(source: Dataset | Path, plane: Plane) -> npt.NDArray[np.int16]:
    """Decode one plane on its own into (J, I) HU; raises as ``build``."""
    hu, _ = Conversion().to_hu(next(stored_frames(source, [plane])), plane.stored)
    return hu


def _untilted(image: npt.NDArray[np.int16], shift_ji_px: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Give at (j, i) what the image shows at (j, i) + shift, linearly between pixels; air from outside."""
    if not shift_ji_px.any():
        return image
    moved = shift_image(image, -shift_ji_px, np.float32, order=1, mode="grid-constant", cval=AIR_HU)
    return np.asarray(np.rint(moved), dtype=np.int16)
