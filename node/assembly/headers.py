"""Headers of whatever can be read: what a "not processed" notice is attached to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from node.assembly.assemble import header_of
from node.assembly.planes import is_ct_image
from node.assembly.reading import read_instance
from node.errors import UndecodableSlice
from node.malformed import MALFORMED

_UNREADABLE: tuple[type[Exception], ...] = (UndecodableSlice, *MALFORMED)


def readable_headers(paths: Sequence[Path]) -> tuple[Dataset, ...]:
    """Read the headers of files that may be damaged; those that cannot be read are left out.

    Returns
    -------
    CT images first, so that a notice is attached to the CT where there is one.
    """
    headers = [header for path in paths if (header := _header_or_none(path)) is not None]
    return tuple(sorted(headers, key=lambda header: not is_ct_image(header)))


def _header_or_none(path: Path) -> Dataset | None:
    try:
        return header_of(read_instance(path, pixels=False))
    except _UNREADABLE:
        return None
