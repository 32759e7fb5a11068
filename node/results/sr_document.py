"""The frame of a TID 1500 document (PS3.16): root, language, observer, image library, evidence.

Both the report and the "not processed" notice are such documents; they differ in what they contain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ImageContentItem,
    NumContentItem,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.sr.coding import Code

from models.findings import ModelIdentity
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.character_sets import DEFAULT_REPERTOIRE
from node.results.context import CODING_SCHEME, MANUFACTURER, MODEL_NAME, ResultContext
from node.results.envelope import ObjectKind, complete, device_uid
from node.results.language import Language
from node.results.legal_values import legal_value
from node.results.source_attributes import SourceAttributes, ascii_text
from node.results.source_geometry import source_matrix, source_plane

CONTAINS, CONTEXT, MODIFIER, ACQUISITION = "CONTAINS", "HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS ACQ CONTEXT"


@dataclass(frozen=True)
class Reference:
    """An instance that the document names as evidence."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def reference_to(dataset: Dataset) -> Reference:
    """Name a whole data set."""
    return Reference(
        str(dataset.StudyInstanceUID),
        str(dataset.SeriesInstanceUID),
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
    )


def build_document(
    kind: ObjectKind,
    source: SourceAttributes,
    context: ResultContext,
    contents: Sequence[ContentItem],
    evidence: Iterable[Reference],
    models: Sequence[ModelIdentity] = (),
) -> Dataset:
    """Build the whole document; ``contents`` follow language, observer and procedure."""
    dataset = Dataset()
    root = ContainerContentItem(name=codes.IMAGING_MEASUREMENT_REPORT, template_id="1500")
    root.ContentSequence = [*_preamble(context), *contents]
    dataset.update({element.tag: element for element in root})
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.PerformedProcedureCodeSequence = []
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.CodingSchemeIdentificationSequence = [_own_scheme()]
    same_study = hierarchy(evidence)
    if same_study:
        dataset.CurrentRequestedProcedureEvidenceSequence = same_study
    _add_predecessor(dataset, str(source.dataset.StudyInstanceUID), context)
    return complete(dataset, kind, writable(source, dataset), context, models)


def container(name: Code, items: Sequence[ContentItem]) -> ContentItem:
    """CONTAINS CONTAINER."""
    item = ContainerContentItem(name=name, relationship_type=CONTAINS)
    item.ContentSequence = list(items)
    return item


def code(name: Code, value: Code, relationship: str = CONTAINS) -> ContentItem:
    """CODE item."""
    return CodeContentItem(name=name, value=value, relationship_type=relationship)


def text(name: Code, value: str, relationship: str = CONTAINS) -> ContentItem:
    """TEXT item, in ASCII."""
    return TextContentItem(name=name, value=ascii_text(value), relationship_type=relationship)


def comment(sentence: str, language: Language, name: Code = codes.COMMENT) -> ContentItem:
    """A sentence for the reader: in ASCII where it is English, else in the letters of its language."""
    if language is Language.ENGLISH:
        return text(name, sentence)
    return TextContentItem(name=name, value=" ".join(sentence.split()), relationship_type=CONTAINS)


def uidref(name: Code, value: str, relationship: str = CONTAINS) -> ContentItem:
    """UIDREF item."""
    return UIDRefContentItem(name=name, value=value, relationship_type=relationship)


def number(name: Code, value: float, unit: Code, relationship: str = CONTAINS) -> ContentItem:
    """NUM item."""
    return NumContentItem(name=name, value=float(value), unit=unit, relationship_type=relationship)


def image(series: AssembledSeries, k: int, relationship: str = CONTAINS) -> ContentItem:
    """IMAGE item for the source of slice ``k``."""
    frame = series.frames[k]
    return ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=frame.sop_class_uid,
        referenced_sop_instance_uid=frame.sop_instance_uid,
        referenced_frame_numbers=frame.frame_number,
        relationship_type=relationship,
    )


def image_library(series: AssembledSeries, slices: Iterable[int]) -> ContentItem:
    """TID 1600 of these slices only: a library of the whole series makes readers run out of memory."""
    entries = []
    for k in slices:
        entry = image(series, k)
        entry.ContentSequence = _descriptors(series, k)
        entries.append(entry)
    return container(codes.IMAGE_LIBRARY, [container(codes.IMAGE_LIBRARY_GROUP, entries)])


