"""Pictures as Multi-frame True Color Secondary Capture (PS3.3 A.8.5): all slices in one object, which scrolls as one.

A page is of another size than a slice and shows none, so it is an object of its own, of one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import format_number_as_ds

from models.findings import ModelIdentity
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import ResultContext
from node.results.envelope import CAPTURE_MULTI, add_frame_of_reference, add_lossy_history, body_part, complete
from node.results.legal_values import legal_value
from node.results.secondary_capture import CapturePicture, capture, picture_plane, source_item
from node.results.source_attributes import carried_over
from node.results.source_geometry import SourcePlane, instance_references, source_reference

_SLICE_LOCATION_VECTOR: Final = Tag("SliceLocationVector")


def build_multiframe_captures(
    series: AssembledSeries,
    pictures: Sequence[CapturePicture],
    context: ResultContext,
    models: Sequence[ModelIdentity] = (),
) -> list[Dataset]:
    """Build one object for each page, then one for all slices, in one Series, InstanceNumber from 1.

    Raises
    ------
    ResultError
        If a picture is no RGB array, or pictures of slices differ in size, scale or orientation.
    """
    slices = [picture for picture in pictures if picture.slice_index is not None]
    built = [_page(series, picture) for picture in pictures if picture.slice_index is None]
    built += [_slices(series, slices)] if slices else []
    source = carried_over(series.headers[0])
    return [
        complete(dataset, CAPTURE_MULTI, source, context, models, number)
        for number, dataset in enumerate(built, start=1)
    ]


def _page(series: AssembledSeries, picture: CapturePicture) -> Dataset:
    dataset = _described(series, [picture], picture.title)
    add_lossy_history(dataset, series.headers)
    dataset.SourceImageSequence = [source_item(item) for item in instance_references(series)]
    return dataset


def _slices(series: AssembledSeries, pictures: Sequence[CapturePicture]) -> Dataset:
    if legal_value(series.headers[0], "FrameOfReferenceUID") is None:  # Type 1 beside the places of frames
        raise ResultError("no multi-frame capture: the source has no Frame of Reference UID")
    if len({(picture.rgb.shape, picture.pixel_scale) for picture in pictures}) > 1:
        raise ResultError("no multi-frame capture: the pictures of slices differ in size")
    indices = [picture.slice_index for picture in pictures if picture.slice_index is not None]
    planes = [picture_plane(series, picture, k) for picture, k in zip(pictures, indices, strict=True)]
    if any(not np.allclose(plane.orientation, planes[0].orientation, atol=1e-4) for plane in planes):
        raise ResultError("no multi-frame capture: the slices are not parallel")
    dataset = _described(series, pictures, "Slices with nodules and their neighbours")
    add_lossy_history(dataset, [series.header_of(k) for k in indices])
    dataset.SourceImageSequence = [source_item(source_reference(series, k)) for k in indices]
    dataset.PatientOrientation = planes[0].patient_orientation
    add_frame_of_reference(dataset, series)
    _add_places(dataset, planes)
    return dataset


def _described(series: AssembledSeries, pictures: Sequence[CapturePicture], title: str) -> Dataset:
    """Attributes of one object and its frames, one below the other (PS3.3 C.7.6.6, C.8.6.3)."""
    dataset = capture(pictures[0].rgb, title)
    dataset.BodyPartExamined = body_part(series)
    dataset.NumberOfFrames = len(pictures)
    pixels = b"".join(np.ascontiguousarray(picture.rgb).tobytes() for picture in pictures)
    dataset.add_new("PixelData", "OB", pixels + b"\x00" * (len(pixels) % 2))
    return dataset


def _add_places(dataset: Dataset, planes: Sequence[SourcePlane]) -> None:
    """Where each frame lies: functional groups, and the vector by which frames advance (PS3.3 C.8.6.3, C.7.6.16)."""
    first = planes[0]
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    if len(planes) > 1:
        dataset.FrameIncrementPointer = _SLICE_LOCATION_VECTOR
        dataset.SliceLocationVector = [format_number_as_ds(float(normal @ plane.position_lps_mm)) for plane in planes]
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [format_number_as_ds(mm) for mm in first.spacing_mm]
    measures.SliceThickness = format_number_as_ds(first.slice_thickness_mm)
    orientation.ImageOrientationPatient = [format_number_as_ds(float(x)) for x in first.orientation]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_place(plane) for plane in planes]


def _frame_place(plane: SourcePlane) -> Dataset:
    groups, position = Dataset(), Dataset()
    position.ImagePositionPatient = [format_number_as_ds(float(x)) for x in plane.position_lps_mm]
    groups.PlanePositionSequence = [position]
    return groups
