"""The instance as the series rules see it: a few attributes of its header, no pixels.

Law of this file: a header may be wrong in any way. Only a missing or invalid UID is an error, because
UIDs name rows and files; every other malformed attribute counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from node.errors import CannotUnderstand
from node.series.attributes import Reader, first_with

MULTI_FRAME_CLASSES = frozenset({EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
CT_CLASSES = MULTI_FRAME_CLASSES | {CTImageStorage}
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
# Functional group macros that may describe all frames of a multi-frame CT, or each (PS3.3 A.38.1.4).
_MACROS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "CTReconstructionSequence",
    "CTImageFrameTypeSequence",
    "FrameContentSequence",
    "CardiacSynchronizationSequence",
    "TemporalPositionSequence",
)


@dataclass(frozen=True)
class Frame:
    """What places one frame of a multi-frame instance, its own attributes or those that all frames share.

    Parameters
    ----------
    image_position_patient, image_orientation_patient, pixel_spacing_mm
        As in ``InstanceHeader``; empty if absent.
    frame_type
        Frame Type (0008,9007), which stands for Image Type.
    stack_id, temporal_position, acquisition_number, phase_percent
        What may tell frames of several stacks, times, acquisitions and phases apart.
    """

    image_position_patient: tuple[float, ...] = ()
    image_orientation_patient: tuple[float, ...] = ()
    pixel_spacing_mm: tuple[float, ...] = ()
    frame_type: tuple[str, ...] = ()
    convolution_kernel: str = ""
    stack_id: str = ""
    temporal_position: int | None = None
    acquisition_number: int | None = None
    phase_percent: float | None = None


@dataclass(frozen=True)
class InstanceHeader:
    """What the rules for placement, completeness and selection need to know of one instance.

    Kept as one JSON column in the ledger, so that no rule has to open a file. None or an empty
    tuple means that the attribute is absent, empty or malformed. Lengths are in mm, positions in
    LPS (PS3.3 C.7.6.2.1.1). Enhanced multi-frame objects carry ``frames`` and no position of their own.

    Parameters
    ----------
    frames
        Of a multi-frame instance, in the order of its pixel data; empty for a single frame.
    mended
        Keywords of attributes that were written carelessly and could be read all the same.
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
    study_description: str = ""
    protocol_name: str = ""
    requested_procedure: str = ""
    body_part_examined: str = ""
    patient_position: str = ""
    convolution_kernel: str = ""
    scan_options: str = ""
    instance_number: int | None = None
    acquisition_number: int | None = None
    acquisition_time: str = ""
    temporal_position: int | None = None
    phase_percent: float | None = None  # (0020,9241) Nominal Percentage of Cardiac Phase
    trigger_time_ms: float | None = None
    kvp: float | None = None
    samples_per_pixel: int | None = None
    photometric_interpretation: str = ""
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
    concatenation_uid: str = ""
    in_concatenation_number: int | None = None
    in_concatenation_total: int | None = None
    frames: tuple[Frame, ...] = ()
    mended: tuple[str, ...] = field(default=())


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
    whole = Reader(dataset)
    shared = _macro_items(whole.items("SharedFunctionalGroupsSequence"))

    def place(keyword: str) -> Reader:
        return first_with((whole, *shared), keyword, whole)

    identity: dict[str, Any] = {
        name: _identity(whole, keyword)
        for name, keyword in (
            ("sop_instance_uid", "SOPInstanceUID"),
            ("sop_class_uid", "SOPClassUID"),
            ("series_instance_uid", "SeriesInstanceUID"),
            ("study_instance_uid", "StudyInstanceUID"),
        )
    }
    found = _described(whole) | {
        "convolution_kernel": place("ConvolutionKernel").text("ConvolutionKernel"),
        "slice_thickness_mm": place("SliceThickness").length("SliceThickness"),
        "pixel_spacing_mm": place("PixelSpacing").vector("PixelSpacing", 2),
        "image_position_patient": whole.vector("ImagePositionPatient", 3),
        "image_orientation_patient": place("ImageOrientationPatient").vector("ImageOrientationPatient", 6),
        "frames": _frames(whole, shared) if identity["sop_class_uid"] in MULTI_FRAME_CLASSES else (),
    }
    return InstanceHeader(**identity, **found, mended=tuple(whole.mended))


