"""How fast C-STORE receivers are on one association, and how much memory they take.

    python benchmarks/reception.py FOLDER [--slices 1000] [--huge-mb 600] [--repeat 3] [--json out.json]

Sends FOLDER (a CT series), generated slices and one huge multi-frame object with DCMTK's dcmsend to: this
node (durable: fsync of file, name and ledger row before the answer), DCMTK's storescp (with and without
--bit-preserving; no fsync), Orthanc (its default: fsync of files) and pynetdicom's example (no fsync).
Each receiver starts empty for each run. Seconds are those of the whole dcmsend process, best of the
repeats; with Nagle's algorithm off (TCP_NODELAY=1, as a tuned site has it) and, where asked for, on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

ROOT = Path(__file__).resolve().parents[1]
AE_TITLE = "BENCH"
START_S = 30.0
SIDE = 512  # pixels


@dataclass(frozen=True)
class Run:
    """One measurement: seconds of the sender, peak resident memory of the receiver."""

    receiver: str
    load: str
    nagle: bool
    seconds: float
    peak_mb: float
    instances: int
    megabytes: float


def main() -> None:
    """Measure, or be the receiver that is measured."""
    arguments = _arguments()
    if arguments.serve is not None:
        serve(arguments.serve, arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="reception-", dir=arguments.scratch) as scratch:
        runs = list(measure(arguments, Path(scratch)))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "cores": os.cpu_count(),
                                              "runs": [asdict(run) for run in runs]}, indent=2))  # fmt: skip


def measure(arguments: argparse.Namespace, scratch: Path) -> Iterator[Run]:
    """Give every measurement as soon as it is made, and print it."""
    loads = {"series": arguments.folder}
    if arguments.slices:
        loads[f"{arguments.slices} slices"] = generate_slices(scratch / "slices", arguments.slices)
    if arguments.huge_mb:
        loads[f"one of {arguments.huge_mb} MB"] = generate_huge(scratch / "huge", arguments.huge_mb)
    print(f"{'receiver':<24}{'load':<18}{'Nagle':<7}{'s':>8}{'ms/inst.':>10}{'MB/s':>8}{'peak MB':>9}")
    for load, folder in loads.items():
        for receiver, command in receivers(scratch).items():
            if arguments.only and receiver not in arguments.only:
                continue
            for nagle in (False, True) if arguments.nagle else (False,):
                run = best_of(arguments.repeat, receiver, command, load, folder, scratch, nagle)
                print(
                    f"{run.receiver:<24}{run.load:<18}{'on' if nagle else 'off':<7}{run.seconds:>8.2f}"
                    f"{run.seconds / run.instances * 1e3:>10.2f}{run.megabytes / run.seconds:>8.0f}{run.peak_mb:>9.0f}",
                    flush=True,
                )
                yield run


Command = Callable[[int, Path], list[str]]


def receivers(scratch: Path) -> dict[str, Command]:
    """List the command of each receiver that is installed, by name."""

    def orthanc(port: int, folder: Path) -> list[str]:
        settings = {"StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomPort": port,
                    "DicomAet": AE_TITLE, "HttpServerEnabled": False, "MaximumPduLength": 131072}  # fmt: skip
        path = scratch / "orthanc.json"
        path.write_text(json.dumps(settings))
        return ["Orthanc", str(path)]

    def storescp(*options: str) -> Command:
        return lambda port, folder: ["storescp", "+xa", "-pdu", "131072", *options, "-od", str(folder), str(port)]

    found: dict[str, Command] = {
        "this node": lambda port, folder: [sys.executable, __file__, str(folder), "--serve", str(port)],
        "storescp": storescp(),
        "storescp +B": storescp("+B"),
        "Orthanc": orthanc,
        "pynetdicom storescp": lambda port, folder: [
            sys.executable, "-m", "pynetdicom", "storescp", str(port), "-od", str(folder), "-q",
        ],
    }  # fmt: skip
    return {name: command for name, command in found.items() if shutil.which(command(0, scratch)[0])}


def best_of(repeat: int, receiver: str, command: Command, load: str, folder: Path, scratch: Path, nagle: bool) -> Run:
    """Measure a receiver ``repeat`` times, empty each time; the shortest time, the highest peak."""
    files = [str(path) for path in sorted(folder.rglob("*.dcm"))]
    size = sum(Path(path).stat().st_size for path in files) / 1e6
    seconds, peaks = [], []
    for _ in range(repeat):
        with running(command, scratch / "store", nagle) as (port, process):
            seconds.append(send(files, port, nagle))
            peaks.append(peak_mb(process.pid))
    return Run(receiver, load, nagle, min(seconds), max(peaks), len(files), size)


@contextmanager
def running(command: Command, folder: Path, nagle: bool) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a receiver with an empty store until the block ends."""
    folder.mkdir()
    port = free_port()
    log = folder.with_suffix(".log").open("wb")
    process = subprocess.Popen(command(port, folder), stdout=log, stderr=log, env=environment(nagle), cwd=ROOT)
    try:
        wait_for(port)
        yield port, process
    finally:
        process.terminate()
        process.wait(START_S)
        log.close()
        shutil.rmtree(folder)


