"""Pictures as Secondary Capture images (PS3.3 A.8.1), for viewers that show nothing else.

The pictures are RGB arrays that somebody else drew; here they get source references and, where they
show a slice, its place in the patient, so that a viewer can scroll them with the CT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from models.findings import ModelIdentity
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results import codes
from node.results.context import DISCLAIMER, ResultContext
from node.results.envelope import (
    CAPTURE,
    ObjectKind,
    add_frame_of_reference,
    add_lossy_history,
    body_part,
    code_item,
    complete,
)
from node.results.pixel_encoding import write_pixels
from node.results.source_attributes import SourceAttributes, ascii_text, carried_over
from node.results.source_geometry import (
    SourcePlane,
    instance_references,
    source_matrix,
    source_plane,
    source_reference,
)


@dataclass(frozen=True, eq=False)
class CapturePicture:
    """One drawn picture.

    Parameters
    ----------
    rgb
        (H, W, 3) uint8. For a slice, in the pixels of its source image, whose first pixel is shown
        in the corner; a margin may follow on the right and below.
    slice_index
        Slice k of the volume that is shown; None for a page that shows no single slice.
    title
        What the picture shows, without patient data; becomes ImageComments.
    pixel_scale
        Picture pixels per source pixel, along rows and columns alike.
    """

    rgb: npt.NDArray[np.uint8]
    slice_index: int | None
    title: str
    pixel_scale: float = 1.0


def build_captures(
    series: AssembledSeries,
    pictures: Sequence[CapturePicture],
    context: ResultContext,
    models: Sequence[ModelIdentity] = (),
    kind: ObjectKind = CAPTURE,
) -> list[Dataset]:
    """Build one Secondary Capture per picture, in one Series, InstanceNumber from 1.

    ``kind`` is CAPTURE, CAPTURE_JPEG or CAPTURE_JPEG_LS: the same pictures as they are, or compressed.

    Raises
    ------
    ResultError
        If a picture is no RGB array, or is smaller than the slice that it says it shows.
    """
    source = carried_over(series.headers[0])
    captures = []
    for number, picture in enumerate(pictures, start=1):
        dataset = capture(picture.rgb, picture.title)
        dataset.BodyPartExamined = body_part(series)
        if picture.slice_index is None:
            add_lossy_history(dataset, series.headers)
            dataset.SourceImageSequence = [source_item(item) for item in instance_references(series)]
        else:
            _place(dataset, series, picture, picture.slice_index)
        write_pixels(dataset, picture.rgb, kind.transfer_syntax_uid)
        captures.append(complete(dataset, kind, source, context, models, number))
    return captures


def build_page(
    rgb: npt.NDArray[np.uint8], title: str, kind: ObjectKind, source: SourceAttributes, context: ResultContext
) -> Dataset:
    """Build a page of its own, without source image and without geometry."""
    dataset = capture(rgb, title)
    dataset.BodyPartExamined = "CHEST"
    dataset.LossyImageCompression = "00"
    write_pixels(dataset, rgb, kind.transfer_syntax_uid)
    return complete(dataset, kind, source, context)


def capture(rgb: npt.NDArray[np.uint8], title: str) -> Dataset:
    """Describe an RGB picture: Image Pixel, General Image, SC Equipment (PS3.3 C.7.6.3, C.7.6.1, C.8.6.1).

    PixelData and LossyImageCompression are still absent.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ResultError(f"a picture is an (H, W, 3) uint8 array, found {rgb.dtype} {rgb.shape}")
    dataset = Dataset()
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "WSD"
    dataset.PatientOrientation = None
    dataset.BurnedInAnnotation = "NO"  # means identity of the patient: none is drawn (PS3.3 C.7.6.1)
    dataset.DerivationDescription = ascii_text(f"Rendered for display with marks of software. {DISCLAIMER}")
    dataset.ImageComments = ascii_text(f"{title}. {DISCLAIMER}")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.Rows, dataset.Columns = rgb.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    return dataset


def _place(dataset: Dataset, series: AssembledSeries, picture: CapturePicture, k: int) -> None:
    """Give the picture the plane of its slice; not part of the SC IOD, but legal and understood (Standard Extended)."""
    plane = picture_plane(series, picture, k)
    dataset.ImagePositionPatient = [format_number_as_ds(float(x)) for x in plane.position_lps_mm]
    dataset.ImageOrientationPatient = [format_number_as_ds(float(x)) for x in plane.orientation]
    dataset.PixelSpacing = [format_number_as_ds(mm) for mm in plane.spacing_mm]
    dataset.SliceThickness = format_number_as_ds(plane.slice_thickness_mm)
    dataset.PatientOrientation = plane.patient_orientation
    add_frame_of_reference(dataset, series)
    add_lossy_history(dataset, [series.header_of(k)])
    dataset.SourceImageSequence = [source_item(source_reference(series, k))]


def picture_plane(series: AssembledSeries, picture: CapturePicture, k: int) -> SourcePlane:
    """Image plane of a picture of slice ``k``, in the picture's own pixels.

    Raises
    ------
    ResultError
        If there is no such slice, or the picture is too small to show it.
    """
    slices, (rows, columns) = len(series.frames), source_matrix(series)
    if not 0 <= k < slices:
        raise ResultError(f"a picture of slice {k}, but the volume has {slices}")
    scale, (height, width) = picture.pixel_scale, picture.rgb.shape[:2]
    if scale <= 0 or height < round(rows * scale) or width < round(columns * scale):
        raise ResultError(f"a picture of {height} x {width} cannot show {rows} x {columns} at {scale}")
    plane, first = source_plane(series, k), 0.5 / scale - 0.5  # centre of the first picture pixel, in source pixels
    position, (rows_mm, columns_mm) = plane.at_pixel(first, first), plane.spacing_mm
    return replace(plane, position_lps_mm=position, spacing_mm=(rows_mm / scale, columns_mm / scale))


def source_item(reference: Dataset) -> Dataset:
    """Name an instance as one that the picture was drawn from (PS3.3 C.7.6.1)."""
    reference.PurposeOfReferenceCodeSequence = [code_item(codes.SOURCE_IMAGE_FOR_PROCESSING)]
    return reference
