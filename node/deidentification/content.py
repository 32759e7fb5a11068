"""Content items that tell who somebody is, by their concept (PS3.15 E.3.4, Clean Structured Content).

Names, dates, UIDs and texts of a content tree are handled by their attributes wherever they stand. What is left are
values that identify only because of what they are said to be: an age is a number like any other.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pydicom import Dataset

# Concept name -> the option that keeps the content item; PS3.16 TID 1004, 1006, 1007, 1009, 3602, 10002, and LOINC and
# SNOMED for weight and height.
_KEPT_BY: Final = MappingProxyType(
    {
        ("DCM", "121031"): "",  # Subject Birth Date: no option keeps it
        ("DCM", "121032"): "patient_characteristics",  # Subject Sex
        ("DCM", "121033"): "patient_characteristics",  # Subject Age
        ("DCM", "121034"): "patient_characteristics",  # Subject Species
        ("LN", "29463-7"): "patient_characteristics",  # Body weight
        ("LN", "3141-9"): "patient_characteristics",  # Body weight Measured
        ("LN", "8302-2"): "patient_characteristics",  # Body height
        ("LN", "8277-6"): "patient_characteristics",  # Body surface area
        ("LN", "21112-8"): "",  # Birth date
        ("LN", "30525-0"): "patient_characteristics",  # Age
        ("SCT", "27113001"): "patient_characteristics",  # Body weight
        ("SCT", "50373000"): "patient_characteristics",  # Body height
        ("SCT", "60621009"): "patient_characteristics",  # Body mass index
        ("SCT", "397669002"): "patient_characteristics",  # Age
        ("SCT", "184099003"): "",  # Date of birth
    }
)
# Texts on the device itself (TID 1004), left as they are under Retain Device Identity.
_DEVICE: Final = frozenset({"121013", "121014", "121015", "121016", "121017"})


def is_removed(item: Dataset, columns: frozenset[str]) -> bool:
    """Tell whether a content item goes, with all that it contains, under the options in force."""
    option = _KEPT_BY.get(_concept(item))
    return option is not None and option not in columns


def is_kept_text(item: Dataset, columns: frozenset[str]) -> bool:
    """Tell whether the text of a content item stays as it is: it identifies a device whose identity is retained."""
    scheme, value = _concept(item)
    return "device_identity" in columns and scheme == "DCM" and value in _DEVICE


def _concept(item: Dataset) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence") or []
    if not names:
        return "", ""
    return str(names[0].get("CodingSchemeDesignator") or ""), str(names[0].get("CodeValue") or "")
