"""Patients a minute of system 000: DICOM to features with ResNet-18 and ResNet-152, beside the published times.

    python -m benchmarks.patient_features [--patients 2] [--slices 180] [--device cpu] [--json FILE]

Generated patients of 512 x 512; decoding, network and storing overlap. The time for the 1,595 patients of the
Data Science Bowl 2017 is projected by pictures, at about 180 slices (60 pictures) a patient. The weights are random:
they take as long as any others. LightGBM is timed on as many random vectors (--lightgbm).
Published in 2017, on a GPU: features 53 min and LightGBM 6 min with ResNet-152; 29 and 2 min with ResNet-18.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from models.patient_features import FEATURES, FeatureNetwork
from training.features.extraction import extract
from training.features.patients import Patient
from training.features.scorer import fit_split
from training.phantom_dicom import iterate_ct_datasets, write_series
from training.phantom_small import small_phantom

BOWL_PATIENTS, BOWL_PICTURES = 1595, 60
PUBLISHED_FEATURES_MIN = {"resnet152": 53.0, "resnet18": 29.0}
PUBLISHED_LIGHTGBM_MIN = {"resnet152": 6.0, "resnet18": 2.0}  # ResNet-18: 31 min in all, less its features
SIZE = 512


def main() -> None:
    """Measure both networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=2)
    parser.add_argument("--slices", type=int, default=180)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--lightgbm", action="store_true", help="also time LightGBM on 1,595 vectors (minutes)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        patients = generated(Path(scratch), arguments.patients, arguments.slices)
        rows = [measured(name, patients, Path(scratch), arguments) for name in ("resnet18", "resnet152")]
    for row in rows:
        print(line(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def generated(folder: Path, count: int, slices: int) -> tuple[Patient, ...]:
    """Write patients as folders of DICOM."""
    spacing = (300.0 / slices, 0.68, 0.68)
    volume = small_phantom(shape=(slices, SIZE, SIZE), spacing_kji_mm=spacing).volume
    for number in range(count):
        write_series(iterate_ct_datasets(volume, seed=number), folder / f"patient-{number}")
    return tuple(Patient(f"patient-{n}", folder / f"patient-{n}", None) for n in range(count))


def measured(
    name: str, patients: tuple[Patient, ...], scratch: Path, arguments: argparse.Namespace
) -> dict[str, object]:
    """Extract the features of all patients with one network, after one picture to warm up."""
    network = FeatureNetwork.ready(name, None, torch.device(arguments.device))
    network.features(torch.zeros((1, 3, 224, 224), dtype=torch.uint8))
    result = extract(patients, network, scratch / name, arguments.threads)
    pictures_per_s = result.pictures / result.seconds
    return {
        "network": name,
        "device": arguments.device if arguments.device == "cpu" else torch.cuda.get_device_name(arguments.device),
        "torch_threads": torch.get_num_threads(),
        "patients": result.done,
        "slices_each": arguments.slices,
        "pictures_per_s": round(pictures_per_s, 2),
        "patients_per_minute": round(result.patients_per_minute, 2),
        "projected_min_1595": round(BOWL_PATIENTS * BOWL_PICTURES / pictures_per_s / 60, 1),
        "published_min": PUBLISHED_FEATURES_MIN[name],
        "lightgbm_min": round(lightgbm_minutes(FEATURES[name]), 2) if arguments.lightgbm else None,
        "published_lightgbm_min": PUBLISHED_LIGHTGBM_MIN[name],
    }


def lightgbm_minutes(features: int) -> float:
    """Time the published parameters on 1,595 patients of which a tenth of the features tell a little."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(BOWL_PATIENTS, features))
    labels = (vectors[:, : features // 10].mean(axis=1) + rng.normal(size=BOWL_PATIENTS) > 0.6).astype(float)
    began = time.perf_counter()
    fit_split(vectors, labels)
    return (time.perf_counter() - began) / 60


def line(row: dict[str, object]) -> str:
    """Say a row in words."""
    fit = "not measured" if row["lightgbm_min"] is None else f"{row['lightgbm_min']} min"
    return (
        f"{row['network']} on {row['device']} ({row['torch_threads']} threads): {row['patients_per_minute']} patients "
        f"of {row['slices_each']} slices a minute, {row['pictures_per_s']} pictures/s; 1,595 patients would take "
        f"{row['projected_min_1595']} min (published {row['published_min']}); LightGBM {fit} "
        f"(published {row['published_lightgbm_min']})"
    )


if __name__ == "__main__":
    main()
