"""The command line ``pulmonode``: finds the command, runs it, turns an error into one line and an exit code.

0  done    1  failed    2  wrong usage or setting
3  not a readable series (analyze, inspect), some files refused (deidentify)
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings

import typer

from node.errors import ConfigError, PulmonodeError
from node.log import hide_values_in_tracebacks

EXIT_FAILED, EXIT_USAGE = 1, 2

# A command is imported when it is called: `echo` needs no torch, and the receiving process must stay small.
COMMANDS = {
    "serve": "Run the node in the foreground; SIGTERM drains and ends it.",
    "demo": "Run the whole job on loopback, on a phantom or on a CT of your own.",
    "analyze": "Analyse a folder of DICOM without a network.",
    "inspect": "Show what the node would take of a folder, and why; no network is run.",
    "send": "Send a folder by C-STORE.",
    "echo": "Ask an application entity whether it answers (C-ECHO).",
    "status": "Show series, states, queue and deliveries.",
    "retry": "Put a failed, refused or skipped series, or a delivery, back in line.",
    "deidentify": "Take the person out of a folder of DICOM (PS3.15 Annex E), or verify such a folder.",
    "reidentify": "Give what a remote worker returned its patient back, by the vault.",
    "export": "Export what was analysed for research, without anything that identifies.",
    "weights": "List, import and verify the weights of models.",
    "train": "Train and evaluate models: the tasks of `python -m training`.",
}


def main() -> None:
    """Run one command; the entry point of the console script."""
    # Threads of OpenMP that spin while they wait make an analysis several times slower on busy cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded, here or in a child
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # pydicom's warnings show values of the data set, a patient's among them
    hide_values_in_tracebacks()
    try:
        _application(sys.argv[1:])()
    except ConfigError as error:
        _end(error, EXIT_USAGE)
    except PulmonodeError as error:
        _end(error, EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as a shell reports it


def _application(arguments: list[str]) -> typer.Typer:
    """Build the application with the called command in it, and of the others only their help."""
    application = typer.Typer(
        name="pulmonode",
        help="An AI node for chest CT. Demonstration and research, not for diagnosis.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"node.commands.{name}") if name == called else None
        group = getattr(module, "group", None)  # of a command with commands of its own
        if group is not None:
            application.add_typer(group, name=name, help=summary)
        else:
            settings = getattr(module, "CONTEXT_SETTINGS", None)
            application.command(name, help=summary, context_settings=settings)(module.run if module else _only_help)
    return application


def _only_help() -> None:
    """Stand for a command that was not called, in the list of commands."""


def _end(error: PulmonodeError, code: int) -> None:
    print(f"pulmonode: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
