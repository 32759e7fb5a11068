"""The whole way through programs nobody here wrote: dcmsend -> pulmonode serve -> Orthanc, checked by dciodvfy."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pydicom
import pytest

from node.demo import RunningNode, running_node
from node.ledger.ledger import Ledger
from node.series.states import SeriesState
from tests.orthanc_rig import Orthanc, running_orthanc, tool, wait_for
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

pytestmark = [pytest.mark.route, pytest.mark.timeout(600)]

COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path / "orthanc") as running:
        yield running


def dcmsend(node: RunningNode, folder: Path) -> None:
    port = str(node.destination.port)
    command = [tool("dcmsend"), "+sd", "+r", "+sp", "*.dcm", "-aec", "PULMONODE", "127.0.0.1", port, str(folder)]
    sent = subprocess.run(command, capture_output=True, text=True, check=False)
    assert sent.returncode == 0, sent.stderr


def state_of(node: RunningNode) -> SeriesState | None:
    """The state of the one CT series, or None before anything has come."""
    ledger = Ledger.open(f"sqlite:///{node.data_dir / 'ledger.sqlite'}")
    try:
        records = [record for record in ledger.series.all() if record.state is not SeriesState.SKIPPED]
        return records[0].state if records else None
    finally:
        ledger.close()


def peak_mb(node: RunningNode) -> float:
    """Peak resident memory so far of the receiving process (proc(5): VmHWM, kB)."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def errors_of(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def items(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from items(item)


def test_a_real_ct_sent_by_dcmsend_ends_as_valid_results_in_orthanc(
    orthanc: Orthanc, lidc_0003: Path, tmp_path: Path
) -> None:
    dciodvfy, dcentvfy = tool("dciodvfy"), tool("dcentvfy")
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        dcmsend(node, lidc_0003)
        wait_for(lambda: state_of(node) is SeriesState.DELIVERED, "the results are delivered")
        assert peak_mb(node) < 300  # of the process that receives; the analysis runs in one of its own
    folder = tmp_path / "got"
    folder.mkdir()
    paths = orthanc.download(folder)
    results = [pydicom.dcmread(path) for path in paths]
    by_class: dict[str, list[pydicom.Dataset]] = {}
    for result in results:
        by_class.setdefault(str(result.SOPClassUID), []).append(result)
    assert len(by_class[COMPREHENSIVE_3D_SR]) == 1
    assert len(by_class[SEGMENTATION]) == 1
    assert len(by_class[SECONDARY_CAPTURE]) >= 4

    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in lidc_0003.rglob("*.dcm")]
    source_uids = {str(source.SOPInstanceUID) for source in sources}
    assert {str(result.StudyInstanceUID) for result in results} == {str(sources[0].StudyInstanceUID)}
    assert {str(result.PatientID) for result in results} == {str(sources[0].PatientID)}

    (report,) = by_class[COMPREHENSIVE_3D_SR]
    (segmentation,) = by_class[SEGMENTATION]
    referenced = {
        str(reference.ReferencedSOPInstanceUID)
        for item in items(report)
        for reference in item.get("ReferencedSOPSequence", [])
    }
    assert referenced - source_uids == {str(segmentation.SOPInstanceUID)}
    assert "not for diagnosis" in str(report)

    for path in paths:
        assert not errors_of([dciodvfy, str(path)]), path
    originals = [str(path) for path in sorted(lidc_0003.rglob("*.dcm"))]
    assert not errors_of([dcentvfy, *originals, *map(str, paths)])


def test_a_gap_yields_one_notice_and_no_finding(orthanc: Orthanc, tmp_path: Path) -> None:
    slices = ct_datasets(small_phantom().volume)
    write_series(slices[:30] + slices[31:], tmp_path / "series")
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        dcmsend(node, tmp_path / "series")
        wait_for(lambda: state_of(node) is SeriesState.REFUSED, "the series is refused")
        wait_for(lambda: len(orthanc.get("/instances")) == 2, "the notice is delivered", 30)
    (tmp_path / "got").mkdir()
    results = [pydicom.dcmread(path) for path in orthanc.download(tmp_path / "got")]
    assert sorted(result.Modality for result in results) == ["OT", "SR"]
    (report,) = [result for result in results if result.Modality == "SR"]
    text = str(report)
    assert "NOT PROCESSED" in text
    assert "not a negative result" in text
    assert "Measurement Group" not in text


