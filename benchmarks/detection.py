"""Detection: ``python -m benchmarks.detection DATA_FOLDER [--work DIR] [--json FILE] [--markdown FILE]``.

The shipped detector beside the rules of the first release, in the same run:

- real scans of DATA_FOLDER (archives and ``truth.json``): nodules hit and other marks at each detector's own default
  threshold; what is said of the tumours of ``lung1-001`` and ``lungdx-a0002``;
- LUNA16's FROC and CPM on generated scans (seeds 9000 and up; nothing was trained or calibrated on them), five slice
  thicknesses, three noise levels, half of the nodules real ones from patients kept apart.

A run goes on where another one with the same --work ended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.detection_scans import REAL, RealScan, real_scan, three_hundred_slices
from models.detector_loading import shipped_detector
from models.detector_rules import RuleDetector
from models.findings import Lungs
from models.nodules import Detector, above, find_nodules
from models.volume import Volume
from training.evaluation.froc import OPERATING_POINTS, Annotation, Froc, Mark, bootstrap, froc
from training.false_positives.scans import BENCHMARK_SEEDS, MadeScan, held_apart, made_scan
from training.planting import Stacks, load_stacks

LEAST_MM = 3.0  # LUNA16 counts nodules from here on
SMALL_MM = 6.0
FEW_MARKS = 2  # other marks a scan that the default threshold may leave


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work/detection"))
    parser.add_argument("--scans", type=int, default=45)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    shipped, cards = shipped_detector(torch.device(arguments.device))
    detectors: dict[str, Detector] = {"rules": RuleDetector(torch.device(arguments.device)), "shipped": shipped}
    identity = hashlib.sha256("".join(card.sha256 for card in cards).encode()).hexdigest()[:12]
    result = {
        "models": [f"{card.name} {card.version} {card.sha256[:12]}" for card in cards],
        "device": arguments.device,
        "real": [real_row(scan, detectors) for scan in (real_scan(arguments.data, name) for name in REAL)],
        "speed": speed_row(arguments.data, shipped),
        "generated": generated(arguments, detectors, identity),
    }
    text = json.dumps(result, indent=1)
    print(text, "\n".join(markdown(result)), sep="\n\n")
    for path, content in ((arguments.json, text), (arguments.markdown, "\n".join(markdown(result)))):
        if path:
            path.write_text(content + "\n")


def real_row(scan: RealScan, detectors: dict[str, Detector]) -> dict[str, Any]:
    """Run all detectors on a real scan at their default thresholds."""
    row: dict[str, Any] = {"scan": scan.name, "slices": scan.volume.shape[0], "slice_mm": scan.volume.spacing_kji_mm[0]}
    for name, detector in detectors.items():
        began = time.perf_counter()
        marks = detector.detect(scan.volume, scan.lungs)
        seconds = time.perf_counter() - began
        given = _Given(marks, detector.threshold)
        found = find_nodules(scan.volume, scan.lungs, given)
        places = scan.volume.to_patient(np.array([c.center_kji for c, _ in found]).reshape(-1, 3))
        row[name] = {
            **scan.judged(places),
            "probabilities": [round(c.probability, 3) for c, _ in found],
            "detection_s": round(seconds, 2),
        }
    return row


class _Given:
    """Marks that were made already, as a detector."""

    def __init__(self, marks: Any, threshold: float) -> None:
        self._marks, self.threshold = marks, threshold

    def detect(self, volume: Volume, lungs: Lungs) -> Any:  # noqa: ARG002 - the detectors' interface
        return self._marks


def speed_row(data: Path, detector: Detector) -> dict[str, float]:
    """Time the detection in 300 slices of 512 x 512."""
    volume, lungs = three_hundred_slices(data)
    began, spent = time.perf_counter(), time.process_time()
    detector.detect(volume, lungs)
    return {
        "slices": volume.shape[0],
        "detection_s": round(time.perf_counter() - began, 2),
        "processor_s": round(time.process_time() - spent, 2),
        "threads": torch.get_num_threads(),
    }


def generated(arguments: argparse.Namespace, detectors: dict[str, Detector], identity: str) -> dict[str, Any]:
    """Run all detectors on the generated scans and give CPM, by slice thickness and noise too."""
    stacks = held_apart(load_stacks(arguments.data / "lidc-nodule-stacks.npz"), benchmark=True)
    seeds = BENCHMARK_SEEDS[: arguments.scans]
    scans = list(kept_scans(seeds, stacks, detectors, arguments.work, identity))
    return {
        "seeds": [seeds[0], seeds[-1]],
        "scans": len(scans),
        "nodules": sum(d >= LEAST_MM for s in scans for *_, d in s["nodules"]),
        **{name: figures(scans, name) for name in detectors},
        "by_slice_mm": {name: by(scans, name, "slice_mm") for name in detectors},
        "by_noise_hu": {name: by(scans, name, "noise_hu") for name in detectors},
    }


def kept_scans(
    seeds: Sequence[int], stacks: Stacks, detectors: dict[str, Detector], work: Path, identity: str
) -> Iterator[dict[str, Any]]:
    """Give what each scan's detectors marked; made once and kept in the work folder."""
    for seed in seeds:
        path = work / f"{identity}-{seed}.json"
        if not path.exists():
            kept = marked(made_scan(seed, stacks), detectors)
            path.write_text(json.dumps(kept))
            print(f"scan {seed}: {kept['seconds']}", flush=True)
        yield json.loads(path.read_text())


