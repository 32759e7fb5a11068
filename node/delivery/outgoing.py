"""Files to send: what stands in their heads, and which presentation contexts they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.malformed import MALFORMED

MAXIMUM_CONTEXTS = 128  # odd numbers 1 to 255, PS3.8 section 9.3.2.2
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_IDENTITY = ["SOPClassUID", "SOPInstanceUID"]


@dataclass(frozen=True)
class Outgoing:
    """One file and what its presentation context must be.

    Parameters
    ----------
    has_meta
        False for a bare data set.
    other_forms
        The same content in other SOP classes, in order: sent when the destination takes none before.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    has_meta: bool = True
    other_forms: tuple[Outgoing, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Files for one association. ``contexts``: (SOP class, transfer syntaxes) in order of proposal."""

    contexts: tuple[tuple[str, tuple[str, ...]], ...]
    files: tuple[Outgoing, ...]


def read_outgoing(path: Path) -> Outgoing | None:
    """Read the head of a file; None when it is no DICOM instance (a DICOMDIR is none either)."""
    try:
        dataset = dcmread(path, force=True, stop_before_pixels=True, specific_tags=_IDENTITY)
        meta = dataset.file_meta
        has_meta = "MediaStorageSOPInstanceUID" in meta and "TransferSyntaxUID" in meta
        syntax = meta.TransferSyntaxUID if has_meta else _guessed_syntax(*dataset.original_encoding)
        identity = (dataset.get("SOPClassUID"), dataset.get("SOPInstanceUID"))
    except MALFORMED:
        return None
    if not all(identity) or syntax is None:
        return None
    return Outgoing(path, str(identity[0]), str(identity[1]), str(syntax), has_meta)


def with_other_forms(file: Outgoing, other_forms: Iterable[Outgoing | None]) -> Outgoing:
    """Let the readable ones of other forms stand behind a file; pure."""
    return replace(file, other_forms=tuple(form for form in other_forms if form is not None))


def next_form(file: Outgoing) -> Outgoing | None:
    """Give the form that is sent when this one is not taken, with those behind it; None after the last; pure."""
    if not file.other_forms:
        return None
    following, *others = file.other_forms
    return replace(following, other_forms=tuple(others))


def plan(files: Iterable[Outgoing]) -> Iterator[Batch]:
    """Share files out over as few associations as their presentation contexts allow, in order; pure."""
    contexts: dict[tuple[str, tuple[str, ...]], None] = {}
    batch: list[Outgoing] = []
    for file in files:
        wider = {**contexts, **dict.fromkeys(contexts_of(file))}
        if len(wider) > MAXIMUM_CONTEXTS:
            yield Batch(tuple(contexts), tuple(batch))
            wider, batch = dict.fromkeys(contexts_of(file)), []
        contexts = wider
        batch.append(file)
    if batch:
        yield Batch(tuple(contexts), tuple(batch))


def contexts_of(file: Outgoing) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """List the contexts to propose for a file: as it is, and in the two syntaxes that it can be changed into; pure.

    One transfer syntax each, so that the destination says yes or no to every one of them. Its other forms are
    proposed with it.
    """
    forms = (file, *file.other_forms)
    pairs = ((form, syntax) for form in forms for syntax in (form.transfer_syntax_uid, *map(str, _PLAIN)))
    return tuple(dict.fromkeys((form.sop_class_uid, (syntax,)) for form, syntax in pairs))


def syntax_for(file: Outgoing, accepted: Sequence[str]) -> str | None:
    """Choose the transfer syntax to send a file in; None when the destination takes none; pure.

    As it is where possible. Else decoded; big endian is not converted, because pixel bytes would have
    to be swapped by VR.
    """
    if file.transfer_syntax_uid in accepted:
        return file.transfer_syntax_uid
    if not UID(file.transfer_syntax_uid).is_little_endian:
        return None
    return next((str(syntax) for syntax in _PLAIN if syntax in accepted), None)


def _guessed_syntax(is_implicit: bool | None, is_little_endian: bool | None) -> str | None:
    """Name the syntax that pydicom found in a data set without file meta information."""
    if not is_little_endian:
        return None
    return str(ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian)
