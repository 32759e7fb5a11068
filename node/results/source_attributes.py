"""Patient and study attributes, carried over from the source exactly, and the character set they are written in.

What a PACS matches on is never altered. Any other value that is illegal for its VR is put into
legal form where that form is certain, else left out; ``SourceAttributes.changes`` names each such
attribute. A character set without code extensions is kept, so that the bytes stay the same; any
other text is decoded and written as UTF-8. The source header is not changed.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import Final

from pydicom import Dataset, dcmwrite
from pydicom.filereader import read_dataset

from node.errors import ResultError
from node.results.character_sets import DEFAULT_REPERTOIRE, UTF8, kept_as, terms_of
from node.results.source_items import legal_element
from node.results.source_requests import referenced_requests
from node.series.instances import is_valid_uid

# Type 1 and 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present even if empty.
_REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
# Carried where the source has them (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.7.3.1, C.12.1).
_OPTIONAL = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
    "RequestAttributesSequence",
)
MATCHED_ON: Final = frozenset(
    ["PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID", "StudyInstanceUID"]
)
_METHODS = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")


@dataclass(frozen=True, eq=False)
class SourceAttributes:
    """Patient and study of the source, ready to be copied into every result.

    Parameters
    ----------
    dataset
        The attributes, SpecificCharacterSet among them unless the source has none and is plain ASCII.
        What was requested stands in it twice: Request Attributes Sequence is for images, Referenced
        Request Sequence for documents.
    changes
        Keywords of source attributes that were illegal and were put right or left out.
    """

    dataset: Dataset
    changes: tuple[str, ...] = ()

    def copy_into(self, target: Dataset, *, is_document: bool) -> None:
        """Write the attributes over those of ``target``: a document (SR, KO), or what is in a General Series."""
        target.pop("SpecificCharacterSet", None)
        target.update({element.tag: deepcopy(element) for element in self.dataset})
        target.pop("RequestAttributesSequence" if is_document else "ReferencedRequestSequence", None)

    def local(self, moment: datetime) -> datetime:
        """Give the moment in the zone of the source, in which dates and times beside its offset are read.

        As it is where the source does not name its zone (PS3.3 C.12.1.1.8).
        """
        offset = self.dataset.get("TimezoneOffsetFromUTC")
        return moment.astimezone(datetime.strptime(offset, "%z").tzinfo) if offset else moment

    def in_utf8(self) -> SourceAttributes:
        """The same text in UTF-8, for a result whose own words need more than ASCII."""
        dataset = deepcopy(self.dataset)
        dataset.SpecificCharacterSet = UTF8
        return replace(self, dataset=dataset)


def carried_over(header: Dataset) -> SourceAttributes:
    """Read patient and study from one source header.

    Raises
    ------
    ResultError
        If the header has no valid StudyInstanceUID: nothing can be filed with its study.
    """
    if not is_valid_uid(str(header.get("StudyInstanceUID", ""))):
        raise ResultError("the source has no valid StudyInstanceUID, so that no result can be filed in its study")
    terms = terms_of(header.get("SpecificCharacterSet"))
    carried, changes = Dataset(), []
    for keyword in _REQUIRED + _OPTIONAL:
        element, is_changed = legal_element(header, keyword, terms, is_kept_exactly=keyword in MATCHED_ON)
        if is_changed:
            changes.append(keyword)
        if element is not None:
            carried.add(element)
        elif keyword in _REQUIRED:
            setattr(carried, keyword, None)
    if carried.get("PatientIdentityRemoved") == "YES" and not any(carried.get(k) for k in _METHODS):
        carried.DeidentificationMethod = "not stated"  # Type 1C of the Patient Module, one of both
    requests = referenced_requests(header, carried, terms)
    if requests:
        carried.ReferencedRequestSequence = requests
    _settle_character_set(carried, terms)
    return SourceAttributes(carried, tuple(changes))


def ascii_text(text: str, longest: int = 1024) -> str:
    """Put own text into ASCII, so that it is legal in whatever character set the source uses."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return " ".join(plain.replace("\\", "/").split())[:longest].strip()


def _settle_character_set(carried: Dataset, terms: Sequence[str]) -> None:
    """Keep a single set in which all text can be written as it was; else write UTF-8 (PS3.3 C.12.1.1.2)."""
    kept = kept_as(terms)
    if not kept and set(terms) <= DEFAULT_REPERTOIRE and all(text.isascii() for text in _texts(carried)):
        return
    carried.SpecificCharacterSet = kept or UTF8
    if not _is_written_as_it_is(carried):
        carried.SpecificCharacterSet = UTF8


def _is_written_as_it_is(dataset: Dataset) -> bool:
    """Tell whether the text comes back from the bytes; pydicom writes ``?`` for what it cannot encode."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, deepcopy(dataset), implicit_vr=False, little_endian=True)  # a PersonName keeps its first bytes
        buffer.seek(0)
        return _texts(read_dataset(buffer, is_implicit_VR=False, is_little_endian=True)) == _texts(dataset)


def _texts(dataset: Dataset) -> list[str]:
    return [str(element.value) for element in dataset.iterall() if element.VR != "SQ" and not element.is_empty]
