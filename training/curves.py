"""Curves of a run: ``history.csv`` and ``curves.png``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.weights import write_text

_PANEL_INCHES = (3.4, 2.6)


def write_curves(history: list[dict[str, float]], folder: Path) -> None:
    """Write one row and one point an epoch; one panel for each figure."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in history)
    write_text(folder / "history.csv", table.getvalue())
    _draw([name for name in columns if name != "epoch"], history, folder / "curves.png")


def _draw(names: list[str], history: list[dict[str, float]], path: Path) -> None:
    figure = Figure(figsize=(_PANEL_INCHES[0] * len(names), _PANEL_INCHES[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        panel.plot([row["epoch"] for row in history], [row.get(name, float("nan")) for row in history], marker=".")
        panel.set(title=name, xlabel="epoch")
        panel.grid(alpha=0.3)
    aside = path.with_name(f".{path.name}.part")
    figure.savefig(aside, dpi=90, format="png")
    aside.replace(path)
