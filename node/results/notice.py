"""The notice "not processed, not a negative result": never silence where a report was expected.

A notice is a TID 1500 document with Qualitative Evaluations alone, which every SR viewer shows, and
one picture page with the same words for viewers that show only images. It says nothing of nodules.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import numpy.typing as npt
from highdicom.sr import ContentItem
from PIL import Image
from pydicom import Dataset
from pydicom.sr.coding import Code

from node.errors import ResultError
from node.results import codes, sr_document
from node.results.context import DISCLAIMER, MODEL_NAME, ResultContext
from node.results.drawing import drawable_language, picture_of, wrapped, write
from node.results.envelope import NOTICE_CAPTURE, NOTICE_REPORT
from node.results.language import Language, say
from node.results.secondary_capture import build_page
from node.results.source_attributes import ascii_text, carried_over
from node.series.instances import is_valid_uid

_PAGE_WIDTH_PX, _PAGE_HEIGHT_PX = 512, 512  # the height at least
_MARGIN_PX, _TITLE_PX, _TEXT_PX, _LINE_GAP_PX = 32, 28, 20, 6
_PAPER, _INK, _ALARM = (16, 16, 20), (235, 235, 235), (255, 170, 60)
_ORPHAN_STUDY = ("study", "orphan")
_UNSEARCHED = "This series was not searched for nodules. Nothing may be concluded from the absence of marks."
_ORPHAN = "The input held no readable study: this notice stands in a study of its own, without a patient."
_EVIDENCE_KEYWORDS = ("SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


def build_notice(headers: Sequence[Dataset], code: str, reason: str, context: ResultContext) -> list[Dataset]:
    """Build the notice for a series that was not processed: an SR and a picture.

    Parameters
    ----------
    headers
        What could be read of the series, of any modality, also a single or a poor header; for input
        without any DICOM header give ``[orphan_header(context)]``.
    code
        Of the error, such as ``SLICE_GAP``; a code that the table does not know becomes "other".
    reason
        One plain sentence without patient data.
    context
        Identity of the run.

    Raises
    ------
    ResultError
        If no header has a StudyInstanceUID.
    """
    identity = next((h for h in headers if is_valid_uid(str(h.get("StudyInstanceUID", "")))), None)
    if identity is None:
        raise ResultError("no file that can be read has a StudyInstanceUID: nothing can be filed, and nothing is sent")
    is_orphan = identity.StudyInstanceUID == context.uid(*_ORPHAN_STUDY)
    source, evidence = carried_over(identity), _evidence(headers, str(identity.StudyInstanceUID))
    said = {language: notice_sentences(code, reason, is_orphan, language) for language in Language}
    evaluations = _evaluations(code, said[context.language], context.language)
    report = sr_document.build_document(NOTICE_REPORT, source, context, [evaluations], evidence)
    picture = draw_page(said[drawable_language(context.language)])
    page = build_page(picture, said[Language.ENGLISH][0], NOTICE_CAPTURE, source, context)
    return [report, page]


def orphan_header(context: ResultContext) -> Dataset:
    """Make the header of a study of its own, for input that has none: no patient, no source."""
    header = Dataset()
    header.StudyInstanceUID = context.uid(*_ORPHAN_STUDY)
    header.StudyDate = context.created_at.strftime("%Y%m%d")
    header.StudyTime = context.created_at.strftime("%H%M%S")
    header.PatientID, header.PatientName = "", ""
    return header


def notice_sentences(
    code: str, reason: str, is_orphan: bool = False, language: Language = Language.ENGLISH
) -> list[str]:
    """Give the words of the notice, the same in the report and on the page; the first says it all.

    Other languages say the meaning of the coded reason first, and then the English sentence as it is.
    """
    reason = ascii_text(reason.rstrip(". "))
    is_english = language is Language.ENGLISH
    meaning = reason if is_english else say(language, _reason(code).meaning)
    sentences = [
        say(language, "NOT PROCESSED - {text} - not a negative result", text=meaning),
        *([] if is_english else [say(language, "In detail (in English): {text}", text=reason)]),
        say(language, "Reason code: {code}", code=ascii_text(code)),
        say(language, _UNSEARCHED),
    ]
    return [*sentences, *([say(language, _ORPHAN)] if is_orphan else []), say(language, DISCLAIMER)]


def draw_page(sentences: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw the sentences, the first as the title, on one page: (H, 512, 3) uint8, as high as they need."""
    placed, y = _lay_out(sentences)
    page = Image.new("RGBA", (_PAGE_WIDTH_PX, max(_PAGE_HEIGHT_PX, y + _MARGIN_PX)), _PAPER)
    for line_y, line, size_px, ink in placed:
        write(page, (_MARGIN_PX, line_y), line, size_px, ink, halo=False)
    return picture_of(page)


def _lay_out(sentences: Sequence[str]) -> tuple[list[tuple[int, str, int, tuple[int, int, int]]], int]:
    """Top, text, size and colour of each line, and the y below the last."""
    styled = [(MODEL_NAME, _TEXT_PX, _INK), (sentences[0], _TITLE_PX, _ALARM)]
    styled += [(sentence, _TEXT_PX, _INK) for sentence in sentences[1:]]
    placed, y = [], _MARGIN_PX
    for sentence, size_px, ink in styled:
        for line in _lines(sentence, size_px):
            placed.append((y, line, size_px, ink))
            y += size_px + _LINE_GAP_PX
        y += _MARGIN_PX // 2
    return placed, y


def _lines(sentence: str, size_px: int) -> list[str]:
    """Break a sentence between words, and inside a word that fills a line, to fit between the margins."""
    width = _PAGE_WIDTH_PX - 2 * _MARGIN_PX
    words = [" ".join(wrap(word, width // size_px)) if word.isascii() else word for word in sentence.split()]
    return wrapped(" ".join(words), size_px, width)


def _reason(code: str) -> Code:
    return codes.REASONS.get(code, codes.OTHER_REASON)


def _evaluations(code: str, sentences: Sequence[str], language: Language) -> ContentItem:
    """Status and reason as codes, then the words; no item about nodules."""
    items = [
        sr_document.code(codes.PROCESSING_STATUS, codes.NOT_PROCESSED),
        sr_document.code(codes.NOT_PROCESSED_REASON, _reason(code)),
        *(sr_document.comment(sentence, language) for sentence in sentences),
    ]
    return sr_document.container(codes.QUALITATIVE_EVALUATIONS, items)


def _evidence(headers: Sequence[Dataset], study_instance_uid: str) -> list[sr_document.Reference]:
    """What was looked at, as far as it can be named."""
    named = [h for h in headers if all(is_valid_uid(str(h.get(keyword, ""))) for keyword in _EVIDENCE_KEYWORDS)]
    return [sr_document.reference_to(h) for h in named if str(h.get("StudyInstanceUID", "")) == study_instance_uid]
