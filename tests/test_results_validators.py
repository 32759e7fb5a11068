"""Foreign validators on every kind of result: dciodvfy, dcentvfy, dsrdump and pixelmed's DicomSRValidator.

Which messages are accepted, and why: an unrecognised 99 scheme is our private one; spatial
attributes on a Secondary Capture make it a Standard Extended SOP Class on purpose; pixelmed knows
the templates of 2022 and warns of what came later.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.results.checks import check
from node.results.notice import build_notice, orphan_header
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.conftest import tool
from tests.request_examples import REQUEST, SECOND
from tests.result_examples import (
    CONTEXT,
    as_enhanced,
    child,
    encoded,
    example_findings,
    groups,
    in_pieces,
    phantom_series,
    sphere_nodule,
    with_headers,
)
from tests.validators import complaints_of_pixelmed, run
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom, sphere


def results_of(series: AssembledSeries, count: int) -> list[Dataset]:
    """Report, segmentation, a slice, a magnified slice and a page."""
    findings = example_findings(series.volume, count)
    segmentation = build_segmentation(series, findings, CONTEXT)
    report = build_report(series, findings, segmentation, CONTEXT)
    _, rows, columns = series.volume.shape
    pictures = [
        CapturePicture(np.zeros((rows, columns, 3), np.uint8), 12, "Slice 13"),
        CapturePicture(np.zeros((2 * rows, 2 * columns, 3), np.uint8), 13, "Slice 14", 2.0),
        CapturePicture(np.zeros((300, 401, 3), np.uint8), None, "Summary"),
    ]
    objects = [report, segmentation, *build_captures(series, pictures, CONTEXT, findings.models)]
    check(objects, series.headers)
    return objects


def requested_in_pieces(series: AssembledSeries) -> AssembledSeries:
    """Two multi-frame instances that name their requests and their zone."""
    asked = {"RequestAttributesSequence": [REQUEST, SECOND], "TimezoneOffsetFromUTC": "+0530", "AccessionNumber": "A-1"}
    slices = range(len(series.frames))
    return in_pieces(with_headers(series, **asked), [slices[::2], slices[1::2]])


def situations(series: AssembledSeries) -> Iterator[tuple[str, list[Dataset]]]:
    yield "three nodules", results_of(series, 3)
    yield "enhanced source", results_of(as_enhanced(series), 2)
    yield "in pieces, requested", results_of(requested_in_pieces(series), 2)
    yield "no nodule", results_of(series, 0)
    yield "no segmentation", [build_report(series, example_findings(series.volume), None, CONTEXT)]
    yield "notice", build_notice(series.headers, "SLICE_GAP", "one slice is missing", CONTEXT)
    yield "orphan notice", build_notice([orphan_header(CONTEXT)], "NO_IMAGES", "there is no DICOM image", CONTEXT)


@pytest.fixture(scope="module")
def written(series: AssembledSeries, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return {name: write(objects, tmp_path_factory.mktemp("results")) for name, objects in situations(series)}


def write(objects: list[Dataset], folder: Path) -> list[Path]:
    paths = []
    for number, dataset in enumerate(objects, start=1):
        paths.append(folder / f"{dataset.Modality}-{number}.dcm")
        paths[-1].write_bytes(encoded(dataset))
    return paths


def check_with_dciodvfy(path: Path) -> None:
    done = run(tool("dciodvfy"), path)
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]


SITUATIONS = [
    "three nodules",
    "enhanced source",
    "in pieces, requested",
    "no nodule",
    "no segmentation",
    "notice",
    "orphan notice",
]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_dciodvfy_finds_no_error(written: dict[str, list[Path]], situation: str) -> None:
    for path in written[situation]:
        check_with_dciodvfy(path)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_dsrdump_reads_every_report(written: dict[str, list[Path]], situation: str) -> None:
    for path in written[situation]:
        if path.name.startswith("SR"):
            assert run(tool("dsrdump"), path).returncode == 0


def test_dcentvfy_finds_one_patient_and_study(written: dict[str, list[Path]], tmp_path: Path) -> None:
    """All results and their source are the same patient, study and frame of reference."""
    volume = small_phantom((), (4, 110, 130), (7.0, 2.8, 2.6)).volume
    source = write_series(ct_datasets(volume), tmp_path)
    done = run(tool("dcentvfy"), *source, *written["three nodules"], *written["notice"][1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("situation", ["three nodules", "in pieces, requested"])
def test_pixelmed_finds_no_error_in_a_report_of_nodules(written: dict[str, list[Path]], situation: str) -> None:
    assert complaints_of_pixelmed(written[situation][0]) == []


def test_pixelmed_finds_no_error_in_a_notice(written: dict[str, list[Path]]) -> None:
    assert complaints_of_pixelmed(written["notice"][0]) == []


def test_pixelmed_would_find_a_report_with_a_defect(series: AssembledSeries, tmp_path: Path) -> None:
    """The control: without it, silence of the validator would prove nothing."""
    findings = example_findings(series.volume, 1)
    report = build_report(series, findings, build_segmentation(series, findings, CONTEXT), CONTEXT)
    child(groups(report)[0], "Long Axis").ContentSequence[0].RelationshipType = "CONTAINS"
    (path,) = write([report], tmp_path)
    assert complaints_of_pixelmed(path)


def test_results_of_a_real_series_pass(lidc_0003: Path, tmp_path: Path) -> None:
    paths = sorted(lidc_0003.rglob("*.dcm"))
    series = assemble_files(paths)
    center = tuple(float(x) for x in series.volume.to_patient([70, 250, 150]))
    planted = sphere((center[0], center[1], center[2]), 9.0, 30.0)
    labels = np.zeros(series.volume.shape, np.uint8)
    labels[20:120, 150:350, 100:200], labels[20:120, 150:350, 300:400] = 1, 2
    lungs = example_findings(phantom_series().volume, 0).lungs
    findings = example_findings(
        series.volume,
        0,
        lungs=type(lungs)(labels, lungs.right_ml, lungs.left_ml),
        nodules=(sphere_nodule(series.volume, planted, 1),),
    )
    segmentation = build_segmentation(series, findings, CONTEXT)
    page = CapturePicture(np.zeros((512, 512, 3), np.uint8), 70, "Slice 71")
    objects = [build_report(series, findings, segmentation, CONTEXT), segmentation]
    objects += build_captures(series, [page], CONTEXT)
    check(objects, series.headers)
    results = write(objects, tmp_path)
    for path in results:
        check_with_dciodvfy(path)
    assert run(tool("dcentvfy"), *paths, *results).returncode == 0
