"""How long the result objects of a big study take to draw, build and encode, and how much memory.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.results [--slices 300] [--nodules 10] [--captures 40]

Budgets on one core, for 300 slices of 512 x 512 with lungs and 10 nodules: report 0.5 s, segmentation 1 s
and 300 MB, 40 captures 1 s with all drawing, PDF 1 s.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmwrite

from models.findings import (
    Attenuation,
    Caliper,
    Findings,
    LungRads,
    LungRadsCategory,
    Lungs,
    ModelIdentity,
    Nodule,
    NoduleMeasurement,
    RiskRange,
    Side,
    Third,
)
from models.volume import Volume
from node.assembly.assembled import AssembledSeries, SourceFrame
from node.results.checks import check
from node.results.context import ResultContext
from node.results.encapsulated_pdf import build_pdf
from node.results.envelope import CAPTURE_JPEG, CAPTURE_JPEG_LS
from node.results.key_objects import build_key_objects
from node.results.multiframe_capture import build_multiframe_captures
from node.results.pictures import key_slices, slice_picture
from node.results.presentation_state import build_presentation_state
from node.results.report_json import report_of
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.structured_report import build_report
from node.results.summary_page import summary_page
from training.phantom_dicom import ct_datasets

T = TypeVar("T")
SIZE = 512
CONTEXT = ResultContext(datetime(2026, 1, 5, 12, 0, 0), "d" * 64, "0.1.0")


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of the processor, the best of several runs each, and the most memory beyond the start.

    The clock includes what other work on the machine takes; the processor's seconds do not.
    """

    first_s: float
    wall_s: float
    cpu_s: float
    memory_mb: float


