"""The action C on text and codes: what is left is made of words and codes that are known to name nobody.

It is decided by what may stay, not by what looks like a name: a word outside ``vocabulary.txt`` goes, in whatever
language and script it is written, and so does a number that is no measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from pydicom import Dataset
from pydicom.sr.codedict import codes

from node.deidentification.dummies import REMOVED

TEXT_VRS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
# Registered coding schemes whose codes name concepts, not people (PS3.16 Table 8-1), and our own.
SCHEMES: Final = frozenset(
    re.findall(
        r"\S+",
        """DCM SCT SRT SNM3 99SDM LN UCUM RADLEX FMA NCIt UMLS I9 I9C I10 I10C I10P ICDO3 MSH NEU ATC RXNORM CPT4
        BARI BI IBSI ACR MDC PUBCHEM_CID ISO639_1 ISO639_2 ISO3166_1 RFC3066 RFC5646 UNS 99PULMONODE""",
    )
)
LOCAL_SCHEME: Final = "99LOCAL"  # what stands for every other one: a designator can be the name of a hospital
_UNITS: Final = r"cm|gy|hu|kev|kg|kv|kvp|ma|mas|mg|mgy|ml|mm|mm2|mm3|ms|msv|mv|s|sec|um|%"
_NUMBER: Final = r"[+-]?\d{1,4}(?:[.,]\d{1,3})?"
_COUNTED: Final = "category|finding|lesion|nodule|phase|recon|scan|segment|series|view"  # these carry a small number
_CATEGORY: Final = r"(?<!\w)lung-?rads(?:\s(?:v\d{4}|[0-4][abx]?))*(?!\w)"  # a score, and its values
# In this order: a measure, a counted thing, a score, a kernel (B30f), "without", a word, a mark that joins words.
_PIECE: Final = re.compile(
    rf"(?P<measure>(?<![\w.]){_NUMBER}(?:\s?[x*]\s?{_NUMBER})*\s?(?:{_UNITS})(?!\w))"
    rf"|(?P<counted>(?<!\w)(?:{_COUNTED})s?\s\d{{1,2}}(?!\w|[.,/:-]\w))"
    rf"|(?P<count>(?<![\w.,/:-])\d{{1,2}}\s(?=(?:{_COUNTED})s?(?!\w)))"
    rf"|(?P<category>{_CATEGORY})"
    r"|(?P<kernel>(?<!\w)[bhiuqd][rlvf]?\d{2}[fs]?(?!\w))"
    r"|(?P<without>(?<!\w)w/o(?!\w))"
    r"|(?P<word>[^\W\d_]+(?:\d+[^\W\d_]*)*)"
    r"|(?P<mark>[-+,;:/()&]+|\.(?=\s|$)|\s+)"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CODE_VALUE: Final = re.compile(r"[A-Za-z0-9.\-]{1,16}")
_UNIT_CODE: Final = re.compile(r"(?:[A-Za-z0-9.\-/%\[\]*^'\"]|\{[\w:.\- ]*\})*")  # UCUM: what is in braces is free text


def cleaned_text(text: str) -> str | None:
    """Keep the words of the vocabulary, measures and counts of ``text``; None where nothing of meaning is left."""
    kept = [_kept(match) for match in _PIECE.finditer(re.sub(r"[_^\\]", " ", text))]
    joined = re.sub(r"\s+", " ", "".join(kept)).strip()
    trimmed = re.sub(r"\(\s*\)", "", re.sub(r"(?:\s?[-+,;:/&]\s?){2,}", " ", joined)).strip(" -+,;:/&.")
    return trimmed if re.search(r"\w", trimmed) else None


def cleaned_code(item: Dataset, pseudonym: Callable[[str, str], str]) -> Dataset:
    """Clean one Code Sequence Macro (PS3.3 Table 8.8-1), giving a new item.

    A code of a registered scheme stays, with the meaning that the scheme itself has for it or the words of the
    vocabulary. A local code becomes a pseudonym: which codes are the same can still be seen.

    Parameters
    ----------
    pseudonym
        Takes a kind and an original, gives what stands for it, at most 16 characters.
    """
    scheme = str(item.get("CodingSchemeDesignator") or "")
    value = str(item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or "")
    meaning = str(item.get("CodeMeaning") or "")
    out = Dataset()
    if scheme in SCHEMES and _is_legal(scheme, value):
        out.CodeValue, out.CodingSchemeDesignator = value, scheme
    else:
        out.CodeValue = pseudonym("code", f"{scheme}\0{value}") or REMOVED
        out.CodingSchemeDesignator = LOCAL_SCHEME
    out.CodeMeaning = _meaning(out.CodingSchemeDesignator, out.CodeValue, meaning)
    return out


def is_code(item: Dataset) -> bool:
    """Tell whether an item is a Code Sequence Macro."""
    return "CodeMeaning" in item or "CodeValue" in item


def _is_legal(scheme: str, value: str) -> bool:
    """Tell whether a code value can be one of its scheme, and no text that was put in its place."""
    if scheme != "UCUM":
        return _CODE_VALUE.fullmatch(value) is not None
    words = re.findall(r"[^\W\d_]+", " ".join(re.findall(r"\{(.*?)\}", value)))
    is_short = 0 < len(value) <= 16  # SH
    return is_short and _UNIT_CODE.fullmatch(value) is not None and {word.casefold() for word in words} <= _vocabulary()


def _meaning(scheme: str, value: str, meaning: str) -> str:
    """Keep a meaning that PS3.16 has for the code, or that is clean; else that of PS3.16, or what is clean of it."""
    known = _meanings(scheme).get(value, ())
    clean = cleaned_text(meaning)
    if clean == meaning or meaning.casefold() in {text.casefold() for text in known}:
        return meaning
    unit = value if scheme == "UCUM" else REMOVED  # a unit is its own meaning
    return next(iter(known), None) or clean or unit


def _kept(match: re.Match[str]) -> str:
    text = match.group()
    if match.lastgroup == "word":
        return text if text.casefold() in _vocabulary() else " "
    return " " if match.lastgroup == "other" else text


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    text = (files(__package__) / "vocabulary.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


@cache  # one for each scheme
def _meanings(scheme: str) -> dict[str, tuple[str, ...]]:
    """The meanings that pydicom's dictionary of PS3.16 has for the codes of one scheme, sorted."""
    if scheme not in codes.schemes():
        return {}
    found: dict[str, set[str]] = {}
    names = getattr(codes, scheme)
    for keyword in names.dir():
        try:
            code = getattr(names, keyword)
        except RuntimeError:  # one keyword for several codes
            continue
        found.setdefault(str(code.value), set()).add(str(code.meaning))
    return {value: tuple(sorted(meanings)) for value, meanings in found.items()}
