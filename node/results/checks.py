"""The last look at result objects before they are sent: what validators do not see, and viewers break on.

Each rule is a function from the result set to sentences that name defects; an object with a defect
is not sent. Rules for every object stand here, those for structured reports in ``checks_reports``,
those for other kinds in ``checks_kinds``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from pydicom import DataElement, Dataset
from pydicom.uid import UID

from node.errors import ResultError
from node.results.checks_kinds import KIND_RULES
from node.results.checks_reports import REPORT_RULES
from node.results.context import CODING_SCHEME, DISCLAIMER
from node.results.legal_values import is_legal
from node.results.result_set import ResultSet, languages_of, name_of
from node.results.source_attributes import MATCHED_ON

_IDENTITY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "AccessionNumber",
    "StudyID",
    "TimezoneOffsetFromUTC",
)
_TEXT_VRS: Final = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"))
_MANY: Final = "PerFrameFunctionalGroupsSequence"  # thousands of values of the encoder's own making


def check(datasets: Sequence[Dataset], source_headers: Sequence[Dataset]) -> None:
    """Check one set of results against each other and against their source.

    Parameters
    ----------
    datasets
        Objects of one analysis or notice, in any choice of kinds.
    source_headers
        Headers of the source series, as given to the builders.

    Raises
    ------
    ResultError
        Naming every defect, in one line.
    """
    results = ResultSet(datasets, source_headers)
    defects = [defect for rule in (*_RULES, *REPORT_RULES, *KIND_RULES) for defect in rule(results)]
    if defects:
        raise ResultError(f"results are not valid and are not sent: {'; '.join(dict.fromkeys(defects))}")


def _identity(results: ResultSet) -> Iterator[str]:
    """Patient and study are those of the source. Values stay unsaid: a message never names a patient."""
    expected = results.carried
    if expected is None:
        yield "the source has no StudyInstanceUID"
        return
    for dataset in results.datasets:
        for keyword in _IDENTITY:
            if str(dataset.get(keyword) or "") != str(expected.get(keyword) or ""):
                yield f"{name_of(dataset)}: {keyword} differs from the source"


def _uids(results: ResultSet) -> Iterator[str]:
    """Every object has a UID of its own, and no result hides in a source series."""
    instances = Counter(str(dataset.get("SOPInstanceUID", "")) for dataset in results.datasets)
    taken = {str(h.get(keyword, "")) for h in results.headers for keyword in ("SOPInstanceUID", "SeriesInstanceUID")}
    for dataset in results.datasets:
        instance, series = str(dataset.get("SOPInstanceUID", "")), str(dataset.get("SeriesInstanceUID", ""))
        if not (UID(instance).is_valid and UID(series).is_valid):  # our own are exact, whatever the source has
            yield f"{name_of(dataset)}: SOPInstanceUID or SeriesInstanceUID is no UID"
        if instances[instance] > 1 or {instance, series} & taken:
            yield f"{name_of(dataset)}: a UID is already taken"
        meta = dataset.file_meta
        if (meta.get("MediaStorageSOPInstanceUID"), meta.get("MediaStorageSOPClassUID")) != (
            instance,
            dataset.get("SOPClassUID"),
        ):
            yield f"{name_of(dataset)}: file meta information names another instance"


def _series(results: ResultSet) -> Iterator[str]:
    """One series, one modality and one number (PS3.3 C.7.3.1)."""
    described: dict[str, set[tuple[str, str]]] = {}
    for dataset in results.datasets:
        said = (str(dataset.get("Modality", "")), str(dataset.get("SeriesNumber", "")))
        described.setdefault(str(dataset.get("SeriesInstanceUID", "")), set()).add(said)
    for mixed in described.values():
        if len(mixed) > 1:
            yield f"one series holds {' and '.join(sorted(f'{modality} {number}' for modality, number in mixed))}"


def _disclaimer(results: ResultSet) -> Iterator[str]:
    """Every object says it: a report in its own language, what is made of it in that or in English."""
    for dataset in results.datasets:
        accepted = languages_of(dataset, results, DISCLAIMER)
        if not any(words in sentence for words in accepted for sentence in _sentences(dataset)):
            yield f"{name_of(dataset)}: the disclaimer is missing"


def _sentences(dataset: Dataset) -> Iterator[str]:
    for keyword in ("ContentDescription", "ImageComments", "DocumentTitle"):
        yield str(dataset.get(keyword, ""))
    for element in _elements(dataset):
        if element.keyword == "TextValue":
            yield str(element.value)


def _values(results: ResultSet) -> Iterator[str]:
    """Every value is legal for its attribute, but for what an archive matches on: that is as it holds it."""
    carried = results.carried or Dataset()
    held = {keyword: str(carried.get(keyword)) for keyword in MATCHED_ON if keyword in carried}
    for dataset in results.datasets:
        for element in _elements(dataset):
            if element.VR not in _TEXT_VRS or element.is_empty or is_legal(element):
                continue
            if held.get(element.keyword) != str(element.value):
                yield f"{name_of(dataset)}: the value of {element.keyword or element.tag} is not legal for {element.VR}"


def _codes(results: ResultSet) -> Iterator[str]:
    """Code Sequence Macro (PS3.3 Table 8.8-1), and who answers for a private scheme (C.12.1.1.6)."""
    for dataset in results.datasets:
        schemes = set()
        for coded in _coded(dataset):
            schemes.add(str(coded.get("CodingSchemeDesignator", "")))
            if not (coded.get("CodeValue") or coded.get("LongCodeValue") or coded.get("URNCodeValue")):
                yield f"{name_of(dataset)}: a code has no value"
            if not str(coded.get("CodeMeaning") or "").strip():
                yield f"{name_of(dataset)}: a code has no CodeMeaning"
        identified = {str(i.CodingSchemeDesignator) for i in dataset.get("CodingSchemeIdentificationSequence") or []}
        if CODING_SCHEME in schemes - identified:
            yield f"{name_of(dataset)}: nobody is named for the private coding scheme {CODING_SCHEME}"


def _coded(dataset: Dataset) -> Iterator[Dataset]:
    for element in _elements(dataset):
        if element.VR == "SQ" and element.keyword.endswith("CodeSequence"):
            yield from element.value


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    for element in dataset:
        yield element
        if element.VR == "SQ" and element.keyword != _MANY:
            for item in element.value:
                yield from _elements(item)


_RULES: Final = (_identity, _uids, _series, _disclaimer, _values, _codes)
