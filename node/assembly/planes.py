"""The planes of a series: each slice as position, orientation, spacing and meaning of its stored values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from node.assembly.assembled import SourceFrame
from node.assembly.attributes import numbers, text, texts, value, whole_number
from node.assembly.hounsfield import StoredValues
from node.assembly.stored import check_grey, stored_values
from node.errors import MissingGeometry

MULTI_FRAME_CLASSES = frozenset({EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
CT_CLASSES = MULTI_FRAME_CLASSES | {CTImageStorage}


@dataclass(frozen=True)
class Plane:
    """One slice before it is put into the volume.

    Parameters
    ----------
    source
        Index of its instance in the sequence that was given.
    frame_index
        Zero-based; 0 for a single-frame instance.
    where
        How messages name it: by frame, or by instance number.
    position_lps_mm
        ImagePositionPatient: the centre of the first voxel.
    orientation
        ImageOrientationPatient: cosines of the row direction, then of the column direction.
    spacing_ji_mm
        PixelSpacing: distance between rows, then between columns.
    """

    source: int
    frame_index: int
    frame: SourceFrame
    where: str
    position_lps_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_ji_mm: tuple[float, ...]
    rows: int
    columns: int
    frame_of_reference_uid: str
    image_type: tuple[str, ...]
    transfer_syntax: str
    stored: StoredValues

    @property
    def is_localizer(self) -> bool:
        """Tell whether this is a projection and not a slice (PS3.3 C.8.2.1.1.1)."""
        return "LOCALIZER" in self.image_type

    @property
    def place(self) -> str:
        """Name the slice in a message."""
        return f"{self.where} at z={self.position_lps_mm[2]:.1f} mm"


def is_ct_image(header: Dataset) -> bool:
    """Tell whether the instance is of a CT image class; captures of a CT screen are not."""
    return text(header, "SOPClassUID") in CT_CLASSES and text(header, "Modality") in ("CT", "")


def is_localizer(header: Dataset) -> bool:
    """Tell whether a single-frame instance is a projection, which need not have a slice's geometry."""
    return text(header, "SOPClassUID") not in MULTI_FRAME_CLASSES and "LOCALIZER" in texts(header, "ImageType")


def planes_of(header: Dataset, source: int) -> list[Plane]:
    """List the planes of one CT instance, in the order of its frames.

    Raises
    ------
    NotCT, MissingGeometry, WrongRescale, UndecodableSlice
        If an attribute is absent or malformed; the message names it and the slice.
    """
    if text(header, "SOPClassUID") in MULTI_FRAME_CLASSES:
        return [_plane_of_frame(header, source, index, groups) for index, groups in enumerate(_frame_groups(header))]
    where = _instance_name(header)
    if text(header, "NumberOfFrames") not in ("", "1"):
        raise MissingGeometry(f"Number of Frames of {where} is not 1, but a CT Image Storage instance has one frame")
    return [_plane(source, 0, header, [header], where)]


def _instance_name(header: Dataset) -> str:
    number = text(header, "InstanceNumber")
    return f"instance number {number}" if number else "an instance without number"


def _frame_groups(header: Dataset) -> Iterator[list[Dataset]]:
    """Yield for each frame where its attributes may stand: per-frame groups first, then the shared ones."""
    name = "the multi-frame instance"
    per_frame = value(header, "PerFrameFunctionalGroupsSequence", MissingGeometry, name)
    declared = whole_number(header, "NumberOfFrames", MissingGeometry, name)
    if len(per_frame) != declared:
        raise MissingGeometry(f"Number of Frames is {declared}, but functional groups describe {len(per_frame)} frames")
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    for groups in per_frame:
        yield [groups, *shared]


def _plane_of_frame(header: Dataset, source: int, index: int, groups: list[Dataset]) -> Plane:
    """Flatten the functional group macros that place a frame (PS3.3 C.7.6.16.2, C.8.15.3)."""
    flat = [item for group in groups for item in _macro_items(group)]
    return _plane(source, index, header, [*flat, header], f"frame {index + 1}")


def _macro_items(group: Dataset) -> Iterator[Dataset]:
    for keyword in (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "CTImageFrameTypeSequence",
    ):
        yield from group.get(keyword) or []


def _plane(source: int, index: int, header: Dataset, places: Sequence[Dataset], where: str) -> Plane:
    """Read one plane; ``places`` lists the data sets that may hold an attribute, nearest first."""
    uids = [str(value(header, keyword, MissingGeometry, where)) for keyword in ("SOPClassUID", "SOPInstanceUID")]
    number = index + 1 if uids[0] in MULTI_FRAME_CLASSES else None
    check_grey(header, where)
    return Plane(
        source=source,
        frame_index=index,
        frame=SourceFrame(uids[0], uids[1], number),
        where=where,
        position_lps_mm=_nearest_numbers(places, "ImagePositionPatient", 3, where),
        orientation=_nearest_numbers(places, "ImageOrientationPatient", 6, where),
        spacing_ji_mm=_nearest_numbers(places, "PixelSpacing", 2, where),
        rows=whole_number(header, "Rows", MissingGeometry, where),
        columns=whole_number(header, "Columns", MissingGeometry, where),
        frame_of_reference_uid=text(header, "FrameOfReferenceUID"),
        image_type=texts(_nearest(places, "FrameType"), "FrameType") or texts(header, "ImageType"),
        transfer_syntax=text(header.file_meta, "TransferSyntaxUID") if hasattr(header, "file_meta") else "",
        stored=stored_values(header, _nearest(places, "RescaleSlope"), where),
    )


def _nearest(places: Sequence[Dataset], keyword: str) -> Dataset:
    """Give the first data set that has the attribute, or the last one, where it will be found absent."""
    return next((place for place in places if keyword in place), places[-1])


def _nearest_numbers(places: Sequence[Dataset], keyword: str, count: int, where: str) -> tuple[float, ...]:
    return numbers(_nearest(places, keyword), keyword, count, MissingGeometry, where)