DELIVERIES = "SELECT results.kind, deliveries.state FROM deliveries JOIN results USING (sop_instance_uid)"
EVERYTHING = {
    "segmentation": "labelmap",
    "captures": "multiframe",
    "presentation_state": True,
    "key_objects": True,
    "pdf": True,
}


def referenced_instances(dataset: pydicom.Dataset) -> set[str]:
    """The instances that a data set names, wherever it names them."""
    return {str(element.value) for element in dataset.iterall() if element.keyword == "ReferencedSOPInstanceUID"}


def test_all_kinds_arrive_and_a_class_that_the_archive_does_not_take_is_named(orthanc: Orthanc, tmp_path: Path) -> None:
    """Orthanc 1.10 accepts no Label Map Segmentation; everything else is there and its references resolve."""
    source = ct_datasets(small_phantom().volume)
    write_series(source, tmp_path / "series")
    with running_node(tmp_path / "node", orthanc.dicom_port, None, EVERYTHING) as node:
        dcmsend(node, tmp_path / "series")
        deliveries = wait_for(lambda: settled_deliveries(node), "every delivery is settled")
    (tmp_path / "got").mkdir()
    results = [pydicom.dcmread(path) for path in orthanc.download(tmp_path / "got")]
    assert {result.Modality for result in results} == {"SR", "PR", "KO", "DOC", "OT"}
    assert {state: kinds for state, kinds in deliveries.items() if state != "STORED"} == {"REFUSED": {"SEG-LABELMAP"}}
    there = {str(dataset.SOPInstanceUID) for dataset in [*source, *results]}
    for result in results:
        if result.Modality != "SR":  # which names the segmentation that did not come
            assert referenced_instances(result) <= there


def settled_deliveries(node: RunningNode) -> dict[str, set[str]]:
    """Kinds of result by what became of them; nothing while one is still to be sent."""
    with closing(sqlite3.connect(node.data_dir / "ledger.sqlite")) as ledger:
        rows = ledger.execute(DELIVERIES).fetchall()
    states = {state for _, state in rows}
    return {} if "PENDING" in states else {state: {k for k, other in rows if other == state} for state in states}


def kill(node: RunningNode) -> None:
    """End the node as a power cut does; its analysis process sees the end of its input."""
    node.process.kill()
    node.process.wait(10)


@pytest.mark.parametrize("moment", ["received", "in analysis"])
def test_a_node_that_is_killed_carries_on_where_it_stood(orthanc: Orthanc, tmp_path: Path, moment: str) -> None:
    write_series(ct_datasets(small_phantom().volume), tmp_path / "series")
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        dcmsend(node, tmp_path / "series")
        if moment == "in analysis":
            wait_for(lambda: state_of(node) is SeriesState.READY, "the analysis has begun", 60)
        kill(node)
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        wait_for(lambda: state_of(node) is SeriesState.DELIVERED, "the results are delivered")
        first = set(orthanc.get("/instances"))
        kill(node)
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        dcmsend(node, tmp_path / "series")  # the same again: stored once, analysed once
        assert state_of(node) is SeriesState.DELIVERED
    assert set(orthanc.get("/instances")) == first
    assert sum(orthanc.get(f"/instances/{one}/tags?simplify")["Modality"] == "SR" for one in first) == 1


def test_sigterm_drains_and_exits_zero(orthanc: Orthanc, tmp_path: Path) -> None:
    write_series(ct_datasets(small_phantom().volume), tmp_path / "series")
    with running_node(tmp_path / "node", orthanc.dicom_port, None) as node:
        dcmsend(node, tmp_path / "series")
        wait_for(lambda: state_of(node) is SeriesState.READY, "the analysis has begun", 60)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(120) == 0
        assert state_of(node) in {SeriesState.ANALYSED, SeriesState.DELIVERED}
