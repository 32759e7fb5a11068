"""Dates moved by whole days (PS3.15 E.3.6, modified dates): intervals and the time of day stay."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)")  # the dots are of ACR-NEMA, PS3.5 Table 6.2-1
_TIME: Final = re.compile(r"\d\d(:?[0-5]\d(:?[0-6]\d(\.\d{1,6})?)?)?")
_DATE_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?((?:\d\d){0,3}(?:\.\d{1,6})?)([+-]\d{4})?")
_OFFSET: Final = re.compile(r"[+-]\d{4}")
_TIMEZONE_OFFSET_FROM_UTC: Final = 0x00080201


def moved(tag: int, vr: str, value: str, shift: timedelta) -> str | None:
    """Move one value of VR DA, DT or TM, or a time zone, by whole days.

    Returns
    -------
    A value of the same precision; None where it is not a legal one, and so cannot be shown to hold only a date.
    """
    text = value.strip(" \0")
    if vr == "DA":
        return _moved_date(text, shift)
    if vr == "DT":
        return _moved_date_time(text, shift)
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    return text if tag == _TIMEZONE_OFFSET_FROM_UTC and _OFFSET.fullmatch(text) else None


def _moved_date(text: str, shift: timedelta) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part is not None)
    found = _shifted(year, month, day, shift)
    return None if found is None else f"{found:%Y%m%d}".rjust(8, "0")


def _moved_date_time(text: str, shift: timedelta) -> str | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, time, offset = match.groups()
    if time and day is None:
        return None
    found = _shifted(int(year), int(month or 7), int(day or 1), shift)  # of a year alone: its middle
    if found is None:
        return None
    digits = f"{found:%Y%m%d}".rjust(8, "0")[: 4 + 2 * ((month is not None) + (day is not None))]
    return digits + time + (offset or "")


def _shifted(year: int, month: int, day: int, shift: timedelta) -> date | None:
    try:
        return date(year, month, day) + shift
    except (ValueError, OverflowError):
        return None
