"""What the rules find on real scans: ``python -m benchmarks.findings_on_real_scans DATA_FOLDER [--json FILE]``.

DATA_FOLDER holds ``truth.json`` and the archives ``lidc-0001``, ``lidc-0003`` and ``lung1-001`` (.tar.xz).
Prints a table and JSON: truth nodules hit and other marks, lung volumes and Dice, seconds per stage.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.detector_rules import DEFAULT_THRESHOLD, RuleDetector
from models.findings import LungLabel, Lungs
from models.lungs import segment_lungs
from models.measurement import measure_nodule
from models.nodules import above, find_nodules
from models.volume import Volume
from node.assembly.files import assemble_files

SCANS = ("lidc-0001", "lidc-0003", "lung1-001")
REFERENCE_BITS = {"left": (LungLabel.LEFT, 1), "right": (LungLabel.RIGHT, 2)}
TUMOUR_BIT = 0


def main() -> None:
    """Run all scans and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threshold", type=float, default=DEFAULT_THRESHOLD)
    arguments = parser.parse_args()
    truth = json.loads((arguments.data / "truth.json").read_text())
    rows = [
        measured_scan(arguments.data, name, truth[name], torch.device(arguments.device), arguments.threshold)
        for name in SCANS
    ]
    text = json.dumps(rows, indent=1)
    print("\n".join(table(rows)), text, sep="\n\n")
    if arguments.json:
        arguments.json.write_text(text + "\n")


def measured_scan(
    data: Path, name: str, truth: dict[str, Any], device: torch.device, threshold: float
) -> dict[str, Any]:
    """Run the rules on one scan and compare with what is known of it."""
    volume = volume_of(data / f"{name}.tar.xz")
    started = time.perf_counter()
    lungs = segment_lungs(volume)
    parted = time.perf_counter()
    detector = RuleDetector(device)
    candidates = above(detector.detect(volume, lungs), threshold)
    detected = time.perf_counter()
    for candidate in candidates:
        measure_nodule(volume, lungs, candidate)
    measured = time.perf_counter()
    nodules = find_nodules(volume, lungs, detector, threshold)
    row: dict[str, Any] = {
        "scan": name,
        "slices": volume.shape[0],
        "lungs_s": round(parted - started, 2),
        "candidates_s": round(detected - parted, 2),
        "measurement_s": round(measured - detected, 2),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "right_ml": round(lungs.right_ml),
        "left_ml": round(lungs.left_ml),
        "marks": len(nodules),
    }
    if "nodules" in truth:
        row |= hits(volume, [np.asarray(found.center_kji) for found, _ in nodules], truth["nodules"])
        row["measured"] = [
            {"diameter_mm": round(m.mean_diameter_mm, 1), "probability": round(c.probability, 3)} for c, m in nodules
        ]
    if "reference_masks" in truth:
        row |= agreement(lungs, np.load(data / f"{name}-reference.npz")["labels"], volume)
    return row


def volume_of(archive: Path) -> Volume:
    """Assemble the CT series of an archive."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        return assemble_files(sorted(path for path in Path(folder).rglob("*") if path.is_file())).volume


def hits(volume: Volume, marks: list[Any], nodules: list[dict[str, Any]]) -> dict[str, Any]:
    """Count truth nodules with a mark within half their diameter, and marks on none."""
    used: set[int] = set()
    found = 0
    for nodule in nodules:
        center = np.asarray(nodule["center_lps_mm"])
        on = [
            n for n, mark in enumerate(marks)
            if np.linalg.norm(volume.to_patient(mark) - center) < nodule["diameter_mm"] / 2
        ]  # fmt: skip
        used.update(on)
        found += bool(on)
    return {"truth": len(nodules), "hits": found, "other_marks": len(marks) - len(used)}


def agreement(lungs: Lungs, reference: Any, volume: Volume) -> dict[str, Any]:
    """Compare with reference lungs: volume with, Dice without the tumour."""
    result: dict[str, Any] = {}
    lung_tissue = (reference >> TUMOUR_BIT & 1) == 0
    for side, (label, bit) in REFERENCE_BITS.items():
        theirs, ours = (reference >> bit & 1) > 0, lungs.labels == label
        both = (theirs & ours & lung_tissue).sum()
        result[f"reference_{side}_ml"] = round(float(theirs.sum()) * volume.voxel_volume_mm3 / 1000)
        result[f"dice_{side}"] = round(float(2 * both / ((theirs & lung_tissue).sum() + (ours & lung_tissue).sum())), 4)
    return result


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lay the rows out as text."""
    names = ("scan", "slices", "truth", "hits", "other_marks", "right_ml", "left_ml", "dice_right", "dice_left",
             "lungs_s", "candidates_s", "measurement_s", "peak_memory_mb")  # fmt: skip
    lines = [" ".join(f"{name:>14}" for name in names)]
    return lines + [" ".join(f"{row.get(name, '-')!s:>14}" for name in names) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
