"""What the status of a C-STORE response means for the sender; pure."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """What became of one instance."""

    STORED = "stored"
    STORED_WITH_WARNING = "stored with warning"
    RETRY = "try again"
    REFUSED = "refused"


# First match counts. PS3.4 Table B.2-1 (Storage) and PS3.7 section 9.1.1.1.9 and Annex C (general statuses).
# (mask, value, outcome, meaning)
_TABLE = (
    (0xFFFF, 0x0000, Outcome.STORED, "success"),
    (0xFFFF, 0x0001, Outcome.STORED_WITH_WARNING, "requested optional attributes are not supported"),
    (0xFFFF, 0x0107, Outcome.STORED_WITH_WARNING, "attribute list error"),
    (0xFFFF, 0x0116, Outcome.STORED_WITH_WARNING, "attribute value out of range"),
    (0xFFFF, 0xB000, Outcome.STORED_WITH_WARNING, "coercion of data elements"),
    (0xFFFF, 0xB006, Outcome.STORED_WITH_WARNING, "elements discarded"),
    (0xFFFF, 0xB007, Outcome.STORED_WITH_WARNING, "data set does not match SOP class"),
    (0xF000, 0xB000, Outcome.STORED_WITH_WARNING, "warning"),
    (0xFF00, 0xA700, Outcome.RETRY, "out of resources"),
    (0xFFFF, 0x0110, Outcome.RETRY, "processing failure"),
    (0xFFFF, 0x0210, Outcome.RETRY, "duplicate invocation"),
    (0xFFFF, 0x0213, Outcome.RETRY, "resource limitation"),
    (0xFF00, 0xA900, Outcome.REFUSED, "data set does not match SOP class"),
    (0xF000, 0xC000, Outcome.REFUSED, "cannot understand"),
    (0xFFFF, 0x0105, Outcome.REFUSED, "no such attribute"),
    (0xFFFF, 0x0106, Outcome.REFUSED, "invalid attribute value"),
    (0xFFFF, 0x0111, Outcome.REFUSED, "duplicate SOP instance"),
    (0xFFFF, 0x0112, Outcome.REFUSED, "no such SOP instance"),
    (0xFFFF, 0x0115, Outcome.REFUSED, "invalid argument value"),
    (0xFFFF, 0x0117, Outcome.REFUSED, "invalid SOP instance"),
    (0xFFFF, 0x0118, Outcome.REFUSED, "no such SOP class"),
    (0xFFFF, 0x0119, Outcome.REFUSED, "class-instance conflict"),
    (0xFFFF, 0x0120, Outcome.REFUSED, "missing attribute"),
    (0xFFFF, 0x0121, Outcome.REFUSED, "missing attribute value"),
    (0xFFFF, 0x0122, Outcome.REFUSED, "SOP class not supported"),
    (0xFFFF, 0x0124, Outcome.REFUSED, "not authorised"),
    (0xFFFF, 0x0211, Outcome.REFUSED, "unrecognised operation"),
    (0xFFFF, 0x0212, Outcome.REFUSED, "mistyped argument"),
    (0xFF00, 0xFE00, Outcome.RETRY, "cancelled"),
)


def classify(status: int) -> Outcome:
    """Tell what a C-STORE status means.

    An unknown status is a failure (PS3.7 Annex C: only 0000, the warnings and the pending ones are not);
    no retry is known to cure it, so it counts as refused.
    """
    return _row(status)[0]


def is_about_class(status: int) -> bool:
    """Tell whether a refusal is one of this kind of object, so that the same content in another SOP class may be taken.

    Not so a duplicate SOP instance (the destination has it already) or a refused authorisation.
    """
    return (
        status in {0x0118, 0x0119, 0x0122}  # no such SOP class, class-instance conflict, SOP class not supported
        or status & 0xFF00 == 0xA900  # data set does not match SOP class
        or status & 0xF000 == 0xC000  # cannot understand
    )


def describe(status: int) -> str:
    """Say a status in words, with its number."""
    return f"{_row(status)[1]} (0x{status:04X})"


def _row(status: int) -> tuple[Outcome, str]:
    for mask, value, outcome, meaning in _TABLE:
        if status & mask == value:
            return outcome, meaning
    return Outcome.REFUSED, "unknown status"
