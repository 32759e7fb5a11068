"""Dummy values: valid for their VR (PS3.5 Table 6.2-1), the same for everybody, telling nothing."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

REMOVED: Final = "REMOVED"
UNKNOWN_UID: Final = "2.25.0"
_VALUES: Final = MappingProxyType(
    {
        "AE": REMOVED,
        "AS": "000Y",
        "AT": 0,
        "CS": REMOVED,
        "DA": "19000101",
        "DS": "0",
        "DT": "19000101000000",
        "FD": 0.0,
        "FL": 0.0,
        "IS": "0",
        "LO": REMOVED,
        "LT": REMOVED,
        "OB": bytes(2),
        "OD": bytes(8),
        "OF": bytes(4),
        "OL": bytes(4),
        "OV": bytes(8),
        "OW": bytes(2),
        "PN": REMOVED,
        "SH": REMOVED,
        "SL": 0,
        "SS": 0,
        "ST": REMOVED,
        "SV": 0,
        "TM": "000000",
        "UC": REMOVED,
        "UI": UNKNOWN_UID,
        "UL": 0,
        "UN": bytes(2),
        "UR": "urn:removed",
        "US": 0,
        "UT": REMOVED,
        "UV": 0,
    }
)
_COERCE: Final = "COERCE"  # Reason for the Attribute Modification has two values, PS3.3 C.12.1.1.9
_MPPS: Final = "1.2.840.10008.3.1.2.3.3"  # Modality Performed Procedure Step SOP Class


def dummy(tag: int, vr: str) -> DataElement:
    """Give the dummy of one attribute: a value of its VR, of a sequence one valid item."""
    if vr == "SQ":
        return DataElement(tag, "SQ", [_ITEMS.get(tag, code_item)()])
    return DataElement(tag, vr, _COERCE if tag == _REASON_FOR_MODIFICATION else _VALUES[vr])


def code_item() -> Dataset:
    """Code Sequence Macro that says nothing (PS3.3 Table 8.8-1)."""
    return _item(CodeValue=REMOVED, CodingSchemeDesignator="99PULMONODE", CodeMeaning=REMOVED)


def _operator() -> Dataset:
    """Person Identification Macro (PS3.3 Table 10-1)."""
    return _item(PersonIdentificationCodeSequence=[code_item()], InstitutionName=REMOVED)


def _observer() -> Dataset:
    """An item of Verifying Observer Sequence (PS3.3 C.17.2)."""
    return _item(
        VerifyingOrganization=REMOVED,
        VerificationDateTime=_VALUES["DT"],
        VerifyingObserverName=REMOVED,
        VerifyingObserverIdentificationCodeSequence=[],
    )


def _content() -> Dataset:
    """One content item: TEXT "Comment" (PS3.3 C.17.3, PS3.16 DCM 121106)."""
    concept = _item(CodeValue="121106", CodingSchemeDesignator="DCM", CodeMeaning="Comment")
    return _item(RelationshipType="CONTAINS", ValueType="TEXT", ConceptNameCodeSequence=[concept], TextValue=REMOVED)


def _annotation() -> Dataset:
    """A graphic annotation of one point (PS3.3 C.10.5)."""
    point = _item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=1,
        GraphicData=[1.0, 1.0],
        GraphicType="POINT",
    )
    return _item(GraphicLayer=REMOVED, GraphicObjectSequence=[point])


def _flow() -> Dataset:
    """An item of Flow Identifier Sequence (PS3.3 C.7.6.32)."""
    return _item(FlowIdentifier=bytes(2))


def _performed_step() -> Dataset:
    """SOP Instance Reference Macro (PS3.3 Table 10-11)."""
    return _item(ReferencedSOPClassUID=_MPPS, ReferencedSOPInstanceUID=UNKNOWN_UID)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword  # noqa: S101 - a keyword of this file
    return tag


_REASON_FOR_MODIFICATION: Final = _tag("ReasonForTheAttributeModification")
# Sequences that the table can ask a dummy of and that are no code sequences.
_ITEMS: Final = MappingProxyType(
    {
        _tag("OperatorIdentificationSequence"): _operator,
        _tag("VerifyingObserverSequence"): _observer,
        _tag("ContentSequence"): _content,
        _tag("GraphicAnnotationSequence"): _annotation,
        _tag("FlowIdentifierSequence"): _flow,
        _tag("ReferencedPerformedProcedureStepSequence"): _performed_step,
    }
)
