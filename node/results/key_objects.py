"""The slices worth a look as a Key Object Selection (PS3.3 A.35.4, TID 2010): each nodule's measuring slice."""

from __future__ import annotations

from highdicom.sr import ContainerContentItem, ContentItem
from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results import codes
from node.results.context import DISCLAIMER, ResultContext
from node.results.envelope import KEY_OBJECTS, complete
from node.results.language import Language, translated
from node.results.pictures import key_slices
from node.results.sentences import label
from node.results.source_attributes import carried_over
from node.results.sr_document import Reference, comment, device_observer, hierarchy, image, writable

TEMPLATE = "2010"


def build_key_objects(series: AssembledSeries, findings: Findings, context: ResultContext) -> Dataset:
    """Build the selection: one image, or frame, for each nodule, each once, in the order of the slices.

    Raises
    ------
    ResultError
        If no nodule was marked: a selection of nothing is not allowed.
    """
    if not findings.nodules:
        raise ResultError("no key objects: no nodule was marked")
    slices = key_slices(findings, neighbours=0)
    dataset = Dataset()
    root = ContainerContentItem(name=codes.OF_INTEREST, template_id=TEMPLATE)
    images = [image(series, k) for k in slices]
    root.ContentSequence = [*device_observer(context), _description(findings, context.language), *images]
    for item in images:
        del item.ConceptNameCodeSequence  # highdicom wants one, TID 2010 forbids it
    dataset.update({element.tag: element for element in root})
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.CurrentRequestedProcedureEvidenceSequence = hierarchy(_reference(series, k) for k in slices)
    source = writable(carried_over(series.headers[0]), dataset)
    return complete(dataset, KEY_OBJECTS, source, context, findings.models)


def _description(findings: Findings, language: Language) -> ContentItem:
    """The disclaimer first, in English whatever the language, then what is to be seen."""
    said = [DISCLAIMER, translated(language, DISCLAIMER), *(label(nodule, language) for nodule in findings.nodules)]
    return comment("; ".join(dict.fromkeys(said)), language, codes.KEY_OBJECT_DESCRIPTION)


def _reference(series: AssembledSeries, k: int) -> Reference:
    frame = series.frames[k]
    return Reference(series.study_instance_uid, series.series_instance_uid, frame.sop_class_uid, frame.sop_instance_uid)
