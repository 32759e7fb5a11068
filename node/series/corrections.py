"""What may change in an instance that is stored already: who and what it is filed under, and nothing else; pure.

An archive that corrects a patient or an order sends the study again, under the same SOP Instance UIDs. The
image is still that image, so that it takes the place of the one before. An instance that differs in more
than that is another image under a used name (PS3.5 chapter 9 forbids it), and which of the two is right
is not for the node to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import keyword_for_tag, tag_for_keyword

_NAMED = 8  # attributes that a sentence names; of more it gives the number


class WhenChanged(StrEnum):
    """What becomes of an instance that is stored already and comes with corrected attributes."""

    REFUSE = "refuse"
    REPLACE = "replace"


class Kind(StrEnum):
    """How the same SOP Instance UID came again, as sentences name it."""

    ENCODING = "encoding"  # every value is the same
    CORRECTION = "patient, study or order"
    PIXELS = "pixels"
    PLACE = "place or scale of the image"
    IDENTITY = "class, series or kind of image"
    OTHER = "other attributes"


@dataclass(frozen=True)
class Change:
    """What differs; ``attributes`` are those of that kind, by keyword, and never a value."""

    kind: Kind
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the kind and the attributes, in one line."""
        return f"{self.kind} ({short_list(self.attributes)})"


def judge_change(tags: Collection[int]) -> Change:
    """Say what kind of change it is when exactly these attributes differ.

    The gravest kind decides. Private attributes and traces of handling may differ beside a correction: an
    archive that corrects leaves its mark. They are no correction by themselves.
    """
    kinds = {tag: _kind_of(tag) for tag in tags}
    for kind in (Kind.PIXELS, Kind.PLACE, Kind.IDENTITY, Kind.OTHER, Kind.CORRECTION):
        found = [tag for tag, of in kinds.items() if of is kind]
        if found:
            return Change(kind, _names(found))
    return Change(Kind.OTHER, _names(tags)) if tags else Change(Kind.ENCODING)


