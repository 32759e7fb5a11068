"""One whole analysis: ``python -m benchmarks.whole_analysis SERIES_FOLDER [--slices 300] [--device cpu]``.

The series in the folder is brought to the wanted number of slices (linear along the patient), written as DICOM, and
analysed in a process of its own with the shipped weights, as `pulmonode serve` does, results included: seconds per
stage and in all, peak memory. The first analysis of a process also pays for starting; the second is given beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.volume import Volume
from node.assembly.files import assemble_files
from training.phantom_dicom import ct_datasets, write_series


def main() -> None:
    """Make the series, analyse it in a fresh process, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(analysed_twice(arguments.folder, arguments.device)))
        return
    row = in_fresh_process(arguments.folder, arguments.slices, arguments.device)
    print("\n".join(table(row)))
    if arguments.json:
        arguments.json.write_text(json.dumps(row, indent=1) + "\n")


def in_fresh_process(folder: Path, slices: int, device: str) -> dict[str, Any]:
    """Write the series and let another process, which holds nothing yet, analyse it."""
    with tempfile.TemporaryDirectory() as work:
        write_series(ct_datasets(of_slices(folder, slices)), Path(work))
        command = [sys.executable, "-m", "benchmarks.whole_analysis", work, "--device", device, "--once"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def analysed_twice(folder: Path, device: str) -> dict[str, Any]:
    """Analyse a folder as the analysis process does."""
    from node.analysis.analyser import Analyser
    from node.analysis.choice import ModelChoice
    from node.job import Job
    from node.pipeline import process

    began = time.perf_counter()
    analyser = Analyser.create(device, None, ModelChoice(Path("weights")))
    started_s = time.perf_counter() - began
    runs = []
    with tempfile.TemporaryDirectory() as output:
        files = tuple(sorted(folder.iterdir()))
        job = Job(files, Path(output), "0" * 64, datetime.now().astimezone(), version("pulmonode"), "BENCHMARK")
        for _ in range(2):
            began = time.perf_counter()
            bundle = process(job, analyser)
            runs.append({"wall_s": time.perf_counter() - began, "timings_s": bundle.report["timings_s"]})
    assert bundle.series is not None
    return {
        "shape": bundle.series.volume.shape,
        "device": bundle.report["device"],
        "nodules": len(bundle.report["nodules"]),
        "start_s": started_s,
        "runs": runs,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def of_slices(folder: Path, count: int) -> Volume:
    """Read a series and interpolate it to ``count`` slices of the same span."""
    volume = assemble_files([path for path in folder.rglob("*") if path.is_file()]).volume
    places = np.linspace(0, volume.shape[0] - 1, count)
    hu = np.empty((count, *volume.shape[1:]), dtype=np.int16)
    for k, place in enumerate(places):
        below = min(int(place), volume.shape[0] - 2)
        share = place - below
        hu[k] = np.rint((1 - share) * volume.hu[below] + share * volume.hu[below + 1])
    affine = volume.affine.copy()
    affine[:3, 0] *= places[1]
    return Volume(hu, affine)


def table(row: dict[str, Any]) -> list[str]:
    """Markdown; what the stages leave of the whole is the making and checking of the results."""
    first, second = row["runs"]
    slices, rows, columns = row["shape"]
    stages = [(name, first["timings_s"][name], second["timings_s"][name]) for name in second["timings_s"]]
    rest = [run["wall_s"] - sum(run["timings_s"].values()) for run in (first, second)]
    return [
        f"{slices} slices of {rows} x {columns} on {row['device']}: {row['nodules']} nodules marked, peak memory "
        f"{row['peak_memory_mb']} MB, start {row['start_s']:.1f} s",
        "",
        "| stage | first analysis | next analysis |",
        "|---|---|---|",
        *(f"| {name} | {one:.2f} s | {two:.2f} s |" for name, one, two in stages),
        f"| report, segmentation, captures, checks | {rest[0]:.2f} s | {rest[1]:.2f} s |",
        f"| **all** | **{first['wall_s']:.1f} s** | **{second['wall_s']:.1f} s** |",
    ]


if __name__ == "__main__":
    main()
