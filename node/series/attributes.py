"""Values of a header as careless software writes them: read where their meaning is certain, else absent.

Law of this file: nothing raises. A number with a decimal comma, blanks, a backslash at the end or more digits
than its VR allows is a number; what may mean two things counts as absent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import tag_for_keyword
from pydicom.tag import BaseTag

from node.malformed import MALFORMED

TEXT_CHARACTERS = 64  # longest LO (PS3.5 Table 6.2-1); what is longer is cut
_LOOKED_AT = 1024  # characters of a text that are looked at: no valid one is longer, a hostile one may be
_TEXT_VALUES = 16  # of a multi-valued attribute; what is beyond is dropped
_LARGEST_INTEGER = 2**31 - 1  # IS (PS3.5 Table 6.2-1)
_LARGEST_MM = 1e6  # a kilometre: no length or position of a CT is beyond
_LONGEST_DS = 16  # bytes (PS3.5 Table 6.2-1)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)  # one comma, no point: "0,703"
_BLANKS = " \t\r\n\0"
_LATIN_TEXT = re.compile(r"[\x80-\xff]")


class Reader:
    """Reads attributes of one data set or of the item of a sequence, and remembers which were written carelessly."""

    def __init__(self, dataset: Dataset, mended: dict[str, None] | None = None) -> None:
        self.dataset = dataset
        self.mended: dict[str, None] = {} if mended is None else mended

    def item(self, dataset: Dataset) -> Reader:
        """Read an item of a sequence; what is careless there is remembered here."""
        return Reader(dataset, self.mended)

    def items(self, keyword: str) -> tuple[Reader, ...]:
        """List the items of a sequence; empty if it is absent or malformed."""
        found = self._value(keyword)
        if not isinstance(found, Sequence) or isinstance(found, str | bytes):
            return ()
        return tuple(self.item(item) for item in found if isinstance(item, Dataset))

    def has(self, keyword: str) -> bool:
        """Tell whether the attribute stands here, whatever its value."""
        return BaseTag(cast(int, tag_for_keyword(keyword))) in self.dataset

    def text(self, keyword: str) -> str:
        """Read a text, cut to 64 printable characters; several values stand joined by a backslash."""
        return "\\".join(self.texts(keyword))[:TEXT_CHARACTERS]

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Read the values of a text, each cut to 64 printable characters."""
        values = self._values(keyword)[:_TEXT_VALUES]
        return tuple(self._printable(value).strip(_BLANKS)[:TEXT_CHARACTERS] for value in values)

    def codes(self, keyword: str) -> tuple[str, ...]:
        """Read the values of a code string, which has no small letters (PS3.5 Table 6.2-1)."""
        values = self.texts(keyword)
        upper = tuple(value.upper() for value in values)
        if upper != values:
            self.mended[keyword] = None
        return upper

    def code(self, keyword: str) -> str:
        """Read a code string; several values stand joined by a backslash."""
        return "\\".join(self.codes(keyword))[:TEXT_CHARACTERS]

    def identifier(self, keyword: str) -> str:
        """Read a UID as it stands, without padding."""
        return self._printable(self._value(keyword)).strip()

    def vector(self, keyword: str, size: int) -> tuple[float, ...]:
        """Read ``size`` lengths or cosines in mm; empty unless there are so many, finite and below a kilometre."""
        numbers = self._numbers(keyword, size + 1)
        is_possible = all(math.isfinite(number) and abs(number) <= _LARGEST_MM for number in numbers)
        return numbers if len(numbers) == size and is_possible else ()

    def length(self, keyword: str) -> float | None:
        """Read one positive number, as of mm or kV."""
        (length,) = self.vector(keyword, 1) or (0.0,)
        return length if length > 0 else None

    def number(self, keyword: str) -> float | None:
        """Read one finite number."""
        return next(iter(self.vector(keyword, 1)), None)

    def integer(self, keyword: str) -> int | None:
        """Read one whole number of the range of IS."""
        numbers = self._numbers(keyword, 2)
        if len(numbers) != 1 or not math.isfinite(numbers[0]) or abs(numbers[0]) > _LARGEST_INTEGER:
            return None
        return int(numbers[0]) if numbers[0].is_integer() else None

    def count(self, keyword: str) -> int | None:
        """Read one whole number above 0."""
        number = self.integer(keyword)
        return number if number is not None and number > 0 else None

    def _value(self, keyword: str) -> Any:
        try:
            element = self.dataset.get(BaseTag(cast(int, tag_for_keyword(keyword))))  # twice as fast as by its name
        except MALFORMED:
            return None
        return None if element is None else element.value

    def _values(self, keyword: str) -> list[Any]:
        found = self._value(keyword)
        if isinstance(found, bytes):
            found = self._raw_texts(found)
        if found is None or found == "":
            return []
        return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else [found]

    def _numbers(self, keyword: str, most: int) -> tuple[float, ...]:
        """Convert all values or none; ``most`` of them are looked at."""
        values = self._values(keyword) or self._raw_values(keyword)
        while values and str(values[-1]).strip(_BLANKS) in ("", "None"):
            values.pop()  # a backslash at the end
            self.mended[keyword] = None
        try:
            return tuple(self._number(keyword, value) for value in values[:most])
        except MALFORMED:
            return ()

    def _number(self, keyword: str, value: Any) -> float:
        written = getattr(value, "original_string", value)
        if not isinstance(written, str):
            return float(value)
        text = written[:_LOOKED_AT].strip(_BLANKS)
        is_comma = _DECIMAL_COMMA.fullmatch(text) is not None
        if is_comma or len(text) > _LONGEST_DS:
            self.mended[keyword] = None
        return float(text.replace(",", ".") if is_comma else text)

    def _raw_values(self, keyword: str) -> list[Any]:
        """Give the texts of an element that cannot be converted by its VR."""
        try:
            element = self.dataset.get_item(cast(int, tag_for_keyword(keyword)))
        except MALFORMED:
            return []
        value = getattr(element, "value", None)
        return self._raw_texts(value) if isinstance(value, bytes) else []

    @staticmethod
    def _raw_texts(value: bytes) -> list[Any]:
        return list(value[:_LOOKED_AT].decode("ascii", errors="replace").split("\\"))

    def _printable(self, value: Any) -> str:
        """Write a value as text without control characters, which no database or page could show."""
        if value is None:
            return ""
        try:
            text = str(value)[:_LOOKED_AT]
        except MALFORMED:
            return ""
        if _LATIN_TEXT.search(text):
            text = self._in_its_character_set(text)
        return text if text.isprintable() else "".join(filter(str.isprintable, text))

    def _in_its_character_set(self, text: str) -> str:
        """Read text beyond ASCII again where it is no Latin-1: a code string is always decoded as such.

        Bytes that are valid UTF-8 are hardly ever Latin-1; else the character set of the data set decides.
        """
        try:
            encoded = text.encode("latin-1")
        except UnicodeEncodeError:
            return text  # decoded already
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError:
            pass
        named = self._value("SpecificCharacterSet")
        if not named:
            return text
        try:
            return decode_bytes(encoded, convert_encodings(named), {ord("\\"), ord("^"), ord("=")})
        except MALFORMED:
            return text


def first_with(places: Iterable[Reader], keyword: str, otherwise: Reader) -> Reader:
    """Give the first reader that has the attribute, else ``otherwise``."""
    return next((place for place in places if place.has(keyword)), otherwise)
