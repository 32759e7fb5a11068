"""The tasks of training: ``python -m training TASK ...``."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from models.weights import WeightsError
from training import contact_sheet, phantom_command
from training.errors import TrainingError
from training.evaluation import command as evaluation
from training.explore import command as exploration
from training.false_positives import command as false_positives
from training.false_positives import joining
from training.features import command as features
from training.lungs import command as lungs
from training.malignancy import command as malignancy
from training.pipeline import command as pipelines
from training.proposals import command as proposals
from training.transfer import backbone
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
app.command("phantom")(phantom_command.phantom)
app.command("plant")(phantom_command.plant)
app.command("contact-sheet")(contact_sheet.contact_sheet)
app.command("evaluate")(evaluation.evaluate)
app.command("explore")(exploration.explore)
app.command("pipeline")(pipelines.pipeline)
app.command("transfer")(transfer.transfer)
app.command("transfer-predict")(transfer.transfer_predict)
app.command("backbone")(backbone.backbone)
app.command("triplets-to-folders")(transfer.triplets_to_folders)
app.command("false-positives")(false_positives.command)
app.command("detector")(joining.command)
app.command("lungs")(lungs.command)
app.command("proposals")(proposals.command)
app.command("mine")(proposals.mine)
app.command("malignancy")(malignancy.command)
app.command("features")(features.features)
app.command("patients")(features.patients)


@app.callback()
def tasks() -> None:
    """Keep every task a named subcommand, also while there is only one."""


if __name__ == "__main__":
    app()
