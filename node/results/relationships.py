"""Which content item may stand under which, by value: the tables of relationships of four SR IODs.

References
----------
PS3.3 Tables A.35.1-2 (Basic Text), A.35.2-2 (Enhanced), A.35.3-2 (Comprehensive), A.35.13-2 (Comprehensive 3D).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

Row = tuple[frozenset[str], frozenset[str]]  # types that may be the source, types that may be the target

_WORDS: Final = frozenset(["TEXT", "CODE", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"])
_OBJECTS: Final = frozenset(["COMPOSITE", "IMAGE", "WAVEFORM"])
_PLANE: Final = frozenset(["NUM", "SCOORD", "TCOORD"])
_SPACE: Final = _PLANE | {"SCOORD3D"}
_NUM, _CONTAINER, _COMPOSITE = frozenset({"NUM"}), frozenset({"CONTAINER"}), frozenset({"COMPOSITE"})
_SAID, _ANY = frozenset({"TEXT", "CODE", "NUM"}), _WORDS | _OBJECTS | _SPACE | _CONTAINER


def _comprehensive(coordinates: frozenset[str]) -> Mapping[str, Row]:
    """Rows that 88.33 and 88.34 share; the second adds SCOORD3D."""
    below = _WORDS | _OBJECTS | coordinates | _CONTAINER
    return MappingProxyType(
        {
            "CONTAINS": (_CONTAINER, below),
            "HAS OBS CONTEXT": (_CONTAINER | _SAID, _WORDS | _NUM | _COMPOSITE),
            "HAS ACQ CONTEXT": (_CONTAINER | _OBJECTS | _NUM, _WORDS | _NUM | _CONTAINER),
            "HAS CONCEPT MOD": (_ANY, frozenset({"TEXT", "CODE"})),
            "HAS PROPERTIES": (_SAID, below),
            "INFERRED FROM": (_SAID, below),
            "SELECTED FROM": (frozenset({"SCOORD"}), frozenset({"IMAGE"})),
        }
    )


RELATIONSHIPS: Final[Mapping[str, Mapping[str, Row]]] = MappingProxyType(
    {
        BasicTextSRStorage: MappingProxyType(
            {
                "CONTAINS": (_CONTAINER, _WORDS | _OBJECTS | _CONTAINER),
                "HAS OBS CONTEXT": (_CONTAINER, _WORDS | _COMPOSITE),
                "HAS ACQ CONTEXT": (_CONTAINER | _OBJECTS, _WORDS),
                "HAS CONCEPT MOD": (_ANY, frozenset({"TEXT", "CODE"})),
                "HAS PROPERTIES": (frozenset({"TEXT"}), _WORDS | _OBJECTS),
                "INFERRED FROM": (frozenset({"TEXT"}), _WORDS | _OBJECTS),
            }
        ),
        EnhancedSRStorage: MappingProxyType(
            {
                "CONTAINS": (_CONTAINER, _WORDS | _OBJECTS | _PLANE | _CONTAINER),
                "HAS OBS CONTEXT": (_CONTAINER, _WORDS | _NUM | _COMPOSITE),
                "HAS ACQ CONTEXT": (_CONTAINER | _OBJECTS, _WORDS | _NUM),
                "HAS CONCEPT MOD": (_ANY, frozenset({"TEXT", "CODE"})),
                "HAS PROPERTIES": (_SAID, _WORDS | _OBJECTS | _PLANE),
                "INFERRED FROM": (_SAID, _WORDS | _OBJECTS | _PLANE),
                "SELECTED FROM": (frozenset({"SCOORD"}), frozenset({"IMAGE"})),
            }
        ),
        ComprehensiveSRStorage: _comprehensive(_PLANE),
        Comprehensive3DSRStorage: _comprehensive(_SPACE),
    }
)


def is_allowed(sop_class_uid: str, parent: Dataset, item: Dataset) -> bool:
    """Tell whether the IOD lets this content item stand under that one; a reference to another item never does.

    Time ranges (TCOORD) as a source are in none of our documents and in none of these tables.
    """
    row = RELATIONSHIPS[sop_class_uid].get(str(item.get("RelationshipType", "")))
    return row is not None and parent.get("ValueType") in row[0] and item.get("ValueType") in row[1]
