"""Findings as a Segmentation (PS3.3 A.51) on the pixels of the source images, BINARY or LABELMAP.

Both hold the same. BINARY is what viewers and archives know; a LABELMAP, a newer SOP class that many
refuse, is one compressed frame for each slice and far smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pydicom.valuerep import format_number_as_ds

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results import codes
from node.results.context import DISCLAIMER, MANUFACTURER, MODEL_NAME, ResultContext
from node.results.envelope import (
    LABELMAP,
    SEGMENTATION,
    ObjectKind,
    add_frame_of_reference,
    add_lossy_history,
    body_part,
    code_item,
    complete,
)
from node.results.segments import Labels, Segment, label_map, segments_of
from node.results.source_attributes import ascii_text, carried_over
from node.results.source_geometry import instance_references, source_matrix, source_plane, source_reference
from node.series.instances import is_valid_uid

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


def build_segmentation(series: AssembledSeries, findings: Findings, context: ResultContext) -> Dataset:
    """Build the BINARY Segmentation of lungs and nodules: one frame for each slice of each segment.

    Raises
    ------
    ResultError
        If the source has no frame of reference, or there is nothing to segment.
    """
    return _build(series, findings, context, SEGMENTATION)


def build_labelmap(series: AssembledSeries, findings: Findings, context: ResultContext) -> Dataset:
    """Build the same as a Label Map Segmentation, in JPEG-LS without loss; segment 0 is the background.

    Raises
    ------
    ResultError
        As ``build_segmentation``.
    """
    return _build(series, findings, context, LABELMAP)


def _build(series: AssembledSeries, findings: Findings, context: ResultContext, kind: ObjectKind) -> Dataset:
    if not is_valid_uid(str(series.headers[0].get("FrameOfReferenceUID", ""))):
        raise ResultError("no segmentation: the source has no Frame of Reference UID")
    segments = segments_of(findings, context)
    labels = label_map(series, findings, segments)
    if not labels.any():
        raise ResultError("no segmentation: neither lungs nor nodules have a voxel")
    source = carried_over(series.headers[0])
    dataset = _plain(_encode(series, labels, segments, context, kind))
    _name_sources(dataset, series)
    _describe_segments(dataset, segments)
    _make_reproducible(dataset, context, kind)
    _add_image_attributes(dataset, series)
    return complete(dataset, kind, source, context, findings.models)


def _encode(
    series: AssembledSeries,
    labels: Labels,
    segments: Sequence[Segment],
    context: ResultContext,
    kind: ObjectKind,
) -> Segmentation:
    """Let highdicom lay out the frames; a label map is an order of magnitude faster than a stack of masks."""
    return Segmentation(
        source_images=_source_images(series),
        pixel_array=labels,
        segmentation_type="LABELMAP" if kind == LABELMAP else "BINARY",
        segment_descriptions=[_highdicom_segment(n, s, context) for n, s in enumerate(segments, start=1)],
        series_instance_uid=context.uid("series", kind.name),
        series_number=kind.series_number,
        sop_instance_uid=context.uid("instance", kind.name, 1),
        transfer_syntax_uid=kind.transfer_syntax_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=ascii_text(context.software_version, 64),
        device_serial_number=ascii_text(context.device_serial_number, 64),
        content_label=_CONTENT_LABEL,
        content_description=DISCLAIMER,
    )


def _source_images(series: AssembledSeries) -> list[Dataset]:
    """What highdicom asks of the source images, as if each slice were a single-frame CT.

    Patient and study are filled in by ``complete``; the placeholder UIDs are replaced by ``_name_sources``.
    """
    common, images = _common_image(series), []  # its elements, the slow part of a data set, are made once
    for k in range(len(series.frames)):
        image = Dataset()
        image.update(common)
        image.SOPInstanceUID = _placeholder(k)
        position = source_plane(series, k).position_lps_mm
        image.ImagePositionPatient = [format_number_as_ds(float(x)) for x in position]
        images.append(image)
    return images


def _common_image(series: AssembledSeries) -> Dataset:
    header, image = series.headers[0], Dataset()
    for keyword in _ASKED_BY_HIGHDICOM:
        setattr(image, keyword, "")
    image.StudyInstanceUID = series.study_instance_uid
    image.SeriesInstanceUID = series.series_instance_uid
    image.SOPClassUID, image.Modality = CTImageStorage, "CT"
    image.Rows, image.Columns = source_matrix(series)
    image.FrameOfReferenceUID = header.FrameOfReferenceUID
    first = source_plane(series, 0)  # highdicom wants one orientation to the last digit
    image.ImageOrientationPatient = [format_number_as_ds(float(x)) for x in first.orientation]
    image.PixelSpacing = [format_number_as_ds(x) for x in first.spacing_mm]
    image.SliceThickness = format_number_as_ds(first.slice_thickness_mm)
    return image


def _placeholder(k: int) -> str:
    return f"2.25.{k + 1}"


def _highdicom_segment(number: int, segment: Segment, context: ResultContext) -> SegmentDescription:
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
        tracking_id=segment.tracking_id,
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


def _describe_segments(dataset: Dataset, segments: Sequence[Segment]) -> None:
    """What highdicom has no parameter for: description, and the side as a modifier."""
    numbered = {int(item.SegmentNumber): item for item in dataset.SegmentSequence}  # a label map has a segment 0
    for number, segment in enumerate(segments, start=1):
        item = numbered[number]
        item.SegmentDescription = segment.description
        side = code_item(segment.side)
        if segment.region is None:
            item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
        else:
            region = code_item(segment.region)
            region.AnatomicRegionModifierSequence = [side]
            item.AnatomicRegionSequence = [region]


def _make_reproducible(dataset: Dataset, context: ResultContext, kind: ObjectKind) -> None:
    """Replace the UID that highdicom draws at random, that of the dimension organization."""
    uid = context.uid("dimensions", kind.name)
    for item in [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]:
        item.DimensionOrganizationUID = uid


def _add_image_attributes(dataset: Dataset, series: AssembledSeries) -> None:
    dataset.SegmentsOverlap = "NO"
    dataset.BodyPartExamined = body_part(series)
    add_frame_of_reference(dataset, series)
    add_lossy_history(dataset, series.headers)