def _described(whole: Reader) -> dict[str, Any]:
    """Read what stands at the top of the data set alone."""
    return {
        "modality": whole.code("Modality"),
        "image_type": whole.codes("ImageType"),
        "manufacturer": whole.text("Manufacturer"),
        "series_number": whole.integer("SeriesNumber"),
        "series_description": whole.text("SeriesDescription"),
        "study_description": whole.text("StudyDescription"),
        "protocol_name": whole.text("ProtocolName"),
        "requested_procedure": whole.text("RequestedProcedureDescription"),
        "body_part_examined": whole.text("BodyPartExamined"),
        "patient_position": whole.code("PatientPosition"),
        "scan_options": whole.text("ScanOptions"),
        "instance_number": whole.integer("InstanceNumber"),
        "acquisition_number": whole.integer("AcquisitionNumber"),
        "acquisition_time": whole.text("AcquisitionDateTime") or whole.text("AcquisitionTime"),
        "temporal_position": whole.integer("TemporalPositionIdentifier"),
        "phase_percent": whole.number("NominalPercentageOfCardiacPhase"),
        "trigger_time_ms": whole.number("TriggerTime"),
        "kvp": whole.length("KVP"),
        "samples_per_pixel": whole.count("SamplesPerPixel"),
        "photometric_interpretation": whole.code("PhotometricInterpretation"),
        "rows": whole.count("Rows"),
        "columns": whole.count("Columns"),
        "number_of_frames": whole.count("NumberOfFrames"),
        "frame_of_reference_uid": whole.text("FrameOfReferenceUID"),
        "images_in_acquisition": whole.count("ImagesInAcquisition"),
        "number_of_series_related_instances": whole.count("NumberOfSeriesRelatedInstances"),
        "concatenation_uid": whole.text("ConcatenationUID"),
        "in_concatenation_number": whole.count("InConcatenationNumber"),
        "in_concatenation_total": whole.count("InConcatenationTotalNumber"),
    }


def _frames(whole: Reader, shared: tuple[Reader, ...]) -> tuple[Frame, ...]:
    return tuple(
        _frame(_macro_items((group,)), shared, whole) for group in whole.items("PerFrameFunctionalGroupsSequence")
    )


def _frame(own: tuple[Reader, ...], shared: tuple[Reader, ...], whole: Reader) -> Frame:
    """Flatten the functional group macros that place a frame (PS3.3 C.7.6.16.2, C.8.15.3)."""

    def place(keyword: str) -> Reader:
        return first_with((*own, *shared), keyword, whole)

    return Frame(
        image_position_patient=place("ImagePositionPatient").vector("ImagePositionPatient", 3),
        image_orientation_patient=place("ImageOrientationPatient").vector("ImageOrientationPatient", 6),
        pixel_spacing_mm=place("PixelSpacing").vector("PixelSpacing", 2),
        frame_type=place("FrameType").codes("FrameType"),
        convolution_kernel=place("ConvolutionKernel").text("ConvolutionKernel"),
        stack_id=place("StackID").text("StackID"),
        temporal_position=place("TemporalPositionIndex").integer("TemporalPositionIndex"),
        acquisition_number=place("FrameAcquisitionNumber").integer("FrameAcquisitionNumber"),
        phase_percent=place("NominalPercentageOfCardiacPhase").number("NominalPercentageOfCardiacPhase"),
    )


def _macro_items(groups: Sequence[Reader]) -> tuple[Reader, ...]:
    return tuple(item for group in groups for macro in _MACROS for item in group.items(macro))


def is_valid_uid(text: str) -> bool:
    """Tell whether ``text`` is a UID (PS3.5 section 9.1), and with that also safe as the name of a file."""
    return len(text) <= _UID_CHARACTERS and _UID.fullmatch(text) is not None


def is_image(header: InstanceHeader) -> bool:
    """Tell whether the instance holds a pixel matrix. A dose grid (RTDOSE) does; a report does not."""
    return header.rows is not None and header.columns is not None


def is_ct(header: InstanceHeader) -> bool:
    """Tell whether the instance is of a CT image class; a capture of a CT screen is not."""
    return header.sop_class_uid in CT_CLASSES and header.modality in ("CT", "")


def is_multi_frame(header: InstanceHeader) -> bool:
    """Tell whether the instance is of a multi-frame CT class."""
    return header.sop_class_uid in MULTI_FRAME_CLASSES


def slice_count(header: InstanceHeader) -> int:
    """Give the number of slices in one CT instance: its frames, or 1."""
    return header.number_of_frames or 1


def to_json(header: InstanceHeader) -> dict[str, Any]:
    """Say a header in plain JSON values; ``from_json`` takes it back."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(header).items()}
    values["frames"] = [_told(frame) for frame in header.frames]
    return values


def from_json(values: Mapping[str, Any]) -> InstanceHeader:
    """Take a header back from plain JSON values; names that this version does not know are passed over."""
    known = {each.name for each in fields(InstanceHeader)}
    arguments: dict[str, Any] = {name: _frozen(value) for name, value in values.items() if name in known}
    arguments["frames"] = tuple(_frame_from(told) for told in values.get("frames", ()))
    return InstanceHeader(**arguments)


def _told(frame: Frame) -> dict[str, Any]:
    """Say what is known of a frame: hundreds of them stand in one row."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(frame).items() if value}


def _frame_from(told: Mapping[str, Any]) -> Frame:
    known = {each.name for each in fields(Frame)}
    return Frame(**{name: _frozen(value) for name, value in told.items() if name in known})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _identity(whole: Reader, keyword: str) -> str:
    uid = whole.identifier(keyword)
    if not uid:
        raise CannotUnderstand(f"{keyword} is absent or malformed")
    if not is_valid_uid(uid):
        # The value is not shown: what stands where a UID belongs may be anything, also a name.
        raise CannotUnderstand(f"{keyword} is not a UID: 1 to 64 digits and single dots are allowed, got {len(uid)}")
    return uid
