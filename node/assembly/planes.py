"""The planes of a volume as the decoder sees them: which frame of which instance, and what its stored values mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from node.assembly.assembled import SourceFrame
from node.assembly.attributes import text
from node.assembly.hounsfield import StoredValues
from node.assembly.stored import check_grey, stored_values
from node.series.instances import CT_CLASSES, is_multi_frame
from node.series.planes import Plane as PlacedPlane


@dataclass(frozen=True)
class Plane:
    """One slice whose pixels are to be decoded.

    Parameters
    ----------
    source
        Index of its instance in the sequence that was given.
    frame_index
        Zero-based; 0 for a single-frame instance.
    place
        How messages name it: by frame or instance number, and z.
    """

    source: int
    frame_index: int
    frame: SourceFrame
    place: str
    rows: int
    columns: int
    transfer_syntax: str
    stored: StoredValues


def is_ct_image(header: Dataset) -> bool:
    """Tell whether the instance is of a CT image class; captures of a CT screen are not."""
    return text(header, "SOPClassUID") in CT_CLASSES and text(header, "Modality").upper() in ("CT", "")


def pixel_plane(placed: PlacedPlane, header: Dataset) -> Plane:
    """Say how the pixels of a placed slice are to be read.

    Raises
    ------
    WrongRescale, UndecodableSlice
        If an attribute is absent or malformed; the message names it and the slice.
    """
    places = [header]
    if is_multi_frame(placed.header):
        places = [*_macro_items(_groups_of(header, placed.frame_index)), header]
    transformation = next((place for place in places if "RescaleSlope" in place), header)
    number = placed.frame_index + 1 if is_multi_frame(placed.header) else None
    check_grey(header, placed.where)
    return Plane(
        source=placed.source,
        frame_index=placed.frame_index,
        frame=SourceFrame(placed.header.sop_class_uid, placed.header.sop_instance_uid, number),
        place=placed.place,
        rows=placed.rows,
        columns=placed.columns,
        transfer_syntax=text(header.file_meta, "TransferSyntaxUID") if hasattr(header, "file_meta") else "",
        stored=stored_values(header, transformation, placed.where),
    )


def _groups_of(header: Dataset, frame_index: int) -> list[Dataset]:
    """List where attributes of a frame may stand: its own functional groups first, then the shared ones."""
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    return [header.PerFrameFunctionalGroupsSequence[frame_index], *shared]


def _macro_items(groups: Sequence[Dataset]) -> Iterator[Dataset]:
    for group in groups:
        yield from group.get("PixelValueTransformationSequence") or []
