"""Patient and study attributes, carried over from the source exactly, and the character set they are written in.

What a PACS matches on is never altered. Any other value that is illegal for its VR is put into
legal form where that form is certain, else left out; ``SourceAttributes.changes`` names each such
attribute. A character set without code extensions is kept, so that the bytes stay the same; any
other text is decoded and written as UTF-8. The source header is not changed.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from io import BytesIO
from types import MappingProxyType

from pydicom import DataElement, Dataset, dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from node.errors import ResultError
from node.malformed import MALFORMED
from node.results.character_sets import DEFAULT_REPERTOIRE, UTF8, decoded, kept_as, readable, terms_of
from node.results.legal_values import is_legal, put_right
from node.series.instances import is_valid_uid

# Type 1 and 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present even if empty.
_REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
# Carried where the source has them (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.12.1).
_OPTIONAL = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
_MATCHED_ON = frozenset(
    ["PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID", "StudyInstanceUID"]
)
_METHODS = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
_CHARACTER_SET = Tag("SpecificCharacterSet")
_QUALIFIERS = (
    "UniversalEntityID",
    "IdentifierTypeCode",
    "AssigningFacilitySequence",
    "AssigningJurisdictionCodeSequence",
    "AssigningAgencyOrDepartmentCodeSequence",
)
# What an item needs to be one; Type 1 or 1C of the macro, of which one each is enough.
_ITEM_NEEDS = MappingProxyType(
    {
        "OtherPatientIDsSequence": (("PatientID",),),  # PS3.3 C.7.1.1
        "IssuerOfPatientIDQualifiersSequence": (_QUALIFIERS,),  # PS3.3 Table 10-18
        "IssuerOfAccessionNumberSequence": (("LocalNamespaceEntityID", "UniversalEntityID"),),  # PS3.3 Table 10-17
        "DeidentificationMethodCodeSequence": (  # PS3.3 Table 8.8-1
            ("CodeValue", "LongCodeValue", "URNCodeValue"),
            ("CodingSchemeDesignator", "URNCodeValue"),
            ("CodeMeaning",),
        ),
    }
)


@dataclass(frozen=True, eq=False)
class SourceAttributes:
    """Patient and study of the source, ready to be copied into every result.

    Parameters
    ----------
    dataset
        The attributes, SpecificCharacterSet among them unless the source has none and is plain ASCII.
    changes
        Keywords of source attributes that were illegal and were put right or left out.
    """

    dataset: Dataset
    changes: tuple[str, ...] = ()

    def copy_into(self, target: Dataset) -> None:
        """Write the attributes over those of ``target``."""
        target.pop("SpecificCharacterSet", None)
        target.update({element.tag: deepcopy(element) for element in self.dataset})

    def in_utf8(self) -> SourceAttributes:
        """The same text in UTF-8, for a result whose own words need more than ASCII."""
        dataset = deepcopy(self.dataset)
        dataset.SpecificCharacterSet = UTF8
        return replace(self, dataset=dataset)


def carried_over(header: Dataset) -> SourceAttributes:
    """Read patient and study from one source header.

    Raises
    ------
    ResultError
        If the header has no valid StudyInstanceUID: nothing can be filed with its study.
    """
    if not is_valid_uid(str(header.get("StudyInstanceUID", ""))):
        raise ResultError("the source has no valid StudyInstanceUID, so that no result can be filed in its study")
    terms = terms_of(header.get("SpecificCharacterSet"))
    carried, changes = Dataset(), []
    for keyword in _REQUIRED + _OPTIONAL:
        element, is_changed = _legal(header, keyword, terms)
        if is_changed:
            changes.append(keyword)
        if element is not None:
            carried.add(element)
        elif keyword in _REQUIRED:
            setattr(carried, keyword, None)
    if carried.get("PatientIdentityRemoved") == "YES" and not any(carried.get(k) for k in _METHODS):
        carried.DeidentificationMethod = "not stated"  # Type 1C of the Patient Module, one of both
    _settle_character_set(carried, terms)
    return SourceAttributes(carried, tuple(changes))


def ascii_text(text: str, longest: int = 1024) -> str:
    """Put own text into ASCII, so that it is legal in whatever character set the source uses."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return " ".join(plain.replace("\\", "/").split())[:longest].strip()


def _legal(header: Dataset, keyword: str, terms: Sequence[str]) -> tuple[DataElement | None, bool]:
    """The element in legal form, or None; and whether the source's value was changed or left out."""
    if keyword not in header:
        return None, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is judged here
        try:
            element, is_exact = _element(header, Tag(keyword), terms)
        except MALFORMED:
            return None, True
        if element.VR == "SQ":
            return _complete_items(element), False
        if keyword in _MATCHED_ON or element.is_empty or is_legal(element):
            return element, not is_exact
        return put_right(element), True


def _element(header: Dataset, tag: BaseTag, terms: Sequence[str]) -> tuple[DataElement, bool]:
    """A copy with its text decoded, and whether the bytes were text of the declared sets."""
    held, vr = header.get_item(tag), dictionary_VR(tag)
    value = held.value if held is not None and vr in CUSTOMIZABLE_CHARSET_VR else None
    if isinstance(value, bytes):  # as read from a file, not looked at yet
        text = decoded(value, terms, vr)
        return DataElement(tag, vr, readable(value) if text is None else text), text is not None
    element = deepcopy(header[tag])
    if element.VR == "SQ":
        element.value = [_item(item, terms) for item in element.value]
    return element, True


def _item(item: Dataset, terms: Sequence[str]) -> Dataset:
    """A copy without private attributes, which mean nothing without their creator's block."""
    copied, own = Dataset(), terms_of(item.get("SpecificCharacterSet")) or terms
    for tag in item.keys():  # noqa: SIM118 (iterating a data set parses it)
        if not tag.is_private and tag != _CHARACTER_SET:
            copied.add(_element(item, tag, own)[0])
    return copied


def _complete_items(element: DataElement) -> DataElement | None:
    """The items that are no mere shells."""
    needs = _ITEM_NEEDS[element.keyword]
    items = [item for item in element.value if all(any(item.get(keyword) for keyword in one) for one in needs)]
    for item in items:
        if element.keyword == "OtherPatientIDsSequence" and not item.get("TypeOfPatientID"):
            item.TypeOfPatientID = "TEXT"  # Type 1; the other terms, RFID and BARCODE, are of devices
    return DataElement(element.tag, "SQ", items) if items else None


def _settle_character_set(carried: Dataset, terms: Sequence[str]) -> None:
    """Keep a single set in which all text can be written as it was; else write UTF-8 (PS3.3 C.12.1.1.2)."""
    kept = kept_as(terms)
    if not kept and set(terms) <= DEFAULT_REPERTOIRE and all(text.isascii() for text in _texts(carried)):
        return
    carried.SpecificCharacterSet = kept or UTF8
    if not _is_written_as_it_is(carried):
        carried.SpecificCharacterSet = UTF8


def _is_written_as_it_is(dataset: Dataset) -> bool:
    """Tell whether the text comes back from the bytes; pydicom writes ``?`` for what it cannot encode."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, deepcopy(dataset), implicit_vr=False, little_endian=True)  # a PersonName keeps its first bytes
        buffer.seek(0)
        return _texts(read_dataset(buffer, is_implicit_VR=False, is_little_endian=True)) == _texts(dataset)


def _texts(dataset: Dataset) -> list[str]:
    return [str(element.value) for element in dataset.iterall() if element.VR != "SQ" and not element.is_empty]
