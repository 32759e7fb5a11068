"""What of a source value is legal for its attribute, and the legal form of the rest where that form is certain."""

from __future__ import annotations

import re
import warnings
from types import MappingProxyType
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.multival import MultiValue
from pydicom.valuerep import format_number_as_ds, validate_value

from node.malformed import MALFORMED
from node.series.instances import is_valid_uid

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # CS, PS3.5 Table 6.2-1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # not allowed in any of the values judged here
_TEXT_LENGTHS = MappingProxyType({"LO": 64, "SH": 16, "PN": 64})  # PS3.5 Table 6.2-1; of PN each component group
_ENUMERATED = MappingProxyType(
    {
        "PatientSex": ("M", "F", "O"),  # PS3.3 C.7.1.1
        "PatientIdentityRemoved": ("YES", "NO"),
        "LongitudinalTemporalInformationModified": ("UNMODIFIED", "MODIFIED", "REMOVED"),  # PS3.3 C.7.2.1
        "TypeOfPatientID": ("TEXT", "RFID", "BARCODE"),  # PS3.3 C.7.1.1
        "UniversalEntityIDType": ("DNS", "EUI64", "ISO", "URI", "UUID", "X400", "X500"),  # PS3.3 Table 10-17
    }
)
_ZONE = "TimezoneOffsetFromUTC"
_OFFSET = re.compile(r"([+-])(\d{2}):?([0-5]\d)")
_OFFSET_HOURS = (-12, 14)  # PS3.3 C.12.1.1.8


def legal_value(header: Dataset, keyword: str) -> Any:
    """Give the value of one attribute in legal form; None where it is absent, empty or past repair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is judged here
        try:
            element = header[keyword]
            legal = element if is_legal(element) else put_right(element)
        except MALFORMED:
            return None
    return None if legal is None or legal.is_empty else legal.value


def is_legal(element: DataElement) -> bool:
    """Tell whether value representation, multiplicity and every value are as PS3.5 and PS3.6 have them."""
    allowed = _ENUMERATED.get(element.keyword)
    if dictionary_VR(element.tag) != element.VR or (element.VM > 1 and dictionary_VM(element.tag) == "1"):
        return False
    if element.keyword == _ZONE and _offset(str(element.value)) != element.value:
        return False
    return all((not allowed or value in allowed) and _is_legal_value(element.VR, value) for value in _values(element))


def put_right(element: DataElement) -> DataElement | None:
    """Give the same value in legal form where there is only one reading of it, else None."""
    separator = " / " if element.VR in _TEXT_LENGTHS else "\\"
    text = _CONTROL.sub(" ", separator.join(map(str, _values(element))))
    text, vr = text.strip(), dictionary_VR(element.tag)
    if element.keyword in _ENUMERATED:
        value = _enumerated(text, element.keyword)
    else:
        value = _offset(text) if element.keyword == _ZONE else _BY_VR.get(vr, _none)(text)
    return DataElement(element.tag, vr, value) if value else None


def _values(element: DataElement) -> list[Any]:
    return list(element.value) if isinstance(element.value, MultiValue) else [element.value]


def _is_legal_value(vr: str, value: Any) -> bool:
    text = str(value)  # of a number: as it was read
    if vr == "UI":
        return is_valid_uid(text)  # as reception takes it: what the archive has filed is legal here
    if _CONTROL.search(text) or (vr == "PN" and any(len(group) > 64 for group in text.split("="))):
        return False
    try:
        validate_value(vr, text, RAISE)
    except ValueError:
        return False
    return True


def _none(_text: str) -> str:
    return ""


def _enumerated(text: str, keyword: str) -> str:
    return text.upper() if text.upper() in _ENUMERATED[keyword] else ""


def _age(text: str) -> str:
    """``70Y`` is ``070Y`` (AS, PS3.5 6.2); an age without unit could mean anything."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text.upper())
    return f"{int(match[1]):03d}{match[2]}" if match else ""


def _code(text: str) -> str:
    """Small letters are meant as capitals; a code that is cut off would be another code."""
    return text.upper() if _CODE.fullmatch(text.upper()) else ""


def _decimal(text: str) -> str:
    try:
        return str(format_number_as_ds(float(text)))
    except ValueError:
        return ""


def _date(text: str) -> str:
    """``1955.07.04`` (ACR-NEMA) and ``1955-07-04`` are 19550704."""
    match = re.fullmatch(r"(\d{4})([.-])(\d{2})\2(\d{2})", text)
    date = match[1] + match[3] + match[4] if match else ""
    return date if _is_legal_value("DA", date) else ""


def _time(text: str) -> str:
    """``10:15:00`` (ACR-NEMA) is 101500."""
    match = re.fullmatch(r"(\d{2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?", text)
    time = match[1] + match[2] + (match[3] or "") if match else ""
    return time if _is_legal_value("TM", time) else ""


def _offset(text: str) -> str:
    """``+01:00`` (ISO 8601) is +0100, and ``Z`` is +0000."""
    match = _OFFSET.fullmatch("+0000" if text.upper() == "Z" else text)
    if match is None:
        return ""
    hours = int(match[1] + match[2]) + int(match[1] + match[3]) / 60
    offset = match[2] + match[3]
    return (match[1] if hours else "+") + offset if _OFFSET_HOURS[0] <= hours <= _OFFSET_HOURS[1] else ""


def _long_string(text: str) -> str:
    return " ".join(text.split())[: _TEXT_LENGTHS["LO"]].strip()


_BY_VR = MappingProxyType({"AS": _age, "CS": _code, "DA": _date, "DS": _decimal, "LO": _long_string, "TM": _time})
