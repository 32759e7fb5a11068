"""The structured report for destinations that do not take Comprehensive 3D SR: three simpler forms of the same.

Comprehensive SR and Enhanced SR keep the content (an Enhanced SR whatever its IOD lets stand), Basic Text SR
says it in words (``text_report``). Each form is an instance and a series of its own.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from node.results import codes
from node.results.context import ResultContext
from node.results.envelope import NOTICE_REPORT, REPORT, ObjectKind, code_item, identify
from node.results.forms import Kind
from node.results.relationships import is_allowed
from node.results.text_report import TEMPLATE, in_words

_FORMS: Final = MappingProxyType(
    {
        Kind.SR_COMPREHENSIVE: (REPORT, ComprehensiveSRStorage, 9102),
        Kind.SR_ENHANCED: (REPORT, EnhancedSRStorage, 9103),
        Kind.SR_TEXT: (REPORT, BasicTextSRStorage, 9104),
        Kind.NOTICE_COMPREHENSIVE: (NOTICE_REPORT, ComprehensiveSRStorage, 9102),
        Kind.NOTICE_ENHANCED: (NOTICE_REPORT, EnhancedSRStorage, 9103),
        Kind.NOTICE_TEXT: (NOTICE_REPORT, BasicTextSRStorage, 9104),
    }
)


def fallback_report(report: Dataset, kind: Kind, context: ResultContext) -> Dataset:
    """Derive a simpler form from the Comprehensive 3D SR of a report or of a notice.

    Parameters
    ----------
    report
        Of ``build_report``, or the first object of ``build_notice``; it is not changed.
    kind
        ``SR_...`` of a report, ``NOTICE_...`` of a notice.
    context
        The one that the report was built with.

    Raises
    ------
    KeyError
        The kind is no fallback form.
    """
    _, sop_class_uid, _ = _FORMS[kind]
    derived = deepcopy(report)
    if sop_class_uid == BasicTextSRStorage:
        derived.ConceptNameCodeSequence = [code_item(codes.IMAGING_STUDY)]
        derived.ContentTemplateSequence[0].TemplateIdentifier = TEMPLATE
        derived.ContentSequence = in_words(report, context.language)
    else:
        _drop_forbidden(derived, sop_class_uid)
    return identify(derived, form_of(kind), context)


def form_of(kind: Kind) -> ObjectKind:
    """Give SOP class, series number and description of a fallback form."""
    original, sop_class_uid, series_number = _FORMS[kind]
    return replace(original, name=kind.value, sop_class_uid=sop_class_uid, series_number=series_number)


def _drop_forbidden(parent: Dataset, sop_class_uid: str) -> None:
    """Take out, with all below it, what the IOD does not let stand where it stands."""
    if "ContentSequence" in parent:
        parent.ContentSequence = [item for item in parent.ContentSequence if is_allowed(sop_class_uid, parent, item)]
        for item in parent.ContentSequence:
            _drop_forbidden(item, sop_class_uid)
