"""Whose images they are: a series whose images name several persons or studies is never read as one; pure.

Law of this file: what differs in padding, in case of the name, in character set, or by being empty is the same
person. Everything else is another one: half a foreign chest reported under one name is the worst that a node can do.
Messages name attributes and numbers of images, never a value.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

from pydicom import Dataset

from node.assembly.attributes import text
from node.errors import MixedPatient, MixedStudy

_LOST = re.compile("[?\ufffd]+")  # what converters write for signs that their character set lacks
_BEYOND_ASCII = r"[^\x00-\x7f]"
_GROUPS, _COMPONENTS = "=", "^"  # of a person's name (PS3.5 section 6.2.1)
_BLANKS = " \t\r\n\0"


def check_one_person(headers: Sequence[Dataset]) -> None:
    """Raise unless all instances may be of one person and one study.

    Raises
    ------
    MixedPatient
        They disagree in a non-empty Patient ID, its issuer, Patient's Name or Patient's Birth Date.
    MixedStudy
        They name more than one study.
    """
    for name, read, is_same in _MARKS:
        counts = Counter(filter(None, map(read, headers)))
        if any(not is_same(first, second) for first, second in combinations(counts, 2)):
            sizes = ", ".join(str(count) for _, count in counts.most_common(5))
            raise MixedPatient(
                f"the images of this series disagree in {name} ({sizes} images): they are of more than one person, and "
                "nothing was read; send each person's images as a series of their own"
            )
    studies = Counter(filter(None, (text(header, "StudyInstanceUID") for header in headers)))
    if len(studies) > 1:
        sizes = ", ".join(str(count) for _, count in studies.most_common(5))
        raise MixedStudy(
            f"the images of this series name {len(studies)} studies (StudyInstanceUID; {sizes} images): "
            "nothing was read"
        )


def _patient_id(header: Dataset) -> str:
    return text(header, "PatientID").strip(_BLANKS)


def _issuer(header: Dataset) -> str:
    """Read the issuer of the Patient ID, where there is an ID that it could have issued."""
    return text(header, "IssuerOfPatientID").strip(_BLANKS) if _patient_id(header) else ""


def _birth_date(header: Dataset) -> str:
    """Read the digits of the date: older software writes points between them."""
    return "".join(filter(str.isdigit, text(header, "PatientBirthDate")))


def _name(header: Dataset) -> str:
    """Read the name without case, with single blanks and without empty components at the end."""
    groups = text(header, "PatientName").split(_GROUPS)
    return _GROUPS.join(map(_tidied, groups)).strip(_GROUPS + _BLANKS)


def _tidied(group: str) -> str:
    parts = [" ".join(_decoded(part.strip(_BLANKS)).casefold().split()) for part in group.split(_COMPONENTS)]
    return unicodedata.normalize("NFKC", _COMPONENTS.join(parts).rstrip(_COMPONENTS + _BLANKS))


def _decoded(part: str) -> str:
    """Read UTF-8 that was taken for Latin-1, where no character set was named."""
    try:
        return part.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return part


def _is_equal(first: str, second: str) -> bool:
    return first == second


def _is_same_name(first: str, second: str) -> bool:
    """Compare two names in each group that both have: alphabetic, ideographic, phonetic."""
    pairs = [pair for pair in zip(first.split(_GROUPS), second.split(_GROUPS), strict=False) if all(pair)]
    return bool(pairs) and all(_is_same_group(*pair) for pair in pairs)


def _is_same_group(first: str, second: str) -> bool:
    """Compare without what a poorer character set loses: accents, or whole signs that became question marks."""
    return (
        _without_accents(first) == _without_accents(second) or _stands_for(first, second) or _stands_for(second, first)
    )


def _without_accents(part: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", part) if not unicodedata.combining(sign))


def _stands_for(lossy: str, whole: str) -> bool:
    """Tell whether ``whole`` has signs beyond ASCII just where signs of ``lossy`` are lost."""
    if not _LOST.search(lossy):
        return False
    kept = _LOST.split(lossy)
    lost = [f"{_BEYOND_ASCII}{{1,{len(run)}}}" for run in _LOST.findall(lossy)]
    pattern = "".join(re.escape(text) + run for text, run in zip(kept, [*lost, ""], strict=True))
    return re.fullmatch(pattern, whole) is not None


_MARKS: tuple[tuple[str, Callable[[Dataset], str], Callable[[str, str], bool]], ...] = (
    ("Patient ID", _patient_id, _is_equal),
    ("Issuer of Patient ID", _issuer, _is_equal),
    ("Patient's Name", _name, _is_same_name),
    ("Patient's Birth Date", _birth_date, _is_equal),
)
