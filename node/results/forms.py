"""Which forms of the results a destination gets, and which kinds of object these are; pure, and light to import.

A *form* is what a site chooses in its settings. A *kind* is what one result object is: it stands in the
ledger, begins the name of its file, and has one builder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """What a result object is; at most 16 characters, as the ledger keeps it."""

    SR = "SR"  # Comprehensive 3D SR
    SR_COMPREHENSIVE = "SR-COMPREHENSIVE"
    SR_ENHANCED = "SR-ENHANCED"
    SR_TEXT = "SR-TEXT"  # Basic Text SR
    SEG = "SEG"  # BINARY
    SEG_LABELMAP = "SEG-LABELMAP"
    SC = "SC"  # one object a picture, not compressed
    SC_JPEG = "SC-JPEG"
    SC_JPEG_LS = "SC-JPEGLS"
    SC_MULTI = "SC-MULTI"
    PR = "PR"
    KO = "KO"
    PDF = "PDF"
    NOTICE = "NOTICE"  # the "not processed" report as Comprehensive 3D SR
    NOTICE_COMPREHENSIVE = "NOTICE-COMPR"
    NOTICE_ENHANCED = "NOTICE-ENHANCED"
    NOTICE_TEXT = "NOTICE-TEXT"
    NOTICE_SC = "NOTICE-SC"  # its picture


class ReportForm(StrEnum):
    """SOP class of the structured report, the richest first."""

    COMPREHENSIVE_3D = "comprehensive_3d"
    COMPREHENSIVE = "comprehensive"
    ENHANCED = "enhanced"
    BASIC_TEXT = "basic_text"


class SegmentationForm(StrEnum):
    """How the segmentation is written."""

    BINARY = "binary"
    LABELMAP = "labelmap"
    NONE = "none"


class CaptureForm(StrEnum):
    """How the pictures are written."""

    SINGLE = "single"
    MULTIFRAME = "multiframe"
    NONE = "none"


class CaptureCompression(StrEnum):
    """Transfer syntax of single pictures: none, JPEG baseline 4:4:4 (with loss), JPEG-LS lossless."""

    NONE = "none"
    JPEG = "jpeg"
    JPEG_LS = "jpeg_ls"


_REPORT: Final = MappingProxyType(
    {
        ReportForm.COMPREHENSIVE_3D: Kind.SR,
        ReportForm.COMPREHENSIVE: Kind.SR_COMPREHENSIVE,
        ReportForm.ENHANCED: Kind.SR_ENHANCED,
        ReportForm.BASIC_TEXT: Kind.SR_TEXT,
    }
)
_NOTICE: Final = MappingProxyType(
    {
        ReportForm.COMPREHENSIVE_3D: Kind.NOTICE,
        ReportForm.COMPREHENSIVE: Kind.NOTICE_COMPREHENSIVE,
        ReportForm.ENHANCED: Kind.NOTICE_ENHANCED,
        ReportForm.BASIC_TEXT: Kind.NOTICE_TEXT,
    }
)
_SEGMENTATION: Final = MappingProxyType(
    {SegmentationForm.BINARY: Kind.SEG, SegmentationForm.LABELMAP: Kind.SEG_LABELMAP}
)
_CAPTURES: Final = MappingProxyType(
    {
        (CaptureForm.SINGLE, CaptureCompression.NONE): Kind.SC,
        (CaptureForm.SINGLE, CaptureCompression.JPEG): Kind.SC_JPEG,
        (CaptureForm.SINGLE, CaptureCompression.JPEG_LS): Kind.SC_JPEG_LS,
        (CaptureForm.MULTIFRAME, CaptureCompression.NONE): Kind.SC_MULTI,
    }
)
REPORT_KINDS: Final = tuple(_REPORT.values())
NOTICE_REPORT_KINDS: Final = tuple(_NOTICE.values())


@dataclass(frozen=True)
class ResultForms:
    """What one destination gets.

    Parameters
    ----------
    report
        In order of preference: the first that the destination takes is sent, and no other.
    segmentation, captures
        In which form, or not at all.
    compression
        Of single captures; multi-frame captures are never compressed.
    presentation_state, key_objects, pdf
        Whether they are sent as well.

    Raises
    ------
    ValueError
        Naming the attribute and what is allowed.
    """

    report: tuple[ReportForm, ...] = tuple(ReportForm)
    segmentation: SegmentationForm = SegmentationForm.BINARY
    captures: CaptureForm = CaptureForm.SINGLE
    compression: CaptureCompression = CaptureCompression.NONE
    presentation_state: bool = False
    key_objects: bool = False
    pdf: bool = False

    def __post_init__(self) -> None:
        if len(set(self.report)) != len(self.report):
            raise ValueError(f"report = {[*map(str, self.report)]}: each form may stand once")
        if not self.report and self.captures is CaptureForm.NONE:
            raise ValueError("report = []: allowed only with captures; a result without both says nothing")
        if self.captures is CaptureForm.MULTIFRAME and self.compression is not CaptureCompression.NONE:
            raise ValueError(f"compression = '{self.compression}': multiframe captures allow only 'none'")


def kinds_of(forms: ResultForms) -> tuple[Kind, ...]:
    """List every kind of object that may be sent to a destination with these forms, the notice's kinds last."""
    captures = _CAPTURES.get((forms.captures, forms.compression))
    segmentation = _SEGMENTATION.get(forms.segmentation)
    reports, notices = ladders_of(forms)
    chosen = {Kind.PR: forms.presentation_state, Kind.KO: forms.key_objects, Kind.PDF: forms.pdf}
    return (
        *reports,
        *(kind for kind in (segmentation, captures) if kind is not None),
        *(kind for kind, is_wanted in chosen.items() if is_wanted),
        *notices,
        Kind.NOTICE_SC,
    )


def ladders_of(forms: ResultForms) -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """Give the kinds of the report, and those of the notice, in order of preference: one of each ladder is sent."""
    return tuple(_REPORT[form] for form in forms.report), tuple(_NOTICE[form] for form in forms.report)


def preferred(forms: ResultForms) -> ResultForms:
    """Give the forms for results that nobody can refuse, because nobody gets them: the first report alone."""
    return replace(forms, report=forms.report[:1])
