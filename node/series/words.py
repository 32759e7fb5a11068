"""Words of free text as scanners and technologists write it, in any script, made comparable.

Law of this file: a text becomes words between single spaces, in small letters, without accents. Letters of other
scripts than the Latin one make words of their own, so that a word boundary stands between Chinese and English;
within Chinese, Japanese and Thai there are no blanks, so that patterns for them need none.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"%|[0-9a-z]+|(?:[^\W_0-9a-z]|[\u0900-\u0e7f])+")  # Indic and Thai vowels are no letters to \w
_FRACTION_OF_PERCENT = re.compile(r"(\d+)[.,]\d+ *%")  # "0.0%" is a phase of 0 %
# Latin letters that are no letter with an accent to Unicode: Polish, Danish, Croatian, Turkish.
_PLAIN = str.maketrans({"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ı": "i"})


def words_of(text: str) -> str:
    """Give the words of a text: ``Thorax_COR-3mm`` reads ``thorax cor 3mm``, ``Göğüs BT`` reads ``gogus bt``."""
    return " ".join(_WORD.findall(_FRACTION_OF_PERCENT.sub(r"\1 %", _without_accents(text)).casefold()))


def fits(words: str, pattern: str) -> bool:
    """Tell whether a pattern stands in words; its accents and its case do not matter either."""
    return re.search(_without_accents(pattern), words, re.IGNORECASE) is not None


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return unicodedata.normalize("NFC", "".join(part for part in parts if unicodedata.category(part) != "Mn"))
