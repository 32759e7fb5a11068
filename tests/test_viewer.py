"""All results in the OHIF viewer in a browser: what a reader sees, by its words; docs/viewer.md says how to run it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from node.assembly.assemble import assemble
from node.results.forms import Kind
from tests.all_kinds import every_kind, write_objects
from tests.conftest import skip_or_fail
from tests.orthanc_rig import running_orthanc
from tests.result_examples import CONTEXT, SHAPE, example_findings
from tests.viewer_rig import Viewer, open_viewer, viewer_in_front_of
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

pytestmark = [pytest.mark.viewer, pytest.mark.timeout(600)]

SPACING_MM = (7.0, 2.6, 2.6)  # square pixels: OHIF 3.12 takes row and column spacing of an SR for each other
LABELS = ["Nodule 1: solid, 12.0 mm", "Nodule 2: ", "Nodule 3: "]
SEGMENTS = ["Right lung", "Left lung", "Nodule 1", "Nodule 2", "Nodule 3"]
FORMS_OF_ONE_REPORT = (Kind.SR_COMPREHENSIVE, Kind.SR_ENHANCED, Kind.SR_TEXT)  # a destination gets one of them


@dataclass(frozen=True)
class Study:
    """A study in the archive behind the viewer, and the instance numbers of the slices with its nodules."""

    address: str
    uid: str
    nodule_instances: tuple[int, ...]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    dist = Path(os.environ.get("PULMONODE_OHIF_DIST", ""))
    if not (dist / "index.html").is_file():
        skip_or_fail("PULMONODE_OHIF_DIST does not name the unpacked dist folder of @ohif/app")
    folder = tmp_path_factory.mktemp("viewer")
    source = ct_datasets(small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume)
    series = assemble(source)
    findings = example_findings(series.volume, 3)
    context = replace(CONTEXT, ohif_tracking=True)
    made = every_kind(series, findings, FORMS_OF_ONE_REPORT, context)
    results = {kind: objects for kind, objects in made.items() if not kind.startswith("NOTICE")}
    instances = tuple(
        int(series.headers[round(nodule.measurement.long_axis.start_kji[0])].InstanceNumber)
        for nodule in findings.nodules
    )
    (folder / "results").mkdir()
    with running_orthanc(folder / "orthanc", dicomweb=True) as orthanc:
        for path in [*write_series(source, folder / "source"), *write_objects(results, folder / "results")]:
            orthanc.upload(path)
        with viewer_in_front_of(orthanc.url, dist) as address:
            yield Study(address, series.study_instance_uid, instances)


@pytest.fixture
def viewer(study: Study) -> Iterator[Viewer]:
    with open_viewer(study.address) as viewer:
        viewer.open_study(study.uid)
        yield viewer
        assert viewer.failures == []


def test_the_report_brings_every_nodule_with_its_label_to_its_slice(viewer: Viewer, study: Study) -> None:
    viewer.open_series("AI Lung nodule report")
    viewer.agree()
    viewer.open_panel("trackedMeasurements")
    viewer.expect(f"Measurements ({len(LABELS)})", *LABELS)
    rows = viewer.page.locator("[data-cy=trackedMeasurements-panel] [data-cy=data-row]")
    assert rows.count() == len(LABELS)
    for number, (label, instance) in enumerate(zip(LABELS, study.nodule_instances, strict=True)):
        assert label in rows.nth(number).inner_text().replace("\n", " ")
        rows.nth(number).click()
        viewer.expect_image(instance)


@pytest.mark.parametrize("number", ["S:9001", "S:9002"], ids=["binary", "label map"])
def test_the_segmentation_loads_with_all_segments(viewer: Viewer, number: str) -> None:
    viewer.open_series(number)
    viewer.agree()
    viewer.open_panel("panelSegmentation")
    viewer.expect("AI Lung nodules SEG", *SEGMENTS)


@pytest.mark.parametrize("number", ["S:9201", "S:9202", "S:9203", "S:9204"], ids=["plain", "frames", "JPEG", "JPEG-LS"])
def test_the_captures_are_shown_as_a_stack(viewer: Viewer, number: str) -> None:
    viewer.open_series(number)
    viewer.expect("AI Lung nodule overlay")
    viewer.expect_image(1)


def test_what_the_viewer_does_not_show_does_not_hurt_the_study(viewer: Viewer) -> None:
    for description in ("AI Lung nodule marks", "AI Key images", "AI Lung nodule report PDF", "CHEST"):
        viewer.open_series(description)
    viewer.expect_image(SHAPE[0])  # the CT again, from its first image in the viewer: the top one
