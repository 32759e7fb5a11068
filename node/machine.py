"""The memory of this machine, and how the analysis shares it out."""

from __future__ import annotations

import os
from pathlib import Path

# Of the machine's memory that the analysis process may take: the rest is for reception, the ledger and the system.
_ANALYSIS_SHARE = 0.75
# Bytes of the analysis process without a volume: interpreter, libraries, networks and what they work on at a time
# (measured: 2.0 GB on two cores).
_WITHOUT_VOLUME = 2_000_000_000
# Bytes of memory for each byte of the volume (measured: 2.7 for the analysis; segmentations and pictures come on top).
_BYTES_PER_VOLUME_BYTE = 5
_LEAST_VOLUME = 250_000_000  # bytes: 450 slices of 512 x 512, a chest at 1 mm, are read whatever the machine
# The limit of the container that we may be in: control groups version 2, then 1.
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes(container_limits: tuple[Path, ...] = _CONTAINER_LIMITS) -> int:
    """Give the memory of this machine, or of the container that we are in if that is less."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *filter(None, map(_limit, container_limits))])


def analysis_bytes(memory_gb: float | None, installed: int) -> int:
    """Give the memory that the analysis process may take: as set, else a share of what is installed."""
    return int(installed * _ANALYSIS_SHARE) if memory_gb is None else int(memory_gb * 1e9)


def volume_bytes(volume_limit_gb: float | None, analysis: int) -> int:
    """Give the largest volume that is read whole: as set, else what the analysis can work on in its memory."""
    if volume_limit_gb is not None:
        return int(volume_limit_gb * 1e9)
    return max(_LEAST_VOLUME, (analysis - _WITHOUT_VOLUME) // _BYTES_PER_VOLUME_BYTE)


def _limit(file: Path) -> int | None:
    """Read a limit in bytes; None if there is no such file, or it says that there is no limit."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) > 0 else None
