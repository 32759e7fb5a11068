"""What was requested, as a document names it: Referenced Request Sequence (PS3.3 C.17.2, C.17.6.2).

An image says what was requested in Request Attributes Sequence (PS3.3 C.7.3.1), and some say it beside that, at the
head of the header. A document of ours fulfils the same requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydicom import Dataset

from node.malformed import MALFORMED
from node.results.source_items import item_of, legal_items

_SEQUENCE: Final = "ReferencedRequestSequence"
_ACCESSION: Final = ("AccessionNumber", "IssuerOfAccessionNumberSequence")
_TYPE_2: Final = (
    "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
)
_TYPE_2_SEQUENCES: Final = ("ReferencedStudySequence", "RequestedProcedureCodeSequence")
_ALWAYS_KNOWN: Final = ("StudyInstanceUID", "ReferencedStudySequence")  # they tell no request


def referenced_requests(header: Dataset, carried: Dataset, terms: Sequence[str]) -> list[Dataset]:
    """Build the items, one for each request that the source names; none where it names none.

    Parameters
    ----------
    header
        Of the source.
    carried
        Patient and study as they are carried over.
    terms
        Character sets of the header.
    """
    asked, of_header = _asked(header, terms), item_of(header, _SEQUENCE, terms)
    if carried.AccessionNumber:
        of_header.AccessionNumber = carried.AccessionNumber  # as the archive holds it
    if not asked and any(element.keyword not in _ALWAYS_KNOWN for element in of_header):
        asked = [Dataset()]
    if len(asked) == 1:
        asked = [_filled(asked[0], of_header)]
    for item in asked:
        _complete(item, of_header, carried)
    return asked


def _asked(header: Dataset, terms: Sequence[str]) -> list[Dataset]:
    """Request Attributes Sequence, as items of a document; what is malformed in it is told where it is carried over."""
    if "RequestAttributesSequence" not in header:
        return []
    try:
        return legal_items(header, "RequestAttributesSequence", terms, _SEQUENCE)[0]
    except MALFORMED:
        return []


def _filled(item: Dataset, of_header: Dataset) -> Dataset:
    """The only request, with what the header says beside it; its own words come first."""
    filled = Dataset()
    filled.update(of_header)
    if item.get("AccessionNumber", of_header.get("AccessionNumber")) != of_header.get("AccessionNumber"):
        filled.pop("IssuerOfAccessionNumberSequence", None)  # of another number
    filled.update(item)
    return filled


def _complete(item: Dataset, of_header: Dataset, carried: Dataset) -> None:
    """Add what every item must hold, even if it is empty (Type 1 and 2); several requests may be of one order."""
    if "AccessionNumber" not in item:
        item.update({of_header[keyword].tag: of_header[keyword] for keyword in _ACCESSION if keyword in of_header})
    if "StudyInstanceUID" not in item:
        item.StudyInstanceUID = carried.StudyInstanceUID
    for keyword in _TYPE_2:
        if keyword not in item:
            setattr(item, keyword, None)
    for keyword in _TYPE_2_SEQUENCES:
        if keyword not in item:
            setattr(item, keyword, [])
