"""What each level of hard mining gains: ``python -m benchmarks.hard_mining RUN [--scans FOLDER] [--json FILE]``.

RUN is the folder of a finished ``python -m training proposals``. Every level's weights mark the held-out scans anew;
the table has CPM and gain beside the published gains, and the share of nodules found by size.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.candidate_network import CandidateNetwork, network_of
from models.proposals import marks_of
from models.weights import load_tensors
from training.evaluation.froc import bootstrap
from training.proposals.evaluate import froc_of
from training.proposals.mining import hard_places
from training.proposals.scan import WorkedScan, load_scan
from training.proposals.shipping import NAME, table

CARDS = (f"{NAME}-level-1", f"{NAME}-level-2", NAME)
SIZES_MM = (0.0, 6.0, 10.0, 20.0, 100.0)
SEED = 2016


def main() -> None:
    """Measure all levels and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--scans", type=Path, help="prepared scans; default RUN/scans/held_out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = arguments.scans or arguments.run / "scans" / "held_out"
    scans = [load_scan(path) for path in sorted(folder.glob("*.npz"))]
    device = torch.device(arguments.device)
    networks = [network_of(*load_tensors(arguments.run / f"{card}.json"), device) for card in CARDS]
    rows = [measured(number, network, scans, device) for number, network in enumerate(networks, start=1)]
    sizes = [f"{low:g}-{high:g} mm" for low, high in pairwise(SIZES_MM)]
    print(f"{len(scans)} scans, {sum(len(scan.nodules) for scan in scans)} nodules", *table(rows), sep="\n")
    print(f"\nshare of nodules marked at all, {', '.join(sizes)}; marks and seconds a scan:")
    for row in rows:
        found = " ".join("none there" if share is None else f"{share:.3f}" for share in row["found_by_size"])
        print(f"level {row['level']}: {found}; {row['marks_per_scan']:.0f}, {row['seconds_per_scan']:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def measured(
    number: int, network: CandidateNetwork, scans: Sequence[WorkedScan], device: torch.device
) -> dict[str, Any]:
    """Measure one level."""
    result = froc_of(scans, network, device)
    interval = bootstrap(result, np.random.default_rng(SEED))
    began = time.perf_counter()
    marks = [marks_of(scan.scene(device), network).double().numpy() for scan in scans]
    seconds = (time.perf_counter() - began) / len(scans)
    return {
        "level": number,
        "cpm": result.cpm,
        "cpm_low": interval.cpm_low,
        "cpm_high": interval.cpm_high,
        "sensitivity_8": float(result.sensitivity_at(8.0)),
        "found_by_size": by_size(scans, marks),
        "marks_per_scan": sum(map(len, marks)) / len(scans),
        "seconds_per_scan": seconds,
    }


def by_size(scans: Sequence[WorkedScan], marks: Sequence[np.ndarray[Any, np.dtype[np.float64]]]) -> list[float | None]:
    """Share of the nodules of each size that any mark hits; None where there is no such nodule."""
    # A nodule that was missed altogether is the only one that mining shows with a weight of exactly 1.
    missed = np.concatenate([hard_places(scan, m).nodules == 1.0 for scan, m in zip(scans, marks, strict=True)])
    size = np.concatenate([scan.nodules[:, 3] for scan in scans])
    chosen = [(size >= low) & (size < high) for low, high in pairwise(SIZES_MM)]
    return [float(1 - missed[those].mean()) if those.any() else None for those in chosen]


if __name__ == "__main__":
    main()
