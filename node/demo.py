"""The demo: the whole job over real DICOM sockets on loopback, with a node and an archive of its own.

CT folder --C-STORE--> pulmonode serve --C-STORE--> archive --> output folder
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from node.archive import Archive
from node.delivery.scu import Destination, echo
from node.errors import DeliveryError, PulmonodeError
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryState, SeriesRecord
from node.series.states import SeriesState

ARCHIVE_AE_TITLE = "DEMOARCHIVE"
NODE_AE_TITLE = "PULMONODE"
START_TIMEOUT_S = 300.0  # the first start reads torch from a cold disk
RESULTS_TIMEOUT_S = 900.0
_POLL_S = 0.25
_STOP_TIMEOUT_S = 90.0
_UNFINISHED = frozenset({SeriesState.RECEIVING, SeriesState.READY})
_READ = frozenset({SeriesState.ANALYSED, SeriesState.DELIVERED, SeriesState.COMMITTED})
_OUTCOMES = _READ | {SeriesState.REFUSED, SeriesState.FAILED}


class DemoError(PulmonodeError):
    """The demo could not show the whole job; the message says which part."""

    code = "DEMO"


@dataclass(frozen=True)
class DemoResult:
    """What came of it.

    Parameters
    ----------
    objects
        The result objects as the archive got them, copied to the output folder.
    report
        The content of report.json; None when nothing was analysed or refused.
    seconds
        From the last instance sent to the last result in the archive.
    """

    state: SeriesState
    objects: tuple[Path, ...]
    report: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class RunningNode:
    """A node in a process of its own, and where to reach it."""

    process: subprocess.Popen[bytes]
    destination: Destination
    data_dir: Path


@contextmanager
def running_node(
    folder: Path, archive_port: int, known_nodules: Path | None, results: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[RunningNode]:
    """Run ``pulmonode serve`` with settings for the demo; its log goes to ``folder``/node.log.

    Parameters
    ----------
    results
        Settings of ``results`` over those of the demo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    config = folder / "config.yaml"
    settings = _settings(folder, port, archive_port, known_nodules)
    settings["results"] |= results
    config.write_text(json.dumps(settings, indent=2))  # JSON is YAML
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULMONODE_")}
    with (folder / "node.log").open("wb") as log:
        command = [sys.executable, "-m", "node", "serve", "--config", str(config)]
        process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)  # noqa: S603 - our own module
        try:
            destination = Destination("demo node", NODE_AE_TITLE, "127.0.0.1", port)
            _wait_until_it_answers(process, destination, folder / "node.log")
            yield RunningNode(process, destination, folder / "data")
        except DemoError as error:
            raise DemoError(f"{error} (its last line: {_last_line(folder / 'node.log')})") from None
        finally:
            _stop(process)


@contextmanager
def running_archive(folder: Path) -> Iterator[Archive]:
    """Run the small archive in this process."""
    archive = Archive.start(folder, ARCHIVE_AE_TITLE)
    try:
        yield archive
    finally:
        archive.stop()


def make_phantom(folder: Path, seed: int) -> Path:
    """Make the procedural chest phantom in a process of its own (the node never imports training)."""
    command = [sys.executable, "-m", "training", "phantom", str(folder), "--seed", str(seed)]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own module
        raise DemoError("the phantom could not be made; the lines above say why")
    return folder


def wait_for_results(node: RunningNode, began: float, on_state: Callable[[str], None]) -> tuple[SeriesRecord, float]:
    """Wait until every series has an outcome and every result its answer; give the one with results."""
    ledger = Ledger.open(f"sqlite:///{node.data_dir / 'ledger.sqlite'}")
    try:
        while True:
            if node.process.poll() is not None:
                raise DemoError(f"the node ended with exit status {node.process.returncode}")
            records = ledger.series.all()
            on_state(", ".join(sorted({record.state.lower() for record in records})))
            if time.monotonic() - began > RESULTS_TIMEOUT_S:
                raise DemoError(f"no results after {RESULTS_TIMEOUT_S:g} s")
            if records and not any(record.state in _UNFINISHED for record in records) and not _is_owed(ledger):
                return _shown(records, ledger), time.monotonic() - began
            time.sleep(_POLL_S)
    finally:
        ledger.close()


def collect(node: RunningNode, record: SeriesRecord, archive: Archive, output: Path, seconds: float) -> DemoResult:
    """Copy the results out of the archive, and report and pictures from the node, into ``output``."""
    ledger = Ledger.open(f"sqlite:///{node.data_dir / 'ledger.sqlite'}")
    results = ledger.outcomes.results_of(record.series_instance_uid)
    ledger.close()
    objects = []
    for result in results:
        arrived = archive.path_of(result.sop_instance_uid)
        if arrived is None:
            raise DemoError(f"{result.path} did not arrive in the archive")
        objects.append(_copied(arrived, output / "dicom" / Path(result.path).name))
    if not results:
        raise DemoError(f"the series ended as {record.state}: {record.reason}")
    made = node.data_dir / Path(results[0].path).parent
    for path in sorted(path for path in made.rglob("*") if path.suffix in {".png", ".html", ".json"}):
        _copied(path, output / path.relative_to(made))
    report = json.loads((made / "report.json").read_text(encoding="utf-8"))
    return DemoResult(record.state, tuple(objects), report, seconds)


def _settings(folder: Path, port: int, archive_port: int, known_nodules: Path | None) -> dict[str, Any]:
    archive = {"name": "archive", "ae_title": ARCHIVE_AE_TITLE, "host": "127.0.0.1", "port": archive_port}
    return {
        "node": {"ae_title": NODE_AE_TITLE, "host": "127.0.0.1", "port": port},
        "data_dir": str(folder / "data"),
        "series": {"quiet_s": 5},
        "destinations": [archive],
        "results": {
            "report": ["comprehensive_3d"],
            "page": True,
            "known_nodules": str(known_nodules) if known_nodules else None,
        },
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], destination: Destination, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            echo(destination, ARCHIVE_AE_TITLE)
        except DeliveryError as error:
            if process.poll() is not None:
                raise DemoError(f"the node did not start: {_last_line(log)}") from None
            if time.monotonic() > deadline:
                raise DemoError(f"the node does not answer after {START_TIMEOUT_S:g} s: {error}") from None
            time.sleep(_POLL_S)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_owed(ledger: Ledger) -> bool:
    return any(DeliveryState.PENDING in counts for counts in ledger.deliveries.counts().values())


def _shown(records: tuple[SeriesRecord, ...], ledger: Ledger) -> SeriesRecord:
    """Of several series, the one with the report, else the one with the notice; of several such, the largest."""
    done = [record for record in records if record.state in _OUTCOMES]
    if not done:
        raise DemoError(f"no series was analysed: {records[0].reason}")

    def worth(record: SeriesRecord) -> tuple[bool, bool, int]:
        has_results = bool(ledger.outcomes.results_of(record.series_instance_uid))
        return record.state in _READ, has_results, record.instance_count

    return max(done, key=worth)


def _copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
