"""Defects of a report that foreign validators were tried with: no program found all seventeen, ours must."""

from __future__ import annotations

import copy
from collections.abc import Callable

from pydicom import Dataset

from tests.result_examples import child, children, groups

Objects = dict[str, Dataset]
Defect = Callable[[Objects], None]


def drop(parent: Dataset, meaning: str) -> None:
    gone = children(parent, meaning)
    parent.ContentSequence = [item for item in parent.ContentSequence if item not in gone]


def line_of(objects: Objects, group: int = 0) -> Dataset:
    return child(groups(objects["SR"])[group], "Long Axis", "Source")


def no_template(objects: Objects) -> None:
    del objects["SR"].ContentTemplateSequence


def no_referenced_segment(objects: Objects) -> None:
    drop(groups(objects["SR"])[0], "Referenced Segment")


def no_tracking_uid(objects: Objects) -> None:
    drop(groups(objects["SR"])[1], "Tracking Unique Identifier")


def no_tracking_id(objects: Objects) -> None:
    drop(groups(objects["SR"])[1], "Tracking Identifier")


def segmentation_not_in_evidence(objects: Objects) -> None:
    objects["SR"].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence.pop()


def no_evidence(objects: Objects) -> None:
    del objects["SR"].CurrentRequestedProcedureEvidenceSequence


def coordinates_on_an_image_of_another_study(objects: Objects) -> None:
    """Also where the evidence lists it: the report is consistent in itself, and wrong."""
    (study,) = objects["SR"].CurrentRequestedProcedureEvidenceSequence
    listed = copy.deepcopy(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0])
    listed.ReferencedSOPInstanceUID = "2.25.1"
    study.ReferencedSeriesSequence[0].ReferencedSOPSequence.append(listed)
    line_of(objects).ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def segment_99(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Referenced Segment").ReferencedSOPSequence[0].ReferencedSegmentNumber = 99


def number_without_units(objects: Objects) -> None:
    del child(groups(objects["SR"])[0], "Volume").MeasuredValueSequence[0].MeasurementUnitsCodeSequence


def coordinates_contained(objects: Objects) -> None:
    line_of(objects).RelationshipType = "CONTAINS"


def odd_coordinates(objects: Objects) -> None:
    line_of(objects).GraphicData = list(line_of(objects).GraphicData)[:3]


def bad_completion_flag(objects: Objects) -> None:
    objects["SR"].CompletionFlag = "DONE"


def other_study(objects: Objects) -> None:
    objects["SR"].StudyInstanceUID = "2.25.1"


def other_birth_date(objects: Objects) -> None:
    objects["SR"].PatientBirthDate = "19000101"


def bad_language(objects: Objects) -> None:
    child(objects["SR"], "Language of Content Item and Descendants").ConceptCodeSequence[0].CodeValue = "eng"


def no_procedure_reported(objects: Objects) -> None:
    drop(objects["SR"], "Procedure reported")


def empty_code_meaning(objects: Objects) -> None:
    child(groups(objects["SR"])[0], "Finding").ConceptCodeSequence[0].CodeMeaning = ""


SPECIFIED: list[tuple[Defect, str]] = [
    (no_template, "SR 1: ContentTemplateSequence does not say 1500"),
    (no_referenced_segment, "SR 1: a measurement group has no Referenced Segment"),
    (no_tracking_uid, "SR 1: a measurement group has no Tracking Unique Identifier"),
    (no_tracking_id, "SR 1: a measurement group has no Tracking Identifier"),
    (segmentation_not_in_evidence, "SR 1: the evidence lacks a referenced image or the segmentation"),
    (no_evidence, "SR 1: the evidence lacks a referenced image or the segmentation"),
    (coordinates_on_an_image_of_another_study, "neither of the source nor a result"),
    (segment_99, "SR 1: a referenced segment does not exist"),
    (number_without_units, "SR 1: a NUM item has no number or no units"),
    (coordinates_contained, "SR 1: NUM CONTAINS SCOORD is not allowed"),
    (odd_coordinates, "SR 1: the data of a SCOORD are not the points of its graphic type"),
    (bad_completion_flag, "SR 1: CompletionFlag is not PARTIAL or COMPLETE"),
    (other_study, "SR 1: StudyInstanceUID differs from the source"),
    (other_birth_date, "SR 1: PatientBirthDate differs from the source"),
    (bad_language, "SR 1: the language is not one of CID 5000 that is written here"),
    (no_procedure_reported, "SR 1: Procedure reported is missing"),
    (empty_code_meaning, "SR 1: a code has no CodeMeaning"),
]
