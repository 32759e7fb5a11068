"""Dice and seconds of the lungs: ``python -m benchmarks.lungs DATA_FOLDER [--json FILE]``.

DATA_FOLDER holds ``lidc-0003.tar.xz``, ``lung1-001.tar.xz`` and ``lung1-001-reference.npz``. Dice is per side, outside
the tumour, for the rules alone, the shipped network alone and both together. Seconds are of the whole
``segment_lungs``, the best of three, for the 140 real slices of LIDC-IDRI-0003 and for 300 slices interpolated between
them. Prints a Markdown table; ``--json`` keeps the figures with the load of the machine, which should be idle.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.findings_on_real_scans import volume_of
from models.findings import LungLabel
from models.lung_network import LungNetwork, lung_network, network_labels
from models.lungs import segment_lungs
from models.volume import Volume
from models.weights import load_tensors, shipped_card

REPEATS = 3
MANY_SLICES = 300
BITS = {"right": (LungLabel.RIGHT, 2), "left": (LungLabel.LEFT, 1)}
TUMOUR_BIT = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--card", type=Path, default=shipped_card("lungs"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    card, tensors = load_tensors(arguments.card)
    network = lung_network(card, tensors, torch.device(arguments.device))
    figures = {
        "weights": card.sha256,
        "device": arguments.device,
        "threads": arguments.threads,
        "load_before": round(os.getloadavg()[0], 2),
        "rows": rows_of(arguments.data, network),
    }
    print("\n".join(table(figures["rows"])))
    print(f"\nload of the machine before: {figures['load_before']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def rows_of(data: Path, network: LungNetwork) -> list[dict[str, Any]]:
    """Measure every way on every scan."""
    ways: dict[str, Callable[[Volume], Any]] = {
        "rules alone": lambda volume: segment_lungs(volume).labels,
        "network alone": lambda volume: network_labels(volume, network),
        "both": lambda volume: segment_lungs(volume, network).labels,
    }
    real, judged = (volume_of(data / f"{name}.tar.xz") for name in ("lidc-0003", "lung1-001"))
    reference = np.load(data / "lung1-001-reference.npz")["labels"]
    rows = []
    for way, labelled in ways.items():
        for name, volume in (
            ("LUNG1-001", judged),
            ("LIDC-IDRI-0003", real),
            ("the same, interpolated", with_slices(real, MANY_SLICES)),
        ):
            seconds, worked, labels = timed(labelled, volume)
            row = {"way": way, "scan": name, "slices": volume.shape[0]}
            row |= {"seconds": round(seconds, 2), "cpu_seconds": round(worked, 2)}
            rows.append(row | (dice_of(labels, reference) if volume is judged else {}))
    return rows


def timed(labelled: Callable[[Volume], Any], volume: Volume) -> tuple[float, float, Any]:
    """Give the seconds of the fastest run, those of all its threads together, and its labels."""
    runs = []
    for _ in range(REPEATS):
        began, worked = time.perf_counter(), time.process_time()
        labels = labelled(volume)
        runs.append((time.perf_counter() - began, time.process_time() - worked))
    return *min(runs), labels


def with_slices(volume: Volume, count: int) -> Volume:
    """Interpolate slices linearly so that ``count`` cover the same length."""
    places = np.linspace(0, volume.shape[0] - 1, count)
    hu = np.empty((count, *volume.shape[1:]), np.int16)
    for target, place in zip(hu, places, strict=True):
        low = min(int(place), volume.shape[0] - 2)
        share = np.float32(place - low)
        target[:] = np.rint((1 - share) * volume.hu[low] + share * volume.hu[low + 1])
    affine = volume.affine.copy()
    affine[:, 0] *= (volume.shape[0] - 1) / (count - 1)
    return Volume(hu, affine)


def dice_of(labels: Any, reference: Any) -> dict[str, float]:
    """Compare with the reference lungs outside the tumour."""
    tissue = (reference >> TUMOUR_BIT & 1) == 0
    result = {}
    for side, (label, bit) in BITS.items():
        ours, theirs = (labels == label) & tissue, ((reference >> bit & 1) > 0) & tissue
        result[f"dice_{side}"] = round(float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())), 4)
    return result


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lay the rows out in Markdown."""
    names = ("way", "scan", "slices", "dice_right", "dice_left", "seconds", "cpu_seconds")
    lines = [
        "| lungs by | scan | slices | Dice right | Dice left | seconds | CPU seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]


if __name__ == "__main__":
    main()
