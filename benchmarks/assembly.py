"""Seconds and peak memory of the assembly, beside SimpleITK's reader on the same files in the same run.

    python -m benchmarks.assembly [FOLDER]

FOLDER holds one real CT series; without it only the procedural series of 300 slices is read. Every
measurement runs in a process of its own (so that peak memory is its own), three times; the fastest
counts. Peak memory is what the process holds beyond its imports, beside the size of the voxels.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless

from models.volume import Volume
from node.assembly.files import assemble_files
from training.phantom_dicom import iterate_ct_datasets, write_series
from training.phantom_small import small_phantom

_REPEATS = 3
_SLICES, _SIZE = 300, 512


def with_pulmonode(folder: Path) -> int:
    """Assemble a folder; give the number of bytes of its voxels."""
    return assemble_files([path for path in folder.rglob("*") if path.is_file()]).volume.hu.nbytes


def with_simpleitk(folder: Path) -> int:
    """Read the first series of a folder as its documentation says; give the number of bytes of its voxels."""
    (first,) = {path.parent for path in folder.rglob("*.dcm")}
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(first)))
    return int(sitk.GetArrayViewFromImage(reader.Execute()).nbytes)


READERS: dict[str, Callable[[Path], int]] = {"pulmonode": with_pulmonode, "SimpleITK": with_simpleitk}


def main() -> None:
    """Measure every reader on every series, or, called by itself, one reader on one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        measure_here(READERS[arguments.reader], arguments.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{'series':<34}{'reader':<12}{'s':>8}{'peak MiB':>10}{'voxels MiB':>12}")
        for name, folder in series(arguments.folder, Path(scratch)):
            for reader in READERS:
                runs = [measured(reader, folder) for _ in range(_REPEATS)]
                seconds, peak, voxels = min(runs)
                print(f"{name:<34}{reader:<12}{seconds:>8.2f}{peak:>10.0f}{voxels:>12.0f}")


def measure_here(read: Callable[[Path], int], folder: Path) -> None:
    """Print seconds, peak MiB beyond the imports, and MiB of voxels."""
    before = status_kib("VmRSS")
    start = time.perf_counter()
    voxels = read(folder)
    seconds = time.perf_counter() - start
    peak = status_kib("VmHWM") - before
    print(seconds, peak / 1024, voxels / 2**20)


def status_kib(field: str) -> int:
    """Read a figure of this process in KiB (proc(5)); unlike ru_maxrss it starts anew with each program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def measured(reader: str, folder: Path) -> tuple[float, float, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.assembly", "--reader", reader, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1])
    seconds, peak, voxels = map(float, done.stdout.split())
    return seconds, peak, voxels


def series(real: Path | None, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Name the series to read, each as delivered and compressed with JPEG 2000."""
    if real:
        yield f"{real.name}, as it is", real
        instances = (dcmread(path) for path in sorted(real.rglob("*.dcm")))
        yield f"{real.name}, JPEG 2000", written(instances, scratch / "real-j2k", compress=True)
    yield f"{_SLICES} slices, uncompressed", written(procedural(), scratch / "raw", compress=False)
    yield f"{_SLICES} slices, JPEG 2000", written(procedural(), scratch / "j2k", compress=True)


def procedural() -> Iterator[Dataset]:
    """Make a chest of 300 slices of 512 x 512: 30 different ones, repeated, with noise."""
    chest = small_phantom((), (30, _SIZE, _SIZE), (1.0, 0.7, 0.7)).volume
    for block in range(_SLICES // 30):
        affine = chest.affine.copy()
        affine[2, 3] += 30.0 * block
        for k, dataset in enumerate(iterate_ct_datasets(replace_affine(chest, affine))):
            dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.{block}"[:64]
            dataset.InstanceNumber = 30 * block + k + 1
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            yield dataset


def replace_affine(volume: Volume, affine: np.ndarray) -> Volume:
    """Move a volume."""
    return replace(volume, affine=affine)


def written(instances: Iterator[Dataset], folder: Path, *, compress: bool) -> Path:
    """Write a series, compressed or as it is."""
    write_series((compressed(instance) if compress else instance for instance in instances), folder)
    return folder


def compressed(instance: Dataset) -> Dataset:
    """Compress one instance with JPEG 2000, lossless."""
    instance.compress(JPEG2000Lossless, generate_instance_uid=False)
    return instance


if __name__ == "__main__":
    main()
