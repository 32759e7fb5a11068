"""Which objects may show a person's data in their pixels, or hold it where nobody can clean it (PS3.15 E.3.1).

An object is taken for clean only where its kind says so: slices as a scanner reconstructs them. What
was photographed, captured, digitised or drawn may carry text, unless its maker states that it does not.
"""

from __future__ import annotations

import re

from pydicom import Dataset
from pydicom.uid import (
    UID,
    BasicVoiceAudioWaveformStorage,
    CTImageStorage,
    DICOSCTImageStorage,
    EncapsulatedCDAStorage,
    EncapsulatedMTLStorage,
    EncapsulatedOBJStorage,
    EncapsulatedPDFStorage,
    EncapsulatedSTLStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    GeneralAudioWaveformStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MPEGTransferSyntaxes,
    MRImageStorage,
    ParametricMapStorage,
    PositronEmissionTomographyImageStorage,
    RawDataStorage,
    RTDoseStorage,
    SegmentationStorage,
)

from node.deidentification.identity import values_of

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_MAPS = frozenset({SegmentationStorage, UID("1.2.840.10008.5.1.4.1.1.66.7")})  # the latter: Label Map Segmentation
_RECONSTRUCTED = _MAPS | frozenset(
    {
        CTImageStorage,
        DICOSCTImageStorage,
        EnhancedCTImageStorage,
        EnhancedMRImageStorage,
        EnhancedPETImageStorage,
        LegacyConvertedEnhancedCTImageStorage,
        LegacyConvertedEnhancedMRImageStorage,
        LegacyConvertedEnhancedPETImageStorage,
        MRImageStorage,
        ParametricMapStorage,
        PositronEmissionTomographyImageStorage,
        RTDoseStorage,
    }
)
_OPAQUE = {
    BasicVoiceAudioWaveformStorage: "it holds speech",
    EncapsulatedCDAStorage: "it holds a document",
    EncapsulatedMTLStorage: "it holds a file of another format",
    EncapsulatedOBJStorage: "it holds a file of another format",
    EncapsulatedPDFStorage: "it holds a document",
    EncapsulatedSTLStorage: "it holds a file of another format",
    GeneralAudioWaveformStorage: "it holds sound",
    RawDataStorage: "it holds raw data of a maker",
}
_CAPTURED = re.compile(r"SCREEN|DOSE|SUMMARY|REPORT|PROTOCOL|CAPTURE|TEXT")  # words of Image Type, as makers write them
_PAGE = re.compile(
    r"\b(dose (report|info|record|page|sheet|summary)|patient protocol|exam summary|screen ?(save|shot))"
)


def reason_never_to_leave(dataset: Dataset) -> str | None:
    """Say why nothing here can clean an object of this kind; None when it can be cleaned."""
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class in _OPAQUE:
        return f"{_OPAQUE[UID(sop_class)]}, whose content cannot be cleaned"
    if "EncapsulatedDocument" in dataset:
        return "it holds a document, whose content cannot be cleaned"
    if dataset.file_meta.get("TransferSyntaxUID") in MPEGTransferSyntaxes:
        return "it holds video, which cannot be checked for text"
    return None


def reason_for_text(dataset: Dataset) -> str | None:
    """Say why the pixels of an object may show text that names somebody; None when there are none, or none that do."""
    return reason_for_text_of(dataset) if any(keyword in dataset for keyword in PIXELS) else None


def reason_for_text_of(header: Dataset) -> str | None:
    """Say the same of an image of which only the header is at hand.

    References
    ----------
    PS3.3 C.7.6.1 (Burned In Annotation: whether enough to identify the patient is burned in).
    """
    stated = _text(header, "BurnedInAnnotation")
    if stated == "NO":
        return None
    if stated == "YES":
        return "Burned In Annotation is YES"
    if "ConversionType" in header:
        return "it is a secondary capture"
    if header.get("SOPClassUID") not in _RECONSTRUCTED:
        return "images of its kind may show text"
    return _reason_of_page(header)


def _reason_of_page(dataset: Dataset) -> str | None:
    """Tell slices from pages that scanners store among them."""
    if _CAPTURED.search(_text(dataset, "ImageType")):
        return "Image Type says that it is a capture or a page of text"
    if _PAGE.search(_text(dataset, "SeriesDescription").lower()):
        return "Series Description says that it is a page of text"
    photometric = _text(dataset, "PhotometricInterpretation")
    if photometric and not photometric.startswith("MONOCHROME") and dataset.SOPClassUID not in _MAPS:
        return "it is in colour, as no slice is"
    return None


def _text(dataset: Dataset, keyword: str) -> str:
    """Give an attribute as one text in capitals."""
    return "\\".join(values_of(dataset[keyword])).strip().upper() if keyword in dataset else ""
