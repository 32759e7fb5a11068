"""``pulmonode train``: hands over to ``python -m training``; the node itself knows nothing of training."""

from __future__ import annotations

import os
import sys

import typer

# Everything behind the name goes to the task unread, --help too.
CONTEXT_SETTINGS = {
    "allow_extra_args": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
    "ignore_unknown_options": True,
}


def run(context: typer.Context) -> None:
    """Replace this process by the tasks of training, with the same arguments and exit code."""
    # -P: a folder called "training" where the user stands is not the package.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "training", *context.args])  # noqa: S606 - no shell
