"""The report on paper: what report.html says is there, nobody is named, the DICOM object is whole."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from models.findings import Findings, LungRads
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.encapsulated_pdf import build_pdf
from node.results.language import Language
from node.results.report_html import build_html
from node.results.report_json import report_of
from node.results.wording import NO_NODULE
from tests.conftest import tool
from tests.page_reader import Page
from tests.result_examples import CONTEXT, as_enhanced, encoded, with_headers


@pytest.fixture(scope="module")
def built(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_pdf(series, findings, report(series, findings), CONTEXT)


def report(series: AssembledSeries, findings: Findings) -> dict[str, Any]:
    return report_of(series.series_instance_uid, series.study_instance_uid, findings, CONTEXT, notes=series.notes)


def document(dataset: Dataset) -> bytes:
    return bytes(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])


def text_of(dataset: Dataset, folder: Path) -> str:
    """What poppler reads on the pages, each white space a single blank."""
    path = folder / "report.pdf"
    path.write_bytes(document(dataset))
    command = [tool("pdftotext"), "-layout", str(path), "-"]
    return " ".join(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())


def page_count(dataset: Dataset, folder: Path) -> int:
    path = folder / "report.pdf"
    path.write_bytes(document(dataset))
    said = subprocess.run([tool("pdfinfo"), str(path)], capture_output=True, check=True, text=True).stdout
    return int(next(line for line in said.splitlines() if line.startswith("Pages:")).split()[1])


# What it says


def test_pdf_and_page_say_the_same_of_every_nodule(
    built: Dataset, series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    said_by_pdf = text_of(built, tmp_path)
    said_by_page = Page(build_html(series, findings, report(series, findings))).said()
    for nodule in report(series, findings)["nodules"]:
        figures = [
            f"{nodule['long_axis_mm']:.1f} × {nodule['short_axis_mm']:.1f}",
            f"{nodule['mean_diameter_mm']:.1f}",
            f"{nodule['volume_mm3']:.0f}",
            f"{nodule['mean_hu']:.0f}",
            f"{nodule['probability']:.2f}",
            f"{100 * nodule['malignancy']['low']:.1f} to {100 * nodule['malignancy']['high']:.1f} %",
            f"{100 * nodule['malignancy']['learned']['probability']:.0f} %",
            nodule["attenuation"].replace("_", "-" if nodule["attenuation"] == "part_solid" else " "),
            nodule["side"],
            nodule["lung_rads"],
            f"{nodule['id']}: {nodule['mean_diameter_mm']:.1f} mm",
        ]
        for words in figures:
            assert words in said_by_pdf, words
            assert words in said_by_page, words


def test_models_limits_warnings_and_the_disclaimer_are_on_both(
    built: Dataset, series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    said_by_pdf = text_of(built, tmp_path)
    said_by_page = Page(build_html(series, findings, report(series, findings))).said()
    expected = [DISCLAIMER, *findings.warnings, *findings.lungs.warnings, "Nodule 1: touches the pleura"]
    expected += ["it says nothing of cancer", "family history, emphysema", "rated suspicious by readers, no pathology"]
    expected += [word for model in findings.models for word in (model.name, model.version, model.sha256[:12])]
    expected += ["4784 ml", "Lung-RADS v2022", series.series_instance_uid]
    for words in expected:
        assert words in said_by_pdf, words
        assert words in said_by_page, words


def test_every_page_says_what_it_is_and_which_it_is(built: Dataset, tmp_path: Path) -> None:
    said, count = text_of(built, tmp_path), page_count(built, tmp_path)
    assert said.count(DISCLAIMER) >= count
    for number in range(1, count + 1):
        assert f"Page {number} of {count}" in said


def test_many_nodules_fit_two_pages(series: AssembledSeries, findings: Findings, tmp_path: Path) -> None:
    nodules = tuple(replace(findings.nodules[number % 3], id=number + 1) for number in range(12))
    many = replace(findings, nodules=nodules)
    assert page_count(build_pdf(series, many, report(series, many), CONTEXT), tmp_path) == 2


def test_no_nodule_is_no_negative_result(series: AssembledSeries, findings: Findings, tmp_path: Path) -> None:
    none = replace(findings, nodules=())
    built = build_pdf(series, none, report(series, none), CONTEXT)
    assert NO_NODULE in text_of(built, tmp_path)
    assert page_count(built, tmp_path) <= 2


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (Language.GERMAN, ["Nur für Demonstration", "Jeder Rundherd von nahem", "Rundherd 1: ", "Seite 1 von"]),
        (Language.CHINESE, ["仅供演示和研究", "各结节放大图", "实性", "第1页"]),
    ],
)
def test_the_pdf_speaks_the_language_of_the_report(
    series: AssembledSeries, findings: Findings, tmp_path: Path, language: Language, sentences: list[str]
) -> None:
    built = build_pdf(series, findings, report(series, findings), replace(CONTEXT, language=language))
    said = text_of(built, tmp_path)
    for sentence in sentences:
        assert sentence in said
    assert "20.0 × 20.0" in said
    assert built.DocumentTitle.isascii()


def test_words_with_angle_brackets_are_written_as_they_are(
    series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    basis = "<b>3 & 4</i>"
    told = replace(findings, warnings=(basis,), lung_rads=LungRads(None, basis))
    said = text_of(build_pdf(series, told, report(series, told), CONTEXT), tmp_path)
    assert said.count(basis) == 2


def test_the_pages_name_nobody(series: AssembledSeries, findings: Findings, tmp_path: Path) -> None:
    somebody = with_headers(series, PatientName="Somebody^Else", PatientID="ID-4711", PatientBirthDate="19010203")
    built = build_pdf(somebody, findings, report(somebody, findings), CONTEXT)
    said = text_of(built, tmp_path)
    assert built.PatientName == "Somebody^Else"
    assert not [word for word in ("Somebody", "4711", "1901") if word in said]


# The DICOM object


def test_the_object_is_an_encapsulated_pdf_of_its_source(built: Dataset, series: AssembledSeries) -> None:
    assert built.SOPClassUID == built.file_meta.MediaStorageSOPClassUID == EncapsulatedPDFStorage
    assert (built.Modality, built.ConversionType, built.SeriesNumber) == ("DOC", "WSD", 9501)
    assert built.BurnedInAnnotation == "NO"
    assert built.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert built.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    assert built.StudyInstanceUID == series.study_instance_uid
    sources = [item.ReferencedSOPInstanceUID for item in built.SourceInstanceSequence]
    assert sources == [frame.sop_instance_uid for frame in series.frames]


def test_an_enhanced_source_is_named_once(series: AssembledSeries, findings: Findings) -> None:
    enhanced = as_enhanced(series)
    built = build_pdf(enhanced, findings, report(enhanced, findings), CONTEXT)
    assert [item.ReferencedSOPInstanceUID for item in built.SourceInstanceSequence] == ["2.25.4711"]


def test_the_document_is_padded_to_even_length_and_knows_its_own(built: Dataset) -> None:
    assert len(built.EncapsulatedDocument) % 2 == 0
    assert len(built.EncapsulatedDocument) - built.EncapsulatedDocumentLength in (0, 1)
    assert document(built).startswith(b"%PDF-1.")
    assert document(built).rstrip().endswith(b"%%EOF")


def test_the_same_work_gives_the_same_bytes(built: Dataset, series: AssembledSeries, findings: Findings) -> None:
    again = build_pdf(series, findings, report(series, findings), CONTEXT)
    assert encoded(again) == encoded(built)


def test_dciodvfy_finds_no_fault(built: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "pdf.dcm"
    path.write_bytes(encoded(built))
    done = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if line.startswith(("Error", "Warning"))]


def test_dcmtk_takes_the_same_document_out(built: Dataset, tmp_path: Path) -> None:
    path, taken_out = tmp_path / "pdf.dcm", tmp_path / "out.pdf"
    path.write_bytes(encoded(built))
    subprocess.run([tool("dcm2pdf"), str(path), str(taken_out)], check=True)
    assert taken_out.read_bytes()[: built.EncapsulatedDocumentLength] == document(built)
