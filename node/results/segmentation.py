"""Findings as a BINARY Segmentation (PS3.3 A.51) on the pixels of the source images.

Segments are right lung, left lung and one per nodule, and they do not overlap: a voxel of a nodule
belongs to its nodule segment alone, which the description of the lung segments says. Tilt-corrected
masks are shifted back by the recorded shifts, rounded to whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage
from pydicom.valuerep import format_number_as_ds

from models.findings import Findings, LungLabel, Nodule, NoduleMeasurement
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results import codes
from node.results.context import DISCLAIMER, MANUFACTURER, MODEL_NAME, ResultContext
from node.results.drawing import colour_of
from node.results.envelope import (
    SEGMENTATION,
    add_frame_of_reference,
    add_lossy_history,
    body_part,
    code_item,
    complete,
    tracking_id,
    tracking_uid,
)
from node.results.source_attributes import ascii_text, carried_over, is_uid
from node.results.source_geometry import instance_references, source_matrix, source_plane, source_reference

Labels = npt.NDArray[np.uint16]
_LUNG_RGB: Final = MappingProxyType({LungLabel.RIGHT: (80, 150, 220), LungLabel.LEFT: (120, 190, 120)})  # calm
_CONTENT_LABEL: Final = "LUNG_NODULES"
_ASKED_BY_HIGHDICOM: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


@dataclass(frozen=True, eq=False)
class _Segment:
    """One segment: its label, codes and place in the volume."""

    label: str
    description: str
    tracking_uid: str
    category: Code
    kind: Code
    side: Code
    rgb: tuple[int, int, int]
    content: LungLabel | NoduleMeasurement


def build_segmentation(series: AssembledSeries, findings: Findings, context: ResultContext) -> Dataset:
    """Build the Segmentation of lungs and nodules.

    Raises
    ------
    ResultError
        If the source has no frame of reference, or there is nothing to segment.
    """
    if not is_uid(str(series.headers[0].get("FrameOfReferenceUID", ""))):
        raise ResultError("no segmentation: the source has no FrameOfReferenceUID")
    segments = _segments(findings, context)
    labels = _label_map(series, findings, segments)
    if not labels.any():
        raise ResultError("no segmentation: neither lungs nor nodules have a voxel")
    source = carried_over(series.headers[0])
    dataset = _plain(_encode(series, labels, segments, context))
    _name_sources(dataset, series)
    _describe_segments(dataset, segments)
    _make_reproducible(dataset, context)
    _add_image_attributes(dataset, series)
    return complete(dataset, SEGMENTATION, source, context, findings.models)


def _segments(findings: Findings, context: ResultContext) -> list[_Segment]:
    """Lungs that have voxels, right first, then the nodules by id; the place in the list + 1 is the number."""
    lungs = [_lung(label, context) for label in codes.LUNG_SIDES if (findings.lungs.labels == label).any()]
    return lungs + [_nodule(nodule, context) for nodule in findings.nodules]


def _lung(label: LungLabel, context: ResultContext) -> _Segment:
    side = codes.LUNG_SIDES[label]
    return _Segment(
        label=f"{side.value.capitalize()} lung",
        description=f"{side.value.capitalize()} lung without the voxels of the nodule segments. {DISCLAIMER}",
        tracking_uid=context.uid("lung", side.value),
        category=codes.ANATOMICAL_STRUCTURE,
        kind=codes.LUNG,
        side=codes.SIDES[side],
        rgb=_LUNG_RGB[label],
        content=label,
    )


def _nodule(nodule: Nodule, context: ResultContext) -> _Segment:
    return _Segment(
        label=tracking_id(nodule),
        description=f"Nodule in the {nodule.side.value} lung. {DISCLAIMER}",
        tracking_uid=tracking_uid(context, nodule),
        category=codes.MORPHOLOGICALLY_ABNORMAL,
        kind=codes.NODULE,
        side=codes.SIDES[nodule.side],
        rgb=colour_of(nodule.id),  # as on the pictures
        content=nodule.measurement,
    )


def _label_map(series: AssembledSeries, findings: Findings, segments: Sequence[_Segment]) -> Labels:
    """(K, rows, columns) of segment numbers on the source pixels; larger nodules first, so that none is buried."""
    labels = np.zeros(series.volume.shape, np.uint16)
    numbered = list(enumerate(segments, start=1))
    for number, segment in numbered:
        if isinstance(segment.content, LungLabel):
            labels[findings.lungs.labels == segment.content] = number
    nodules = [(n, s.content) for n, s in numbered if isinstance(s.content, NoduleMeasurement)]
    for number, measured in sorted(nodules, key=lambda pair: -np.count_nonzero(pair[1].mask)):
        corner = zip(measured.mask_offset_kji, measured.mask.shape, strict=True)
        labels[tuple(slice(low, low + size) for low, size in corner)][measured.mask] = number
    return _on_source_pixels(labels, series)


def _on_source_pixels(labels: Labels, series: AssembledSeries) -> Labels:
    """Shift each slice back to where its pixels were before tilt correction."""
    rows, columns = source_matrix(series)
    shifts = np.rint(series.shifts_ji_px).astype(int)
    if labels.shape[1:] == (rows, columns) and not shifts.any():
        return labels
    placed = np.zeros((len(labels), rows, columns), np.uint16)
    for k, (row_shift, column_shift) in enumerate(shifts):
        to_row, from_row = _overlap(row_shift, rows, labels.shape[1])
        to_column, from_column = _overlap(column_shift, columns, labels.shape[2])
        placed[k, to_row, to_column] = labels[k, from_row, from_column]
    return placed


def _overlap(shift: int, size: int, source_size: int) -> tuple[slice, slice]:
    """Where ``source[i]`` goes to ``target[i + shift]``: slices of target and source of one length."""
    low, high = max(shift, 0), max(min(size, source_size + shift), max(shift, 0))
    return slice(low, high), slice(low - shift, high - shift)


def _encode(
    series: AssembledSeries,
    labels: Labels,
    segments: Sequence[_Segment],
    context: ResultContext,
) -> Segmentation:
    """Let highdicom lay out the frames; a label map is an order of magnitude faster than a stack of masks."""
    return Segmentation(
        source_images=[_slice_image(series, k) for k in range(len(labels))],
        pixel_array=labels if len(segments) > 255 else labels.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_highdicom_segment(n, s, context) for n, s in enumerate(segments, start=1)],
        series_instance_uid=context.uid("series", SEGMENTATION.name),
        series_number=SEGMENTATION.series_number,
        sop_instance_uid=context.uid("instance", SEGMENTATION.name, 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=ascii_text(context.software_version, 64),
        device_serial_number=ascii_text(context.device_serial_number, 64),
        content_label=_CONTENT_LABEL,
        content_description=DISCLAIMER,
    )


def _slice_image(series: AssembledSeries, k: int) -> Dataset:
    """What highdicom asks of a source image, as if slice ``k`` were a single-frame CT.

    Patient and study are filled in by ``complete``; the placeholder UID is replaced by ``_name_sources``.
    """
    plane, header = source_plane(series, k), series.headers[0]
    image = Dataset()
    for keyword in _ASKED_BY_HIGHDICOM:
        setattr(image, keyword, "")
    image.StudyInstanceUID = series.study_instance_uid
    image.SeriesInstanceUID = series.series_instance_uid
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, _placeholder(k)
    image.Modality = "CT"
    image.Rows, image.Columns = source_matrix(series)
    image.FrameOfReferenceUID = header.FrameOfReferenceUID
    image.ImagePositionPatient = [format_number_as_ds(float(x)) for x in plane.position_lps_mm]
    first = source_plane(series, 0)  # highdicom wants one orientation to the last digit
    image.ImageOrientationPatient = [format_number_as_ds(float(x)) for x in first.orientation]
    image.PixelSpacing = [format_number_as_ds(x) for x in first.spacing_mm]
    image.SliceThickness = format_number_as_ds(first.slice_thickness_mm)
    return image


def _placeholder(k: int) -> str:
    return f"2.25.{k + 1}"


def _highdicom_segment(number: int, segment: _Segment, context: ResultContext) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        name=MODEL_NAME,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=ascii_text(context.software_version, 64),
        source=MANUFACTURER,
    )
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.label,
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )


def _plain(segmentation: Segmentation) -> Dataset:
    """The attributes alone, without highdicom's lookup tables."""
    dataset = Dataset()
    dataset.update({element.tag: element for element in segmentation})
    return dataset


