"""Datasets of one series to a volume in HU. Pure: every reason why a series is not a volume is a named error."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.tag import Tag

from node.assembly.assembled import AssembledSeries
from node.assembly.decoding import build
from node.assembly.layout import lay_out
from node.assembly.limits import DEFAULT_LIMITS, AssemblyLimits

_PIXEL_GROUP = Tag(0x7FE0, 0x0000)  # pixel data and offset tables: everything from here on is left out of a header
_LARGEST_PRIVATE_BYTES = 64 * 1024  # of a private element kept in a header; vendors hide raw data and previews there


def assemble(datasets: Sequence[Dataset], limits: AssemblyLimits = DEFAULT_LIMITS) -> AssembledSeries:
    """Put the CT instances of one series together.

    Slices are ordered by the projection of Image Position (Patient) on the normal of the image
    plane; the slice distance comes from the positions. Single-frame CT, or one Enhanced or Legacy
    Converted Enhanced CT. Localizers are left out with a note.

    Parameters
    ----------
    datasets
        With pixel data and file meta (which names the transfer syntax), in any order. They are
        not changed.
    limits
        Bounds of what is read.

    Raises
    ------
    AssemblyError
        The subclass names the precondition that does not hold; the message has the numbers.

    References
    ----------
    PS3.3 C.7.6.2 (image plane), C.8.2.1 (CT image), C.7.6.16 (functional groups)
    """
    layout = lay_out([header_of(dataset) for dataset in datasets], limits)
    return build(layout, datasets, threads=1)


def header_of(dataset: Dataset) -> Dataset:
    """Copy a data set without pixel data and without large private elements."""
    header = dataset[:_PIXEL_GROUP]
    for tag in [tag for tag in header.keys() if tag.is_private]:  # noqa: SIM118 (iterating a data set parses it)
        held = header.get_item(tag)
        if isinstance(held.value, bytes) and len(held.value) > _LARGEST_PRIVATE_BYTES:
            del header[tag]
    if hasattr(dataset, "file_meta"):
        header.file_meta = dataset.file_meta
    return header
