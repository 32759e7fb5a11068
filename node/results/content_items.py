"""Reading the content tree of a structured report (PS3.3 C.17.3), of ours or of others."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset
from pydicom.sr.coding import Code

from node.results import codes


def children(parent: Dataset, concept: Code) -> list[Dataset]:
    """Give the direct children of that concept name."""
    return [item for item in parent.get("ContentSequence") or [] if is_named(item, concept)]


def descendants(parent: Dataset) -> Iterator[Dataset]:
    """Give all content items below, depth first."""
    for item in parent.get("ContentSequence") or []:
        yield item
        yield from descendants(item)


def is_named(item: Dataset, concept: Code) -> bool:
    """Tell whether the concept name is that code, whatever its meaning says."""
    return is_coded(item, "ConceptNameCodeSequence", concept)


def is_coded(item: Dataset, keyword: str, concept: Code) -> bool:
    """Tell whether the first item of a code sequence is that code."""
    name = (item.get(keyword) or [Dataset()])[0]
    return (name.get("CodeValue"), name.get("CodingSchemeDesignator")) == (concept.value, concept.scheme_designator)


def measurement_groups(report: Dataset) -> list[Dataset]:
    """Give the measurement groups of a TID 1500 report, one for each nodule."""
    containers = children(report, codes.IMAGING_MEASUREMENTS)
    return [group for container in containers for group in children(container, codes.MEASUREMENT_GROUP)]


def meaning_of(item: Dataset, keyword: str = "ConceptNameCodeSequence") -> str:
    """Give the meaning of a code; empty where there is none."""
    return str((item.get(keyword) or [Dataset()])[0].get("CodeMeaning", ""))


def number_of(item: Dataset) -> tuple[str, str] | None:
    """Give the value of a NUM item as it is written, and the code of its unit; None where it has no value."""
    measured = item.get("MeasuredValueSequence")
    if not measured:
        return None
    units = measured[0].get("MeasurementUnitsCodeSequence") or [Dataset()]
    return str(measured[0].get("NumericValue", "")), str(units[0].get("CodeValue", ""))
