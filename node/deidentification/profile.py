"""The Basic Application Level Confidentiality Profile and its options as a table (PS3.15 Annex E).

``action_for`` says what happens to an attribute; it decides by the table alone and touches no data set.

- The profile's own column holds, until an option that is chosen has an entry in the row (E.1.1: a requirement for an
  option overrides the profile).
- Where two chosen options disagree, cleaning wins over keeping: a calibration date that a device's identity would keep
  is moved when dates are moved, for a true date beside a moved one gives the shift away.
- A compound code (X/Z/D ...) is decided by the attribute's Type in the IOD of the object.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from pydicom.sr.coding import Code

# Columns of Table E.1-1, by the names that machine-readable forms of the table give them, and ours.
COLUMNS: Final = MappingProxyType(
    {
        "rtnSafePrivOpt": "safe_private",
        "rtnUIDsOpt": "uids",
        "rtnDevIdOpt": "device_identity",
        "rtnInstIdOpt": "institution_identity",
        "rtnPatCharsOpt": "patient_characteristics",
        "rtnLongFullDatesOpt": "full_dates",
        "rtnLongModifDatesOpt": "modified_dates",
        "cleanDescOpt": "clean_descriptors",
        "cleanStructContOpt": "clean_structured_content",
        "cleanGraphOpt": "clean_graphics",
    }
)
# Rows of the table that stand for many tags.
PRIVATE, CURVES, OVERLAY_DATA, OVERLAY_COMMENTS = "odd group", "50xxxxxx", "60xx3000", "60xx4000"
PATTERNS: Final = MappingProxyType(
    {
        "ggggeeee-where-gggg-is-odd": PRIVATE,
        "50xxxxxx": CURVES,
        "60xx3000": OVERLAY_DATA,
        "60xx4000": OVERLAY_COMMENTS,
    }
)
PROFILE_CODE: Final = Code("113100", "DCM", "Basic Application Confidentiality Profile")  # PS3.16 CID 7050


class Dates(Enum):
    """Retain Longitudinal Temporal Information (E.3.6); the value goes into (0028,0303)."""

    REMOVE = "REMOVED"
    FULL = "UNMODIFIED"
    MODIFIED = "MODIFIED"


class Action(Enum):
    """What happens to one attribute (PS3.15 Table E.1-1a)."""

    REMOVE = "X"
    EMPTY = "Z"  # or a dummy: where a pseudonym serves, it is given
    DUMMY = "D"
    KEEP = "K"  # of a sequence: the rules are applied to what is in it
    CLEAN = "C"
    MAP = "U"  # of a UID: another that is the same everywhere; of a sequence: those inside it


@dataclass(frozen=True)
class Options:
    """The options of E.3 that are chosen; none: the Basic Profile alone.

    ``clean_pixel_data`` is a statement of whoever has cleaned the pixels: nothing here looks at them.
    Clean Recognizable Visual Features is not offered: a chest CT shows no face.
    """

    safe_private: bool = False
    uids: bool = False
    device_identity: bool = False
    institution_identity: bool = False
    patient_characteristics: bool = False
    dates: Dates = Dates.REMOVE
    clean_descriptors: bool = False
    clean_structured_content: bool = False
    clean_graphics: bool = False
    clean_pixel_data: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the table that are in force."""
        switched = {field.name for field in fields(self) if getattr(self, field.name) is True}
        dated = {Dates.FULL: {"full_dates"}, Dates.MODIFIED: {"modified_dates"}}.get(self.dates, set())
        return frozenset(switched | dated)

    @property
    def codes(self) -> tuple[Code, ...]:
        """What (0012,0064) has to say: the profile and each option (PS3.16 CID 7050)."""
        return PROFILE_CODE, *(code for column, code in OPTION_CODES.items() if column in self.columns)


