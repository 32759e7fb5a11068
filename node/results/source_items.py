"""Attributes and sequence items of the source in legal form: what an item may hold, and what it needs to be one.

Copied is what the macro of the sequence names, each value if it is legal or can be put right. Private
attributes mean nothing without their creator's block and stay behind, as does whatever else somebody
wrote into an item. An item that lacks what makes it one is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from node.malformed import MALFORMED
from node.results.character_sets import decoded, readable, terms_of
from node.results.legal_values import is_legal, put_right
from node.series.instances import is_valid_uid

# What a PACS or a RIS matches on: a value that is cut would be that of somebody else.
IDENTIFIERS: Final = frozenset(
    [
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "AccessionNumber",
        "StudyID",
        "StudyInstanceUID",
        "AdmissionID",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
    ]
)


class _Several(Enum):
    """What becomes of more than one item."""

    ALL = "each is copied"
    FIRST = "one item may stand there, and each of them is right: the first is copied"
    NONE = "one item may stand there, and which of them is meant cannot be known"


@dataclass(frozen=True)
class _Macro:
    """What an item may hold; of each group in ``needs`` it must have one."""

    keywords: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]
    several: _Several = _Several.ALL


_VALUES: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")
_CODE: Final = _Macro(  # PS3.3 Table 8.8-1, without the context group, which says nothing of the meaning
    (*_VALUES, "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"),
    (_VALUES, ("CodingSchemeDesignator", "URNCodeValue"), ("CodeMeaning",)),
)
_FIRST_CODE: Final = replace(_CODE, several=_Several.FIRST)
_ONE_CODE: Final = replace(_CODE, several=_Several.NONE)
_DESIGNATORS: Final = ("LocalNamespaceEntityID", "UniversalEntityID")
_AUTHORITY: Final = _Macro((*_DESIGNATORS, "UniversalEntityIDType"), (_DESIGNATORS,), _Several.NONE)  # Table 10-17
_FACILITY: Final = ("AssigningFacilitySequence",)
_AGENCIES: Final = ("AssigningJurisdictionCodeSequence", "AssigningAgencyOrDepartmentCodeSequence")
_QUALIFIERS: Final = ("UniversalEntityID", "IdentifierTypeCode", *_FACILITY, *_AGENCIES)
_REQUEST: Final = (  # common to PS3.3 Table 10-9 and the Referenced Request Sequence of C.17.2
    "StudyInstanceUID",
    "ReferencedStudySequence",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "ReasonForTheRequestedProcedure",
    "ReasonForRequestedProcedureCodeSequence",
)
_STEP: Final = ("ScheduledProcedureStepID", "ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence")
_ORDER: Final = (
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "OrderPlacerIdentifierSequence",
    "OrderFillerIdentifierSequence",
)
_MACROS: Final[Mapping[str, _Macro]] = MappingProxyType(
    {
        "OtherPatientIDsSequence": _Macro(  # PS3.3 C.7.1.1
            ("PatientID", "TypeOfPatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
            (("PatientID",),),
        ),
        "IssuerOfPatientIDQualifiersSequence": _Macro(  # Table 10-18
            (*_QUALIFIERS, "UniversalEntityIDType"), (_QUALIFIERS,), _Several.NONE
        ),
        "RequestAttributesSequence": _Macro((*_REQUEST, *_STEP), ((*_REQUEST, *_STEP),)),
        "ReferencedRequestSequence": _Macro((*_REQUEST, *_ORDER), ((*_REQUEST, *_ORDER),)),
        "ReferencedStudySequence": _Macro(  # Table 10-11
            ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
            (("ReferencedSOPClassUID",), ("ReferencedSOPInstanceUID",)),
            _Several.NONE,
        ),
        "DeidentificationMethodCodeSequence": _CODE,
        "ReasonForRequestedProcedureCodeSequence": _FIRST_CODE,  # dciodvfy allows one, PS3.3 several
        "ScheduledProtocolCodeSequence": _CODE,
        "RequestedProcedureCodeSequence": _FIRST_CODE,
        **dict.fromkeys(_AGENCIES, _ONE_CODE),
        **dict.fromkeys(
            (
                *_FACILITY,
                "IssuerOfAccessionNumberSequence",
                "IssuerOfAdmissionIDSequence",
                "OrderPlacerIdentifierSequence",
                "OrderFillerIdentifierSequence",
            ),
            _AUTHORITY,
        ),
    }
)

# A value, and what must stand beside it (Type 1C).
_NEEDED_BESIDE: Final = (
    ("UniversalEntityID", "UniversalEntityIDType"),
    ("UniversalEntityIDType", "UniversalEntityID"),
    ("CodeValue", "CodingSchemeDesignator"),
    ("LongCodeValue", "CodingSchemeDesignator"),
    ("CodingSchemeVersion", "CodingSchemeDesignator"),
)


def legal_element(
    dataset: Dataset, keyword: str, terms: Sequence[str], *, is_kept_exactly: bool = False
) -> tuple[DataElement | None, bool]:
    """Give an attribute in legal form, and whether the source's value was changed or left out.

    Parameters
    ----------
    dataset
        The header or an item; it is not changed.
    terms
        Its character sets (``character_sets.terms_of``).
    is_kept_exactly
        Give the value as it is, legal or not.

    Returns
    -------
    None where the attribute is absent, or past repair.
    """
    if keyword not in dataset:
        return None, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is judged here
        try:
            if dictionary_VR(keyword) == "SQ":
                return _legal_sequence(dataset, keyword, terms)
            element, is_text = _element(dataset, Tag(keyword), terms)
        except MALFORMED:
            return None, True
        if is_kept_exactly or element.is_empty or is_legal(element):
            return element, not is_text
        return None if keyword in IDENTIFIERS else put_right(element), True


def legal_items(
    dataset: Dataset, keyword: str, terms: Sequence[str], macro: str | None = None
) -> tuple[list[Dataset], bool]:
    """Give the items of a sequence in legal form, and whether anything of them was changed or left out.

    Parameters
    ----------
    macro
        Keyword of the sequence whose macro says what an item may hold; that of the sequence itself if None.

    Raises
    ------
    MALFORMED
        The sequence cannot be parsed, or is none.
    """
    element = dataset[keyword]
    if element.VR != "SQ":
        raise ValueError(f"{keyword} is no sequence")
    described = _MACROS[macro or keyword]
    read = [_item(item, described, terms) for item in element.value or []]
    items = [item for item, _ in read if _is_one(item, described)]
    is_changed = len(items) < len(read) or any(changed for _, changed in read)
    if described.several is _Several.NONE and len(items) > 1:
        return (items[:1] if all(item == items[0] for item in items) else []), True
    return items[:1] if described.several is _Several.FIRST else items, is_changed


def item_of(dataset: Dataset, macro: str, terms: Sequence[str]) -> Dataset:
    """Give what a macro may hold, in legal form, from attributes that stand in ``dataset`` itself."""
    return _item(dataset, _MACROS[macro], terms)[0]


def _legal_sequence(dataset: Dataset, keyword: str, terms: Sequence[str]) -> tuple[DataElement | None, bool]:
    items, is_changed = legal_items(dataset, keyword, terms)
    return (DataElement(Tag(keyword), "SQ", items) if items else None), is_changed


def _element(dataset: Dataset, tag: BaseTag, terms: Sequence[str]) -> tuple[DataElement, bool]:
    """A copy with its text decoded, and whether the bytes were text of the declared sets."""
    held, vr = dataset.get_item(tag), dictionary_VR(tag)
    value = held.value if held is not None and vr in CUSTOMIZABLE_CHARSET_VR else None
    if isinstance(value, bytes):  # as read from a file, not looked at yet
        text = decoded(value, terms, vr)
        return DataElement(tag, vr, readable(value) if text is None else text), text is not None
    element = deepcopy(dataset[tag])
    return (DataElement(tag, vr, None) if element.is_empty else element), True


def _item(item: Dataset, macro: _Macro, terms: Sequence[str]) -> tuple[Dataset, bool]:
    """The legal attributes of an item that are not empty, and whether one was changed or left out."""
    copied, is_changed = Dataset(), False
    own = terms_of(item.get("SpecificCharacterSet")) or terms
    for keyword in macro.keywords:
        element, changed = legal_element(item, keyword, own)
        is_changed |= changed
        if element is not None and not element.is_empty:
            copied.add(element)
    return copied, _settle(copied, macro) or is_changed


def _settle(item: Dataset, macro: _Macro) -> bool:
    """Give an item what its macro asks beside another value, or take that other out; tell whether one was taken."""
    if "TypeOfPatientID" in macro.keywords and "TypeOfPatientID" not in item:
        item.TypeOfPatientID = "TEXT"  # Type 1; the other terms, RFID and BARCODE, are of devices
    if "UniversalEntityID" in item and "UniversalEntityIDType" not in item and is_valid_uid(item.UniversalEntityID):
        item.UniversalEntityIDType = "ISO"  # an object identifier is one, PS3.3 Table 10-17
    orphans = [keyword for keyword, needed in _NEEDED_BESIDE if keyword in item and needed not in item]
    if "CodeValue" in item and "CodeValue" not in orphans:  # one of the three is to be there
        orphans += [keyword for keyword in _VALUES[1:] if keyword in item and keyword not in orphans]
    for keyword in orphans:
        del item[keyword]
    return bool(orphans)


def _is_one(item: Dataset, macro: _Macro) -> bool:
    return all(any(item.get(keyword) for keyword in group) for group in macro.needs)
