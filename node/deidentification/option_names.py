"""The options of PS3.15 E.3 by the names that the command line takes."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from node.deidentification.profile import OPTION_CODES, Dates, Options
from node.errors import ConfigError

BASIC: Final = "basic"  # the Basic Profile, which is always there
_FIELDS: Final = MappingProxyType(
    {
        "retain-safe-private": "safe_private",
        "retain-uids": "uids",
        "retain-device-identity": "device_identity",
        "retain-institution-identity": "institution_identity",
        "retain-patient-characteristics": "patient_characteristics",
        "clean-descriptors": "clean_descriptors",
        "clean-structured-content": "clean_structured_content",
        "clean-graphics": "clean_graphics",
        "clean-pixel-data": "clean_pixel_data",
    }
)
_DATES: Final = MappingProxyType({"retain-full-dates": Dates.FULL, "retain-modified-dates": Dates.MODIFIED})
NAMES: Final = (*_FIELDS, *_DATES)
# Column of the table -> name.
NAME_OF: Final = MappingProxyType(
    {field: name for name, field in _FIELDS.items()}
    | {"full_dates": "retain-full-dates", "modified_dates": "retain-modified-dates"}
)


def options_of(names: Sequence[str]) -> Options:
    """Give the options of these names.

    Raises
    ------
    ConfigError
        There is no such option, or both options for dates are chosen.
    """
    chosen = [name for name in names if name != BASIC]
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        raise ConfigError(f"--option {unknown[0]}: there is no such option; there are {', '.join((BASIC, *NAMES))}")
    dates = {_DATES[name] for name in chosen if name in _DATES}
    if len(dates) > 1:
        raise ConfigError("--option: dates are either kept or moved; choose one of " + " and ".join(_DATES))
    switches = {_FIELDS[name]: True for name in chosen if name in _FIELDS}
    return Options(**switches, dates=dates.pop() if dates else Dates.REMOVE)


def names_of(options: Options) -> tuple[str, ...]:
    """Give the names of the options that are chosen."""
    switched = [name for name, field in _FIELDS.items() if getattr(options, field)]
    return (*switched, *(name for name, dates in _DATES.items() if options.dates is dates))


def options_by_codes(values: frozenset[str]) -> Options:
    """Give the options that an object names in (0012,0064), by code value (PS3.16 CID 7050)."""
    columns = {column for column, code in OPTION_CODES.items() if code.value in values}
    moved, full = "modified_dates" in columns, "full_dates" in columns
    dates = Dates.MODIFIED if moved else Dates.FULL if full else Dates.REMOVE
    return Options(**{field: True for field in _FIELDS.values() if field in columns}, dates=dates)
