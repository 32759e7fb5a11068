"""The messages of foreign validators that are accepted, and why: everything else fails a test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANY = ""  # of every kind


@dataclass(frozen=True)
class Accepted:
    """One message of one program about objects whose kind begins with ``kind``."""

    program: str
    kind: str
    pattern: str
    why: str


_EXTENDED = "an SC with the place of its slice is a Standard Extended SOP Class: viewers scroll it with the CT"
_SPATIAL = r"SliceThickness|Slice Thickness|Image Position|Image Orientation|Frame of Reference UID|Position Reference"
_MORE_IN_THE_SOURCE = "attributes of patient and study that no result needs, such as Patient Comments, stay behind"
_POOR_SOURCE = "the source does not say it, and it may be empty (Type 2)"
_OLD = "the program is older than the SOP class Label Map Segmentation (66.7)"
_TEMPLATES_OF_2022 = "the program knows the templates of 2022; TID 1419 and 1501 are extensible"

ACCEPTED = (
    Accepted("dciodvfy", ANY, r"Unrecognized defined term <99PULMONODE> for value 1 of attribute <Coding Scheme Desig",
             "our private coding scheme, named in Coding Scheme Identification Sequence"),
    Accepted("dciodvfy", "SC", rf"Attribute is not present in standard DICOM IOD - .*({_SPATIAL})", _EXTENDED),
    Accepted("dciodvfy", "SC", r"Dicom dataset contains attributes not present in standard DICOM IOD", _EXTENDED),
    Accepted("dciodvfy", "SEG-LABELMAP", r"Information Object Not found", _OLD),
    Accepted("dciodvfy", "SEG-LABELMAP", r"SegmentNumber not monotonically increasing .* SegmentNumber of 0", _OLD),
    Accepted("dciodvfy", ANY, r"Patient's Name|Physician's Name.*Retired Person Name form",
             "a name of the source without components: it is carried as it is"),
    Accepted("dciodvfy", ANY, r"Missing attribute or value that would be needed to build DICOMDIR", _POOR_SOURCE),
    Accepted("dciodvfy", ANY, r"Unrecognized defined term <XNAT> for value 1 of attribute <Coding Scheme Designator>",
             "from the De-identification Method Code Sequence of a source, carried as it is"),
    Accepted("dciodvfy", ANY, r"Unrecognized defined term <99HOSPITAL> for value 1 of attribute <Coding Scheme Desig",
             "a code of the hospital in what was requested, carried as it is"),
    Accepted("dciodvfy", ANY, r"Value invalid for this VR - .*(Accession Number|Patient ID).* - Length invalid",
             "an identifier is carried as the archive holds it: cut, it would be that of somebody else"),
    Accepted("dciodvfy", ANY, r"Error - Dicom dataset contains invalid data values for Value Representations$",
             "the sum of the lines that name the values, each of which is judged"),
    Accepted("dcentvfy", ANY, r"Attribute is empty .* Type 2 .*<ReferringPhysician", _POOR_SOURCE),
    Accepted("dcentvfy", ANY, r"Attribute present in one instance but not the other", _MORE_IN_THE_SOURCE),
    Accepted("dcmpschk", "PR", r"patientName absent or empty|Test failed", _POOR_SOURCE),
    Accepted("dcmpschk", "PR", r"Testing: |Test passed", "its way of telling how far it is"),
    Accepted("dcentvfy", ANY, r"Different information entities .*AccessionNumber(Sequence)?> IE <(Series|Study)>",
             "a quirk of its table: SR and KO against images; a changed birth date is still an error"),
    Accepted("dsrdump", ANY, r"VR checker does not support .*ISO_IR 192", "DCMTK 3.6.7 does not check UTF-8"),
    Accepted("pixelmed", "SR", r"Warning: .*Content Item not in template", _TEMPLATES_OF_2022),
)  # fmt: skip


def not_accepted(program: str, kind: str, lines: Iterable[str]) -> list[str]:
    """The complaints of ``program`` about an object of ``kind`` that no row of the table accepts."""
    rows = [row for row in ACCEPTED if row.program == program and kind.startswith(row.kind)]
    complaints = [line for line in lines if re.match(r"(W|E|F|Warning|Error|Fatal|Internal Error|Parent)\b", line)]
    return [line for line in complaints if not any(re.search(row.pattern, line) for row in rows)]
