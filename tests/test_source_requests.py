"""What was requested, and who issued identifiers: carried into every result as its class asks, legal or not at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.results.source_attributes import carried_over
from tests.all_kinds import every_kind
from tests.request_examples import (
    ASKED,
    CT,
    FOLLOW_UP,
    HOSPITAL,
    ILLEGAL,
    OTHER_ID,
    QUALIFIERS,
    REQUEST,
    SECOND,
    STUDY,
    coded,
    item,
    with_private,
)
from tests.result_examples import as_enhanced, example_findings, reread, with_raw

SLOW = ("SEG_LABELMAP", "SC_MULTI", "PDF")
DOCUMENTS = ("SR", "KO")
MUST_STAND = (  # Type 1 and 2 of an item of Referenced Request Sequence, PS3.3 Table C.17-2
    "StudyInstanceUID",
    "ReferencedStudySequence",
    "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
)


def header(**values: Any) -> Dataset:
    """A header as it is read from a file."""
    return reread(copy.deepcopy(item(StudyInstanceUID="1.2.3", SpecificCharacterSet="ISO_IR 100", **values)))


def documented(**values: Any) -> list[Dataset]:
    return list(carried_over(header(**values)).dataset.get("ReferencedRequestSequence") or [])


@pytest.mark.parametrize("is_enhanced", [False, True], ids=["single frames", "multi-frame"])
def test_images_carry_the_request_and_documents_refer_to_it(series: AssembledSeries, is_enhanced: bool) -> None:
    source = with_raw(as_enhanced(series) if is_enhanced else series, ASKED["several requests"])
    findings = example_findings(series.volume, 1)
    made = {kind: sets for kind, sets in every_kind(source, findings).items() if kind not in SLOW or is_enhanced}
    for dataset in map(reread, (dataset for datasets in made.values() for dataset in datasets)):
        if dataset.Modality in DOCUMENTS:
            assert "RequestAttributesSequence" not in dataset
            assert [asked.RequestedProcedureID for asked in dataset.ReferencedRequestSequence] == [
                "RP-1",
                "RP-2",
                "RP-2",
            ]
            assert all(keyword in asked for asked in dataset.ReferencedRequestSequence for keyword in MUST_STAND)
        else:
            assert "ReferencedRequestSequence" not in dataset
            steps = [asked.ScheduledProcedureStepID for asked in dataset.RequestAttributesSequence]
            assert steps == ["SPS-1", "SPS-2", "SPS-2"]


def test_a_request_keeps_its_words_codes_and_issuer() -> None:
    carried = carried_over(header(RequestAttributesSequence=[REQUEST])).dataset
    kept = carried.RequestAttributesSequence[0]
    expected = copy.deepcopy(REQUEST)
    expected.ReasonForRequestedProcedureCodeSequence = [FOLLOW_UP]  # one may stand there
    assert kept == expected
    document = carried.ReferencedRequestSequence[0]
    assert document.StudyInstanceUID == "1.2.3.77"
    assert document.IssuerOfAccessionNumberSequence[0] == HOSPITAL
    assert document.RequestedProcedureCodeSequence[0] == CT
    assert document.RequestedProcedureDescription == "CT thorax nüchtern"
    assert document.ReferencedStudySequence[0] == STUDY
    assert "ScheduledProcedureStepID" not in document


def test_nothing_was_requested() -> None:
    carried = carried_over(header(PatientID="4711", AccessionNumber="")).dataset
    assert "RequestAttributesSequence" not in carried
    assert "ReferencedRequestSequence" not in carried


def test_an_accession_number_alone_is_a_request() -> None:
    (asked,) = documented(AccessionNumber="A-7", IssuerOfAccessionNumberSequence=[HOSPITAL])
    assert (asked.AccessionNumber, asked.StudyInstanceUID) == ("A-7", "1.2.3")
    assert asked.IssuerOfAccessionNumberSequence[0] == HOSPITAL
    assert all(keyword in asked for keyword in MUST_STAND)


def test_the_head_of_the_header_completes_the_only_request() -> None:
    (asked,) = documented(
        RequestAttributesSequence=[item(RequestedProcedureID="RP-1", ScheduledProcedureStepID="SPS-1")],
        AccessionNumber="A-1",
        RequestedProcedureID="RP-OF-THE-HEADER",
        RequestedProcedureCodeSequence=[CT],
        PlacerOrderNumberImagingServiceRequest="P-1",
        FillerOrderNumberImagingServiceRequest="F-1",
        OrderPlacerIdentifierSequence=[HOSPITAL],
    )
    assert (asked.RequestedProcedureID, asked.AccessionNumber) == ("RP-1", "A-1")
    assert asked.PlacerOrderNumberImagingServiceRequest == "P-1"
    assert asked.FillerOrderNumberImagingServiceRequest == "F-1"
    assert asked.OrderPlacerIdentifierSequence[0] == HOSPITAL
    assert asked.RequestedProcedureCodeSequence[0] == CT


def test_of_several_requests_none_is_given_what_may_be_of_another() -> None:
    first, second = documented(
        RequestAttributesSequence=[item(RequestedProcedureID="RP-1"), SECOND],
        AccessionNumber="A-1",
        IssuerOfAccessionNumberSequence=[HOSPITAL],
        RequestedProcedureDescription="CT thorax",
        PlacerOrderNumberImagingServiceRequest="P-1",
    )
    assert (first.AccessionNumber, second.AccessionNumber) == ("A-1", "A-2")
    assert first.IssuerOfAccessionNumberSequence[0] == HOSPITAL
    assert "IssuerOfAccessionNumberSequence" not in second
    for asked in (first, second):
        assert not asked.RequestedProcedureDescription
        assert not asked.PlacerOrderNumberImagingServiceRequest


def test_an_issuer_is_not_given_to_another_accession_number() -> None:
    (asked,) = documented(
        RequestAttributesSequence=[SECOND], AccessionNumber="A-1", IssuerOfAccessionNumberSequence=[HOSPITAL]
    )
    assert asked.AccessionNumber == "A-2"
    assert "IssuerOfAccessionNumberSequence" not in asked


def test_of_an_illegal_request_what_is_legal_is_kept_and_the_rest_is_named() -> None:
    carried = carried_over(header(RequestAttributesSequence=[ILLEGAL, Dataset()]))
    (kept,) = carried.dataset.RequestAttributesSequence
    assert {element.keyword for element in kept} == {
        "RequestedProcedureDescription",
        "ReasonForRequestedProcedureCodeSequence",
    }
    assert kept.RequestedProcedureDescription == "d" * 64
    assert kept.ReasonForRequestedProcedureCodeSequence[0] == FOLLOW_UP
    assert "RequestAttributesSequence" in carried.changes


def test_an_identifier_is_never_cut() -> None:
    (asked,) = documented(
        RequestAttributesSequence=[item(AccessionNumber="A" * 40, PlacerOrderNumberImagingServiceRequest="P" * 70)],
        AccessionNumber="A" * 40,
        RequestedProcedureID="R" * 30,
    )
    assert asked.AccessionNumber == "A" * 40  # as the archive holds it
    assert not asked.PlacerOrderNumberImagingServiceRequest
    assert not asked.RequestedProcedureID


@pytest.mark.parametrize("asked", ["empty requests", "no item", "a request that is no sequence"])
def test_shells_leave_no_sequence_behind(series: AssembledSeries, asked: str) -> None:
    carried = carried_over(with_raw(series, ASKED[asked]).headers[0]).dataset
    assert "RequestAttributesSequence" not in carried
    assert "ReferencedRequestSequence" not in carried


def test_private_and_strange_content_of_an_item_stays_behind() -> None:
    carried = carried_over(header(RequestAttributesSequence=[with_private(item(RequestedProcedureID="RP-9"))])).dataset
    assert [element.keyword for element in carried.RequestAttributesSequence[0]] == ["RequestedProcedureID"]


def test_an_item_in_a_character_set_of_its_own() -> None:
    cyrillic = item(SpecificCharacterSet="ISO_IR 144", RequestedProcedureDescription="КТ грудной клетки")
    carried = carried_over(header(RequestAttributesSequence=[cyrillic])).dataset
    assert carried.RequestAttributesSequence[0].RequestedProcedureDescription == "КТ грудной клетки"
    assert carried.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([item(LocalNamespaceEntityID="H")], [item(LocalNamespaceEntityID="H")]),
        ([HOSPITAL, HOSPITAL], [HOSPITAL]),
        ([HOSPITAL, item(LocalNamespaceEntityID="ANOTHER")], []),
        ([Dataset(), HOSPITAL], [HOSPITAL]),
        ([item(UniversalEntityID="1.2.3.4")], [item(UniversalEntityID="1.2.3.4", UniversalEntityIDType="ISO")]),
        ([item(UniversalEntityID="somewhere")], []),
        ([item(UniversalEntityID="x.org", UniversalEntityIDType="dns")],
         [item(UniversalEntityID="x.org", UniversalEntityIDType="DNS")]),
        ([item(LocalNamespaceEntityID="H", UniversalEntityIDType="ISO")], [item(LocalNamespaceEntityID="H")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keyword", ["IssuerOfAccessionNumberSequence", "IssuerOfAdmissionIDSequence"])
def test_issuers(keyword: str, found: list[Dataset], expected: list[Dataset]) -> None:
    carried = carried_over(header(AccessionNumber="A-1", **{keyword: found})).dataset
    assert list(carried.get(keyword) or []) == expected


def test_identifiers_of_a_patient_keep_their_issuers() -> None:
    carried = carried_over(
        header(
            IssuerOfPatientID="H", IssuerOfPatientIDQualifiersSequence=[QUALIFIERS], OtherPatientIDsSequence=[OTHER_ID]
        )
    ).dataset
    assert carried.IssuerOfPatientID == "H"
    assert carried.IssuerOfPatientIDQualifiersSequence[0] == QUALIFIERS
    assert carried.OtherPatientIDsSequence[0] == OTHER_ID


def test_codes_in_an_item_have_a_value_a_scheme_and_a_meaning() -> None:
    long = item(LongCodeValue="1" * 20, CodingSchemeDesignator="SCT", CodeMeaning="long")
    named = item(URNCodeValue="urn:oid:1.2.3", CodeMeaning="named")
    both = item(CodeValue="1", LongCodeValue="2" * 20, CodingSchemeDesignator="SCT", CodeMeaning="both")
    codes = [long, named, both, item(CodeValue="1", CodingSchemeDesignator="SCT"), coded("1" * 20, "SCT", "too long")]
    carried = carried_over(header(RequestAttributesSequence=[item(ScheduledProtocolCodeSequence=codes)])).dataset
    kept = list(carried.RequestAttributesSequence[0].ScheduledProtocolCodeSequence)
    assert kept == [long, named, coded("1", "SCT", "both")]
