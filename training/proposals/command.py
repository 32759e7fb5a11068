"""``python -m training proposals`` and ``mine``: the candidate network in three levels, and what one finds hard."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console

from models.candidate_network import CandidateNetwork, network_of
from models.weights import Card, load_tensors, write_text
from training.datasets import Layout, fingerprint
from training.devices import device_of
from training.errors import TrainingError
from training.proposals.levels import ProposalSettings, ScanSets, three_levels, without_mining
from training.proposals.mining import mined
from training.proposals.reporting import report
from training.proposals.scan import WorkedScan, load_scan
from training.proposals.shipping import TABLE_FILE, ship, table
from training.proposals.sources import Sources, prepared

_SCANS = "scans"


@dataclass(frozen=True)
class Plan:
    """What is trained on what, where."""

    sources: Sources
    settings: ProposalSettings
    device: torch.device
    control: bool = False


def command(
    out: Annotated[
        Path, typer.Argument(help="Folder for scans, checkpoints, curves and weights; a run goes on there.")
    ],
    data: Annotated[Path | None, typer.Option(help="Folder of a data set in its own layout.")] = None,
    layout: Annotated[Layout, typer.Option(help="Layout of --data.")] = Layout.LUNA16,
    stacks: Annotated[Path | None, typer.Option(help="lidc-nodule-stacks.npz: planted into generated scans.")] = None,
    generated: Annotated[tuple[int, int, int], typer.Option(help="Generated scans: train, choose, held out.")] = (
        0,
        0,
        0,
    ),
    epochs: Annotated[tuple[int, int, int], typer.Option(help="Epochs of each level.")] = (12, 8, 8),
    crops: Annotated[int, typer.Option(min=1, help="Crops in an epoch.")] = 1000,
    sides: Annotated[str, typer.Option(help="Curriculum of the first level: sides of the crops.")] = "32,64,128",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make scans and crops.")] = 0,
    control: Annotated[bool, typer.Option(help="Also train level 1 on for as long without mining.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """Train the candidate network: three levels, each on what the one before found hard."""
    settings = ProposalSettings(epochs=epochs, crops=crops, sides=_sides(sides), seed=seed, workers=workers)
    plan = Plan(Sources(data, layout, stacks, generated, str(device_of(device))), settings, device_of(device), control)
    card, lines = train_candidates(out, plan)
    Console(stderr=True).print("\n".join([*lines, f"{card.file} and its card in {out}"]), highlight=False)


def mine(
    card: Annotated[Path, typer.Argument(help="Card of a candidate network.")],
    scans: Annotated[Path, typer.Argument(help="Folder of prepared scans, such as OUT/scans/train.")],
    out: Annotated[Path, typer.Argument(help="CSV to write: scan, kind, place, weight.")],
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """List what a candidate network finds hard: false marks by its belief in them, nodules by its doubt."""
    paths = sorted(scans.glob("*.npz"))
    if not paths:
        raise TrainingError(f"{scans}: no prepared scan here; `proposals` makes them under OUT/{_SCANS}")
    network = network_of(*load_tensors(card), device_of(device))
    rows = [row for path in paths for row in _hard_rows(path, network, device_of(device))]
    write_text(out, _csv(rows))
    Console(stderr=True).print(f"{len(rows)} places of {len(paths)} scans in {out}", highlight=False)


def train_candidates(out: Path, plan: Plan) -> tuple[Card, list[str]]:
    """Prepare, train three levels, measure each on the held-out scans, write weights, cards, report and table.

    Raises
    ------
    TrainingError
        A file or label is missing, an image is broken, the folder holds another run, or the loss is not a number.
    """
    sets = prepared(plan.sources, out / _SCANS, plan.settings.workers)
    data = fingerprint([out / _SCANS])
    results = three_levels(sets, plan.settings, {"data": data}, out, plan.device)
    held_against = (
        [without_mining(results[0], sets, plan.settings, {"data": data}, out, plan.device)] if plan.control else []
    )
    source = f"python -m training proposals, epochs {plan.settings.epochs}, seed {plan.settings.seed}"
    known, held = _described(sets, plan.sources), f"{_counted(sets.held_out)}, apart from training by patient"
    card = ship(results, known, held, f"{source}, data sha256 {data[:12]}", out, plan.settings.channels)
    rows = [result.row() for result in [*results, *held_against]]
    write_text(out / TABLE_FILE, json.dumps(rows, indent=1) + "\n")
    report(card, results, rows, sets.held_out, out / "report.html")
    return card, table(rows)


def _described(sets: ScanSets, sources: Sources) -> str:
    parts = ["generated chests with made nodules and real ones of LIDC-IDRI planted"] if any(sources.generated) else []
    parts += [f"a data set in the layout {sources.layout}"] if sources.folder else []
    return f"{_counted(sets.train)}: {'; '.join(parts)}"


def _counted(scans: Sequence[WorkedScan]) -> str:
    real = sum(not scan.name.startswith("generated-") for scan in scans)
    nodules = sum(len(scan.nodules) for scan in scans)
    return f"{len(scans) - real} generated and {real} real scans with {nodules} nodules"


def _hard_rows(
    path: Path, network: CandidateNetwork, device: torch.device
) -> list[tuple[str, str, str, str, str, str]]:
    """One row a place: scan, kind, centre k, j, i on the scan's 1 mm grid, weight."""
    scan = load_scan(path)
    places = mined([scan], network, device)[0]
    rows = [(scan.name, "nodule", *_told(c[:3], w)) for c, w in zip(scan.nodules, places.nodules, strict=True)]
    return rows + [
        (scan.name, "false mark", *_told(c, w)) for c, w in zip(places.negatives, places.negative_weights, strict=True)
    ]


def _told(center: npt.NDArray[np.floating], weight: float) -> tuple[str, str, str, str]:
    k, j, i = (f"{value:.1f}" for value in center)
    return k, j, i, f"{weight:.4f}"


def _csv(rows: Sequence[tuple[str, ...]]) -> str:
    table_of = io.StringIO()
    writer = csv.writer(table_of, lineterminator="\n")
    writer.writerow(("scan", "kind", "k", "j", "i", "weight"))
    writer.writerows(rows)
    return table_of.getvalue()


def _sides(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise TrainingError(f"--sides: whole numbers with commas between, found {text!r}") from None
