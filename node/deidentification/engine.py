"""De-identification of one object: the profile's table applied to a data set, giving a new one.

    rules = Rules(Options(clean_descriptors=True))
    out = deidentify(dataset, rules, Pseudonyms(key))

What the profile keeps is handed on as it was encoded, byte for byte, pixel data among it; nobody looks at the pixels
here. Nothing is written into what the caller holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.uid import MediaStorageDirectoryStorage
from pydicom.valuerep import VR

from node.deidentification.cleaning import TEXT_VRS, cleaned_code, is_code
from node.deidentification.content import is_kept_text, is_removed
from node.deidentification.dummies import dummy
from node.deidentification.marking import file_meta_of, mark
from node.deidentification.plan import Rules, Step
from node.deidentification.private import SafePrivate, creator_tag, declared, is_creator
from node.deidentification.profile import Action
from node.deidentification.values import Element, Pseudonymiser, Secrets, changed, cleaned_words
from node.errors import NotAnInstance, UnreadableInstance
from node.malformed import MALFORMED

_CHARACTER_SET: Final = 0x00080005
_TEXT_VALUE: Final = 0x0040A160
_OVERLAYS: Final = 0x60
_OVERLAY_DATA: Final = 0x3000
_VR_OF_DICTIONARY: Final = frozenset({None, "UN"})  # the VR is that of PS3.6: implicit VR, or a VR that got lost
_VRS: Final = frozenset({None, *(str(vr) for vr in VR)})


@dataclass(frozen=True)
class _Object:
    """One object under way."""

    rules: Rules
    sop_class_uid: str
    secrets: Secrets
    private: SafePrivate

    @property
    def columns(self) -> frozenset[str]:
        return self.rules.options.columns


@dataclass(frozen=True)
class _Place:
    """Where in the tree an item stands: the path of sequences above it, the character set that it inherits."""

    path: str = ""
    character_set: str | list[str] = default_encoding
    is_cleaned: bool = False  # something above it has the action C

    def below(self, source: Dataset, path: str, is_cleaned: bool) -> _Place:
        """Give the place of the items of a sequence of ``source``."""
        own = source.get(_CHARACTER_SET)
        inherited = convert_encodings(own.value) if own else self.character_set
        return _Place(path, inherited, is_cleaned)


def deidentify(dataset: Dataset, rules: Rules, pseudonyms: Pseudonymiser) -> Dataset:
    """De-identify one object under the Basic Profile with the options of ``rules``.

    Parameters
    ----------
    dataset
        As it was read; it is not changed, and its file meta information gives the transfer syntax.
    pseudonyms
        Of the project that the object leaves for.

    Returns
    -------
    A new data set with new file meta information and an empty preamble, in the transfer syntax of the old one.

    Raises
    ------
    NotAnInstance
        It has no SOP Class UID or SOP Instance UID, or is a directory (DICOMDIR).
    UnreadableInstance
        A value that had to be understood is malformed.

    References
    ----------
    PS3.15 E.1.1.
    """
    try:
        return _deidentified(dataset, rules, pseudonyms)
    except MALFORMED as error:
        raise UnreadableInstance(
            f"an attribute cannot be read ({type(error).__name__}); the object is malformed and does not leave"
        ) from None


def _deidentified(dataset: Dataset, rules: Rules, pseudonyms: Pseudonymiser) -> Dataset:
    sop_class_uid = str(dataset.get("SOPClassUID") or "")
    if not sop_class_uid or not dataset.get("SOPInstanceUID"):
        raise NotAnInstance("SOPClassUID or SOPInstanceUID is absent; only a composite instance can be de-identified")
    if sop_class_uid == MediaStorageDirectoryStorage:
        raise NotAnInstance("a DICOMDIR lists names and files; make a new one from the de-identified files")
    shift = pseudonyms.shift(str(dataset.get("PatientID") or dataset.get("StudyInstanceUID") or ""))
    private = declared(dataset) if rules.options.safe_private else SafePrivate()
    out = _item(dataset, _Object(rules, sop_class_uid, Secrets(pseudonyms, shift), private), _Place())
    mark(out, rules.options)
    out.file_meta = file_meta_of(dataset, out)
    out.preamble = bytes(128)
    return out


def _item(source: Dataset, whole: _Object, place: _Place) -> Dataset:
    """Apply the rules to one item, or to the whole data set."""
    out = Dataset(parent_encoding=place.character_set)
    plan = whole.rules.plan(whole.sop_class_uid, place.path)
    overlays = _dropped_overlays(source, whole)
    for tag, element in list(source.items()):
        step = plan[tag]
        if tag.group in overlays:
            continue
        if tag.is_private:
            _add_private(out, source, tag, whole, place)
        elif (new := _element(source, element, step, whole, place)) is not None:
            out[tag] = new
    is_implicit, is_little = source.original_encoding
    out.set_original_encoding(is_implicit, is_little, source.original_character_set)
    return out


def _element(source: Dataset, element: Element, step: Step, whole: _Object, place: _Place) -> Element | None:
    tag, vr = element.tag, element.VR
    if step.action is Action.REMOVE:
        return None
    if vr == "SQ" or (step.vr == "SQ" and vr in _VR_OF_DICTIONARY):
        return _sequence(source, tag, step, whole, place) if step.vr == "SQ" else None
    is_strange = vr not in _VRS and step.action is Action.KEEP
    if step.vr == "SQ" or is_strange:  # none where it should be one, or of a VR that is none: who knows what lies in it
        return None
    if place.is_cleaned and not step.is_listed and step.vr in TEXT_VRS:
        is_kept = tag == _TEXT_VALUE and is_kept_text(source, whole.columns)
        return changed(source, tag, step, whole.secrets) if is_kept else cleaned_words(source, tag, step.vr)
    return changed(source, tag, step, whole.secrets)


def _sequence(source: Dataset, tag: int, step: Step, whole: _Object, place: _Place) -> DataElement | None:
    items = source[tag].value or []
    if step.action is Action.EMPTY or not items:
        return DataElement(tag, "SQ", [])
    if step.action is Action.DUMMY:
        return dummy(tag, "SQ")
    below = place.below(source, step.path, place.is_cleaned or step.action is Action.CLEAN)
    left = list(_items(items, whole, below))
    return DataElement(tag, "SQ", left) if left else None


def _items(items: Iterable[Dataset], whole: _Object, place: _Place) -> Iterator[Dataset]:
    for item in items:
        if not place.is_cleaned:
            yield _item(item, whole, place)
        elif is_code(item):
            yield cleaned_code(item, whole.secrets.pseudonyms.identifier)
        elif not is_removed(item, whole.columns):
            yield _item(item, whole, place)


def _dropped_overlays(source: Dataset, whole: _Object) -> frozenset[int]:
    """Name the groups of overlay planes that go as a whole: without its data the module is not valid (PS3.3 C.9.2)."""
    if whole.rules.options.clean_graphics:
        return frozenset()
    tags = [tag for tag, _ in source.items() if tag.group >> 8 == _OVERLAYS]
    return frozenset(tag.group for tag in tags if tag.element == _OVERLAY_DATA)


def _add_private(out: Dataset, source: Dataset, tag: int, whole: _Object, place: _Place) -> None:
    """Hand on a private attribute that is known to be safe, with its Private Creator."""
    block = creator_tag(tag)
    if not whole.rules.options.safe_private or is_creator(tag) or block is None:
        return
    vr = source.get_item(tag).VR
    action = whole.private.action(source, tag, vr)
    step = Step(action, Action.REMOVE, vr or "UN", place.path, is_listed=True, is_moved=False)
    new = _element(source, source.get_item(tag), step, whole, place)
    if new is not None:
        out[block] = DataElement(block, "LO", source[block].value)
        out[tag] = new
