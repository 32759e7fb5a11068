"""The key object selection: each nodule's measuring slice once, said to be of interest by a device."""

from __future__ import annotations

from dataclasses import replace

import highdicom
import pytest
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.context import DISCLAIMER
from node.results.key_objects import build_key_objects
from node.results.language import Language
from node.results.pictures import measuring_slice
from tests.result_examples import CONTEXT, as_enhanced, child, encoded, reread


@pytest.fixture(scope="module")
def selection(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_key_objects(series, findings, CONTEXT)


def images(selection: Dataset) -> list[Dataset]:
    return [item for item in selection.ContentSequence if item.ValueType == "IMAGE"]


def description(selection: Dataset) -> str:
    named = Dataset()
    named.ContentSequence = [item for item in selection.ContentSequence if "ConceptNameCodeSequence" in item]
    return str(child(named, "Key Object Description").TextValue)


def test_the_title_is_of_interest(selection: Dataset) -> None:
    title = selection.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning) == ("113000", "DCM", "Of Interest")
    assert selection.ContentTemplateSequence[0].TemplateIdentifier == "2010"


def test_each_measuring_slice_is_named_once(series: AssembledSeries, findings: Findings, selection: Dataset) -> None:
    expected = sorted({measuring_slice(nodule) for nodule in findings.nodules})
    named = [str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in images(selection)]
    assert named == [series.frames[k].sop_instance_uid for k in expected]


def test_images_have_no_concept_name(selection: Dataset) -> None:
    """TID 2010: IMAGE items have no purpose of reference."""
    assert all("ConceptNameCodeSequence" not in item for item in images(selection))


def test_two_nodules_on_one_slice_are_one_image(series: AssembledSeries, findings: Findings) -> None:
    twice = replace(findings, nodules=(findings.nodules[0], replace(findings.nodules[0], id=2)))
    assert len(images(build_key_objects(series, twice, CONTEXT))) == 1


def test_every_image_is_evidence(series: AssembledSeries, selection: Dataset) -> None:
    (study,) = selection.CurrentRequestedProcedureEvidenceSequence
    (source,) = study.ReferencedSeriesSequence
    assert source.SeriesInstanceUID == series.series_instance_uid
    listed = {item.ReferencedSOPInstanceUID for item in source.ReferencedSOPSequence}
    assert listed == {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images(selection)}


def test_the_observer_is_a_device(selection: Dataset) -> None:
    observers = [item for item in selection.ContentSequence if item.RelationshipType == "HAS OBS CONTEXT"]
    assert observers[0].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert len(observers) == 6


def test_the_description_says_what_it_is_and_that_it_is_not_for_diagnosis(selection: Dataset) -> None:
    assert description(selection).startswith(DISCLAIMER)
    assert "Nodule 1: solid, 12.0 mm" in description(selection)


@pytest.mark.parametrize("language", list(Language))
def test_words_are_those_of_the_language(series: AssembledSeries, findings: Findings, language: Language) -> None:
    selection = build_key_objects(series, findings, replace(CONTEXT, language=language))
    check([selection], series.headers)
    said = description(reread(selection))
    assert DISCLAIMER in said
    assert {"en": "Nodule 1", "de": "Rundherd 1", "zh": "结节1"}[language] in said


def test_frames_of_an_enhanced_source_are_named_by_number(series: AssembledSeries, findings: Findings) -> None:
    enhanced = as_enhanced(series)
    references = [item.ReferencedSOPSequence[0] for item in images(build_key_objects(enhanced, findings, CONTEXT))]
    expected = sorted({measuring_slice(nodule) for nodule in findings.nodules})
    assert [r.ReferencedFrameNumber for r in references] == [enhanced.frames[k].frame_number for k in expected]


def test_without_a_nodule_there_is_no_selection(series: AssembledSeries, findings: Findings) -> None:
    with pytest.raises(ResultError, match="no nodule was marked"):
        build_key_objects(series, replace(findings, nodules=()), CONTEXT)


def test_the_same_work_twice_gives_the_same_bytes(
    series: AssembledSeries, findings: Findings, selection: Dataset
) -> None:
    assert encoded(selection) == encoded(build_key_objects(series, findings, CONTEXT))


def test_highdicom_reads_the_selection(findings: Findings, selection: Dataset) -> None:
    read = highdicom.ko.KeyObjectSelectionDocument.from_dataset(reread(selection))
    assert len(read.content.get_references()) == len({measuring_slice(nodule) for nodule in findings.nodules})
