"""The limit on the memory of the analysis process, and how libraries say that they met it."""

from __future__ import annotations

import resource

import torch

# What torch on the processor, ITK and C++ libraries say in a RuntimeError where Python would raise MemoryError.
_PHRASES = ("allocate memory", "bad_alloc", "out of memory")


def limit_memory(limit_bytes: int) -> None:
    """Let allocations of this process fail beyond ``limit_bytes``, so that it can answer instead of being killed.

    The limit is on data (RLIMIT_DATA: private writable mappings, since Linux 4.7), not on address space
    (RLIMIT_AS): CUDA reserves hundreds of gigabytes of addresses that are no memory. Memory of the GPU is
    not counted.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether a library ran out of memory, of the machine or of the GPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(phrase in str(error) for phrase in _PHRASES)
