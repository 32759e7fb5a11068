"""Text of the source in any Specific Character Set of the standard (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

pydicom does the decoding. What is added here: a value is decoded as a whole, because the second
byte of a Japanese or Chinese character may look like ``=``, ``^`` or a backslash; bytes that are no
text of the declared sets are told apart from text; and Latin-9 and GB 2312, which pydicom does not
know or not strip of their escape sequence.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from pydicom.charset import decode_bytes, python_encoding

UTF8: Final = "ISO_IR 192"
DEFAULT_REPERTOIRE: Final = frozenset(["", "ISO_IR 6", "ISO 2022 IR 6"])  # ASCII
_TERM = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d+)")
_STAND_ALONE: Final = (UTF8, "GB18030")  # PS3.3 Table C.12-5
_SAME_BYTES: Final = MappingProxyType({"GBK": "GB18030"})  # whose two-byte part it is
_NUMBERS: Final = (13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 203)
_SINGLE_BYTE: Final = tuple(f"ISO_IR {number}" for number in _NUMBERS)  # PS3.3 Table C.12-2
_LATIN_9: Final = "iso8859_15"
_LATIN_9_TERMS: Final = ("ISO_IR 203", "ISO 2022 IR 203")
_LATIN_1_ESCAPE: Final = b"\x1b-A"
_LATIN_9_ESCAPE: Final = b"\x1b-b"  # PS3.3 Table C.12-3
_GB_2312_ESCAPE: Final = "\x1b$)A"  # PS3.3 Table C.12-4
_PN_DELIMITERS: Final = frozenset(b"^=")  # where code extensions end, PS3.5 6.1.2.5.3
_TEXT_DELIMITERS: Final = frozenset(b"\t\n\f\r")
_NOT_TEXT: Final = re.compile("[\ufffd\x1b]")  # the mark of a failed decoding, and an escape sequence left over
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def terms_of(declared: str | Sequence[str] | None) -> tuple[str, ...]:
    """Read Specific Character Set; common misspellings such as ``ISO_IR100`` become the defined term."""
    values = [declared] if isinstance(declared, str) else list(declared or [])
    return tuple(_defined_term(str(value).strip()) for value in values) if any(values) else ()


def kept_as(terms: Sequence[str]) -> str:
    """Name the one set in which the bytes can stay as they are; none where code extensions switch between sets."""
    if len(terms) != 1:
        return ""
    single = terms[0].replace("ISO 2022 IR ", "ISO_IR ")  # without a second set there is nothing to switch to
    single = _SAME_BYTES.get(single, single)
    return single if single in _STAND_ALONE or single in _SINGLE_BYTE else ""


def decoded(value: bytes, terms: Sequence[str], vr: str) -> str | None:
    """Decode one whole value; None if the bytes are no text of these sets."""
    codecs = [_codec(term) for term in terms] or [""]
    if None in codecs:
        return None
    known = [codec or "ascii" for codec in codecs if codec is not None]
    is_latin_9 = _LATIN_9 in known and "latin_1" not in known
    if is_latin_9 and _LATIN_9_ESCAPE in value:
        # The same switch by another name; the eight characters that differ are put right by the codec.
        return _latin_9(value, known, vr)
    return _strictly(value, known, vr)


def readable(value: bytes) -> str:
    """Read what is no text of its declared set: as UTF-8 where it can be, else one character for each byte."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return _CONTROL.sub(" ", text).strip()


def _defined_term(value: str) -> str:
    match = _TERM.fullmatch(value.upper())
    if match is None:
        return value.upper()
    return f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"


def _codec(term: str) -> str | None:
    """Python's name of a set; ASCII for the default repertoire, which pydicom would read as Latin-1."""
    if term in DEFAULT_REPERTOIRE:
        return "ascii"
    return _LATIN_9 if term in _LATIN_9_TERMS else python_encoding.get(term)


def _latin_9(value: bytes, codecs: Sequence[str], vr: str) -> str | None:
    as_latin_1 = ["latin_1" if codec == _LATIN_9 else codec for codec in codecs]
    text = _strictly(value.replace(_LATIN_9_ESCAPE, _LATIN_1_ESCAPE), as_latin_1, vr)
    return text and "".join(c.encode("latin-1").decode(_LATIN_9) if c < "\u0100" else c for c in text)


def _strictly(value: bytes, codecs: Sequence[str], vr: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of is found below
        try:
            text = decode_bytes(value, codecs, set(_PN_DELIMITERS if vr == "PN" else _TEXT_DELIMITERS))
        except (UnicodeError, LookupError):
            return None
    if "iso_ir_58" in codecs:
        text = text.replace(_GB_2312_ESCAPE, "")
    return None if _NOT_TEXT.search(text) else text.rstrip("\0 ")
