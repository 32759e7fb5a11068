"""Findings as a Grayscale Softcopy Presentation State (PS3.3 A.33.1): marks that a viewer can switch off.

One state for the whole series, in the lung window. Every slice that a nodule touches carries its
outline and a label, the slice on which it was measured also its two axes, and each of these slices
the sentence that this is not for diagnosis. Coordinates are those of the source images, a
correction of gantry tilt undone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from highdicom.color import CIELabColor
from highdicom.pr import GraphicLayer, GraphicObject, SoftcopyVOILUTTransformation, TextObject
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from models.findings import Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.context import DISCLAIMER, ResultContext
from node.results.drawing import AMBER, LUNG_WINDOW_HU
from node.results.envelope import PRESENTATION_STATE, body_part, complete, tracking_id, tracking_uid
from node.results.language import Language, translated
from node.results.pictures import SliceFrame, axes_on, label_of, outlined_on, outlines_on
from node.results.source_attributes import carried_over
from node.results.source_geometry import (
    instance_references,
    source_matrix,
    source_plane,
    source_reference,
    source_rescale,
)

_LAYER: Final = "AI_NODULES"  # CS: at most 16 characters
_LABEL_GAP_PX: Final = 4.0  # between an outline and its label
_DISCLAIMER_BOX: Final = (0.0, 0.95, 1.0, 1.0)  # left, top, right, bottom of the displayed area, 0 to 1


def build_presentation_state(series: AssembledSeries, findings: Findings, context: ResultContext) -> Dataset:
    """Build the presentation state of the series.

    Raises
    ------
    ResultError
        If no nodule was marked, or the slices have different rescale values, which one state cannot express.
    """
    if not findings.nodules:
        raise ResultError("no presentation state: no nodule was marked")
    source = carried_over(series.headers[0])
    dataset = Dataset()
    _identify(dataset, source.local(context.created_at))
    _refer(dataset, series)
    _add_grey_values(dataset, series)
    layer = GraphicLayer(_LAYER, 1, DISCLAIMER, CIELabColor.from_rgb(*AMBER))
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF  # white, on a monitor without colours
    dataset.GraphicLayerSequence = [layer]
    marked = [k for k in range(len(series.frames)) if any(outlined_on(nodule, k) for nodule in findings.nodules)]
    dataset.GraphicAnnotationSequence = [_annotation(series, findings, context, k) for k in marked]
    dataset.BodyPartExamined = body_part(series)
    if _language(context) is not Language.ENGLISH:
        source = source.in_utf8()  # the sources' sets may lack an umlaut
    complete(dataset, PRESENTATION_STATE, source, context, findings.models)
    del dataset.ContentDate, dataset.ContentTime  # this IOD has PresentationCreationDate and Time instead
    return dataset


def _identify(dataset: Dataset, created_at: datetime) -> None:
    """Presentation State Identification Module (PS3.3 C.11.10)."""
    dataset.ContentLabel = _LAYER
    dataset.ContentDescription = DISCLAIMER
    dataset.ContentCreatorName = None
    dataset.PresentationCreationDate = created_at.strftime("%Y%m%d")
    dataset.PresentationCreationTime = created_at.strftime("%H%M%S.%f")


def _refer(dataset: Dataset, series: AssembledSeries) -> None:
    """All images of the series, shown whole (PS3.3 C.11.11, C.10.4)."""
    images = Dataset()
    images.SeriesInstanceUID = series.series_instance_uid
    images.ReferencedImageSequence = instance_references(series)
    dataset.ReferencedSeriesSequence = [images]
    area, (rows, columns) = Dataset(), source_matrix(series)
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelSpacing = [format_number_as_ds(mm) for mm in source_plane(series, 0).spacing_mm]
    dataset.DisplayedAreaSelectionSequence = [area]


def _add_grey_values(dataset: Dataset, series: AssembledSeries) -> None:
    """Stored values to HU, HU through the lung window, and that as it is (PS3.3 C.11.1, C.11.8, C.11.6)."""
    rescales = {source_rescale(series, k) for k in range(len(series.frames))}
    if len(rescales) > 1:
        raise ResultError("no presentation state: RescaleSlope or RescaleIntercept differ between slices")
    ((slope, intercept),) = rescales
    dataset.RescaleIntercept, dataset.RescaleSlope = format_number_as_ds(intercept), format_number_as_ds(slope)
    dataset.RescaleType = "HU"
    centre_hu, width_hu = LUNG_WINDOW_HU
    dataset.SoftcopyVOILUTSequence = [SoftcopyVOILUTTransformation(centre_hu, width_hu, "LUNG")]
    dataset.PresentationLUTShape = "IDENTITY"


def _annotation(series: AssembledSeries, findings: Findings, context: ResultContext, k: int) -> Dataset:
    """What lies over slice ``k`` (PS3.3 C.10.5)."""
    frame, item = SliceFrame(series, k, 1.0), Dataset()
    seen = [nodule for nodule in findings.nodules if outlined_on(nodule, k)]
    item.ReferencedImageSequence = [source_reference(series, k)]
    item.GraphicLayer = _LAYER
    item.GraphicObjectSequence = [graphic for nodule in seen for graphic in _graphics(nodule, frame, context)]
    said = translated(_language(context), DISCLAIMER)
    labels = [_label(nodule, frame, context) for nodule in seen]
    item.TextObjectSequence = [*labels, TextObject(said, "DISPLAY", bounding_box=_DISCLAIMER_BOX)]
    return item


def _language(context: ResultContext) -> Language:
    """Chinese stays English: viewers draw marks with a Latin font, and DCMTK's dcmpschk refuses other letters."""
    return Language.ENGLISH if context.language is Language.CHINESE else context.language


def _graphics(nodule: Nodule, frame: SliceFrame, context: ResultContext) -> list[GraphicObject]:
    """Outlines, and on the measuring slice both axes, tied to the nodule by its tracking UID."""
    lines = [*outlines_on(nodule, frame), *axes_on(nodule, frame)]
    track = {"tracking_id": tracking_id(nodule), "tracking_uid": tracking_uid(context, nodule)}
    return [GraphicObject("POLYLINE", _inside(line, frame), "PIXEL", **track) for line in lines]


def _label(nodule: Nodule, frame: SliceFrame, context: ResultContext) -> TextObject:
    """Number and diameter to the right of the outline, at half its height."""
    points = np.concatenate(outlines_on(nodule, frame))
    right, middle = points[:, 0].max() + _LABEL_GAP_PX, (points[:, 1].min() + points[:, 1].max()) / 2
    ((x, y),) = _inside(np.array([(right, middle)]), frame)
    return TextObject(
        label_of(nodule),
        "PIXEL",
        anchor_point=(float(x), float(y)),
        anchor_point_visible=False,
        tracking_id=tracking_id(nodule),
        tracking_uid=tracking_uid(context, nodule),
    )


def _inside(points: npt.NDArray[np.float64], frame: SliceFrame) -> npt.NDArray[np.float64]:
    """(N, 2) column, row from the outer corner of the first pixel (PIXEL units), kept on the image."""
    rows, columns = frame.source_shape
    return np.clip(points, 0, (columns, rows))
