"""The report as a PDF in a DICOM object (Encapsulated PDF, PS3.3 A.45.1), for archives that show documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom import Dataset

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import DISCLAIMER, ResultContext
from node.results.drawing import Colour, Picture, colour_of
from node.results.envelope import PDF, code_item, complete
from node.results.page_content import PageContent, page_content
from node.results.pdf_pages import PagePicture, render_pdf
from node.results.picture_files import jpeg
from node.results.pictures import nodule_picture
from node.results.source_attributes import carried_over
from node.results.source_geometry import instance_references
from node.results.views import Plane, Upright, aspect, plane_of, projection_view, upright

TITLE = f"Chest CT: lungs and nodules. {DISCLAIMER}"
_MAP_PIXELS, _CLOSE_UP_PIXELS = 420, 260  # height of a map, side of a picture of a nodule: 200 dots per inch on paper
_MOST_CLOSE_UPS = 12  # two rows: with them the report stays on two pages


def build_pdf(
    series: AssembledSeries, findings: Findings, report: Mapping[str, Any], context: ResultContext
) -> Dataset:
    """Build the encapsulated PDF: what report.html says, on one to two pages of A4.

    The header carries the patient as every result does; the pages name nobody (BurnedInAnnotation NO).

    Parameters
    ----------
    report
        The content of report.json: device, timings_s, software_version, created_at, series_instance_uid.
    """
    content = page_content(findings, series.notes, report, context.language)
    document = render_pdf(content, _maps(series, content), _close_ups(series, content))
    return complete(
        _document(document, series),
        PDF,
        carried_over(series.headers[0]),
        context,
        findings.models,
    )


def _document(document: bytes, series: AssembledSeries) -> Dataset:
    """SC Equipment and Encapsulated Document modules (PS3.3 C.8.6.1, C.24.2)."""
    dataset = Dataset()
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = None  # type 2: the document is made here, it was not acquired
    dataset.BurnedInAnnotation = "NO"
    dataset.SourceInstanceSequence = instance_references(series)
    dataset.DocumentTitle = TITLE  # ASCII: legal in whatever character set the source has
    dataset.ConceptNameCodeSequence = [code_item(codes.IMAGING_STUDY)]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(document)
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)  # OB is even (PS3.5 6.2)
    return dataset


def _maps(series: AssembledSeries, content: PageContent) -> list[PagePicture]:
    """Through the lungs from the front and from below, and the axial plane of the most probable nodule."""
    view, findings = upright(series.volume, content.findings.lungs), content.findings
    through = {
        f"{plane.name.lower()}, highest HU inside the lungs": projection_view(
            view, plane, findings.nodules, _width(view, plane)
        )
        for plane in (Plane.CORONAL, Plane.AXIAL)
    }
    subject = "axial, through nodule 1" if findings.nodules else "axial, through the lungs"
    pictures = through | {subject: plane_of(view, findings, Plane.AXIAL, _width(view, Plane.AXIAL))}
    return [_picture(picture, content.say(caption)) for caption, picture in pictures.items()]


def _width(view: Upright, plane: Plane) -> int:
    return max(1, round(aspect(view, plane) * _MAP_PIXELS))


def _close_ups(series: AssembledSeries, content: PageContent) -> list[PagePicture]:
    """The most probable nodules on their measuring slices."""
    return [
        _picture(
            nodule_picture(series, nodule, _CLOSE_UP_PIXELS),
            f"{nodule.id}: {nodule.measurement.mean_diameter_mm:.1f} mm",
            colour_of(nodule.id),
        )
        for nodule in content.findings.nodules[:_MOST_CLOSE_UPS]
    ]


def _picture(picture: Picture, caption: str, colour: Colour | None = None) -> PagePicture:
    return PagePicture(jpeg(picture), picture.shape[1] / picture.shape[0], caption, colour)
