"""Write the tables of this room again from their sources: ``python -m node.deidentification.generate ROWS.json``.

``ROWS.json`` is Table E.1-1 of PS3.15 as a list of objects with ``id``, ``name``, ``basicProfile`` and one key for each
option. Types of attributes (PS3.3) are those that highdicom carries. What is written is compared by a test with
the same sources; run this when an edition of the standard or of highdicom changes them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag

from node.deidentification.profile import COLUMNS, PATTERNS, rows

HERE: Final = Path(__file__).parent
SOURCE: Final = "DICOM PS3.15 Annex E, Table E.1-1: Application Level Confidentiality Profile Attributes"
BEYOND_SOURCE: Final = (
    "not in Table E.1-1: person names, and dates and times by their VR (PS3.15 E.1.1 note 4), and UIDs of instances"
)
# UIDs that name a kind of thing or a registered one, never an instance: they stay.
KINDS: Final = frozenset(
    re.findall(
        r"\w+",
        """SOPClassUID RelatedGeneralSOPClassUID OriginalSpecializedSOPClassUID SOPClassesInStudy CodingSchemeUID
    ContextGroupExtensionCreatorUID ContextUID MappingResourceUID StoredInstanceTransferSyntaxUID ReferencedSOPClassUID
    SOPClassesSupported AvailableTransferSyntaxUID CreatorVersionUID FlowTransferSyntaxUID
    MACCalculationTransferSyntaxUID EncryptedContentTransferSyntaxUID PertinentSOPClassesInStudy
    PertinentSOPClassesInSeries ReferencedColorPaletteInstanceUID""",
    )
)
_DATES: Final = {"full_dates": "K", "modified_dates": "C"}
_RANK: Final = {"1": 1, "1C": 1, "2": 2, "2C": 2}  # what is there conditionally is there because its condition holds
_FIRST_GROUP: Final = 0x0008  # of data sets; below are commands, files and directories


def profile_table(standard: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Make profile.json: one row [tag, name, basic, options] for each row of the standard, and those beyond it."""
    listed = [_row(entry) for entry in standard]
    named = {row[0] for row in listed}
    beyond = [row for row in _beyond() if row[0] not in named]
    return {"source": SOURCE, "rows": sorted(listed), "beyond_source": BEYOND_SOURCE, "beyond": sorted(beyond)}


def types_table(modules: Mapping[str, Any], iods: Mapping[str, Any], sop_classes: Mapping[str, str]) -> dict[str, Any]:
    """Make attribute_types.json: where an attribute whose action depends on its Type is of Type 1 or 2 (PS3.3)."""
    wanted = {keyword_for_tag(row.tag) for row in rows() if row.tag is not None and "/" in row.basic}
    found = {name: _ranks(attributes, wanted) for name, attributes in modules.items()}
    used = {name: ranks for name, ranks in found.items() if ranks}
    parts = {name: [module["key"] for module in listed if module["key"] in used] for name, listed in iods.items()}
    needed = {name: parts[name] for name in sorted(set(sop_classes.values()))}
    return {
        "source": "DICOM PS3.3, as highdicom carries it",
        "sop_classes": dict(sorted(sop_classes.items())),
        "iods": needed,
        "modules": {name: used[name] for name in sorted({part for listed in needed.values() for part in listed})},
    }


def highdicom_tables() -> tuple[Any, Any, Any]:
    """Read modules, IODs and SOP classes from the tables that highdicom carries."""
    names = ("module_attribute_map.json", "iod_module_map.json", "sop_class_iod_map.json")
    folder = files("highdicom") / "_standard"
    first, second, third = (json.loads((folder / name).read_text(encoding="utf-8")) for name in names)
    return first, second, third


def _row(entry: Mapping[str, str]) -> list[Any]:
    tag = PATTERNS.get(entry["id"], entry["id"].upper())
    options = {ours: entry[theirs] for theirs, ours in COLUMNS.items() if theirs in entry}
    return [tag, " ".join(entry["name"].split("(see")[0].split()), entry["basicProfile"], options]


def _beyond() -> list[list[Any]]:
    found: list[list[Any]] = []
    for tag, (vr, _, name, _, keyword) in DicomDictionary.items():
        if tag >> 16 < _FIRST_GROUP:
            continue
        if vr == "PN":
            found.append([f"{tag:08X}", name, "X/Z/D", {}])
        elif vr in {"DA", "DT", "TM"}:
            found.append([f"{tag:08X}", name, "X/Z/D", dict(_DATES)])
        elif vr == "UI" and keyword not in KINDS:
            found.append([f"{tag:08X}", name, "U", {"uids": "K"}])
    return found


def _ranks(attributes: Iterable[Mapping[str, Any]], wanted: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for attribute in attributes:
        rank = _RANK.get(attribute["type"])
        if rank is not None and attribute["keyword"] in wanted:
            path = ".".join([*attribute["path"], attribute["keyword"]])
            found[path] = min(rank, found.get(path, rank))
    return dict(sorted(found.items()))


def _write(name: str, table: Mapping[str, Any]) -> None:
    """Write one entry a line, so that a change of the standard is a readable change of the file."""
    parts = []
    for key, value in table.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        elif isinstance(value, dict):
            lines = ",\n".join(f"  {json.dumps(entry)}: {json.dumps(held)}" for entry, held in value.items())
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (HERE / name).write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    _write("profile.json", profile_table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    rows.cache_clear()
    _write("attribute_types.json", types_table(*highdicom_tables()))