def main() -> None:
    """Print the cost of each kind of result object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--nodules", type=int, default=10)
    parser.add_argument("--captures", type=int, default=40)
    arguments = parser.parse_args()
    findings = made_findings(made_volume(arguments.slices), arguments.nodules)
    series = made_series(findings.lungs.labels)
    print(f"{arguments.slices} x {SIZE} x {SIZE}, {arguments.nodules} nodules, {arguments.captures} captures")
    print(f"processors allowed: {len(os.sched_getaffinity(0))}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':28s} {'first':>7s} {'wall s':>7s} {'cpu s':>7s} {'MB more':>7s} {'encode':>7s} {'MB':>7s}")
    objects = measure_all(series, findings, arguments.captures)
    print_cost("check of all", *cost_of(lambda: check_all(objects, series)))


def measure_all(series: AssembledSeries, findings: Findings, count: int) -> list[Dataset]:
    """Build every kind, print what it costs, give the objects that are sent together by default."""
    segmentation = measured("SEG", lambda: [build_segmentation(series, findings, CONTEXT)])
    measured("SEG-LABELMAP", lambda: [build_labelmap(series, findings, CONTEXT)])
    report = measured("SR", lambda: [build_report(series, findings, segmentation[0], CONTEXT)])
    pictures = measured_pictures(series, findings, count)
    captures = measured("SC", lambda: build_captures(series, pictures, CONTEXT))
    for kind in (CAPTURE_JPEG, CAPTURE_JPEG_LS):
        measured(kind.name, partial(build_captures, series, pictures, CONTEXT, (), kind))
    measured("SC-MULTI", lambda: build_multiframe_captures(series, pictures, CONTEXT))
    measured("PR", lambda: [build_presentation_state(series, findings, CONTEXT)])
    measured("KO", lambda: [build_key_objects(series, findings, CONTEXT)])
    told = report_of(series.series_instance_uid, series.study_instance_uid, findings, CONTEXT)
    measured("PDF", lambda: [build_pdf(series, findings, told, CONTEXT)])
    return [*report, *segmentation, *captures]


def measured_pictures(series: AssembledSeries, findings: Findings, count: int) -> list[CapturePicture]:
    """Draw the summary page and ``count`` - 1 slices, those with nodules first."""
    touched = key_slices(findings, neighbours=2)
    slices = [*touched, *(k for k in range(len(series.frames)) if k not in touched)][: count - 1]

    def drawn() -> list[CapturePicture]:
        return [CapturePicture(slice_picture(series, findings, k), k, f"Slice {k + 1}") for k in slices]

    print_cost(f"drawing {len(slices)} slices", *cost_of(drawn))
    cost, page = cost_of(lambda: summary_page(series, findings))
    print_cost("drawing the summary page", cost, page)
    return [CapturePicture(page, None, "Summary"), *drawn()]


def check_all(objects: Sequence[Dataset], series: AssembledSeries) -> None:
    """Run the last look that objects get before they are sent."""
    check(objects, series.headers)


def measured(name: str, build: Callable[[], Sequence[Dataset]]) -> Sequence[Dataset]:
    """Print what the objects cost, and their encoding and size; give them."""
    cost, built = cost_of(build)
    began = time.process_time()
    size = sum(encoded_size(dataset) for dataset in built)
    print_cost(name, cost, built, f" {time.process_time() - began:7.3f} {size / 1e6:7.2f}")
    return built


def cost_of(work: Callable[[], T]) -> tuple[Cost, T]:
    """Work five times and keep the best of the last four; memory is that of the first."""
    clear_peak()
    start_mb = resident_mb("VmRSS")
    seconds, cpu = [], []
    for number in range(5):
        began, began_cpu = time.perf_counter(), time.process_time()
        done = work()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
        if number == 0:
            memory_mb = resident_mb("VmHWM") - start_mb
    return Cost(seconds[0], min(seconds[1:]), min(cpu[1:]), memory_mb), done


def print_cost(name: str, cost: Cost, _built: object = None, more: str = "") -> None:
    """Print one line of the table."""
    print(f"{name:28s} {cost.first_s:7.3f} {cost.wall_s:7.3f} {cost.cpu_s:7.3f} {cost.memory_mb:7.0f}{more}")


def clear_peak() -> None:
    """Let Linux forget the highest resident memory so far (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident_mb(name: str) -> float:
    """Resident memory of this process: VmRSS now, VmHWM at most since ``clear_peak``."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024


def encoded_size(dataset: Dataset) -> int:
    """Bytes of the PS3.10 file."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.tell()


def made_volume(slices: int) -> Volume:
    """Geometry alone."""
    affine = np.array([[0, 0, 0.7, -179], [0, 0.7, 0, -179], [1.0, 0, 0, 0], [0, 0, 0, 1]], float)
    return Volume(np.broadcast_to(np.zeros((1, 1, 1), np.int16), (slices, SIZE, SIZE)), affine)


def made_series(labels: npt.NDArray[np.uint8]) -> AssembledSeries:
    """Air in the lungs, soft tissue around, noise; headers of a real size."""
    noise = np.random.default_rng(0).normal(0, 25, (SIZE, SIZE)).astype(np.int16)
    volume = replace(made_volume(len(labels)), hu=np.where(labels > 0, np.int16(-850), np.int16(40)) + noise)
    empty = np.broadcast_to(np.zeros((1, 1, 1), np.int16), labels.shape)
    headers = ct_datasets(replace(volume, hu=empty))
    for header in headers:
        del header.PixelData
    frames = tuple(SourceFrame(str(header.SOPClassUID), str(header.SOPInstanceUID)) for header in headers)
    return AssembledSeries(volume, tuple(headers), frames, np.zeros((len(labels), 2)))


def made_findings(volume: Volume, count: int) -> Findings:
    """Two ellipsoid lungs and nodules of 15 mm along a diagonal."""
    labels = np.zeros(volume.shape, np.uint8)
    k, j, i = np.ogrid[tuple(slice(-1, 1, complex(0, size)) for size in volume.shape)]
    for label, center in ((1, -0.45), (2, 0.45)):
        labels[(k / 0.95) ** 2 + (j / 0.7) ** 2 + ((i - center) / 0.35) ** 2 < 1] = label
    nodules = tuple(made_nodule(volume, number, count) for number in range(1, count + 1))
    models = (ModelIdentity("lungs", "1", "a" * 64, "none", "chest CT"),)
    return Findings(Lungs(labels, 2500.0, 2400.0), nodules, LungRads(LungRadsCategory.SUSPICIOUS_4B, ""), models, "cpu")


def made_nodule(volume: Volume, number: int, count: int) -> Nodule:
    """A ball of 15 mm."""
    k, j, i = int(volume.shape[0] * number / (count + 1)), 150 + 20 * number, 120 + 10 * number
    ball = (
        np.linalg.norm(np.mgrid[-7:8, -10:11, -10:11] * np.reshape(volume.spacing_kji_mm, (3, 1, 1, 1)), axis=0) < 7.5
    )
    line = Caliper((float(k), float(j), i - 10.0), (float(k), float(j), i + 10.0), 15.0)
    measured = NoduleMeasurement(
        ball, (k - 7, j - 10, i - 10), (k, j, i), line, line, 15.0, 1767.0, 20.0, 30.0, Attenuation.SOLID
    )
    x, y, z = volume.to_patient((k, j, i))
    category = LungRads(LungRadsCategory.SUSPICIOUS_4B, "solid")
    return Nodule(
        number,
        (float(x), float(y), float(z)),
        0.9,
        measured,
        Side.RIGHT,
        Third.UPPER,
        RiskRange(0.1, 0.2, ("x",)),
        category,
    )


if __name__ == "__main__":
    main()
