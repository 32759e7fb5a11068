"""The error of this package: what is wrong with data, settings or a run, and what to do, in one line."""

from __future__ import annotations


class TrainingError(Exception):
    """Training cannot start or go on; the task prints it and exits with 2."""
