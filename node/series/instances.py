"""The instance as the series rules see it: a few attributes of its header, no pixels.

Law of this file: a header may be wrong in any way. Only a missing or invalid UID is an error, because
UIDs name rows and files; every other malformed attribute counts as absent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from node.errors import CannotUnderstand
from node.malformed import MALFORMED

CT_CLASSES = frozenset({CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
# What a reconstruction makes on the way to images, such as spectral bases: no HU (PS3.4 Table B.5-1, Supplement 252).
# pydicom 3.0 does not know them.
FOR_PROCESSING_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2.3",  # CT Image Storage - For Processing
        "1.2.840.10008.5.1.4.1.1.2.4",  # Enhanced CT Image Storage - For Processing
        "1.2.840.10008.5.1.4.1.1.2.5",  # Legacy Converted Enhanced CT Image Storage - For Processing
    }
)

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)  # PS3.5 section 9.1; leading zeros are tolerated
_UID_CHARACTERS = 64  # PS3.5 section 9.1
_TEXT_CHARACTERS = 64  # longest LO (PS3.5 Table 6.2-1); what is longer is cut
_LOOKED_AT = 1024  # characters of a text that are looked at: no valid one is longer, a hostile one may be
_TEXT_VALUES = 16  # of a multi-valued attribute; what is beyond is dropped
_LARGEST_INTEGER = 2**31 - 1  # IS (PS3.5 Table 6.2-1)
_LARGEST_MM = 1e6  # a kilometre: no length or position of a CT is beyond
# Functional group macros that hold for all frames of a multi-frame CT (PS3.3 A.38.1.4).
_SHARED_MACROS = ("PixelMeasuresSequence", "PlaneOrientationSequence", "CTReconstructionSequence")


@dataclass(frozen=True)
class InstanceHeader:
    """What the rules for completeness and selection need to know of one instance.

    Kept as one JSON column in the ledger, so that no rule has to open a file. None or an empty
    tuple means that the attribute is absent, empty or malformed. Lengths are in mm, positions in
    LPS (PS3.3 C.7.6.2.1.1). Enhanced multi-frame objects carry ``number_of_frames`` and no
    position of their own.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str = ""
    image_type: tuple[str, ...] = ()
    manufacturer: str = ""
    series_number: int | None = None
    series_description: str = ""
    body_part_examined: str = ""
    convolution_kernel: str = ""
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    slice_thickness_mm: float | None = None
    pixel_spacing_mm: tuple[float, ...] = ()
    image_position_patient: tuple[float, ...] = ()
    image_orientation_patient: tuple[float, ...] = ()
    frame_of_reference_uid: str = ""
    images_in_acquisition: int | None = None  # (0020,1002)
    number_of_series_related_instances: int | None = None  # (0020,1209)


def header_of(dataset: Dataset) -> InstanceHeader:
    """Read the header of one instance; whatever is malformed counts as absent.

    Texts are cut to 64 printable characters; several values of one text stand joined by a backslash,
    as DICOM writes them. A multi-frame instance gives the orientation, pixel spacing, slice thickness
    and kernel that all its frames share.

    Raises
    ------
    CannotUnderstand
        If one of the four UIDs that identify the instance is absent or not a UID.
    """
    places = (dataset, *_shared_groups(dataset))
    return InstanceHeader(
        sop_instance_uid=_identity(dataset, "SOPInstanceUID"),
        sop_class_uid=_identity(dataset, "SOPClassUID"),
        series_instance_uid=_identity(dataset, "SeriesInstanceUID"),
        study_instance_uid=_identity(dataset, "StudyInstanceUID"),
        modality=_text(dataset, "Modality"),
        image_type=_texts(dataset, "ImageType"),
        manufacturer=_text(dataset, "Manufacturer"),
        series_number=_integer(dataset, "SeriesNumber"),
        series_description=_text(dataset, "SeriesDescription"),
        body_part_examined=_text(dataset, "BodyPartExamined"),
        convolution_kernel=_text(_holder(places, "ConvolutionKernel"), "ConvolutionKernel"),
        instance_number=_integer(dataset, "InstanceNumber"),
        rows=_count(dataset, "Rows"),
        columns=_count(dataset, "Columns"),
        number_of_frames=_count(dataset, "NumberOfFrames"),
        slice_thickness_mm=_length(_holder(places, "SliceThickness"), "SliceThickness"),
        pixel_spacing_mm=_vector(_holder(places, "PixelSpacing"), "PixelSpacing", 2),
        image_position_patient=_vector(dataset, "ImagePositionPatient", 3),
        image_orientation_patient=_vector(_holder(places, "ImageOrientationPatient"), "ImageOrientationPatient", 6),
        frame_of_reference_uid=_text(dataset, "FrameOfReferenceUID"),
        images_in_acquisition=_count(dataset, "ImagesInAcquisition"),
        number_of_series_related_instances=_count(dataset, "NumberOfSeriesRelatedInstances"),
    )