def _name_sources(dataset: Dataset, series: AssembledSeries) -> None:
    """Put the real references in the place of the placeholders; each instance stands once in the lists."""
    frames = {_placeholder(k): source_reference(series, k) for k in range(len(series.frames))}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for item in derivation.SourceImageSequence:
                real = frames.get(item.ReferencedSOPInstanceUID)  # None: one item serves all segments of a slice
                item.update(real if real is not None else {})
    instances = instance_references(series)
    dataset.SourceImageSequence = instances
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances


def _describe_segments(dataset: Dataset, segments: Sequence[_Segment]) -> None:
    """What highdicom has no parameter for: description, and the side as a modifier."""
    for item, segment in zip(dataset.SegmentSequence, segments, strict=True):
        item.SegmentDescription = segment.description
        if isinstance(segment.content, LungLabel):
            kind = item.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(segment.side)]
        else:
            region = code_item(codes.LUNG)
            region.AnatomicRegionModifierSequence = [code_item(segment.side)]
            item.AnatomicRegionSequence = [region]


def _make_reproducible(dataset: Dataset, context: ResultContext) -> None:
    """Replace the UID that highdicom draws at random, that of the dimension organization."""
    uid = context.uid("dimensions", SEGMENTATION.name)
    for item in [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]:
        item.DimensionOrganizationUID = uid


def _add_image_attributes(dataset: Dataset, series: AssembledSeries) -> None:
    dataset.SegmentsOverlap = "NO"
    dataset.BodyPartExamined = body_part(series)
    add_frame_of_reference(dataset, series)
    add_lossy_history(dataset, series.headers[0])
