"""How long a folder of CT slices takes to be de-identified, and how much memory.

    python benchmarks/deidentification.py [--slices 1000] [--repeat 3] [--cores 2] [--dicognito PYTHON] [--json FILE]

Makes slices of 512x512 with the header of a CT (sequences and private attributes among it), and gives them as whole
commands to ``pulmonode deidentify``, to dicognito and to DCMTK's dcmodify, on the same cores, each into an empty
folder. pulmonode writes durably (fsync) and looks at each file once more; the others do not. dicognito is run by the
interpreter of an environment that has it. dcmodify is no de-identification: it changes six attributes and removes
private ones, in place, on a copy made before; it stands for what rewriting the files takes. Seconds are the best of
the repeats; memory is the sum over the processes of a program, as seen every 50 ms, at its highest. A quarter of the
slices shows whether memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROOT = Path(__file__).resolve().parents[1]
SIDE = 512  # pixels
SAMPLE_S = 0.05
OPTIONS = ("clean-descriptors", "retain-modified-dates", "retain-patient-characteristics")
CHANGES = ("0010,0010", "0010,0020", "0008,0050", "0008,0080", "0008,0090", "0010,0030")
Command = Callable[[Path, Path], list[str]]


@dataclass(frozen=True)
class Run:
    """One measurement of a whole command."""

    program: str
    slices: int
    seconds: float
    peak_mb: float
    written: int


def main() -> None:
    """Measure every program that is there."""
    arguments = _arguments()
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[: arguments.cores]))
    with tempfile.TemporaryDirectory(prefix="deidentification-", dir=arguments.scratch) as scratch:
        runs = list(measure(arguments, Path(scratch)))
    if arguments.json:
        machine = {"machine": platform.platform(), "cores": arguments.cores, "load": os.getloadavg()}
        arguments.json.write_text(json.dumps(machine | {"runs": [asdict(run) for run in runs]}, indent=2))


def measure(arguments: argparse.Namespace, scratch: Path) -> Iterator[Run]:
    """Give every measurement as soon as it is made, and print it."""
    print(f"{'program':<14}{'slices':>8}{'s':>9}{'ms/slice':>10}{'peak MB':>9}{'written':>9}")
    for count in (arguments.slices // 4, arguments.slices):
        source = generated(scratch / f"slices-{count}", count)
        for program, command in programs(arguments, scratch).items():
            run = best_of(arguments.repeat, program, command, source, scratch / "out")
            print(
                f"{run.program:<14}{run.slices:>8}{run.seconds:>9.2f}{run.seconds / run.slices * 1e3:>10.2f}"
                f"{run.peak_mb:>9.0f}{run.written:>9}",
                flush=True,
            )
            yield run
        shutil.rmtree(source)


def programs(arguments: argparse.Namespace, scratch: Path) -> dict[str, Command]:
    """Give the command of each program that is installed, by name."""
    key = scratch / "key"
    if not key.exists():
        subprocess.run([sys.executable, "-m", "node", "deidentify", "--new-key", str(key)], check=True, cwd=ROOT,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    options = [part for name in OPTIONS for part in ("--option", name)]
    found: dict[str, Command] = {
        "pulmonode": lambda source, out: [
            sys.executable, "-m", "node", "deidentify", str(source), str(out), "--key", str(key), *options,
        ],
    }  # fmt: skip
    if arguments.dicognito:
        found["dicognito"] = lambda source, out: [
            str(arguments.dicognito), "-m", "dicognito", "--quiet", "-o", str(out), str(source),
        ]  # fmt: skip
    if shutil.which("dcmodify"):
        changes = [part for tag in CHANGES for part in ("-ma", f"({tag})=")]
        found["dcmodify"] = lambda source, out: [
            "dcmodify", "-nb", "-q", "-ep", "-gin", "-gse", "-gst", *changes,
            *(str(path) for path in sorted(copied(source, out).iterdir())),
        ]  # fmt: skip
    return found


def copied(source: Path, out: Path) -> Path:
    """Copy the slices for a program that changes them in place."""
    shutil.copytree(source, out)
    return out


def best_of(repeat: int, program: str, command: Command, source: Path, out: Path) -> Run:
    """Run a program ``repeat`` times into an empty folder; the shortest time, the highest peak."""
    seconds, peaks, written = [], [], 0
    for _ in range(repeat):
        arguments = command(source, out)
        os.sync()
        begin = time.perf_counter()
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks.append(watched(process))
        seconds.append(time.perf_counter() - begin)
        if process.returncode != 0:
            raise SystemExit(f"{program} ended with {process.returncode}")
        written = sum(path.suffix != ".json" and path.suffix != ".txt" for path in out.rglob("*") if path.is_file())
        shutil.rmtree(out)
    return Run(program, len(list(source.iterdir())), min(seconds), max(peaks), written)


def watched(process: subprocess.Popen[bytes]) -> float:
    """Wait for a program; give the highest sum of resident memory of its processes, in MB."""
    peak = 0.0
    while True:
        peak = max(peak, sum(resident_mb(pid) for pid in family(process.pid)))
        try:
            process.wait(SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
        return peak


def family(pid: int) -> Iterator[int]:
    """Give a process and all below it, as far as they are still there."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def resident_mb(pid: int) -> float:
    """Read how much memory a process has now; nothing once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def generated(folder: Path, count: int) -> Path:
    """Write a CT series of ``count`` slices with noise in them."""
    folder.mkdir()
    noise = np.random.default_rng(1)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(count):
        dataset = header(study, series, frame, number)
        dataset.PixelData = noise.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16).tobytes()
        dataset.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)
    return folder


def header(study: str, series: str, frame: str, number: int) -> Dataset:
    """Make the header of one slice, much as scanners write it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "AccessionNumber": "A4711",
        "Modality": "CT",
        "Manufacturer": "BENCH",
        "InstitutionName": "General Hospital",
        "InstitutionAddress": "1 Street, Town",
        "ReferringPhysicianName": "Referrer^R",
        "StationName": "CT1",
        "StudyDescription": "CT CHEST LOW DOSE",
        "SeriesDescription": "LUNG 1.0 mm",
        "InstitutionalDepartmentName": "Radiology",
        "PhysiciansOfRecord": "Record^R",
        "OperatorsName": "Operator^O",
        "ManufacturerModelName": "Model",
        "PatientName": "Doe^Jane",
        "PatientID": "4711",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "PatientAge": "070Y",
        "PatientSize": "1.70",
        "PatientWeight": "70",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "1.0",
        "KVP": "120",
        "DeviceSerialNumber": "12345",
        "SoftwareVersions": "1.0",
        "ProtocolName": "Chest routine",
        "ExposureTime": "500",
        "XRayTubeCurrent": "100",
        "ConvolutionKernel": "B70f",
        "PatientPosition": "FFS",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "StudyID": "S1",
        "SeriesNumber": 2,
        "InstanceNumber": number + 1,
        "ImagePositionPatient": [-180.0, -180.0, float(number)],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "FrameOfReferenceUID": frame,
        "SliceLocation": float(number),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": SIDE,
        "Columns": SIDE,
        "PixelSpacing": [0.7, 0.7],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RequestedProcedureDescription": "CT chest",
    }
    values |= {f"{stem}Date": "20200315" for stem in ("Study", "Series", "Acquisition", "Content")}
    values |= {f"{stem}Time": "101112.5" for stem in ("Study", "Series", "Acquisition", "Content")}
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    _add_sequences(dataset)
    return dataset


def _add_sequences(dataset: Dataset) -> None:
    code, reference, request = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTCH", "99BENCH", "CT chest"
    dataset.ProcedureCodeSequence = [code]
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, generate_uid()
    dataset.ReferencedImageSequence = [reference]
    request.RequestedProcedureID, request.ScheduledProcedureStepDescription = "R1", "CT chest"
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0019, "BENCH CT", create=True)
    for element in range(20):
        block.add_new(element, "LO", f"private {element}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--dicognito", type=Path, help="interpreter of an environment with dicognito")
    parser.add_argument("--scratch", type=Path, help="where to put the files; default: the system's place")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
