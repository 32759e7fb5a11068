"""A folder through the de-identification, in several processes; what became of each file is handed back in order."""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from node.deidentification.one_file import Fate, Order, Outcome, deidentify_file
from node.durable import ASIDE_PREFIX, sync_folder
from node.errors import ConfigError, DeidentificationError

_AHEAD = 4  # files under way for each process: enough to keep it busy, few enough to keep memory flat
_WORTH_A_POOL = 32  # files; fewer are done sooner than processes start


def files_in(source: Path) -> tuple[Path, ...]:
    """List every file below a folder, in the order of their paths; their numbers in reports are places in it.

    Raises
    ------
    ConfigError
        There is no such folder.
    """
    if not source.is_dir():
        raise ConfigError(f"{source}: there is no such folder")
    return tuple(sorted(path for path in source.rglob("*") if path.is_file()))


def check_target(source: Path, target: Path) -> None:
    """See that what leaves goes into an empty folder of its own.

    Raises
    ------
    ConfigError
        The folder holds something, or one of the two lies in the other.
    """
    inner, outer = target.resolve(), source.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise ConfigError(f"{target}: lies in the source folder, or around it; give a folder of its own")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target}: is not an empty folder; what leaves must not mix with what lies there")


def deidentify_files(files: Sequence[Path], order: Order, processes: int | None = None) -> Iterator[Outcome]:
    """De-identify files, and hand back what became of each, in their order.

    Raises
    ------
    DeidentificationError
        The folder cannot be written.
    """
    numbered = enumerate(files, 1)
    try:
        if len(files) < _WORTH_A_POOL:
            yield from (deidentify_file(path, number, order) for number, path in numbered)
        else:
            yield from _in_processes(files, order, processes or len(os.sched_getaffinity(0)))
        _tidy(order.target)
    except OSError as error:
        raise DeidentificationError(f"{order.target}: cannot be written ({error.strerror})") from None


def _in_processes(files: Sequence[Path], order: Order, processes: int) -> Iterator[Outcome]:
    """Give the outcomes in order; a file that takes a process down is done again alone, and refused if it does so."""
    done = 0
    while done < len(files):
        try:
            for outcome in _of_one_pool(files, done, order, processes):
                done += 1
                yield outcome
        except BrokenProcessPool:
            yield _alone(files[done], done + 1, order)
            done += 1


def _of_one_pool(files: Sequence[Path], first: int, order: Order, processes: int) -> Iterator[Outcome]:
    waiting: deque[Future[Outcome]] = deque()
    with _pool(processes) as pool:
        try:
            for place in range(first, len(files)):
                waiting.append(pool.submit(deidentify_file, files[place], place + 1, order))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _alone(path: Path, number: int, order: Order) -> Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(deidentify_file, path, number, order).result()
        except BrokenProcessPool:
            return Outcome(number, Fate.REFUSED, reason="reading it took the process down: a decoder crashed on it")


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may hang
    return ProcessPoolExecutor(processes, context, _keep_quiet)


def _tidy(target: Path) -> None:
    """Remove what a process left that went down while it wrote, and make the names of all that has left durable."""
    for path in target.rglob(f"{ASIDE_PREFIX}*"):
        path.unlink()
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())] if target.is_dir() else ():
        sync_folder(folder)


def _keep_quiet() -> None:
    """Silence pydicom in a new process: its warnings show values of the data set."""
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
