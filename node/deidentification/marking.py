"""What a de-identified object says of itself (PS3.15 E.1.1), and its new file meta information (PS3.10 section 7.1)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from node.deidentification.profile import OPTION_CODES, PROFILE_CODE, Dates, Options

IMPLEMENTATION_CLASS_UID: Final = "2.25.276817435217839517923475609118435237115"  # as node/reception/part10.py
IMPLEMENTATION_VERSION_NAME: Final = "PULMONODE_01"
METHOD: Final = "pulmonode, DICOM PS3.15 Annex E"  # LO, at most 64 characters
_FEATURES_CODE: Final = Code("113102", "DCM", "Clean Recognizable Visual Features Option")  # done earlier, by others
_KNOWN: Final = MappingProxyType(
    {code.value: code for code in (PROFILE_CODE, _FEATURES_CODE, *OPTION_CODES.values())}  # PS3.16 CID 7050
)
_LESS_LEFT: Final = (Dates.REMOVE.value, Dates.MODIFIED.value, Dates.FULL.value)  # the first says more was taken


def mark(out: Dataset, options: Options) -> None:
    """Write into ``out`` that, and how, it was de-identified; what an earlier de-identification did stays said."""
    out.PatientIdentityRemoved = "YES"
    out.DeidentificationMethod = METHOD
    out.DeidentificationMethodCodeSequence = _codes(out, options)
    out.LongitudinalTemporalInformationModified = _dates(out, options)
    if options.clean_pixel_data and "PixelData" in out:
        out.BurnedInAnnotation = "NO"


def file_meta_of(source: Dataset, out: Dataset) -> FileMetaDataset:
    """Make new file meta information: of the source nothing but the transfer syntax is left."""
    old = getattr(source, "file_meta", None) or FileMetaDataset()
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = out.SOPClassUID
    meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    if "TransferSyntaxUID" in old:
        meta.TransferSyntaxUID = old.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _codes(out: Dataset, options: Options) -> list[Dataset]:
    earlier = {
        str(item.get("CodeValue"))
        for item in out.get("DeidentificationMethodCodeSequence") or []
        if item.get("CodingSchemeDesignator") == "DCM"
    }
    done = earlier | {code.value for code in options.codes}
    return [_item(code) for value, code in _KNOWN.items() if value in done]


def _dates(out: Dataset, options: Options) -> str:
    earlier = str(out.get("LongitudinalTemporalInformationModified") or "")
    said = [value for value in _LESS_LEFT if value in {earlier, options.dates.value}]
    return said[0]


def _item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
