"""One nodule as a Measurement Group: TID 1411 with the lines of both axes drawn under their NUM items.

The order of the items is part of the format: viewers take the first NUM for the one with coordinates
and the TEXT for the label.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from highdicom.sr import ContentItem, ImageContentItem, ScoordContentItem
from pydicom import Dataset
from pydicom.sr.coding import Code

from models.findings import Caliper, ModelIdentity, Nodule
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results import codes
from node.results.context import MANUFACTURER, MODEL_NAME, ResultContext
from node.results.envelope import tracking_identifier, tracking_uid
from node.results.sentences import label
from node.results.sr_document import CONTEXT, MODIFIER, code, comment, container, image, number, text, uidref


def measurement_group(
    series: AssembledSeries,
    nodule: Nodule,
    models: Iterable[ModelIdentity],
    segmentation: Dataset | None,
    context: ResultContext,
) -> ContentItem:
    """Build the group of one nodule; without a segmentation it has no Referenced Segment (TID 1501)."""
    items = [
        text(codes.TRACKING_IDENTIFIER, tracking_identifier(context, nodule), CONTEXT),
        uidref(codes.TRACKING_UNIQUE_IDENTIFIER, tracking_uid(context, nodule), CONTEXT),
        code(codes.FINDING_CATEGORY, codes.MORPHOLOGICALLY_ABNORMAL),
        code(codes.FINDING, codes.NODULE),
        _finding_site(nodule),
        *_algorithm(models, context),
        *_measurements(series, nodule),
        *_assessments(nodule),
    ]
    if segmentation is not None:
        items += _segment(series, segmentation, tracking_uid(context, nodule))
    return container(codes.MEASUREMENT_GROUP, [*items, comment(label(nodule, context.language), context.language)])


def caliper_slice(caliper: Caliper) -> int:
    """Index of the slice that a caliper lies on."""
    return round(caliper.start_kji[0])


def _finding_site(nodule: Nodule) -> ContentItem:
    """The lobe where lobes are known, else the lung, and the side; a third is not a lobe and claims none."""
    place = codes.LUNG if nodule.lobe is None else codes.LOBES[nodule.lobe]
    site = code(codes.FINDING_SITE, place, MODIFIER)
    site.ContentSequence = [code(codes.LATERALITY, codes.SIDES[nodule.side], MODIFIER)]
    return site


def _algorithm(models: Iterable[ModelIdentity], context: ResultContext) -> list[ContentItem]:
    """TID 4019; the models that worked together are its parameters."""
    parameters = [f"{model.name} {model.version} sha256={model.sha256}" for model in models]
    return [
        text(codes.ALGORITHM_NAME, MODEL_NAME, MODIFIER),
        text(codes.ALGORITHM_VERSION, context.software_version, MODIFIER),
        text(codes.ALGORITHM_MANUFACTURER, MANUFACTURER, MODIFIER),
        *(text(codes.ALGORITHM_PARAMETERS, parameter, MODIFIER) for parameter in parameters),
        code(codes.ALGORITHM_FAMILY, codes.ARTIFICIAL_INTELLIGENCE, MODIFIER),
    ]


def _measurements(series: AssembledSeries, nodule: Nodule) -> list[ContentItem]:
    """Lengths to 0.1 mm (Lung-RADS v2022); the two axes carry their lines."""
    measured = nodule.measurement
    items = [
        _axis(series, codes.LONG_AXIS, measured.long_axis),
        _axis(series, codes.SHORT_AXIS, measured.short_axis),
        _mean_diameter(measured.mean_diameter_mm),
        number(codes.VOLUME, round(measured.volume_mm3, 1), codes.CUBIC_MILLIMETRE),
        number(codes.MEAN_ATTENUATION, round(measured.mean_hu, 1), codes.HOUNSFIELD_UNIT),
        *_probability_of_cancer(nodule),
        _percent(codes.CERTAINTY_OF_FINDING, nodule.probability),
    ]
    return items + _where_known(nodule)


def _where_known(nodule: Nodule) -> list[ContentItem]:
    """What not every nodule or installation has; absent where it is not known."""
    measured, suspicion = nodule.measurement, nodule.malignancy
    known = (
        (codes.SOLID_DIAMETER, measured.solid_diameter_mm, codes.MILLIMETRE),
        (codes.SOLID_VOLUME, measured.solid_volume_mm3, codes.CUBIC_MILLIMETRE),
        (codes.PLEURA_DISTANCE, nodule.pleura_mm, codes.MILLIMETRE),
        (codes.SUSPICION, None if suspicion is None else 100 * suspicion.probability, codes.PERCENT),
    )
    return [number(name, round(value, 1), unit) for name, value, unit in known if value is not None]


def _axis(series: AssembledSeries, name: Code, caliper: Caliper) -> ContentItem:
    """A length with its line on the source image; pixel centres are at index + 0.5 (PS3.3 C.18.6.1.1)."""
    k = caliper_slice(caliper)
    points = [series.source_point_ji(k, j, i) for _, j, i in (caliper.start_kji, caliper.end_kji)]
    line = ScoordContentItem(
        name=codes.SOURCE,
        graphic_type="POLYLINE",
        graphic_data=np.array([(column + 0.5, row + 0.5) for row, column in points]),
        relationship_type="INFERRED FROM",
    )
    line.ContentSequence = [image(series, k, "SELECTED FROM")]
    item = number(name, round(caliper.length_mm, 1), codes.MILLIMETRE)
    item.ContentSequence = [line]
    return item


def _mean_diameter(diameter_mm: float) -> ContentItem:
    item = number(codes.DIAMETER, round(diameter_mm, 1), codes.MILLIMETRE)
    item.ContentSequence = [code(codes.DERIVATION, codes.MEAN, MODIFIER)]
    return item


def _probability_of_cancer(nodule: Nodule) -> list[ContentItem]:
    """One number where all inputs are known, else both bounds; a range is never given as one number."""
    if nodule.brock.low == nodule.brock.high:
        return [_percent(codes.PROBABILITY_OF_CANCER, nodule.brock.low)]
    return [
        _percent(codes.PROBABILITY_OF_CANCER_LOW, nodule.brock.low),
        _percent(codes.PROBABILITY_OF_CANCER_HIGH, nodule.brock.high),
    ]


def _percent(name: Code, probability: float) -> ContentItem:
    return number(name, round(100 * probability, 1), codes.PERCENT)


def _assessments(nodule: Nodule) -> list[ContentItem]:
    items = [code(codes.ATTENUATION_TYPE, codes.ATTENUATIONS[nodule.measurement.attenuation])]
    if nodule.lung_rads.category is not None:
        items.append(code(codes.LUNG_RADS, codes.LUNG_RADS_CATEGORIES[nodule.lung_rads.category]))
    return items


def _segment(series: AssembledSeries, segmentation: Dataset, uid: str) -> list[ContentItem]:
    """Point to the one segment of this nodule, and to the series that was segmented."""
    numbers = [int(item.SegmentNumber) for item in segmentation.SegmentSequence if item.get("TrackingUID") == uid]
    if len(numbers) != 1:
        raise ResultError(f"the segmentation has {len(numbers)} segments with tracking UID {uid}, expected one")
    reference = ImageContentItem(
        name=codes.REFERENCED_SEGMENT,
        referenced_sop_class_uid=segmentation.SOPClassUID,
        referenced_sop_instance_uid=segmentation.SOPInstanceUID,
        referenced_segment_numbers=numbers,
        relationship_type="CONTAINS",
    )
    return [reference, uidref(codes.SOURCE_SERIES_FOR_SEGMENTATION, series.series_instance_uid)]
