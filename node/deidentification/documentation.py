"""The tables of the documentation, made from the program's own: ``python -m node.deidentification.documentation``.

Run in the root of the repository it writes them into README.md and docs/deidentification.md, between their markers;
a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from node.deidentification.profile import OPTION_CODES, PATTERNS, PRIVATE, Row, rows

PAGES: Final = ("README.md", "docs/deidentification.md")
# Column -> name on the command line, what it does here in one line.
_OPTIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "safe_private": (
            "retain-safe-private",
            "private attributes that the standard lists for CT and PET, or that the object declares safe, stay",
        ),
        "uids": ("retain-uids", "UIDs stay"),
        "device_identity": ("retain-device-identity", "serial numbers and names of devices stay, AE titles are mapped"),
        "institution_identity": ("retain-institution-identity", "name, address and department stay"),
        "patient_characteristics": ("retain-patient-characteristics", "sex, age, size, weight, smoking stay"),
        "full_dates": ("retain-full-dates", "dates and times stay"),
        "modified_dates": (
            "retain-modified-dates",
            "dates move by a number of days that depends on the patient and the key; the time of day stays",
        ),
        "clean_descriptors": ("clean-descriptors", "descriptions keep the words of a vocabulary, and measures"),
        "clean_structured_content": ("clean-structured-content", "the content tree of a report stays, cleaned"),
        "clean_graphics": ("clean-graphics", "graphic annotations stay, their texts cleaned; overlays are blanked"),
        "clean_pixel_data": ("clean-pixel-data", "text in the pixels is blanked, where it is known to be"),
    }
)


def option_table() -> str:
    """One line for each option: name, code in CID 7050, how many rows of Table E.1-1 it changes, what it does."""
    lines = ["| `--option` | PS3.16 CID 7050 | attributes | does |", "|---|---|---|---|"]
    for column, (name, what) in _OPTIONS.items():
        touched = sum(row.is_standard and column in row.options for row in rows())
        code = OPTION_CODES[column]
        lines.append(f"| `{name}` | {code.value} {code.meaning} | {touched or 'pixels'} | {what} |")
    return "\n".join(lines)


def action_table() -> str:
    """One line for each row: tag, name, action of the Basic Profile, actions of the options."""
    lines = ["| attribute | name | Basic Profile | with an option |", "|---|---|---|---|"]
    lines += [f"| {_written(row)} | {row.name} | {row.basic} | {_options(row)} |" for row in rows() if row.is_standard]
    return "\n".join(lines)


def beyond_table() -> str:
    """The same for what is treated beyond Table E.1-1."""
    lines = ["| attribute beyond the table | name | Basic Profile | with an option |", "|---|---|---|---|"]
    beyond = [row for row in rows() if not row.is_standard]
    lines += [f"| {_written(row)} | {row.name} | {row.basic} | {_options(row)} |" for row in beyond]
    return "\n".join(lines)


TABLES: Final = MappingProxyType({"options": option_table, "actions": action_table, "beyond": beyond_table})


def with_tables(page: str) -> str:
    """Give a page with the tables between its markers made again."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: made by node/deidentification/documentation.py -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        replacement = f"{begin}\n{table()}\n{end}"
        page = pattern.sub(lambda _, text=replacement: text, page)  # type: ignore[misc]
    return page


def _written(row: Row) -> str:
    if row.key == PRIVATE:
        return "odd groups"
    return f"({row.key[:4]},{row.key[4:]})" if row.tag is not None or row.key in PATTERNS.values() else row.key


def _options(row: Row) -> str:
    return ", ".join(f"{code} {_OPTIONS[column][0]}" for column, code in row.options.items())


if __name__ == "__main__":
    for name in PAGES:
        path = Path(name)
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
