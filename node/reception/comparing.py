"""What differs between an instance that is stored and one that came under the same SOP Instance UID.

Both files are mapped, not read: their elements are compared where they stand, and only short ones that
differ byte for byte are decoded, to see whether they say the same all the same.
"""

from __future__ import annotations

import mmap
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, BinaryIO, cast

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from node.errors import CannotUnderstand
from node.malformed import MALFORMED
from node.reception.headers import is_implicit
from node.reception.part10 import HEAD_BYTES, data_set_offset
from node.reception.spans import PIXEL_TAGS, Content, Encoding, Span, spans_of
from node.series.corrections import Change, Kind, judge_change
from node.series.equality import is_encoding, same_element

_CHARACTER_SET = 0x00080005
_STEP = 1 << 20  # bytes compared at a time
_LONGEST_DECODED = 1 << 20  # bytes of an element; a longer one is the same byte for byte, or it differs
_MOST_INFLATED = 1 << 31  # bytes; a deflated data set may grow a thousandfold
_BYTES = frozenset({"OB", "OW", "UN", ""})  # VRs of which the same bytes are the same value, "": implicit
# Syntaxes that write native pixels in the same bytes (PS3.5 Annex A.1, A.2, A.5).
_PLAIN = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian})


@dataclass(frozen=True)
class EncodedFile:
    """A file, where its data set begins (bytes), and how that is encoded."""

    path: Path
    data_set_offset: int
    transfer_syntax_uid: str


def stored_file(path: Path, transfer_syntax_uid: str) -> EncodedFile:
    """Find the data set in a file of the instance store.

    Raises
    ------
    CannotUnderstand
        It does not begin as the files of the store do.
    OSError
        It is not there.
    """
    with path.open("rb") as file:
        return EncodedFile(path, data_set_offset(file.read(HEAD_BYTES)), transfer_syntax_uid)


@dataclass(frozen=True)
class _Opened:
    content: Content
    encoding: Encoding
    spans: Mapping[int, Span]
    character_sets: Sequence[str]


def change_between(stored: EncodedFile, arrived: EncodedFile) -> Change:
    """Say what differs; memory does not grow with the pixels.

    Raises
    ------
    CannotUnderstand
        One of them cannot be read.
    OSError
        One of them is not there.
    """
    syntaxes = {stored.transfer_syntax_uid, arrived.transfer_syntax_uid}
    if len(syntaxes) > 1 and not syntaxes <= _PLAIN:
        return Change(Kind.PIXELS, ("TransferSyntaxUID",))
    try:
        with _opened(stored) as first, _opened(arrived) as second:
            tags = {tag for tag in first.spans.keys() | second.spans.keys() if not is_encoding(tag)}
            return judge_change({tag for tag in tags if not _is_same(first, second, tag)})
    except OSError:
        raise
    except MALFORMED as error:
        raise CannotUnderstand(f"the data set cannot be compared ({type(error).__name__})") from None


def _is_same(first: _Opened, second: _Opened, tag: int) -> bool:
    one, other = first.spans.get(tag), second.spans.get(tag)
    is_short = all(span.end - span.begin <= _LONGEST_DECODED for span in (one, other) if span)
    if one and other and _same_bytes(first, one, second, other):
        # The same bytes are another text in another character set; nothing so long is a text that matters.
        is_bytes_alone = tag in PIXEL_TAGS or not is_short
        if is_bytes_alone or first.character_sets == second.character_sets:
            return True
    if tag in PIXEL_TAGS or not is_short:
        return False
    return same_element(_decoded(first, one), _decoded(second, other), tag)


def _same_bytes(first: _Opened, one: Span, second: _Opened, other: Span) -> bool:
    """Tell whether two values are the same bytes, and are read in the same way."""
    length = one.end - one.value
    vrs = {one.vr, other.vr}
    if length != other.end - other.value or not (len(vrs) == 1 or vrs <= _BYTES or "" in vrs):
        return False
    return all(
        first.content[one.value + at : min(one.value + at + _STEP, one.end)]
        == second.content[other.value + at : min(other.value + at + _STEP, other.end)]
        for at in range(0, length, _STEP)
    )


def _decoded(opened: _Opened, span: Span | None) -> Dataset:
    """Read one element into a data set of its own."""
    if span is None:
        return Dataset()
    return _read(opened.content[span.begin : span.end], opened.encoding, opened.character_sets)


def _read(element: bytes, encoding: Encoding, character_sets: Sequence[str]) -> Dataset:
    try:
        return read_dataset(
            BytesIO(element),
            encoding.is_implicit_vr,
            encoding.is_little_endian,
            parent_encoding=list(character_sets),
            at_top_level=False,
        )
    except MALFORMED as error:  # OSError among them, which says nothing of the disk here
        raise CannotUnderstand(f"an element cannot be read ({type(error).__name__})") from None


@contextmanager
def _opened(file: EncodedFile) -> Iterator[_Opened]:
    with _data_set(file) as (content, begin):
        encoding = Encoding(_is_implicit(content, begin, file), file.transfer_syntax_uid != ExplicitVRBigEndian)
        spans = spans_of(content, begin, encoding)
        yield _Opened(content, encoding, spans, _character_sets(content, encoding, spans.get(_CHARACTER_SET)))


@contextmanager
def _data_set(file: EncodedFile) -> Iterator[tuple[mmap.mmap, int]]:
    """Map the data set, inflated if it is deflated; give it and where it begins."""
    with file.path.open("rb") as source:
        if file.transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
            with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield content, file.data_set_offset
            return
        source.seek(file.data_set_offset)
        with tempfile.TemporaryFile(dir=file.path.parent) as aside:
            _inflate(source, aside)
            with mmap.mmap(aside.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield content, 0


def _inflate(source: BufferedIOBase, target: IO[bytes]) -> None:
    """Inflate raw deflate (PS3.5 section A.5, RFC 1951), a piece at a time."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof and (piece := inflater.unconsumed_tail or source.read(_STEP)):
        target.write(inflater.decompress(piece, _STEP))
        if target.tell() > _MOST_INFLATED:
            raise CannotUnderstand(f"the data set inflates to more than {_MOST_INFLATED} bytes")
    target.write(inflater.flush())
    target.flush()


def _is_implicit(content: mmap.mmap, begin: int, file: EncodedFile) -> bool:
    content.seek(begin)
    return is_implicit(cast(BinaryIO, content), file.transfer_syntax_uid)


def _character_sets(content: Content, encoding: Encoding, span: Span | None) -> Sequence[str]:
    """Read Specific Character Set as the names that Python knows; the default repertoire when it is absent."""
    found = None
    if span is not None:
        found = _read(content[span.begin : span.end], encoding, ["iso8859"]).get("SpecificCharacterSet")
    return convert_encodings(found)