def short_list(attributes: Sequence[str]) -> str:
    """Name attributes, and how many more there are."""
    more = len(attributes) - _NAMED
    return ", ".join(attributes[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _kind_of(tag: int) -> Kind | None:
    """Give the kind that an attribute belongs to; None for a trace of handling."""
    if tag in _CORRECTABLE or (tag >> 16 in _CORRECTABLE_GROUPS and tag not in _NOT_CORRECTABLE):
        return Kind.CORRECTION
    if (tag >> 16) % 2 or tag in _TRACES:  # an odd group is private, PS3.5 section 7.8
        return None
    if tag in _IDENTITY:
        return Kind.IDENTITY
    if tag in _PLACE:
        return Kind.PLACE
    return Kind.PIXELS if tag in _PIXELS or tag >> 16 == _PIXEL_GROUP else Kind.OTHER


def _names(tags: Iterable[int]) -> tuple[str, ...]:
    return tuple(keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in sorted(tags))


def _tags(keywords: str) -> frozenset[int]:
    """Look up attributes; one that PS3.6 does not know is a mistake in a table below."""
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords.split()}
    unknown = [keyword for keyword, tag in found.items() if tag is None]
    if unknown:
        raise ValueError(f"not in the data dictionary: {', '.join(unknown)}")
    return frozenset(tag for tag in found.values() if tag is not None)


# Patient and Clinical Trial Subject (PS3.3 C.7.1.1, C.7.1.3), Clinical Trial Study (C.7.2.3), study and request
# (C.4, retired ones among them), visit (C.3): whole groups, so that what a later edition adds is known.
_CORRECTABLE_GROUPS = frozenset({0x0010, 0x0012, 0x0032, 0x0038})
_NOT_CORRECTABLE = _tags(
    "AnatomicalOrientationType SubjectRelativePositionInImage ExaminedBodyThickness "
    "ClinicalTrialSeriesID ClinicalTrialSeriesDescription IssuerOfClinicalTrialSeriesID"
)
_CORRECTABLE = _tags(
    # General Study, PS3.3 C.7.2.1
    "StudyInstanceUID StudyDate StudyTime StudyID StudyDescription AccessionNumber IssuerOfAccessionNumberSequence "
    "ReferringPhysicianName ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers "
    "ReferringPhysicianIdentificationSequence ConsultingPhysicianName ConsultingPhysicianIdentificationSequence "
    "PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy "
    "PhysiciansReadingStudyIdentificationSequence ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence "
    "ReferencedStudySequence ReferencedPatientSequence ReferencedVisitSequence OtherStudyNumbers "
    # Patient Study, PS3.3 C.7.2.2, beside what stands in the groups above
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence "
    # request and performed step of the order, PS3.3 C.7.3.1 and Tables 10-9 and 10-16
    "RequestAttributesSequence ScheduledStepAttributesSequence ScheduledProcedureStepID "
    "ScheduledProcedureStepDescription ScheduledProtocolCodeSequence RequestedProcedureID "
    "RequestedProcedurePriority RequestedProcedureComments ReasonForTheRequestedProcedure "
    "ReasonForRequestedProcedureCodeSequence ReasonForTheImagingServiceRequest OrderPlacerIdentifierSequence "
    "OrderFillerIdentifierSequence PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest "
    "PlacerOrderNumberImagingServiceRequestRetired FillerOrderNumberImagingServiceRequestRetired "
    "PlacerOrderNumberProcedure FillerOrderNumberProcedure ImagingServiceRequestComments "
    "NamesOfIntendedRecipientsOfResults IntendedRecipientsOfResultsIdentificationSequence ConfidentialityCode "
    "ConfidentialityConstraintOnPatientDataDescription ReferencedPerformedProcedureStepSequence "
    "PerformedProcedureStepID PerformedProcedureStepDescription PerformedProcedureStepStartDate "
    "PerformedProcedureStepStartTime PerformedProcedureStepEndDate PerformedProcedureStepEndTime "
    "CommentsOnThePerformedProcedureStep "
    # institution and persons, PS3.3 C.7.3.1 and C.7.5.1
    "InstitutionName InstitutionAddress InstitutionCodeSequence InstitutionalDepartmentName "
    "InstitutionalDepartmentTypeCodeSequence PerformingPhysicianName PerformingPhysicianIdentificationSequence "
    "OperatorsName OperatorIdentificationSequence"
)
# What an archive adds or counts anew when it sends: SOP Common (PS3.3 C.12.1) and the query attributes of PS3.4 C.6.
_TRACES = _tags(
    "InstanceCoercionDateTime OriginalAttributesSequence ContributingEquipmentSequence TimezoneOffsetFromUTC "
    "DigitalSignaturesSequence MACParametersSequence SOPInstanceStatus SOPAuthorizationDateTime "
    "SOPAuthorizationComment RetrieveAETitle "
    "InstanceAvailability StorageMediaFileSetID StorageMediaFileSetUID ModalitiesInStudy SOPClassesInStudy "
    "NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances "
    "NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances"
)
_IDENTITY = _tags("SOPClassUID SOPInstanceUID SeriesInstanceUID Modality ImageType InstanceNumber SeriesNumber")
_PLACE = _tags(
    "ImagePositionPatient ImageOrientationPatient FrameOfReferenceUID PositionReferenceIndicator PixelSpacing "
    "ImagerPixelSpacing SliceThickness SpacingBetweenSlices SliceLocation PatientPosition PatientOrientation "
    "AnatomicalOrientationType GantryDetectorTilt SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "RescaleIntercept RescaleSlope RescaleType PixelPaddingValue PixelPaddingRangeLimit ModalityLUTSequence "
    "RealWorldValueMappingSequence"
)
_PIXELS = _tags(
    "SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns PixelAspectRatio "
    "BitsAllocated BitsStored HighBit PixelRepresentation SmallestImagePixelValue LargestImagePixelValue "
    "RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor "
    "BluePaletteColorLookupTableDescriptor LossyImageCompression LossyImageCompressionRatio "
    "LossyImageCompressionMethod"
)
_PIXEL_GROUP = 0x7FE0
