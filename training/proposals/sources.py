"""Where the scans come from: generated, or in the layouts of the public data sets; prepared once, kept on disk."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

from models.findings import AnalysisRefused
from models.lungs import segment_lungs
from models.weights import sha256_of
from training.datasets import Layout, Scan, read_case, scans_of
from training.datasets_split import JUDGES, Split, split_of
from training.errors import TrainingError
from training.evaluation.froc import UNKNOWN_DIAMETER_MM, Annotation
from training.held import hold
from training.planting import Stacks, load_stacks
from training.proposals.generated import generated_scan
from training.proposals.levels import ScanSets
from training.proposals.scan import load_scan, save_scan, worked

_CHOOSE_PERCENT = 12  # of the patients to train with: their scans choose the best epoch instead
_SEEDS = {"train": 1000, "choose": 5000, "held_out": 9000}  # of the first generated scan of each set


class SetName(StrEnum):
    """What a scan is for."""

    TRAIN = "train"
    CHOOSE = "choose"
    HELD_OUT = "held_out"


@dataclass(frozen=True)
class Sources:
    """Which scans are used.

    Parameters
    ----------
    folder, layout
        A data set in its own layout; None for none.
    stacks
        ``lidc-nodule-stacks.npz``, planted into generated scans; needed for these.
    generated
        Number of generated scans in each set, in the order of ``SetName``.
    device
        Where they are painted.
    """

    folder: Path | None = None
    layout: Layout = Layout.LUNA16
    stacks: Path | None = None
    generated: tuple[int, int, int] = (0, 0, 0)
    device: str = "cpu"


def prepared(sources: Sources, folder: Path, workers: int = 0) -> ScanSets:
    """Bring all scans to the network's grid, once, and read them.

    Parameters
    ----------
    folder
        Gets a folder per set with one file per scan; what is there already is not made again. Beside it lies a file
        of its name, ``.json``, that tells the sources.
    workers
        Processes that make them; 0 makes them in this one.

    Raises
    ------
    TrainingError
        A file or label is missing, an image is broken, or the folder was made from other sources.
    """
    if sources.folder is None and not any(sources.generated):
        raise TrainingError("no scan to train on: give --data, or --stacks with --generated")
    _hold_sources(sources, folder)
    jobs = [*_generated_jobs(sources, folder), *_folder_jobs(sources, folder)]
    _run([job for path, job in jobs if not path.exists()], workers)
    return ScanSets(*([load_scan(path) for path, _ in jobs if path.parent.name == name] for name in SetName))


def set_of(patient: str) -> SetName:
    """Tell what a patient's scans are for, by a hash of the identifier: no list and no order matters."""
    if split_of(patient) is Split.HELD_OUT:
        return SetName.HELD_OUT
    number = int.from_bytes(hashlib.sha256(f"choose {patient}".encode()).digest()[:8], "big")
    return SetName.CHOOSE if number % 100 < _CHOOSE_PERCENT else SetName.TRAIN


Job = tuple[Path, Callable[[], Path]]


def _generated_jobs(sources: Sources, folder: Path) -> Iterable[Job]:
    if not any(sources.generated):
        return
    if sources.stacks is None:
        raise TrainingError("generated scans need real nodules to plant: give --stacks lidc-nodule-stacks.npz")
    for name, count in zip(SetName, sources.generated, strict=True):
        for seed in range(_SEEDS[name], _SEEDS[name] + count):
            path = folder / name / f"generated-{seed}.npz"
            yield path, partial(_make, seed, sources.stacks, name, path.parent, sources.device)


def _folder_jobs(sources: Sources, folder: Path) -> Iterable[Job]:
    if sources.folder is None:
        return
    for scan in scans_of(sources.folder, sources.layout):
        if scan.name not in JUDGES and scan.patient not in JUDGES:
            path = folder / set_of(scan.patient) / f"{scan.name}.npz"
            yield path, partial(_convert, scan, path.parent)


def _run(jobs: Sequence[Callable[[], Path]], workers: int) -> None:
    """Do what is left to do, with a progress bar."""
    if workers == 0:
        for job in track(jobs, "preparing scans", disable=not jobs):
            job()
        return
    # spawn: a forked process may inherit a lock of torch's threads
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
        for done in track([pool.submit(job) for job in jobs], "preparing scans"):
            done.result()


def _one_thread() -> None:
    torch.set_num_threads(1)  # the processes already run side by side


def _make(seed: int, stacks: Path, name: SetName, folder: Path, device: str) -> Path:
    return save_scan(generated_scan(seed, _stacks_for(load_stacks(stacks), name), device), folder)


def _stacks_for(stacks: Stacks, name: SetName) -> Stacks:
    """Keep the nodules of the patients of one set."""
    return stacks.of({patient for patient in set(stacks.patients.tolist()) if set_of(patient) is name})


def _convert(scan: Scan, folder: Path) -> Path:
    volume, _ = read_case(scan)
    try:
        lungs = segment_lungs(volume)
    except AnalysisRefused as refused:
        raise TrainingError(f"{scan.name}: {refused}; take the scan out of the data set") from None
    return save_scan(worked(scan.name, volume, lungs.labels, _places(scan.included), _places(scan.excluded)), folder)


def _places(annotations: Sequence[Annotation]) -> npt.NDArray[np.float64]:
    """(N, 4): centre x, y, z in LPS mm, diameter in mm."""
    rows = [
        (*place.center_mm, place.diameter_mm if place.diameter_mm > 0 else UNKNOWN_DIAMETER_MM) for place in annotations
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _hold_sources(sources: Sources, folder: Path) -> None:
    """Refuse a folder whose scans were made from something else."""
    for name in SetName:
        (folder / name).mkdir(parents=True, exist_ok=True)
    stacks = sha256_of(sources.stacks) if sources.stacks is not None and any(sources.generated) else None
    told = {"folder": str(sources.folder), "layout": sources.layout, "generated": list(sources.generated)}
    hold(folder.with_suffix(".json"), {**told, "stacks": stacks})
