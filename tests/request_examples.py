"""Sequences of a source that say what was requested, by whom identifiers were issued, well and badly."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset


def item(**values: Any) -> Dataset:
    """An item, or a header, of these attributes."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def with_private(dataset: Dataset) -> Dataset:
    """The same with a private block, a private sequence, and a public attribute of somewhere else."""
    dataset.add_new(0x00091001, "LO", "private")
    dataset.add_new(0x00290010, "LO", "A VENDOR")
    dataset.add_new(0x00291010, "SQ", [item(PatientName="Somebody^Else")])
    dataset.WindowCenter = "40"
    return dataset


CT = coded("CTTHORAX", "99HOSPITAL", "CT thorax")
FOLLOW_UP = coded("183616001", "SCT", "Follow-up status")
HOSPITAL = item(LocalNamespaceEntityID="HOSPITAL", UniversalEntityID="1.2.40.0.13", UniversalEntityIDType="ISO")
STUDY = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID="1.2.3.4")
REQUEST = item(
    StudyInstanceUID="1.2.3.77",
    ReferencedStudySequence=[STUDY],
    AccessionNumber="A-1",
    IssuerOfAccessionNumberSequence=[HOSPITAL],
    RequestedProcedureID="RP-1",
    RequestedProcedureDescription="CT thorax nüchtern",
    RequestedProcedureCodeSequence=[CT],
    ReasonForTheRequestedProcedure="nodule",
    ReasonForRequestedProcedureCodeSequence=[FOLLOW_UP, CT],
    ScheduledProcedureStepID="SPS-1",
    ScheduledProcedureStepDescription="low dose",
    ScheduledProtocolCodeSequence=[CT],
)
SECOND = item(RequestedProcedureID="RP-2", ScheduledProcedureStepID="SPS-2", AccessionNumber="A-2")
ILLEGAL = item(
    StudyInstanceUID="no uid",
    ReferencedStudySequence=[item(ReferencedSOPClassUID="1.2.3")],
    AccessionNumber="A" * 40,
    IssuerOfAccessionNumberSequence=[item(LocalNamespaceEntityID="", UniversalEntityIDType="ISO")],
    RequestedProcedureID="R" * 30,
    RequestedProcedureDescription="d" * 90,
    RequestedProcedureCodeSequence=[item(CodeMeaning="a meaning alone")],
    ReasonForRequestedProcedureCodeSequence=[item(CodeValue="1", CodeMeaning="no scheme"), Dataset(), FOLLOW_UP],
    ScheduledProcedureStepID="SPS\\TWO",
)
QUALIFIERS = item(
    UniversalEntityID="1.2.40.0.13",
    UniversalEntityIDType="ISO",
    IdentifierTypeCode="MR",
    AssigningFacilitySequence=[HOSPITAL],
    AssigningJurisdictionCodeSequence=[coded("AT", "ISO3166_1", "Austria")],
)
OTHER_ID = item(
    PatientID="OTHER-1",
    TypeOfPatientID="TEXT",
    IssuerOfPatientID="ELSEWHERE",
    IssuerOfPatientIDQualifiersSequence=[QUALIFIERS],
)
# Attributes of the source by keyword; bytes where no writer would write them.
ASKED: dict[str, dict[str, Any]] = {
    "one request": {"RequestAttributesSequence": [REQUEST], "AccessionNumber": b"A-1 "},
    "several requests": {"RequestAttributesSequence": [REQUEST, SECOND, SECOND], "AccessionNumber": b"A-1 "},
    "requests with private content": {"RequestAttributesSequence": [with_private(item(RequestedProcedureID="RP-9"))]},
    "empty requests": {"RequestAttributesSequence": [Dataset(), Dataset()]},
    "no item": {"RequestAttributesSequence": []},
    "an illegal request": {"RequestAttributesSequence": [ILLEGAL]},
    "an illegal request among others": {"RequestAttributesSequence": [ILLEGAL, Dataset(), REQUEST]},
    "a request that is no sequence": {"RequestAttributesSequence": b"RP-1 and more bytes that are no item"},
    "a request at the head of the header": {
        "RequestedProcedureID": b"RP-3",
        "RequestedProcedureDescription": b"CT thorax ",
        "RequestedProcedureCodeSequence": [CT],
        "PlacerOrderNumberImagingServiceRequest": b"P-1 ",
        "FillerOrderNumberImagingServiceRequest": b"F-1 ",
    },
    "an accession number alone": {"AccessionNumber": b"A-7 ", "IssuerOfAccessionNumberSequence": [HOSPITAL]},
    "issuers": {
        "IssuerOfPatientID": b"HOSPITAL",
        "IssuerOfPatientIDQualifiersSequence": [QUALIFIERS],
        "OtherPatientIDsSequence": [OTHER_ID, with_private(item(PatientID="OTHER-2"))],
        "IssuerOfAccessionNumberSequence": [HOSPITAL],
        "AdmissionID": b"ADM-1 ",
        "IssuerOfAdmissionIDSequence": [HOSPITAL],
    },
    "issuers that contradict each other": {
        "IssuerOfPatientIDQualifiersSequence": [QUALIFIERS, item(IdentifierTypeCode="PI")],
        "IssuerOfAccessionNumberSequence": [HOSPITAL, item(LocalNamespaceEntityID="ANOTHER")],
    },
    "issuers badly said": {
        "IssuerOfPatientIDQualifiersSequence": [item(UniversalEntityID="somewhere", UniversalEntityIDType="oid")],
        "OtherPatientIDsSequence": [item(PatientID="P" * 80), item(PatientID="P", TypeOfPatientID="text card")],
        "IssuerOfAccessionNumberSequence": [item(UniversalEntityID="1.2.3.4")],
    },
    "identifiers that are too long": {"AccessionNumber": b"ACCESSION-NUMBER-20X", "PatientID": b"P" * 70},
    "a zone": {"TimezoneOffsetFromUTC": b"+0530 "},
    "a zone in another form": {"TimezoneOffsetFromUTC": b"-03:30"},
    "a zone that is none": {"TimezoneOffsetFromUTC": b"CET "},
}