def send(files: list[str], port: int, nagle: bool) -> float:
    """Send files over one association; give the seconds, and fail when one was not stored."""
    command = ["dcmsend", "-q", "--max-send-pdu", "131072", "-aec", AE_TITLE, "127.0.0.1", str(port), *files]
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=environment(nagle))
    return time.perf_counter() - begin


def serve(port: int, folder: Path) -> None:
    """Be the receiver of this node, with its real store and ledger, until SIGTERM."""
    sys.path.insert(0, str(ROOT))
    from node.ledger.ledger import Ledger
    from node.reception.inbox import Inbox
    from node.reception.instance_store import InstanceStore
    from node.reception.scp import Receiver, ReceptionSettings

    store, ledger = InstanceStore(folder / "instances"), Ledger.open(f"sqlite:///{folder / 'ledger.sqlite'}")
    store.sweep(ledger.instances.known_paths())
    inbox = Inbox(store, ledger.instances, lambda _: None)
    receiver = Receiver(ReceptionSettings(AE_TITLE, port=port), inbox, lambda _: None)
    receiver.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    receiver.shutdown()


def generate_slices(folder: Path, count: int) -> Path:
    """Write a series of CT slices with noise in them."""
    folder.mkdir()
    noise = np.random.default_rng(1)
    series = generate_uid()
    for number in range(count):
        pixels = noise.integers(-1000, 1000, (SIDE, SIDE), dtype=np.int16)
        write(folder / f"{number:05d}.dcm", CTImageStorage, series, number, 1, pixels.tobytes())
    return folder


def generate_huge(folder: Path, megabytes: int) -> Path:
    """Write one Enhanced CT object of about ``megabytes``."""
    folder.mkdir()
    frames = megabytes * 1_000_000 // (SIDE * SIDE * 2)
    write(folder / "huge.dcm", EnhancedCTImageStorage, generate_uid(), 1, frames, bytes(frames * SIDE * SIDE * 2))
    return folder


def write(path: Path, sop_class: str, series: str, number: int, frames: int, pixels: bytes) -> None:
    """Write one CT object."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\x00" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.InstanceNumber = f"{series[:60]}.1", series, number
    dataset.PatientID, dataset.StudyID, dataset.Modality = "BENCH", "1", "CT"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = SIDE, SIDE, frames
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.add_new("PixelData", "OW", pixels)
    dataset.save_as(path, enforce_file_format=True)


def peak_mb(pid: int) -> float:
    """Read the peak resident memory of a process (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def environment(nagle: bool) -> dict[str, str]:
    """Tell DCMTK whether Nagle's algorithm is on."""
    return {**os.environ, "TCP_NODELAY": "0" if nagle else "1"}


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until a receiver answers a C-ECHO."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        answer = subprocess.run(["echoscu", "-aec", AE_TITLE, "127.0.0.1", str(port)], capture_output=True, check=False)
        if answer.returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError("the receiver did not start")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a CT series")
    parser.add_argument("--slices", type=int, default=1000, help="generated slices; 0 leaves them out")
    parser.add_argument("--huge-mb", type=int, default=600, help="size of the multi-frame object; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--nagle", action="store_true", help="measure with Nagle's algorithm on too")
    parser.add_argument("--only", nargs="*", help="names of receivers")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--scratch", type=Path, help="where stores are made; the disk under it is measured too")
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the receiver, storing in FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
