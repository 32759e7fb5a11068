"""The proof: a study full of unique words goes the whole way, and none of them stands where it must not.

The node receives it, refuses one instance and one series, is killed, comes back, retries and delivers.
Then everything that it left behind is searched: what leaves the clinical path holds no canary, and the
results in the archive carry the identity unchanged.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from sqlalchemy import create_engine, inspect, text

from node.archive import Archive
from node.delivery.scu import SendResult, send_folder
from node.delivery.statuses import Outcome
from node.demo import RunningNode, running_archive, running_node
from node.ledger.ledger import Ledger
from node.series.states import SeriesState
from tests.deidentification_rig import NAME, PATIENT_ID, ROOT, canaries_in, fill
from tests.orthanc_rig import free_port
from tests.raw_sender import associate, context_id, send_raw
from training.datasets import Layout, read_case, scans_of
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

pytestmark = [pytest.mark.route, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

WAIT_S = 400.0
SHAPE, SPACING_MM = (40, 110, 130), (7.0, 2.8, 2.6)
# The clinical rows: what the node has to know of a study to keep it and to send its results back. All
# else in the ledger is operation, and holds no UID, no name and no value of a data set.
CLINICAL = {
    "instances": {"sop_instance_uid", "series_instance_uid", "study_instance_uid", "path", "header"},
    "series": {"series_instance_uid", "study_instance_uid"},
    "analyses": {"series_instance_uid", "report"},
    "results": {"series_instance_uid", "path"},
    "deliveries": {"series_instance_uid"},
    "refusals": {"sop_instance_uid"},
    "events": {"series_instance_uid"},
}
WORDS = (b"canary", ROOT.encode("ascii"), b"19470713", b"111213.471147")


@dataclass(frozen=True)
class Route:
    """What there is to be searched after the run."""

    folder: Path
    temporary: Path
    data_dir: Path
    archive: Path
    export: Path
    left: Path
    said: str


def canary_series(series: int, slices: int | None = None) -> list[Dataset]:
    """A phantom of which every attribute that identifies is a canary."""
    datasets = ct_datasets(small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume)
    chosen = datasets if slices is None else [*datasets[: slices // 2], *datasets[slices // 2 + 1 : slices + 1]]
    for number, dataset in enumerate(chosen):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientID = NAME, PATIENT_ID
        dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "19470713", "19470713", "111213.471147"
        dataset.AccessionNumber, dataset.StudyID = "CANARYACC", "CANARYSTUDY"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.{series}", f"{ROOT}.{series}.1"
        dataset.SOPInstanceUID = f"{ROOT}.{series}.1.{number + 1}"
        dataset.FrameOfReferenceUID = f"{ROOT}.{series}.9"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        if number % 10 == 0:  # the others would repeat the same words
            fill(dataset)
    return chosen


def wait_for(node: RunningNode, condition: Callable[[Ledger], Any], what: str) -> Any:
    deadline = time.monotonic() + WAIT_S
    ledger = Ledger.open(f"sqlite:///{node.data_dir / 'ledger.sqlite'}")
    try:
        while time.monotonic() < deadline:
            if found := condition(ledger):
                return found
            signal.sigtimedwait([], 0.2)  # let the others work
        pytest.fail(f"{what}: not within {WAIT_S:g} s")
    finally:
        ledger.close()


def states(ledger: Ledger) -> set[SeriesState]:
    return {record.state for record in ledger.series.all()}


def send(node: RunningNode, folder: Path) -> None:
    results: list[SendResult] = []
    send_folder(
        folder,
        node.destination,
        calling_ae_title="SCANNER",
        timeout_s=60,
        on_result=lambda result, _: results.append(result),
    )
    assert {result.outcome for result in results} == {Outcome.STORED}


def send_garbage(node: RunningNode) -> int | None:
    """Send an instance that is no data set, full of canaries."""
    association = associate(
        node.destination.port, [(str(CTImageStorage), ExplicitVRLittleEndian)], called=node.destination.ae_title
    )
    context = context_id(association, str(CTImageStorage), ExplicitVRLittleEndian)
    assert context is not None
    try:
        return send_raw(association, context, str(CTImageStorage), f"{ROOT}.8", b"Canarygarbage^Patient" * 9)
    finally:
        association.release()


def first_life(folder: Path) -> None:
    """Receive, refuse, analyse; the archive is not there; then a power cut."""
    with running_node(folder, free_port(), None) as node:
        send(node, folder / "sent" / "whole")
        send(node, folder / "sent" / "gap")
        assert send_garbage(node) not in (0x0000, None)
        wait_for(node, lambda ledger: states(ledger) == {SeriesState.ANALYSED, SeriesState.REFUSED}, "both are decided")
        wait_for(node, failed_once, "the archive is not there")
        node.process.kill()
        node.process.wait(10)


def failed_once(ledger: Ledger) -> bool:
    with ledger.engine.connect() as connection:
        return bool(connection.scalar(text("SELECT max(attempts) FROM deliveries")))


def second_life(folder: Path, archive: Archive) -> Path:
    with running_node(folder, archive.port, None) as node:
        wait_for(node, lambda ledger: SeriesState.DELIVERED in states(ledger), "the results are delivered")
        return node.data_dir


def pulmonode(*arguments: object) -> str:
    command = [sys.executable, "-m", "node", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode in (0, 3), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route]:
    folder, temporary = tmp_path_factory.mktemp("route"), tmp_path_factory.mktemp("temporary")
    write_series(canary_series(1), folder / "sent" / "whole")
    write_series(canary_series(2, slices=20), folder / "sent" / "gap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("OMP_NUM_THREADS", "1")
        first_life(folder)
        (folder / "node.log").rename(folder / "first-node.log")
        with running_archive(folder / "archive") as archive:
            data_dir = second_life(folder, archive)
            config = ("--config", folder / "config.yaml")
            said = pulmonode("export", folder / "export", *config)
            for kind, source in (("sent", folder / "sent"), ("results", folder / "archive" / "instances")):
                said += pulmonode("deidentify", source, folder / "left" / kind, "--verify")
            said += pulmonode("status", *config)
            yield Route(folder, temporary, data_dir, folder / "archive", folder / "export", folder / "left", said)


def test_the_log_holds_no_canary(route: Route) -> None:
    log = b"".join(path.read_bytes().lower() for path in route.folder.glob("*node.log"))

    assert b"results for archive" in log  # it is the log of the run
    assert b"refused" in log
    assert not [word for word in WORDS if word in log]


def test_what_the_commands_say_holds_no_canary(route: Route) -> None:
    assert route.said.count("no identity was found") == 2
    assert not [word for word in WORDS if word.decode("ascii") in route.said.lower()]


def test_the_ledger_holds_no_canary_outside_of_the_clinical_rows(route: Route) -> None:
    engine = create_engine(f"sqlite:///{route.data_dir / 'ledger.sqlite'}")
    found, rows = [], 0
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings():  # noqa: S608 - our own tables
                rows += 1
                for column, value in row.items():
                    is_clinical = column in CLINICAL.get(table, set())
                    if not is_clinical and any(word in str(value).lower().encode("utf-8") for word in WORDS):
                        found.append(f"{table}.{column}")
    engine.dispose()

    assert rows > 50
    assert not found


def test_pages_and_pictures_hold_no_name_and_no_identifier(route: Route) -> None:
    pages = [path for path in route.data_dir.rglob("*") if path.suffix in {".html", ".json", ".png"}]

    assert any(path.name == "report.html" for path in pages)
    for path in pages:
        content = path.read_bytes().lower()
        assert b"canary" not in content, path.name
        assert b"19470713" not in content, path.name


def test_no_temporary_file_holds_a_canary(route: Route) -> None:
    assert canaries_in(route.temporary) == []


def test_the_export_holds_no_canary(route: Route) -> None:
    assert canaries_in(route.export) == []
    assert canaries_in(route.left) == []
    assert len(list((route.left / "sent").rglob("*.dcm"))) == SHAPE[0] + 20
    assert {"SR", "SEG"} <= {dcmread(path).Modality for path in (route.left / "results").rglob("*.dcm")}


def test_the_export_is_read_by_training(route: Route) -> None:
    (scan,) = scans_of(route.export, Layout.LUNA16)
    volume, nodules = read_case(scan)
    expected = small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume
    reports = [json.loads(path.read_text()) for path in route.data_dir.rglob("report.json")]
    (report,) = [report for report in reports if report["status"] == "ANALYSED"]

    assert volume.shape == expected.shape
    assert volume.affine == pytest.approx(expected.affine, abs=1e-3)
    assert abs(volume.hu.astype(int) - expected.hu.astype(int)).max() <= 1
    assert len(nodules) == len(report["nodules"]) > 0
    assert list((route.export / "masks").glob("*lung*.mha"))


def test_the_results_in_the_archive_carry_the_identity_unchanged(route: Route) -> None:
    results = [dcmread(path) for path in (route.archive / "instances").rglob("*.dcm")]
    original = dcmread(next((route.folder / "sent" / "whole").rglob("*.dcm")))

    assert canaries_in(route.data_dir)  # the search finds them where they belong
    assert {result.Modality for result in results} >= {"SR", "SEG"}
    for result in results:
        assert result.PatientName == NAME
        assert result.PatientID == PATIENT_ID
        assert result.PatientBirthDate == "19470713"
        assert result.AccessionNumber == "CANARYACC"
    assert str(original.StudyInstanceUID) in {str(result.StudyInstanceUID) for result in results}
