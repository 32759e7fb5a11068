"""A bar that counts files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; what is given is to be told how many of how many files are done."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=None)

        def note(done: int, total: int) -> None:
            progress.update(bar, total=total, completed=done)

        yield note
