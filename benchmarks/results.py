"""How long the result objects of a big study take to build and to encode.

    python -m benchmarks.results [--slices 300] [--nodules 10]

300 slices of 512 x 512 with 10 nodules; budgets: report 0.5 s, segmentation 1 s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
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
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from training.phantom_dicom import ct_datasets

SIZE = 512
CONTEXT = ResultContext(datetime(2026, 1, 5, 12, 0, 0), "d" * 64, "0.1.0")


def main() -> None:
    """Time each builder once cold and three times warm; print the best warm time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--nodules", type=int, default=10)
    arguments = parser.parse_args()
    series = made_series(arguments.slices)
    findings = made_findings(series.volume, arguments.nodules)
    print(f"{Path(__file__).name}: {arguments.slices} x {SIZE} x {SIZE}, {arguments.nodules} nodules, seconds")
    segmentation = timed("segmentation", lambda: [build_segmentation(series, findings, CONTEXT)])
    report = timed("report", lambda: [build_report(series, findings, segmentation[0], CONTEXT)])
    page = CapturePicture(np.zeros((SIZE, SIZE, 3), np.uint8), 0, "page")
    captures = timed("30 captures", lambda: build_captures(series, [page] * 30, CONTEXT))
    objects = [*segmentation, *report, *captures]
    began = time.perf_counter()
    check(objects, series.headers)
    print(f"{'check':14s} {time.perf_counter() - began:6.3f}")


def timed(name: str, build: Callable[[], Sequence[Dataset]]) -> Sequence[Dataset]:
    """Build four times; print the first and the best of the rest, encoding time and size."""
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        built = build()
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    size = sum(encoded_size(dataset) for dataset in built)
    encoding = time.perf_counter() - began
    print(f"{name:14s} {min(seconds[1:]):6.3f} (first {seconds[0]:.3f}), encode {encoding:.3f}, {size / 1e6:.2f} MB")
    return built


def encoded_size(dataset: Dataset) -> int:
    """Bytes of the PS3.10 file."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.tell()


def made_series(slices: int) -> AssembledSeries:
    """Headers of a real size without its voxels: one slice of the volume serves for all."""
    affine = np.array([[0, 0, 0.7, -179], [0, 0.7, 0, -179], [1.0, 0, 0, 0], [0, 0, 0, 1]], float)
    volume = Volume(np.broadcast_to(np.zeros((1, SIZE, SIZE), np.int16), (slices, SIZE, SIZE)), affine)
    headers = ct_datasets(volume)
    for header in headers:
        del header.PixelData
    frames = tuple(SourceFrame(str(header.SOPClassUID), str(header.SOPInstanceUID)) for header in headers)
    return AssembledSeries(volume, tuple(headers), frames, np.zeros((slices, 2)))


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