def is_valid_uid(text: str) -> bool:
    """Tell whether ``text`` is a UID (PS3.5 section 9.1), and with that also safe as the name of a file."""
    return len(text) <= _UID_CHARACTERS and _UID.fullmatch(text) is not None


def is_image(header: InstanceHeader) -> bool:
    """Tell whether the instance holds a pixel matrix. A dose grid (RTDOSE) does; a report does not."""
    return header.rows is not None and header.columns is not None


def is_ct(header: InstanceHeader) -> bool:
    """Tell whether the instance is of a CT image class; a capture of a CT screen is not."""
    return header.sop_class_uid in CT_CLASSES and header.modality in ("CT", "")


def slice_count(header: InstanceHeader) -> int:
    """Give the number of slices in one CT instance: its frames, or 1."""
    return header.number_of_frames or 1


def to_json(header: InstanceHeader) -> dict[str, Any]:
    """Say a header in plain JSON values; ``from_json`` takes it back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(header).items()}


def from_json(values: Mapping[str, Any]) -> InstanceHeader:
    """Take a header back from plain JSON values; names that this version does not know are passed over."""
    known = {field.name for field in fields(InstanceHeader)}
    arguments: dict[str, Any] = {name: _frozen(value) for name, value in values.items() if name in known}
    return InstanceHeader(**arguments)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _shared_groups(dataset: Dataset) -> tuple[Dataset, ...]:
    """List the items of the shared functional groups that describe every frame; empty for a single frame."""
    groups = _sequence(dataset, "SharedFunctionalGroupsSequence")
    return tuple(item for group in groups for macro in _SHARED_MACROS for item in _sequence(group, macro))


def _sequence(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    found = _value(dataset, keyword)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return ()
    return tuple(item for item in found if isinstance(item, Dataset))


def _holder(places: Sequence[Dataset], keyword: str) -> Dataset:
    """Give the first data set that has the attribute."""
    return next((place for place in places if keyword in place), places[0])


def _identity(dataset: Dataset, keyword: str) -> str:
    uid = _printable(_value(dataset, keyword)).strip()
    if not uid:
        raise CannotUnderstand(f"{keyword} is absent or malformed")
    if not is_valid_uid(uid):
        # The value is not shown: what stands where a UID belongs may be anything, also a name.
        raise CannotUnderstand(f"{keyword} is not a UID: 1 to 64 digits and single dots are allowed, got {len(uid)}")
    return uid


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except MALFORMED:
        return None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    found = _value(dataset, keyword)
    if found is None or found == "":
        return []
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str | bytes) else [found]


def _printable(value: Any) -> str:
    """Write a value as text without control characters, which no database or page could show."""
    if value is None:
        return ""
    try:
        text = str(value)[:_LOOKED_AT]
    except MALFORMED:
        return ""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    values = _values(dataset, keyword)[:_TEXT_VALUES]
    return tuple(_printable(value).strip()[:_TEXT_CHARACTERS] for value in values)


def _text(dataset: Dataset, keyword: str) -> str:
    return "\\".join(_texts(dataset, keyword))[:_TEXT_CHARACTERS]


def _numbers(values: Iterable[Any]) -> tuple[float, ...]:
    """Convert all or none."""
    try:
        return tuple(float(value) for value in values)
    except MALFORMED:
        return ()


def _vector(dataset: Dataset, keyword: str, size: int) -> tuple[float, ...]:
    numbers = _numbers(_values(dataset, keyword)[: size + 1])
    return numbers if len(numbers) == size and all(map(_is_possible_mm, numbers)) else ()


def _is_possible_mm(number: float) -> bool:
    return math.isfinite(number) and abs(number) <= _LARGEST_MM


def _length(dataset: Dataset, keyword: str) -> float | None:
    (length,) = _vector(dataset, keyword, 1) or (0.0,)
    return length if length > 0 else None


def _integer(dataset: Dataset, keyword: str) -> int | None:
    numbers = _numbers(_values(dataset, keyword)[:2])
    if len(numbers) != 1 or not math.isfinite(numbers[0]) or abs(numbers[0]) > _LARGEST_INTEGER:
        return None
    return int(numbers[0]) if numbers[0].is_integer() else None


def _count(dataset: Dataset, keyword: str) -> int | None:
    number = _integer(dataset, keyword)
    return number if number is not None and number > 0 else None
