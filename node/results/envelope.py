"""What every result object has in common: kind, series, equipment, dates, UIDs, file meta information.

Nothing here reads a clock or draws a random number: dates are those of the ResultContext, UIDs are
derived by it. The same work done twice gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    KeyObjectSelectionDocumentStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from models.findings import ModelIdentity, Nodule
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import DISCLAIMER, MANUFACTURER, MODEL_NAME, ResultContext
from node.results.legal_values import legal_value
from node.results.source_attributes import SourceAttributes, ascii_text

LABELMAP_STORAGE: Final = UID("1.2.840.10008.5.1.4.1.1.66.7")  # Label Map Segmentation Storage, PS3.4 Table B.5-1
IMPLEMENTATION_CLASS_UID: Final = UID("2.25.183843339828361347891039334855826843592")  # ours for ever, PS3.7 D.3.3.2
IMPLEMENTATION_VERSION_NAME: Final = "PULMONODE"
# OHIF turns a group into an editable measurement only if its identifier begins like this.
OHIF_TRACKING_PREFIX: Final = "Cornerstone3DTools@^0.1.0:Bidirectional:"
_DOCUMENTS: Final = ("SR", "KO")  # modalities whose series have no General Series Module
_LO_LENGTH, _ST_LENGTH = 64, 1024  # PS3.5 Table 6.2-1


@dataclass(frozen=True)
class ObjectKind:
    """A kind of result object: one Series of its own in the source study."""

    name: str
    sop_class_uid: UID
    modality: str
    series_number: int
    series_description: str
    transfer_syntax_uid: UID = ExplicitVRLittleEndian


SEGMENTATION: Final = ObjectKind("SEG", SegmentationStorage, "SEG", 9001, "AI Lung nodules SEG")
LABELMAP: Final = ObjectKind("SEG-LABELMAP", LABELMAP_STORAGE, "SEG", 9002, "AI Lung nodules SEG", JPEGLSLossless)
REPORT: Final = ObjectKind("SR", Comprehensive3DSRStorage, "SR", 9101, "AI Lung nodule report")
CAPTURE: Final = ObjectKind("SC", SecondaryCaptureImageStorage, "OT", 9201, "AI Lung nodule overlay")
CAPTURE_MULTI: Final = ObjectKind(
    "SC-MULTI", MultiFrameTrueColorSecondaryCaptureImageStorage, "OT", 9202, "AI Lung nodule overlay"
)
CAPTURE_JPEG: Final = replace(CAPTURE, name="SC-JPEG", series_number=9203, transfer_syntax_uid=JPEGBaseline8Bit)
CAPTURE_JPEG_LS: Final = replace(CAPTURE, name="SC-JPEGLS", series_number=9204, transfer_syntax_uid=JPEGLSLossless)
PRESENTATION_STATE: Final = ObjectKind(
    "PR", GrayscaleSoftcopyPresentationStateStorage, "PR", 9301, "AI Lung nodule marks"
)
KEY_OBJECTS: Final = ObjectKind("KO", KeyObjectSelectionDocumentStorage, "KO", 9401, "AI Key images")
PDF: Final = ObjectKind("PDF", EncapsulatedPDFStorage, "DOC", 9501, "AI Lung nodule report PDF")
NOTICE_REPORT: Final = ObjectKind("notice SR", Comprehensive3DSRStorage, "SR", 9101, "AI Lung NOT PROCESSED")
NOTICE_CAPTURE: Final = ObjectKind("notice SC", SecondaryCaptureImageStorage, "OT", 9201, "AI Lung NOT PROCESSED")


def complete(
    dataset: Dataset,
    kind: ObjectKind,
    source: SourceAttributes,
    context: ResultContext,
    models: Sequence[ModelIdentity] = (),
    number: int = 1,
) -> Dataset:
    """Write the attributes common to all results into ``dataset``, over what may be there; gives it back."""
    created_at = source.local(context.created_at)
    source.copy_into(dataset, is_document=kind.modality in _DOCUMENTS)
    _add_equipment(dataset, context)
    _add_models(dataset, models, created_at)
    _add_dates(dataset, created_at)
    return identify(dataset, kind, context, number)


def identify(dataset: Dataset, kind: ObjectKind, context: ResultContext, number: int = 1) -> Dataset:
    """Make the data set an instance of that kind, in that kind's series; gives it back."""
    dataset.SOPClassUID = kind.sop_class_uid
    dataset.SOPInstanceUID = context.uid("instance", kind.name, number)
    dataset.InstanceNumber = number
    dataset.Modality = kind.modality
    dataset.SeriesInstanceUID = context.uid("series", kind.name)
    dataset.SeriesNumber = kind.series_number
    dataset.SeriesDescription = kind.series_description
    _add_file_meta(dataset, kind)
    return dataset


