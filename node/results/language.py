"""The language of reports: English is the key, German and Chinese stand beside it in the ``wording_*`` tables.

Codes never change with the language, nor do their meanings, which viewers compare letter by letter; what
changes is free text. Everybody who writes for a reader uses two functions::

    say(language, "{count} nodules marked", count=3)    a sentence of this room; the table has it
    translated(language, "no nodule")                   a finished sentence of another room

``say`` wants a sentence that one of the tables holds, ``translated`` finds the sentence whose form fits and
gives back what it does not know, so that nothing is lost and nothing is guessed. Figures keep the decimal
point that the measured values of the report have. A new sentence is a new line in a table; the English key
and its translations hold the same names in braces, which tests/test_report_language.py proves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Final

from node.results.wording_choice import CHOICE
from node.results.wording_layout import LAYOUT
from node.results.wording_pages import PAGES
from node.results.wording_pictures import PICTURES
from node.results.wording_placement import PLACEMENT
from node.results.wording_reasons import REASONS
from node.results.wording_report import REPORT
from node.results.wording_rules import RULES
from node.results.wording_warnings import WARNINGS


class Language(StrEnum):
    """Languages of free text; values are those of ``language`` in the settings."""

    ENGLISH = "en"
    GERMAN = "de"
    CHINESE = "zh"


SENTENCES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {**REPORT, **REASONS, **WARNINGS, **RULES, **PAGES, **LAYOUT, **PICTURES, **CHOICE, **PLACEMENT}
)
_COLUMNS: Final = MappingProxyType({Language.GERMAN: 0, Language.CHINESE: 1})
# What stands in braces is one word or figure, except for these.
_SHAPES: Final = MappingProxyType(
    {
        "category": r"[0-4][ABX]?",
        "categories": r"[0-4][ABX]?(?: or [0-4][ABX]?)*",
        "band": r"[<>]?=?[\d-]+ mm(?: \([<>]?[\d-]+ mm3\))?",
        "row": r"(?:single|multiple) [a-z ]+",
        "attribute": r"[A-Z][A-Za-z ()]+",
        "what": r".+",
        "stray": r"[a-z][A-Za-z() -]+",
        "volumes": r"[a-z ]+ \([A-Za-z ]+\)",
        "differing": r"[A-Z][A-Za-z ()]+",
        "series": r"series -?\d+|another series",
        "kind": r".+",
        "modalities": r".+",
        "text": r".+",
        "basis": r".+",
        "first_advice": r".+",
        "second_advice": r".+",
    }
)


def say(language: str, sentence: str, **values: object) -> str:
    """Say a sentence of the tables with its values.

    Parameters
    ----------
    language
        Value of ``Language``.
    sentence
        The English key, with names in braces for ``values``.

    Raises
    ------
    KeyError
        The tables do not have the sentence.
    """
    words = SENTENCES[sentence]
    column = _COLUMNS.get(Language(language))
    return (sentence if column is None else words[column]).format(**values)


def translated(language: str, sentence: str) -> str:
    """Translate a finished English sentence, and what stands in it; what the tables do not know stays English."""
    column = _COLUMNS.get(Language(language))
    if column is None:
        return sentence
    if sentence in SENTENCES:
        return SENTENCES[sentence][column]
    for form, words in _forms():
        match = form.fullmatch(sentence)
        if match:
            return words[column].format(
                **{name: translated(language, said) for name, said in match.groupdict().items()}
            )
    return sentence


@cache
def _forms() -> tuple[tuple[re.Pattern[str], tuple[str, str]], ...]:
    """The sentences with values as patterns, in the order of the tables."""
    return tuple((re.compile(_form(key)), words) for key, words in SENTENCES.items() if "{" in key)


def _form(key: str) -> str:
    parts = []
    for literal, name, _, _ in Formatter().parse(key):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P<{name}>{_SHAPES.get(name, '[^ ]+')})")
    return "".join(parts)