def _preamble(context: ResultContext) -> list[ContentItem]:
    """TID 1204 language, TID 1002 device observer, procedure reported."""
    return [
        code(codes.LANGUAGE, codes.LANGUAGES[context.language], MODIFIER),
        *device_observer(context),
        code(codes.PROCEDURE_REPORTED, codes.CT_UNSPECIFIED_BODY_REGION, MODIFIER),
    ]


def device_observer(context: ResultContext) -> list[ContentItem]:
    """TID 1002 and 1004: this node as the observer."""
    return [
        code(codes.OBSERVER_TYPE, codes.DEVICE, CONTEXT),
        uidref(codes.DEVICE_OBSERVER_UID, device_uid(context), CONTEXT),
        text(codes.DEVICE_OBSERVER_NAME, context.station_name, CONTEXT),
        text(codes.DEVICE_OBSERVER_MANUFACTURER, MANUFACTURER, CONTEXT),
        text(codes.DEVICE_OBSERVER_MODEL_NAME, MODEL_NAME, CONTEXT),
        text(codes.DEVICE_OBSERVER_SERIAL_NUMBER, context.device_serial_number, CONTEXT),
    ]


def _descriptors(series: AssembledSeries, k: int) -> list[ContentItem]:
    """TID 1602 and 1604 of one slice."""
    plane, (rows, columns) = source_plane(series, k), source_matrix(series)
    frame_of_reference = legal_value(series.headers[0], "FrameOfReferenceUID")
    numbers = [
        (codes.PIXEL_DATA_ROWS, rows, codes.PIXELS),
        (codes.PIXEL_DATA_COLUMNS, columns, codes.PIXELS),
        (codes.HORIZONTAL_PIXEL_SPACING, plane.spacing_mm[1], codes.MILLIMETRE),
        (codes.VERTICAL_PIXEL_SPACING, plane.spacing_mm[0], codes.MILLIMETRE),
        (codes.SLICE_THICKNESS, plane.slice_thickness_mm, codes.MILLIMETRE),
        *((name, x, codes.MILLIMETRE) for name, x in zip(codes.IMAGE_POSITION_XYZ, plane.position_lps_mm, strict=True)),
        *((n, x, codes.DIRECTION_COSINE) for n, x in zip(codes.IMAGE_ORIENTATION_XYZ, plane.orientation, strict=True)),
    ]
    items = [code(codes.MODALITY, codes.COMPUTED_TOMOGRAPHY, ACQUISITION)]
    if frame_of_reference:
        items.append(uidref(codes.FRAME_OF_REFERENCE_UID, frame_of_reference, ACQUISITION))
    return items + [number(name, value, unit, ACQUISITION) for name, value, unit in numbers]


def writable(source: SourceAttributes, document: Dataset) -> SourceAttributes:
    """The character set of the source if the words of the document can be written in it, else UTF-8."""
    words = "".join(str(element.value) for element in document.iterall() if element.VR == "UT")
    if words.isascii():
        return source
    declared = str(source.dataset.get("SpecificCharacterSet", ""))
    try:
        can_be_written = declared not in DEFAULT_REPERTOIRE and words.encode(python_encoding[declared])
        return source if can_be_written else source.in_utf8()
    except UnicodeEncodeError:
        return source.in_utf8()


def _own_scheme() -> Dataset:
    """PS3.3 C.12.1.1.6: who answers for the private codes."""
    item = Dataset()
    item.CodingSchemeDesignator = CODING_SCHEME
    item.CodingSchemeName = codes.CODING_SCHEME_NAME
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def hierarchy(references: Iterable[Reference]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference Macro (PS3.3 Table C.17-3); each instance once, in the given order."""
    studies: dict[str, dict[str, dict[str, Dataset]]] = {}
    for reference in references:
        instances = studies.setdefault(reference.study_instance_uid, {}).setdefault(reference.series_instance_uid, {})
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        instances.setdefault(reference.sop_instance_uid, item)
    return [_study_item(uid, series) for uid, series in studies.items()]


def _study_item(study_instance_uid: str, series: dict[str, dict[str, Dataset]]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = study_instance_uid
    study.ReferencedSeriesSequence = []
    for uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedSOPSequence = list(instances.values())
        study.ReferencedSeriesSequence.append(item)
    return study


def _add_predecessor(dataset: Dataset, study_instance_uid: str, context: ResultContext) -> None:
    """Name the report that this one replaces (PS3.3 C.17.2)."""
    old = context.predecessor
    if old is not None:
        study = old.study_instance_uid or study_instance_uid
        reference = Reference(study, old.series_instance_uid, old.sop_class_uid, old.sop_instance_uid)
        dataset.PredecessorDocumentsSequence = hierarchy([reference])
