"""Research export: voxels, masks and measurements of what was analysed; training reads them, and no name is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset

from node.assembly.assemble import assemble
from node.deidentification.pseudonyms import Pseudonyms
from node.export import Exported, analysed_series, export
from node.results.report_json import report_of
from node.results.segmentation import build_labelmap, build_segmentation
from node.series.instances import header_of
from tests.deidentification_rig import KEY, NAME, PATIENT_ID, ROOT, canaries_in, fill
from tests.result_examples import CONTEXT, SHAPE, SPACING_MM, example_findings
from tests.tasks_rig import START, Node, analysed, at, node_with_ledger, slices
from training.datasets import Layout, read_case, scans_of
from training.phantom_dicom import ct_datasets
from training.phantom_small import SPHERES, small_phantom

pytestmark = pytest.mark.filterwarnings("ignore")
node = pytest.fixture(node_with_ledger)
PSEUDONYMS = Pseudonyms(KEY)
SERIES = f"{ROOT}.1.1"


def canary_slices(**attributes: Any) -> list[Dataset]:
    """The phantom as a series of canaries."""
    datasets = ct_datasets(small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume)
    for number, dataset in enumerate(datasets):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, PATIENT_ID, "19470713"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.1", SERIES
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.{number + 1}"
        if number % 20 == 0:
            fill(dataset)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
    return datasets


def hold(node: Node, datasets: list[Dataset], build: Any = build_segmentation, kind: str = "SEG") -> None:
    """Let the node hold an analysed series: its instances, its segmentation and its report."""
    node.receive([header_of(dataset) for dataset in datasets], START)
    for _, path, _ in node.ledger.instances.files(SERIES):
        number = int(Path(path).stem.rpartition(".")[2])
        datasets[number - 1].save_as(node.folder / path, enforce_file_format=True)
    node.complete(at(1))
    node.complete(at(100))
    series = assemble(datasets)
    findings = example_findings(series.volume)
    segmentation = build(series, findings, CONTEXT)
    described = {
        "sop_instance_uid": str(segmentation.SOPInstanceUID),
        "result_series_uid": str(segmentation.SeriesInstanceUID),
        "sop_class_uid": str(segmentation.SOPClassUID),
        "kind": kind,
        "name": "seg.dcm",
    }
    report = report_of(SERIES, f"{ROOT}.1", findings, CONTEXT)
    node.answers = [analysed(results=[described], report=json.loads(json.dumps(report)))]
    node.analyse(at(101))
    (result,) = node.ledger.outcomes.results_of(SERIES)
    (node.folder / result.path).parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(node.folder / result.path, enforce_file_format=True)


def exported(node: Node, target: Path) -> list[Exported]:
    return list(export(analysed_series(node.ledger, []), node.ledger, node.folder, target, PSEUDONYMS))


@pytest.mark.parametrize(("build", "kind"), [(build_segmentation, "SEG"), (build_labelmap, "SEG-LABELMAP")])
def test_training_reads_volume_and_marks_and_no_canary_is_in_it(
    node: Node, tmp_path: Path, build: Any, kind: str
) -> None:
    hold(node, canary_slices(), build, kind)
    (one,) = exported(node, tmp_path / "out")
    (scan,) = scans_of(tmp_path / "out", Layout.LUNA16)
    volume, nodules = read_case(scan)
    expected = small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume

    assert one.reason is None
    assert scan.name == one.uid == PSEUDONYMS.uid(SERIES)
    assert volume.affine == pytest.approx(expected.affine, abs=1e-3)
    assert np.abs(volume.hu.astype(int) - expected.hu).max() <= 1
    assert [nodule.center_mm for nodule in nodules] == [
        pytest.approx(sphere.center_lps_mm, abs=0.01) for sphere in SPHERES[:3]
    ]
    assert canaries_in(tmp_path / "out") == []


def test_masks_lie_on_the_grid_of_the_volume(node: Node, tmp_path: Path) -> None:
    hold(node, canary_slices())
    (one,) = exported(node, tmp_path / "out")
    volume = SimpleITK.ReadImage(str(tmp_path / "out" / "subset0" / f"{one.uid}.mhd"))
    labels = small_phantom((), SHAPE, SPACING_MM).lung_labels
    masks = {
        path.name.partition("_")[2]: SimpleITK.ReadImage(str(path)) for path in (tmp_path / "out" / "masks").iterdir()
    }
    together = sum(SimpleITK.GetArrayFromImage(mask).astype(int) for mask in masks.values())
    nodule = next(mask for name, mask in sorted(masks.items()) if "nodule" in name)
    index = nodule.TransformPhysicalPointToIndex([float(x) for x in SPHERES[0].center_lps_mm])

    assert len(masks) == 5
    assert np.array_equal(together, (labels > 0).astype(int))  # the segments do not overlap: a nodule is not lung
    assert nodule[index] == 1
    for mask in masks.values():
        assert mask.GetSize() == volume.GetSize()
        assert mask.GetOrigin() == pytest.approx(volume.GetOrigin())
        assert mask.GetDirection() == pytest.approx(volume.GetDirection())


def test_measurements_and_patients_are_told_without_uid_or_time(node: Node, tmp_path: Path) -> None:
    hold(node, canary_slices())
    (one,) = exported(node, tmp_path / "out")
    measured = json.loads((tmp_path / "out" / "measurements" / f"{one.uid}.json").read_text())

    assert [nodule["mean_diameter_mm"] for nodule in measured["nodules"]] == [
        pytest.approx(sphere.diameter_mm, abs=0.06) for sphere in SPHERES[:3]
    ]
    assert measured["models"]
    assert "not for diagnosis" in measured["disclaimer"]
    assert "uid" not in json.dumps(measured).lower()
    assert (tmp_path / "out" / "patients.csv").read_text() == (
        f"seriesuid,patient\n{one.uid},{PSEUDONYMS.patient_id(PATIENT_ID)}\n"
    )


def test_slices_that_may_show_text_do_not_leave(node: Node, tmp_path: Path) -> None:
    hold(node, canary_slices(BurnedInAnnotation="YES"))
    (one,) = exported(node, tmp_path / "out")

    assert "may show text" in str(one.reason)
    assert not list((tmp_path / "out").rglob("*.mhd"))


def test_a_series_whose_instances_are_gone_is_told_and_not_left_out_in_silence(node: Node, tmp_path: Path) -> None:
    hold(node, canary_slices())
    (node.folder / node.ledger.instances.files(SERIES)[3][1]).unlink()
    (one,) = exported(node, tmp_path / "out")

    assert "retention" in str(one.reason)


def test_what_was_refused_or_never_analysed_is_not_exported(node: Node) -> None:
    node.receive(slices("1.7"), START)

    assert analysed_series(node.ledger, []) == ()


def test_a_study_can_be_named(node: Node) -> None:
    hold(node, canary_slices())

    assert len(analysed_series(node.ledger, [f"{ROOT}.1"])) == 1
    assert analysed_series(node.ledger, ["1.2.3"]) == ()
