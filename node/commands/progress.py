"""Sending with a progress bar."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from node.delivery.scu import Destination, SendResult, send_folder
from node.delivery.statuses import Outcome
from node.errors import NoImages

_STORED = frozenset({Outcome.STORED, Outcome.STORED_WITH_WARNING})


@dataclass(frozen=True)
class SendSummary:
    """What became of a folder.

    Parameters
    ----------
    failures
        How many instances were not stored, by what the destination said.
    other_files
        Files that are no DICOM instance.
    """

    stored: int
    failures: Counter[str]
    other_files: int

    @property
    def all_stored(self) -> bool:
        """Tell whether there was something to send and all of it was stored."""
        return not self.failures

    @property
    def text(self) -> str:
        """One line for people."""
        parts = [f"{self.stored} of {self.stored + self.failures.total()} instances stored"]
        parts += [f"{count} not stored: {message}" for message, count in self.failures.most_common()]
        if self.other_files:
            parts.append(f"{self.other_files} files that are not DICOM passed over")
        return "; ".join(parts)


def send_with_progress(folder: Path, destination: Destination, calling_ae_title: str, timeout_s: float) -> SendSummary:
    """Send every DICOM file below a folder and show how far it is.

    Raises
    ------
    NoImages
        There is no DICOM file below the folder.
    """
    results: list[SendResult] = []
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("sending", total=None)

        def note(result: SendResult, total: int) -> None:
            results.append(result)
            progress.update(bar, total=total, completed=len(results))

        others = send_folder(
            folder, destination, calling_ae_title=calling_ae_title, timeout_s=timeout_s, on_result=note
        )
    if not results:
        raise NoImages(f"{folder}: no DICOM file among {others} files")
    failures = Counter(result.message for result in results if result.outcome not in _STORED)
    return SendSummary(len(results) - failures.total(), failures, others)
