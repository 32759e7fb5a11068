"""The identity of a study as bytes: taken from an original, and put into what comes back, byte for byte.

The values are kept as they were encoded, beside the character set that they were encoded in. Decoding
and encoding again would not do: ISO 2022 allows several encodings of one text, and a PACS may match bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import VR

from node.errors import DeidentificationError

# What says who was examined and when (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2), and whether it says so (C.12.1).
_PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientIDs",
    "OtherPatientNames",
    "OtherPatientIDsSequence",
    "EthnicGroup",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
_STUDY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyID",
    "LongitudinalTemporalInformationModified",
)
IDENTITY = tuple(sorted(Tag(keyword) for keyword in (*_PATIENT, *_STUDY)))
_CHARACTER_SET = Tag("SpecificCharacterSet")
_ACCESSION_NUMBER = "AccessionNumber"
_REQUESTS = ("ReferencedRequestSequence", "RequestAttributesSequence")  # PS3.3 C.17.2, C.7.3.1: whose items hold it too
_NOT_TEXT = frozenset({VR.US, VR.SS, VR.UL, VR.SL, VR.UV, VR.SV, VR.FL, VR.FD, VR.AT})


@dataclass(frozen=True)
class Remembered:
    """What one de-identified object needs to find back.

    Parameters
    ----------
    study, patient
        The pseudonymous Study Instance UID and Patient ID; the latter may be empty.
    identity
        As ``identity_of`` takes it out of the original.
    uids
        Each pseudonymous UID in the object with its original.
    """

    study: str
    patient: str
    identity: bytes
    uids: dict[str, str]


def identity_of(original: Dataset) -> bytes:
    """Take the identity out of an original, in explicit VR little endian, the text as it was encoded.

    Take it before anybody looks at the text of ``original``: pydicom then holds it decoded.
    """
    return _encoded(original, [tag for tag in (_CHARACTER_SET, *IDENTITY) if tag in original])


def identity_from(content: bytes) -> Dataset:
    """Give the elements of an identity, their values still encoded."""
    return read_dataset(BytesIO(content), is_implicit_VR=False, is_little_endian=True)


def give_identity(dataset: Dataset, identity: Dataset) -> None:
    """Make ``dataset`` belong to the patient and study of ``identity``.

    Attributes of an identity that the original did not have are taken out. The rest of the text is
    written in the character set of the identity from now on, in explicit VR little endian.

    Raises
    ------
    DeidentificationError
        Text of ``dataset`` cannot be written in that character set.
    """
    for _ in dataset.iterall():  # decode every value in the character set that it came in
        pass
    _name_requests(dataset, identity)
    for tag in (_CHARACTER_SET, *IDENTITY):
        dataset.pop(tag, None)
        if tag in identity:
            dataset[tag] = stored(identity, tag)
    _check_writable(dataset, convert_encodings(identity.get("SpecificCharacterSet")))
    # pydicom writes what is still encoded as it is, if nothing seems to have changed.
    dataset.set_original_encoding(False, True, dataset._character_set)


def _name_requests(dataset: Dataset, identity: Dataset) -> None:
    """What was requested under the study's accession number gets that of the identity, while the other still stands."""
    pseudonym = str(dataset.get(_ACCESSION_NUMBER) or "")
    for keyword in _REQUESTS:
        for item in dataset.get(keyword) or []:
            if pseudonym and str(item.get(_ACCESSION_NUMBER) or "") == pseudonym:
                item.AccessionNumber = deepcopy(identity).get(_ACCESSION_NUMBER)  # a look would decode it


def uids_of(dataset: Dataset, is_wanted: Callable[[BaseTag], bool] = lambda _: True) -> set[str]:
    """Give the UIDs in a data set, at any depth, of the attributes that are wanted.

    Other values are not looked at: to decode them would take most of the time.
    """
    found: set[str] = set()
    for tag in dataset.keys():  # noqa: SIM118 - the values of a data set are elements
        element = stored(dataset, tag)
        vr = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else VR.UN)
        if vr == VR.SQ:
            found.update(*(uids_of(item, is_wanted) for item in dataset[tag].value or ()))
        elif vr == VR.UI and is_wanted(tag):
            found.update(values_of(dataset[tag]))
    return found - {""}


def values_of(element: DataElement) -> list[str]:
    """Give the values of an element as a list of text, whatever its multiplicity."""
    value = element.value
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return ["" if one is None else str(one) for one in values]


def stored(dataset: Dataset, tag: BaseTag) -> DataElement | RawDataElement:
    """Give an element as it is held: still encoded when nobody has looked at it."""
    return cast("DataElement | RawDataElement", dataset.get_item(tag))


def _encoded(dataset: Dataset, tags: Iterable[BaseTag]) -> bytes:
    """Encode some elements of a data set, their text as it came."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    for tag in tags:
        write_data_element(buffer, _explicit(dataset, tag), cast("list[str]", dataset._character_set))
    return buffer.getvalue()


def _explicit(dataset: Dataset, tag: BaseTag) -> DataElement | RawDataElement:
    """Give an element with its VR; text undecoded, a sequence as the bytes of its items."""
    element = stored(dataset, tag)
    vr = element.VR or dictionary_VR(tag)
    if vr == VR.SQ:
        content = b"".join(_item(item) for item in dataset[tag].value)
        return RawDataElement(tag, vr, len(content), content, 0, False, True)
    if isinstance(element, DataElement) or vr in _NOT_TEXT:
        return dataset[tag]  # numbers are converted: they may have come in big endian
    return element._replace(VR=vr, value=element.value or b"")


def _item(item: Dataset) -> bytes:
    content = _encoded(item, sorted(item.keys()))
    return b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content  # PS3.5 Table 7.5-1


def _check_writable(dataset: Dataset, encodings: Sequence[str]) -> None:
    for element in _text_elements(dataset):
        for text in values_of(element):
            if not _is_writable(text, encodings):
                raise DeidentificationError(
                    f"{element.tag} of the result holds text that the patient's character set cannot write; "
                    "send the result in plain ASCII"
                )


def _text_elements(dataset: Dataset) -> Iterator[DataElement]:
    """Go through text that has no character set of its own, at any depth; what is still encoded is passed over."""
    for tag in dataset.keys():  # noqa: SIM118 - the values of a data set are elements
        element = stored(dataset, tag)
        if isinstance(element, RawDataElement):
            continue
        if element.VR == VR.SQ:
            for item in element.value:
                if _CHARACTER_SET not in item:
                    yield from _text_elements(item)
        elif element.VR in (VR.LO, VR.SH, VR.ST, VR.LT, VR.UC, VR.UT, VR.PN):
            yield element


def _is_writable(text: str, encodings: Sequence[str]) -> bool:
    for encoding in encodings:
        try:
            text.encode(encoding)
        except (UnicodeError, LookupError):
            continue
        return True
    return text.isascii()
