"""Foreign validators on segmentations, captures, presentation states and key objects.

Which messages are accepted, and why: spatial attributes on a single-frame Secondary Capture make it a
Standard Extended SOP Class on purpose; dciodvfy is older than the Label Map Segmentation and does not
know it, nor that segment 0 is its background; what a source leaves empty would be needed for a DICOMDIR.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image
from pydicom import Dataset, dcmread

from models.findings import Lungs
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.results.checks import check
from node.results.envelope import CAPTURE, CAPTURE_JPEG, CAPTURE_JPEG_LS
from node.results.key_objects import build_key_objects
from node.results.language import Language
from node.results.multiframe_capture import build_multiframe_captures
from node.results.pictures import key_slices, slice_picture
from node.results.presentation_state import build_presentation_state
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.summary_page import summary_page
from tests.conftest import tool
from tests.result_examples import (
    CONTEXT,
    as_enhanced,
    encoded,
    example_findings,
    phantom_series,
    sphere_nodule,
    with_headers,
)
from tests.validators import complaints_of_pixelmed, messages_of_dciodvfy, python_tool, run
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom, sphere

SPATIAL = ("Slice Thickness", "Image Position (Patient)", "Image Orientation (Patient)", "Frame of Reference UID")
EXTENDED = (*SPATIAL, "Position Reference Indicator", "this is a Standard Extended SOP Class")
UNKNOWN_LABELMAP = ("Information Object Not found", "SegmentNumber not monotonically increasing")
ACCEPTED = {"SC": EXTENDED, "SC-JPEG": EXTENDED, "SC-JPEGLS": EXTENDED, "SEG-LABELMAP": UNKNOWN_LABELMAP}
KINDS = ["SEG", "SEG-LABELMAP", "SC", "SC-JPEG", "SC-JPEGLS", "SC-MULTI", "PR", "KO"]
SITUATIONS = ["single frames", "enhanced", "poor header", "German", "Chinese"]


def results_of(series: AssembledSeries, language: Language = Language.ENGLISH) -> Iterator[tuple[str, list[Dataset]]]:
    """Every kind of object with its kind."""
    context = CONTEXT if language is Language.ENGLISH else replace(CONTEXT, language=language)
    findings = example_findings(series.volume)
    slices = [CapturePicture(slice_picture(series, findings, k, 1, language), k, "Slice") for k in key_slices(findings)]
    pictures = [CapturePicture(summary_page(series, findings, language), None, "Summary"), *slices]
    yield "SEG", [build_segmentation(series, findings, context)]
    yield "SEG-LABELMAP", [build_labelmap(series, findings, context)]
    for kind in (CAPTURE, CAPTURE_JPEG, CAPTURE_JPEG_LS):
        yield kind.name, build_captures(series, pictures[:3], context, findings.models, kind)
    yield "SC-MULTI", build_multiframe_captures(series, pictures, context, findings.models)
    yield "PR", [build_presentation_state(series, findings, context)]
    yield "KO", [build_key_objects(series, findings, context)]


def written(series: AssembledSeries, folder: Path, language: Language = Language.ENGLISH) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for kind, objects in results_of(series, language):
        check(objects, series.headers)
        for number, dataset in enumerate(objects, start=1):
            path = folder / f"{kind}-{number}.dcm"
            path.write_bytes(encoded(dataset))
            files.setdefault(kind, []).append(path)
    return files


@pytest.fixture(scope="module")
def every(series: AssembledSeries, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Path]]]:
    poor = dict.fromkeys(("StudyID", "AccessionNumber", "PatientBirthDate", "BodyPartExamined", "SliceThickness"))
    situations = {
        "single frames": (series, Language.ENGLISH),
        "enhanced": (as_enhanced(series), Language.ENGLISH),
        "poor header": (with_headers(series, **poor), Language.ENGLISH),
        "German": (series, Language.GERMAN),
        "Chinese": (series, Language.CHINESE),
    }
    return {name: written(*what[:1], tmp_path_factory.mktemp("r"), what[1]) for name, what in situations.items()}


def unaccepted(kind: str, path: Path) -> list[str]:
    accepted = (*ACCEPTED.get(kind, ()), "needed to build DICOMDIR")
    return [line for line in messages_of_dciodvfy(path) if not any(text in line for text in accepted)]


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_says_nothing_but_what_is_accepted(
    every: dict[str, dict[str, list[Path]]], situation: str, kind: str
) -> None:
    for path in every[situation][kind]:
        assert unaccepted(kind, path) == []


@pytest.mark.parametrize("keyword", ["PhotometricInterpretation", "ConversionType"])
def test_dciodvfy_would_find_a_capture_with_a_defect(
    every: dict[str, dict[str, list[Path]]], tmp_path: Path, keyword: str
) -> None:
    """The control: without it, silence of the validator would prove nothing."""
    broken = dcmread(every["single frames"]["SC-MULTI"][1])
    del broken[keyword]
    broken.save_as(tmp_path / "broken.dcm")
    assert unaccepted("SC-MULTI", tmp_path / "broken.dcm")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_dcmpschk_passes_every_presentation_state(every: dict[str, dict[str, list[Path]]], situation: str) -> None:
    done = run(tool("dcmpschk"), every[situation]["PR"][0])
    assert "Test passed" in done.stdout + done.stderr
    assert done.returncode == 0


def test_dcmpschk_would_find_a_defect(every: dict[str, dict[str, list[Path]]], tmp_path: Path) -> None:
    broken = dcmread(every["single frames"]["PR"][0])
    broken.GraphicAnnotationSequence[0].GraphicObjectSequence[0].NumberOfGraphicPoints += 1
    del broken.DisplayedAreaSelectionSequence
    broken.save_as(tmp_path / "broken.dcm")
    done = run(tool("dcmpschk"), tmp_path / "broken.dcm")
    assert "Test passed" not in done.stdout + done.stderr


def test_dcmtk_shows_a_source_image_through_the_presentation_state(
    every: dict[str, dict[str, list[Path]]], series: AssembledSeries, tmp_path: Path
) -> None:
    """The lung window: -600 HU becomes the middle grey."""
    volume = small_phantom(shape=series.volume.shape, spacing_kji_mm=series.volume.spacing_kji_mm).volume
    source = write_series(ct_datasets(volume), tmp_path)
    image = next(p for p in source if str(dcmread(p).SOPInstanceUID) == series.frames[12].sop_instance_uid)
    run(tool("dcmp2pgm"), "--pstate", every["single frames"]["PR"][0], image, tmp_path / "shown.pgm")
    shown = np.asarray(Image.open(tmp_path / "shown.pgm"), dtype=float)
    hu = series.volume.hu[12].astype(float)
    expected = np.clip((hu + 1350) / 1500, 0, 1) * 255
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("situation", ["single frames", "enhanced", "Chinese"])
def test_pixelmed_finds_no_error_in_key_objects(every: dict[str, dict[str, list[Path]]], situation: str) -> None:
    assert complaints_of_pixelmed(every[situation]["KO"][0]) == []


def test_dsrdump_reads_the_key_objects(every: dict[str, dict[str, list[Path]]]) -> None:
    done = run(tool("dsrdump"), every["single frames"]["KO"][0])
    assert done.returncode == 0
    assert "Of Interest" in done.stdout


def test_dcentvfy_finds_one_patient_and_study(every: dict[str, dict[str, list[Path]]], tmp_path: Path) -> None:
    source = write_series(ct_datasets(small_phantom((), (4, 110, 130), (7.0, 2.8, 2.6)).volume), tmp_path)
    known = [path for kind, paths in every["single frames"].items() if kind != "SEG-LABELMAP" for path in paths]
    done = run(tool("dcentvfy"), *source, *known)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("kind", "program"), [("SC-JPEG", "dcmdjpeg"), ("SC-JPEGLS", "dcmdjpls")])
def test_dcmtk_decodes_compressed_captures(
    every: dict[str, dict[str, list[Path]]], tmp_path: Path, kind: str, program: str
) -> None:
    plain, packed = (dcmread(every["single frames"][name][1]).pixel_array.astype(int) for name in ("SC", kind))
    done = run(tool(program), every["single frames"][kind][1], tmp_path / "plain.dcm")
    assert done.returncode == 0, done.stderr
    decoded = dcmread(tmp_path / "plain.dcm").pixel_array.astype(int)
    assert np.abs(decoded - packed).max() <= (2 if kind == "SC-JPEG" else 0)  # two inverse transforms round apart
    assert np.abs(decoded - plain).mean() < (3 if kind == "SC-JPEG" else 1e-9)


def test_dcmtk_decodes_the_label_map(every: dict[str, dict[str, list[Path]]], tmp_path: Path) -> None:
    path = every["single frames"]["SEG-LABELMAP"][0]
    assert run(tool("dcmdjpls"), path, tmp_path / "plain.dcm").returncode == 0
    assert np.array_equal(dcmread(tmp_path / "plain.dcm").pixel_array, dcmread(path).pixel_array)


def test_all_kinds_of_a_real_series_pass(lidc_0003: Path, tmp_path: Path) -> None:
    paths = sorted(lidc_0003.rglob("*.dcm"))
    series = assemble_files(paths)
    x, y, z = (float(value) for value in series.volume.to_patient([70, 250, 150]))
    labels = np.zeros(series.volume.shape, np.uint8)
    labels[20:120, 150:350, 100:200], labels[20:120, 150:350, 300:400] = 1, 2
    nodule = sphere_nodule(series.volume, sphere((x, y, z), 9.0, 30.0), 1)
    example = example_findings(phantom_series().volume, 0)
    findings = replace(example, lungs=Lungs(labels, 2400.0, 2400.0), nodules=(nodule,))
    pictures = [CapturePicture(slice_picture(series, findings, k), k, "Slice") for k in key_slices(findings)]
    objects = {
        "SEG": [build_segmentation(series, findings, CONTEXT)],
        "SC-JPEG": build_captures(series, pictures, CONTEXT, findings.models, CAPTURE_JPEG),
        "SC-MULTI": build_multiframe_captures(series, pictures, CONTEXT, findings.models),
        "PR": [build_presentation_state(series, findings, CONTEXT)],
        "KO": [build_key_objects(series, findings, CONTEXT)],
    }
    files = []
    for kind, datasets in objects.items():
        check(datasets, series.headers)
        for dataset in datasets:
            files.append(tmp_path / f"{len(files)}.dcm")
            files[-1].write_bytes(encoded(dataset))
            assert unaccepted(kind, files[-1]) == []
    assert run(tool("dcentvfy"), *paths, *files).returncode == 0


def test_dcmqi_reads_the_same_voxels_from_the_segmentation(
    every: dict[str, dict[str, list[Path]]], series: AssembledSeries, tmp_path: Path
) -> None:
    path = every["single frames"]["SEG"][0]
    options = ("--outputDirectory", tmp_path, "--prefix", "s", "--outputType", "nrrd")
    done = run(python_tool("segimage2itkimage"), "--inputDICOM", path, *options)
    assert done.returncode == 0, done.stderr
    stored, numbers = dcmread(path), [1, 2, 3, 4, 5]
    frames = [int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for g in groups_of(stored)]
    for number in numbers:
        image = SimpleITK.ReadImage(tmp_path / f"s-{number}.nrrd")
        expected = stored.pixel_array[np.array(frames) == number].sum()
        assert np.count_nonzero(SimpleITK.GetArrayViewFromImage(image)) == expected > 0
        assert np.allclose(sorted(image.GetSpacing()), sorted(series.volume.spacing_kji_mm), atol=1e-4)


def groups_of(segmentation: Dataset) -> list[Dataset]:
    return list(segmentation.PerFrameFunctionalGroupsSequence)