def marked(scan: MadeScan, detectors: dict[str, Detector]) -> dict[str, Any]:
    """Give a generated scan's truth and marks, in LPS mm."""
    marks, seconds = {}, {}
    for name, detector in detectors.items():
        began = time.perf_counter()
        found = detector.detect(scan.volume, scan.lungs)
        seconds[name] = round(time.perf_counter() - began, 2)
        places = scan.volume.to_patient(np.array([c.center_kji for c in found]).reshape(-1, 3))
        marks[name] = [[*map(float, place), c.probability] for place, c in zip(places, found, strict=True)]
        seconds[f"{name} at threshold"] = len(above(found, detector.threshold))
    return {
        "seed": scan.seed,
        "slice_mm": scan.slice_mm,
        "noise_hu": scan.noise_hu,
        "nodules": [[*n.center_lps_mm, n.diameter_mm] for n in scan.nodules],
        "thresholds": {name: detector.threshold for name, detector in detectors.items()},
        "marks": marks,
        "seconds": seconds,
    }


def figures(scans: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Give CPM with its interval, the sensitivities, those of small nodules, and what the default threshold does."""
    whole = curve(scans, name)
    limits = bootstrap(whole, np.random.default_rng(0))
    small = curve(scans, name, LEAST_MM, SMALL_MM)
    threshold = scans[0]["thresholds"][name]
    at_default = [(int((s.hits >= threshold).sum()), int((s.false >= threshold).sum())) for s in whole.scans]
    return {
        "cpm": round(whole.cpm, 3),
        "cpm_95": [round(limits.cpm_low, 3), round(limits.cpm_high, 3)],
        "sensitivity": {f"{fps:g}": round(float(whole.sensitivity_at(fps)), 3) for fps in OPERATING_POINTS},
        "cpm_3_to_6_mm": round(small.cpm, 3),
        "nodules_3_to_6_mm": small.nodules,
        "default_threshold": threshold,
        "default_sensitivity": round(sum(h for h, _ in at_default) / whole.nodules, 3),
        "default_false_marks_a_scan": round(float(np.mean([f for _, f in at_default])), 2),
        "mean_detection_s": round(float(np.mean([s["seconds"][name] for s in scans])), 1),
    }


def by(scans: Sequence[dict[str, Any]], name: str, key: str) -> dict[str, float]:
    """Give the CPM of each group of scans."""
    groups = sorted({scan[key] for scan in scans})
    return {f"{group:g}": round(curve([s for s in scans if s[key] == group], name).cpm, 3) for group in groups}


def curve(scans: Sequence[dict[str, Any]], name: str, low_mm: float = LEAST_MM, high_mm: float = np.inf) -> Froc:
    """Match the marks with the nodules of a range of diameters; other nodules are neither right nor wrong."""
    included, excluded, marks = [], [], []
    for scan in scans:
        series = str(scan["seed"])
        for x, y, z, diameter in scan["nodules"]:
            counted = included if low_mm <= diameter < high_mm else excluded
            counted.append(Annotation(series, (x, y, z), diameter))
        marks += [Mark(series, (x, y, z), p) for x, y, z, p in scan["marks"][name]]
    return froc(included, excluded, marks, [str(scan["seed"]) for scan in scans])


def markdown(result: dict[str, Any]) -> list[str]:
    """Lay the figures out as tables."""
    lines = [
        "| real scan | detector | nodules hit | other marks | said of the tumour | detection |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["real"]:
        for name in ("rules", "shipped"):
            said = row[name]
            hits = f"{said['hits']} of {said['truth']}" if "truth" in said else "-"
            tumour = said.get("tumour", "-")
            lines.append(
                f"| {row['scan']} | {name} | {hits} | {said['other_marks']} | {tumour} | {said['detection_s']} s |"
            )
    made = result["generated"]
    lines += [
        "",
        f"{made['scans']} generated scans, {made['nodules']} nodules of 3 mm and more, "
        f"seeds {made['seeds'][0]} to {made['seeds'][1]}:",
        "",
        "| detector | CPM (95 %) | " + " | ".join(f"{fps:g}" for fps in OPERATING_POINTS)
        + " | CPM 3 to 6 mm | at the default threshold |",
        "|---|---|" + "---|" * len(OPERATING_POINTS) + "---|---|",
    ]  # fmt: skip
    return lines + [_froc_line(name, made[name]) for name in ("rules", "shipped")]


def _froc_line(name: str, said: dict[str, Any]) -> str:
    low, high = said["cpm_95"]
    default = f"{said['default_sensitivity']} with {said['default_false_marks_a_scan']} false marks a scan"
    values = " | ".join(f"{value:.3f}" for value in said["sensitivity"].values())
    return (
        f"| {name} | {said['cpm']:.3f} ({low:.3f} to {high:.3f}) | {values} | {said['cpm_3_to_6_mm']:.3f} | {default} |"
    )


if __name__ == "__main__":
    main()
