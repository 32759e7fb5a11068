"""Features of all patients: decoding, the network and storing overlap, memory stays flat."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.slice_triplets import slice_triplets
from training.errors import TrainingError
from training.features.patients import Patient, read_slices

Features = npt.NDArray[np.float32]
_AHEAD = 2  # patients decoded before their turn, for each thread


class Extractor(Protocol):
    """What gives features (G, F) of pictures (G, 3, 224, 224) uint8."""

    def features(self, triplets: torch.Tensor) -> Features:
        """Give them, on the CPU."""
        ...


@dataclass(frozen=True)
class Extraction:
    """What was done.

    Parameters
    ----------
    done, kept
        Patients whose features were made now, and those that lay there already.
    pictures
        Slice triplets that the network has seen.
    broken
        Name and reason of each patient that could not be read.
    seconds
        Wall time.
    """

    done: int
    kept: int
    pictures: int
    broken: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def patients_per_minute(self) -> float:
        """Of those made now."""
        return 60 * self.done / max(self.seconds, 1e-9)


def extract(patients: Sequence[Patient], extractor: Extractor, folder: Path, threads: int = 2) -> Extraction:
    """Write ``NAME.npy`` (G, F) for each patient into a folder; those that are there already are kept.

    A patient that cannot be read is named in the result and has no file; the others go on.
    """
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [patient for patient in patients if not feature_path(folder, patient.name).exists()]
    broken: list[tuple[str, str]] = []
    pictures = 0
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(1) as writer, _progress() as progress:
        bar = progress.add_task("features", total=len(wanted), rate="")
        stored: deque[Future[None]] = deque()
        for patient, triplets in _ahead(wanted, decoders, _AHEAD * threads):
            if isinstance(triplets, TrainingError):
                broken.append((patient.name, str(triplets)))
                progress.console.print(f"skipped: {triplets}", highlight=False, markup=False)
            else:
                stored.append(writer.submit(_store, extractor.features(triplets), feature_path(folder, patient.name)))
                pictures += len(triplets)
                _raise_first(stored)
            progress.update(bar, advance=1, rate=f"{60 * pictures / (time.perf_counter() - began):.0f} pictures/min")
        _raise_all(stored)
    done = len(wanted) - len(broken)
    return Extraction(done, len(patients) - len(wanted), pictures, tuple(broken), time.perf_counter() - began)


def feature_path(folder: Path, name: str) -> Path:
    """Where the features of a patient lie."""
    return folder / f"{name}.npy"


def _ahead(
    patients: Sequence[Patient], decoders: ThreadPoolExecutor, depth: int
) -> Iterator[tuple[Patient, torch.Tensor | TrainingError]]:
    """Give the patients in their order while at most ``depth`` further ones are decoded."""
    waiting: deque[tuple[Patient, Future[torch.Tensor | TrainingError]]] = deque()
    for patient in patients:
        waiting.append((patient, decoders.submit(_decoded, patient)))
        if len(waiting) > depth:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _decoded(patient: Patient) -> torch.Tensor | TrainingError:
    """Decode one patient; what is wrong with it is an answer, not the end of the run."""
    try:
        return slice_triplets(read_slices(patient.folder))
    except TrainingError as error:
        return error


def _store(features: Features, path: Path) -> None:
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    aside.replace(path)


def _raise_first(stored: deque[Future[None]]) -> None:
    """Stop at once when a file could not be written, and forget those that were."""
    while stored and stored[0].done():
        stored.popleft().result()


def _raise_all(stored: deque[Future[None]]) -> None:
    for future in stored:
        future.result()


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    return Progress(*columns, TimeRemainingColumn())
