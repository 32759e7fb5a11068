"""A measurement report in words, for Basic Text SR: sections, sentences and codes, no numbers, no coordinates.

TID 2000, Basic Diagnostic Imaging Report: Impressions hold what is said of the examination, the disclaimer
first; Findings hold, for each nodule, its tracking identifiers and one text with every figure and code of its
measurement group, inferred from the slices on which the nodule was measured.
"""

from __future__ import annotations

from copy import deepcopy
from types import MappingProxyType
from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code

from node.results import codes
from node.results.content_items import children, descendants, is_named, meaning_of, measurement_groups, number_of
from node.results.envelope import code_item
from node.results.language import Language, translated

TEMPLATE: Final = "2000"
_UNITS: Final = MappingProxyType({"[hnsf'U]": "HU"})  # the others are read as they are coded
_UNSAID: Final = (codes.FINDING_CATEGORY, codes.FINDING, codes.ALGORITHM_FAMILY)  # the same for all nodules


def in_words(report: Dataset, language: Language) -> list[Dataset]:
    """Give the content items of the text report that says what ``report`` (TID 1500) says."""
    frame = [item for item in report.ContentSequence if item.RelationshipType != "CONTAINS"]
    said = [item for c in children(report, codes.QUALITATIVE_EVALUATIONS) for item in c.ContentSequence]
    sections = [_section(codes.IMPRESSIONS, [_impression(item) for item in said])]
    groups = measurement_groups(report)
    if groups:
        sections.append(_section(codes.FINDINGS, [_nodule(group, language) for group in groups]))
    return [*map(deepcopy, frame), *sections]


def _section(name: Code, items: list[Dataset]) -> Dataset:
    section = Dataset()
    section.RelationshipType, section.ValueType, section.ContinuityOfContent = "CONTAINS", "CONTAINER", "SEPARATE"
    section.ConceptNameCodeSequence = [code_item(name)]
    section.ContentSequence = items
    return section


def _impression(item: Dataset) -> Dataset:
    """A sentence becomes an impression; a code stays what it is."""
    said = deepcopy(item)
    if said.ValueType == "TEXT":
        said.ConceptNameCodeSequence = [code_item(codes.IMPRESSION)]
    return said


def _nodule(group: Dataset, language: Language) -> Dataset:
    kept = [deepcopy(item) for item in group.ContentSequence if item.RelationshipType == "HAS OBS CONTEXT"]
    return _section(codes.MEASUREMENT_GROUP, [*kept, _finding(group, language)])


def _finding(group: Dataset, language: Language) -> Dataset:
    """One nodule: the label, then every figure and code."""
    label = [str(item.TextValue) for item in children(group, codes.COMMENT)]
    said = [*label, *filter(None, (_in_words(item, language) for item in group.ContentSequence))]
    finding = Dataset()
    finding.RelationshipType, finding.ValueType, finding.TextValue = "CONTAINS", "TEXT", "; ".join(said)
    finding.ConceptNameCodeSequence = [code_item(codes.FINDING)]
    finding.ContentSequence = _slices(group)
    return finding


def _in_words(item: Dataset, language: Language) -> str:
    """A figure with its unit, or a code; empty for what the label and the items below it say."""
    if item.ValueType == "NUM":
        value, unit = number_of(item) or ("", "")
        return f"{_name(item, language)} {value} {_UNITS.get(unit, unit)}"
    if item.ValueType == "CODE" and not any(is_named(item, concept) for concept in _UNSAID):
        values = [meaning_of(coded, "ConceptCodeSequence") for coded in (item, *descendants(item))]
        return f"{_name(item, language)}: {', '.join(translated(language, value) for value in values)}"
    return ""


def _name(item: Dataset, language: Language) -> str:
    """What is measured, with its derivation: Mean Diameter."""
    derived = [meaning_of(coded, "ConceptCodeSequence") for coded in children(item, codes.DERIVATION)]
    return translated(language, " ".join([*derived, meaning_of(item)]))


def _slices(group: Dataset) -> list[Dataset]:
    """The source images under the coordinates, each once."""
    found: dict[str, Dataset] = {}
    for item in descendants(group):
        if item.get("RelationshipType") == "SELECTED FROM":
            kept = deepcopy(item)
            kept.RelationshipType = "INFERRED FROM"
            found.setdefault(kept.ReferencedSOPSequence[0].to_json(), kept)
    return list(found.values())
