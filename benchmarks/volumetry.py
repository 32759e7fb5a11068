"""How well nodules are measured: ``python -m benchmarks.volumetry [--json FILE] [--seed N]``.

Digital nodules of exactly known size (training.digital_nodules): spheres, ellipsoids and lobulated ones of 3 to 30 mm,
isolated, on the pleura and on a vessel, solid and (isolated) ground glass, slices of 0.6 to 2.5 mm, three noise levels.
Prints a table of bias and spread and the share of true sizes inside the intervals that the measurement itself states.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from models.findings import Candidate, Lungs
from models.measurement import measure_nodule
from training.digital_nodules import DigitalNodule, Place, Shape, scanned

DIAMETERS_MM = (3, 4, 6, 8, 12, 20, 30)
SLICES_MM = (0.6, 1.25, 2.5)
NOISE_HU = (10, 25, 45)
PIXEL_MM = 0.7
GROUND_GLASS_HU = -600.0
BANDS = {"3-4 mm": (0, 5), "6-8 mm": (5, 10), "12-30 mm": (10, 99)}


def main() -> None:
    """Measure all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = [measured(*case, arguments.seed) for case in cases()]
    summary = {"seed": arguments.seed, "nodules": len(rows), "acceptance": acceptance(rows), "groups": groups(rows)}
    print("\n".join(table(summary["groups"])), json.dumps(summary["acceptance"], indent=1), sep="\n\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(summary, indent=1) + "\n")


def cases() -> list[tuple[str, DigitalNodule, float, float]]:
    """Every kind of nodule on every scanner."""
    kinds = [("solid", shape, place, 40.0) for shape in Shape for place in Place]
    kinds += [("ground glass", shape, Place.ISOLATED, GROUND_GLASS_HU) for shape in Shape]
    return [
        (kind, DigitalNodule(shape, place, diameter, hu), slice_mm, noise)
        for (kind, shape, place, hu), diameter, slice_mm, noise in itertools.product(
            kinds, DIAMETERS_MM, SLICES_MM, NOISE_HU
        )
    ]


def measured(kind: str, nodule: DigitalNodule, slice_mm: float, noise: float, seed: int) -> dict[str, Any]:
    """Scan one nodule, mark it as a detector would (beside its centre, of a wrong size), measure it."""
    key = f"{kind}{nodule}{slice_mm}{noise}"
    rng = np.random.default_rng([seed, *key.encode()])
    scene = scanned(nodule, (slice_mm, PIXEL_MM, PIXEL_MM), noise, rng)
    aside = rng.normal(0, 0.15, 3) * nodule.diameter_mm / np.asarray(scene.volume.spacing_kji_mm)
    k, j, i = np.asarray(scene.center_kji) + aside
    mark = Candidate((float(k), float(j), float(i)), 0.9, float(nodule.diameter_mm * rng.uniform(0.8, 1.25)))
    found = measure_nodule(scene.volume, Lungs(scene.labels, 0, 1), mark)
    volume_share = found.volume_mm3 / scene.volume_mm3 - 1
    apart_mm = found.mean_diameter_mm - scene.mean_diameter_mm
    sure = found.uncertainty
    return {
        "kind": kind,
        "place": nodule.place.value,
        "diameter_mm": nodule.diameter_mm,
        "slice_mm": slice_mm,
        "volume_share": volume_share,
        "diameter_error_mm": apart_mm,
        "inside": bool(sure and abs(apart_mm) <= sure.diameter_mm and abs(volume_share) <= sure.volume_share),
    }


def acceptance(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Solid, isolated, from 6 mm up, slices of at most 1.25 mm."""
    fit = [
        row
        for row in rows
        if (row["kind"], row["place"]) == ("solid", "isolated") and row["diameter_mm"] >= 6 and row["slice_mm"] <= 1.25
    ]
    return described(fit)


def described(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Bias, 95 % limits of agreement, and the largest error of the diameter."""
    volume = np.asarray([row["volume_share"] for row in rows]) * 100
    diameter = np.asarray([row["diameter_error_mm"] for row in rows])
    return {
        "nodules": len(rows),
        "volume_bias_percent": round(float(volume.mean()), 1),
        "volume_lower_limit_percent": round(float(volume.mean() - 1.96 * volume.std()), 1),
        "volume_upper_limit_percent": round(float(volume.mean() + 1.96 * volume.std()), 1),
        "diameter_bias_mm": round(float(diameter.mean()), 2),
        "diameter_largest_error_mm": round(float(np.abs(diameter).max()), 2),
        "inside_stated_interval_percent": round(100 * float(np.mean([row["inside"] for row in rows])), 1),
    }


def groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each kind, place, size band and slice distance."""
    sorted_in: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        band = next(name for name, (low, high) in BANDS.items() if low <= row["diameter_mm"] < high)
        sorted_in[row["kind"], row["place"], band, f"{row['slice_mm']:g} mm"].append(row)
    return [
        {"kind": kind, "place": place, "size": band, "slices": slices} | described(members)
        for (kind, place, band, slices), members in sorted_in.items()
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    lines = [
        "| nodule | size | slices | n | volume: bias, 95 % limits | diameter: bias, largest error | inside interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        limits = f"{row['volume_lower_limit_percent']:+.0f} to {row['volume_upper_limit_percent']:+.0f} %"
        lines.append(
            f"| {row['kind']}, {row['place']} | {row['size']} | {row['slices']} | {row['nodules']} "
            f"| {row['volume_bias_percent']:+.1f} %, {limits} "
            f"| {row['diameter_bias_mm']:+.2f}, {row['diameter_largest_error_mm']:.2f} mm "
            f"| {row['inside_stated_interval_percent']:.0f} % |"
        )
    return lines


if __name__ == "__main__":
    main()