OPTION_CODES: Final = MappingProxyType(
    {
        "clean_pixel_data": Code("113101", "DCM", "Clean Pixel Data Option"),
        "clean_graphics": Code("113103", "DCM", "Clean Graphics Option"),
        "clean_structured_content": Code("113104", "DCM", "Clean Structured Content Option"),
        "clean_descriptors": Code("113105", "DCM", "Clean Descriptors Option"),
        "full_dates": Code("113106", "DCM", "Retain Longitudinal Temporal Information Full Dates Option"),
        "modified_dates": Code("113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option"),
        "patient_characteristics": Code("113108", "DCM", "Retain Patient Characteristics Option"),
        "device_identity": Code("113109", "DCM", "Retain Device Identity Option"),
        "uids": Code("113110", "DCM", "Retain UIDs Option"),
        "safe_private": Code("113111", "DCM", "Retain Safe Private Option"),
        "institution_identity": Code("113112", "DCM", "Retain Institution Identity Option"),
    }
)


@dataclass(frozen=True)
class Row:
    """One row: the profile's action code, and that of each option which has an entry."""

    key: str  # eight hexadecimal digits, or one of PATTERNS
    name: str
    basic: str
    options: MappingProxyType[str, str]
    is_standard: bool  # false: beyond Table E.1-1

    @property
    def tag(self) -> int | None:
        """The tag, or None where the row stands for many."""
        return int(self.key, 16) if re.fullmatch("[0-9A-F]{8}", self.key) else None

    def code(self, columns: frozenset[str]) -> str:
        """The action code in force with these options: C over K over the profile's own."""
        chosen = {code for column, code in self.options.items() if column in columns}
        return next((code for code in ("C", "K") if code in chosen), self.basic)


def action_for(tag: int, options: Options, attribute_type: int | None = None) -> Action:
    """Say what happens to the attribute ``tag`` under the Basic Profile with ``options``.

    Parameters
    ----------
    tag
        0xGGGGEEEE.
    attribute_type
        1, 2 or 3: its Type in the IOD of the object (PS3.3), 3 also where the IOD does not name it; None where
        the IOD is not known. It matters for compound codes alone.

    References
    ----------
    PS3.15 E.1.1 and Table E.1-1.
    """
    row = row_for(tag)
    if row is not None:
        return resolved(row.code(options.columns), attribute_type)
    is_group_length = not tag & 0xFFFF  # retired, and wrong once anything was removed
    is_data_set = tag >> 16 >= 0x0008  # not a command, file meta information or a directory
    return Action.KEEP if is_data_set and not is_group_length and is_known(tag) else Action.REMOVE


def is_known(tag: int) -> bool:
    """Tell whether PS3.6 has the attribute, repeating groups among them."""
    return dictionary_has_tag(tag) or repeater_has_tag(tag)


def resolved(code: str, attribute_type: int | None) -> Action:
    """Decide a compound code by Type: 3 takes the first letter, 2 Z, 1 the last one.

    Of an unknown Type the last letter is taken: a dummy is valid whatever the Type is, and tells nothing. So it is
    under X/D where Type 2 asks for the attribute. Of X/Z/U* the references are mapped under Type 2 too, which Z
    allows: without them no segment would find its image.
    """
    letters = code.rstrip("*").split("/")
    if attribute_type == 3:
        return Action(letters[0])
    if attribute_type == 2 and "Z" in letters and "U" not in letters:
        return Action.EMPTY
    return Action(letters[-1])


def row_for(tag: int) -> Row | None:
    """Give the row of an attribute, or None where the profile keeps it or nobody knows it."""
    by_key = _by_key()
    group, element = tag >> 16, tag & 0xFFFF
    if group % 2:
        return by_key[PRIVATE]
    if group >> 8 == 0x50:
        return by_key[CURVES]
    if group >> 8 == 0x60:
        return by_key.get(f"60xx{element:04X}")
    return by_key.get(f"{tag:08X}")


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every row of Table E.1-1, then those beyond it."""
    table = json.loads((files(__package__) / "profile.json").read_text(encoding="utf-8"))
    return tuple(
        Row(key, name, basic, MappingProxyType(options), part == "rows")
        for part in ("rows", "beyond")
        for key, name, basic, options in table[part]
    )


@lru_cache(maxsize=1)
def _by_key() -> MappingProxyType[str, Row]:
    return MappingProxyType({row.key: row for row in rows()})
