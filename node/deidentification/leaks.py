"""Looking for what identifies an original in the bytes of what leaves: the last look before it goes.

Values are compared as bytes, in the encoding that they came in and in UTF-8, wherever they stand:
in an element, a private one, a sequence, padding or between pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import UID
from pydicom.valuerep import VR

from node.deidentification.dummies import REMOVED
from node.deidentification.identity import stored, uids_of, values_of
from node.deidentification.marking import IMPLEMENTATION_VERSION_NAME, METHOD
from node.deidentification.profile import Action, Dates, Options, action_for

SHORTEST: Final = 6  # bytes; anything shorter is found by chance in every image
_NAMING: Final = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "RequestingPhysician",
)
_INSTITUTION: Final = ("InstitutionName", "InstitutionAddress", "StationName")
_TWINS: Final = ("Manufacturer", "ManufacturerModelName", "SeriesNumber", "AcquisitionNumber", "InstanceNumber")
_OUR_WORDS: Final = tuple(  # what is written into every object, whatever stood there before
    word.encode("ascii")
    for word in (REMOVED, "19000101", METHOD, IMPLEMENTATION_VERSION_NAME, *(dates.value for dates in Dates))
)
_PADDING: Final = b" \0^"
_INSIDE_WORD: Final = frozenset(b"0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def identifying(original: Dataset, options: Options) -> dict[bytes, str]:
    """Give the values that must not leave, each with the attribute that it comes from.

    What an option retains may leave, and so may a value that names a device or a number as well: a
    maker that also stands as the institution, a patient whose ID is the number of a series.
    """
    keywords = [*_NAMING, *(() if options.institution_identity else _INSTITUTION)]
    keywords += ["PatientBirthDate"] if options.dates is Dates.REMOVE else []  # a moved date may be equal by chance
    found = {value: keyword for keyword in keywords for value in _encodings(original, keyword)}
    found |= {uid.encode("utf-8"): "a UID" for uid in instance_uids(original, options)}
    twins = b"\\".join([*_OUR_WORDS, *(value for keyword in _TWINS for value in _encodings(original, keyword))])
    return {value: name for value, name in found.items() if len(value) >= SHORTEST and not _stands_in(twins, value)}


def instance_uids(original: Dataset, options: Options) -> set[str]:
    """Give the UIDs that name something of the patient, and not a kind of thing, unless they are retained."""
    return {
        uid
        for uid in uids_of(original, lambda tag: action_for(tag, options) is not Action.KEEP)
        if not UID(uid, 0).type
    }


def leaked(content: bytes, values: Mapping[bytes, str]) -> set[str]:
    """Name the attributes of which a value stands in ``content``, as a word of its own."""
    return {keyword for value, keyword in values.items() if _stands_in(content, value)}


def _encodings(dataset: Dataset, keyword: str) -> Iterable[bytes]:
    """Give a value as it is encoded, and in UTF-8; of several each."""
    if keyword not in dataset:
        return
    element = stored(dataset, Tag(keyword))
    if isinstance(element, RawDataElement):
        yield from (part.strip(_PADDING) for part in (element.value or b"").split(b"\\"))
    if dataset[keyword].VR != VR.SQ:
        yield from (text.encode("utf-8", "replace").strip(_PADDING) for text in values_of(dataset[keyword]))


def _stands_in(content: bytes, value: bytes) -> bool:
    place = content.find(value)
    while place >= 0:
        before, after = content[place - 1 : place], content[place + len(value) : place + len(value) + 1]
        if not _INSIDE_WORD.intersection(before + after):
            return True
        place = content.find(value, place + 1)
    return False
