"""Pixel data to HU: decode frame by frame into the one array of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from scipy.ndimage import shift as shift_image

from models.volume import AIR_HU, Volume
from node.assembly.assembled import AssembledSeries
from node.assembly.hounsfield import check_plausible, hu_table
from node.assembly.layout import Layout, voxel_array
from node.assembly.planes import Plane
from node.errors import DuplicatePosition, UndecodableSlice
from node.malformed import MALFORMED

_CAUSE_CHARACTERS = 200  # of a decoder's message that is shown
_TABLES_KEPT = 8  # 128 KiB each; nearly every series needs one, PET/CT software writes one per slice


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
    _fill(hu, layout, _jobs(layout, sources, threads), threads)
    _check_copies(hu, layout, sources)
    check_plausible(hu)
    return AssembledSeries(
        volume=Volume(hu, layout.grid.affine),
        headers=layout.headers,
        frames=tuple(plane.frame for plane in layout.planes),
        shifts_ji_px=layout.grid.shifts_ji_px,
        notes=layout.notes,
        warnings=layout.warnings,
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


def _fill(hu: npt.NDArray[np.int16], layout: Layout, jobs: Sequence[_Job], threads: int) -> None:
    """Decode all jobs into ``hu`` (K, J, I); the first error stops the rest."""
    tables = lru_cache(_TABLES_KEPT)(hu_table)

    def decode(job: _Job) -> None:
        planes = [plane for _, plane in job.slices]
        decoded = stored_frames(job.source, planes)
        for (k, plane), bits in zip(job.slices, decoded, strict=True):
            hu[k] = _untilted(tables(plane.stored)[bits], layout.grid.shifts_ji_px[k])

    pool = ThreadPoolExecutor(threads)
    try:
        for _ in pool.map(decode, jobs):
            pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_copies(hu: npt.NDArray[np.int16], layout: Layout, sources: Sequence[Dataset | Path]) -> None:
    """Raise ``DuplicatePosition`` if an image that stands where a slice stands is no copy of it."""
    tables = lru_cache(_TABLES_KEPT)(hu_table)
    for k, copy in layout.copies:
        (bits,) = stored_frames(sources[copy.source], [copy])
        if not np.array_equal(_untilted(tables(copy.stored)[bits], layout.grid.shifts_ji_px[k]), hu[k]):
            raise DuplicatePosition(
                f"{copy.place} stands where another image stands and shows something else, and no attribute tells "
                "which belongs to the volume"
            )


def stored_frames(source: Dataset | Path, planes: Sequence[Plane]) -> Iterator[npt.NDArray[np.uint16]]:
    """Yield the stored values of the given planes of one instance.

    Parameters
    ----------
    source
        The instance with pixel data, or its file.
    planes
        The frames wanted of it.

    Returns
    -------
    For each plane (J, I), the bits of the stored values read as unsigned numbers: what ``hu_table`` is indexed with.

    Raises
    ------
    UndecodableSlice
        Naming the slice, the transfer syntax and the decoder's cause.
    """
    frames = _decoded(source, planes)
    for plane in planes:
        try:
            yield _bits_of(next(frames), plane)
        except StopIteration:
            raise _undecodable(plane, "there is no such frame in the pixel data") from None
        except MALFORMED as error:
            raise _undecodable(plane, str(error) or type(error).__name__) from error


def _decoded(source: Dataset | Path, planes: Sequence[Plane]) -> Iterator[npt.NDArray[np.integer[Any]]]:
    """Yield the planes as pydicom decodes them; a file is read frame by frame."""
    if isinstance(source, Dataset):
        yield from _iter_pixels(source, planes)
    elif planes[0].transfer_syntax == DeflatedExplicitVRLittleEndian:
        # pydicom 3.0 looks for the pixel data in the stream before it is inflated.
        yield from _iter_pixels(dcmread(source), planes)
    else:
        with source.open("rb") as file:
            yield from _iter_pixels(file, planes)


def _iter_pixels(source: Dataset | BinaryIO, planes: Sequence[Plane]) -> Iterator[npt.NDArray[np.integer[Any]]]:
    return iter_pixels(
        source,
        indices=[plane.frame_index for plane in planes],
        raw=True,
        view_only=True,
        correct_unused_bits=False,  # hu_table does it, and knows padding that uses those bits
    )


def _bits_of(stored: npt.NDArray[np.integer[Any]], plane: Plane) -> npt.NDArray[np.uint16]:
    """View stored values of 8 or 16 bits, in any byte order, as unsigned 16-bit patterns."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    unsigned = native.view(np.dtype(f"u{native.dtype.itemsize}"))
    if unsigned.dtype.itemsize > 2 or unsigned.shape != (plane.rows, plane.columns):
        raise ValueError(f"decoded to {stored.dtype} {stored.shape}: 8 or 16 bits of the announced size expected")
    return unsigned.astype(np.uint16, copy=False)


def _undecodable(plane: Plane, cause: str) -> UndecodableSlice:
    one_line = " ".join(cause.split())[:_CAUSE_CHARACTERS]
    return UndecodableSlice(f"{plane.place} cannot be decoded from {_syntax_name(plane.transfer_syntax)}: {one_line}")


def _syntax_name(syntax: str) -> str:
    if not syntax:
        return "an unnamed transfer syntax"
    name = UID(syntax).name
    return name if name == syntax else f"{name} ({syntax})"


def _untilted(image: npt.NDArray[np.int16], shift_ji_px: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Give at (j, i) what the image shows at (j, i) + shift, linearly between pixels; air from outside."""
    if not shift_ji_px.any():
        return image
    moved = shift_image(image, -shift_ji_px, np.float32, order=1, mode="grid-constant", cval=AIR_HU)
    return np.asarray(np.rint(moved), dtype=np.int16)
