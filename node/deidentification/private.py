"""Which private attributes are known to be safe (PS3.15 E.3.10, Retain Safe Private).

An attribute is safe when the standard lists it, or when the object itself says so in Private Data Element
Characteristics Sequence (0008,0300), PS3.3 C.12.1.1.7. Every other one is removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydicom import Dataset
from pydicom.tag import BaseTag

from node.deidentification.profile import Action

# The rows of PS3.15 Table E.3.10-1 for CT and PET: group, private creator -> elements, with the VR that is expected.
_LISTED: Final[Mapping[tuple[int, str], Mapping[int, str]]] = MappingProxyType(
    {
        (0x7053, "Philips PET Private Group"): {0x00: "DS", 0x09: "DS"},  # SUV and activity concentration factors
        (0x00E1, "ELSCINT1"): {0x21: "DS", 0x50: "DS"},  # DLP, acquisition duration
        (0x01E1, "ELSCINT1"): {0x26: "CS"},  # phantom type
        (0x01F1, "ELSCINT1"): {0x01: "CS", 0x07: "DS", 0x26: "DS", 0x27: "DS"},  # type, table velocity, pitch, rotation
        (0x0019, "GEMS_ACQU_01"): {0x23: "DS", 0x24: "DS", 0x27: "DS", 0x9E: "LO"},  # table speed, times, sequence name
        (0x0043, "GEMS_PARM_01"): {0x27: "SH"},  # scan pitch ratio
        (0x0045, "GEMS_HELIOS_01"): {0x01: "SS", 0x02: "FL"},  # rows of the detector, their width
        (0x0903, "GEIIS PACS"): {0x10: "US", 0x11: "US", 0x12: "US"},  # flags: reject, significant, confidential
    }
)
_TEMPORAL: Final = frozenset({"DA", "DT", "TM"})
_NEVER: Final = frozenset({"PN", "AE", "UR"})  # a name, an address


@dataclass(frozen=True)
class SafePrivate:
    """What one object says of its own private attributes.

    Parameters
    ----------
    blocks
        (group, creator) -> a rule for each low byte of the element number, and ``None`` for all not named.
    """

    blocks: Mapping[tuple[int, str], Mapping[int | None, Action]] = field(default_factory=dict)

    def action(self, dataset: Dataset, tag: int, vr: str | None) -> Action:
        """Say what happens to one private attribute of ``dataset``; a Private Creator is no such attribute."""
        creator = creator_of(dataset, tag)
        if creator is None or vr in _NEVER:
            return Action.REMOVE
        listed = _LISTED.get((tag >> 16, creator), {}).get(tag & 0xFF)
        if listed is not None and vr in {listed, "UN", None}:
            return Action.KEEP
        said = self.blocks.get((tag >> 16, creator), {})
        action = said.get(tag & 0xFF, said.get(None, Action.REMOVE))
        if vr in {"UN", None} or action is not Action.KEEP:
            return Action.REMOVE if vr in {"UN", None} else action
        return {"UI": Action.MAP}.get(vr, Action.REMOVE if vr in _TEMPORAL else Action.KEEP)


def declared(dataset: Dataset) -> SafePrivate:
    """Read what an object declares of its private blocks.

    Block Identifying Information Status (0008,0303) SAFE keeps all of a block; MIXED keeps what Nonidentifying Private
    Elements (0008,0304) lists and treats what De-identification Action Sequence (0008,0305) names as it says there.
    """
    blocks: dict[tuple[int, str], dict[int | None, Action]] = {}
    for item in dataset.get("PrivateDataElementCharacteristicsSequence") or []:
        key = (int(item.PrivateGroupReference), str(item.PrivateCreatorReference).strip())
        blocks[key] = _rules(item)
    return SafePrivate(blocks)


def creator_of(dataset: Dataset, tag: int) -> str | None:
    """Give the Private Creator of the block that a private attribute lies in (PS3.5 section 7.8.1)."""
    block = creator_tag(tag)
    element = None if block is None else dataset.get(block)
    value = None if element is None else str(element.value).strip(" \0")
    return value or None


def creator_tag(tag: int) -> BaseTag | None:
    """Give the tag of that Private Creator; None for a private attribute outside of every block."""
    block = (tag & 0xFF00) >> 8
    return BaseTag(tag & 0xFFFF0000 | block) if block >= 0x10 else None


def is_creator(tag: int) -> bool:
    """Tell whether a private tag is that of a Private Creator."""
    return 0x10 <= tag & 0xFFFF <= 0xFF


def _rules(item: Dataset) -> dict[int | None, Action]:
    rules: dict[int | None, Action] = {}
    status = str(item.get("BlockIdentifyingInformationStatus") or "")
    if status == "SAFE":
        rules[None] = Action.KEEP
    if status == "MIXED":
        rules.update(dict.fromkeys(_elements(item.get("NonidentifyingPrivateElements")), Action.KEEP))
    for step in item.get("DeidentificationActionSequence") or []:
        action = str(step.get("DeidentificationAction") or "X").strip()
        rules.update(
            dict.fromkeys(
                _elements(step.get("IdentifyingPrivateElements")),
                Action(action) if re.fullmatch("[DZXU]", action) else Action.REMOVE,
            )
        )
    return rules


def _elements(value: Any) -> list[int]:
    if value is None:
        return []
    return [int(value)] if isinstance(value, int) else [int(number) for number in value]