def tracking_uid(context: ResultContext, nodule: Nodule) -> str:
    """UID of one nodule, the same in report, segmentation and report.json; that of a prior report is kept."""
    if nodule.id in context.tracking_uids:
        return context.tracking_uids[nodule.id]
    tenths_of_mm = (round(coordinate * 10) for coordinate in nodule.center_lps_mm)
    return context.uid("nodule", *tenths_of_mm)


def tracking_id(nodule: Nodule) -> str:
    """Name of one nodule for people, unique within one report."""
    return f"Nodule {nodule.id}"


def tracking_identifier(context: ResultContext, nodule: Nodule) -> str:
    """Tracking Identifier of report and segmentation: the name, behind OHIF's prefix where the site wants it."""
    return (OHIF_TRACKING_PREFIX if context.ohif_tracking else "") + tracking_id(nodule)


def location(nodule: Nodule) -> str:
    """Where the nodule is, in words: its lobe where lobes are known; a third is by height alone and names no lobe."""
    if nodule.lobe is not None:
        return f"{nodule.lobe.value} lobe"
    return f"{nodule.side.value} lung, {nodule.third.value} third"


def device_uid(context: ResultContext) -> str:
    """UID of this node as an observer, the same in all its reports."""
    device = replace(context, input_digest="", software_version="")
    return device.uid("device", context.station_name, context.device_serial_number)


def code_item(code: Code) -> Dataset:
    """Code Sequence Macro (PS3.3 Table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def body_part(series: AssembledSeries) -> str:
    """BodyPartExamined of the source, else CHEST: without it Laterality would be required (PS3.3 C.7.3.1)."""
    return str(legal_value(series.headers[0], "BodyPartExamined") or "CHEST")


def add_frame_of_reference(dataset: Dataset, series: AssembledSeries) -> None:
    """Frame of Reference Module (PS3.3 C.7.4.1) of the source, where it has one."""
    uid = legal_value(series.headers[0], "FrameOfReferenceUID")
    if uid:
        dataset.FrameOfReferenceUID = uid
        dataset.PositionReferenceIndicator = legal_value(series.headers[0], "PositionReferenceIndicator")


def add_lossy_history(dataset: Dataset, headers: Iterable[Dataset]) -> None:
    """What was once compressed with loss stays marked so in all that is derived (PS3.3 C.7.6.1.1.5).

    ``headers`` are those of the images that ``dataset`` was derived from; the first lossy one tells ratio and method.
    """
    lossy = next((header for header in headers if legal_value(header, "LossyImageCompression") == "01"), None)
    dataset.LossyImageCompression = "00" if lossy is None else "01"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        value = None if lossy is None else legal_value(lossy, keyword)
        if value:
            setattr(dataset, keyword, value)


def _add_equipment(dataset: Dataset, context: ResultContext) -> None:
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL_NAME
    dataset.SoftwareVersions = ascii_text(context.software_version, _LO_LENGTH)
    dataset.DeviceSerialNumber = ascii_text(context.device_serial_number, _LO_LENGTH)
    dataset.StationName = ascii_text(context.station_name, 16)


def _add_models(dataset: Dataset, models: Sequence[ModelIdentity], created_at: datetime) -> None:
    dataset.pop("ContributingEquipmentSequence", None)
    if models:
        dataset.ContributingEquipmentSequence = [_contribution(model, created_at) for model in models]


def _contribution(model: ModelIdentity, created_at: datetime) -> Dataset:
    """One model as contributing equipment (PS3.3 C.12.1.1.5)."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(codes.PROCESSING_EQUIPMENT)]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = ascii_text(model.name, _LO_LENGTH)
    item.SoftwareVersions = ascii_text(model.version, _LO_LENGTH)
    item.ContributionDateTime = created_at.strftime("%Y%m%d%H%M%S")
    said = f"{DISCLAIMER}. sha256 {model.sha256}. Trained on: {model.training_data}. Use: {model.intended_use}"
    item.ContributionDescription = ascii_text(said, _ST_LENGTH)
    return item


def _add_dates(dataset: Dataset, created_at: datetime) -> None:
    date, time = created_at.strftime("%Y%m%d"), created_at.strftime("%H%M%S.%f")
    for stem in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{stem}Date", date)
        setattr(dataset, f"{stem}Time", time)


def _add_file_meta(dataset: Dataset, kind: ObjectKind) -> None:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = kind.transfer_syntax_uid
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    dataset.preamble = b"\x00" * 128
