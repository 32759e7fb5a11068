"""The tasks of training: ``python -m training TASK ...``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from typer.core import TyperGroup

from models.weights import WeightsError
from training.errors import TrainingError
from training.evaluation import command as evaluation
from training.explore import command as exploration
from training.false_positives import command as false_positives
from training.features import command as features
from training.lungs import command as lungs
from training.malignancy import command as malignancy
from training.phantom import PhantomSpec, make_phantom, write_phantom
from training.pipeline import command as pipelines
from training.proposals import command as proposals
from training.transfer import command as transfer

_USAGE_EXIT = 2


class _Tasks(TyperGroup):
    """Prints what stops a task in one line and exits with 2."""

    def invoke(self, ctx: Any) -> Any:  # the class of a context has no public name
        """Run the task."""
        try:
            return super().invoke(ctx)
        except (TrainingError, WeightsError) as error:
            print(f"{ctx.invoked_subcommand}: {error}", file=sys.stderr)
            raise typer.Exit(_USAGE_EXIT) from None


app = typer.Typer(
    name="python -m training",
    cls=_Tasks,
    help="Make training data; train and evaluate models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("evaluate")(evaluation.evaluate)
app.command("explore")(exploration.explore)
app.command("pipeline")(pipelines.pipeline)
app.command("transfer")(transfer.transfer)
app.command("transfer-predict")(transfer.transfer_predict)
app.command("triplets-to-folders")(transfer.triplets_to_folders)
app.command("false-positives")(false_positives.command)
app.command("lungs")(lungs.command)
app.command("proposals")(proposals.command)
app.command("mine")(proposals.mine)
app.command("malignancy")(malignancy.command)
app.command("features")(features.features)
app.command("patients")(features.patients)


@app.callback()
def tasks() -> None:
    """Keep every task a named subcommand, also while there is only one."""


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the DICOM series and truth.json; made if absent.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same phantom.")] = 0,
    slice_spacing: Annotated[float, typer.Option(help="Distance of the slices, 0.6 to 5 mm.")] = 2.5,
    matrix: Annotated[int, typer.Option(help="Rows and columns of a slice.")] = 512,
    fov: Annotated[float, typer.Option(help="Side of the square image in mm.")] = 360.0,
    noise: Annotated[float, typer.Option(help="Standard deviation of the noise in HU.")] = 22.0,
) -> None:
    """Write a procedural chest CT with six nodules of known place, size and type."""
    try:
        spec = PhantomSpec(slice_spacing_mm=slice_spacing, matrix=matrix, fov_mm=fov, noise_sd_hu=noise)
        _refuse_other_content(out)
        console = Console(stderr=True)
        torch.set_num_threads(1)  # slabs already run side by side; two kinds of threads would stand in each other's way
        with console.status(f"making a chest of {spec.grid.shape[0]} slices"):
            made = make_phantom(spec, seed)
            paths = write_phantom(made, out, seed)
    except (ValueError, OSError) as error:
        print(f"phantom: {error}", file=sys.stderr)
        raise typer.Exit(_USAGE_EXIT) from None
    console.print(f"{len(paths)} slices and truth.json ({len(made.nodules)} nodules) in {out}", highlight=False)


def _refuse_other_content(out: Path) -> None:
    """Refuse a folder that holds anything: two series in one folder are no phantom any more."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; name another one")


if __name__ == "__main__":
    app()
