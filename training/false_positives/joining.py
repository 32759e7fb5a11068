"""``python -m training detector``: fits what joins the stages of the detector, on generated scans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console

from models.candidate_network import CandidateNetwork
from models.detector import Calibration, NetworkDetector
from models.detector_loading import STAGE, candidate_network, false_positive_stage
from models.weights import Card, load_tensors, read_card, save_weights, sha256_of, shipped_card
from training.devices import device_of
from training.errors import TrainingError
from training.false_positives.evidence import NAMES, Gathered, gather
from training.false_positives.join_report import THRESHOLDS, Judged, report
from training.false_positives.scans import CALIBRATION_SEEDS, held_apart, made_scan
from training.held import hold
from training.logistic import fit_logistic
from training.planting import Stacks, load_stacks

NAME, VERSION = "detector", "1"
WITHOUT_NETWORK = ("cuts", "rules", "no_blob", "mass", "log_diameter")
WITH_NETWORK = (*WITHOUT_NETWORK, "network")
RIDGE = 0.5
MOST_FALSE = 1.0  # false marks a generated scan at the default threshold


def command(
    stacks: Annotated[Path, typer.Argument(help="lidc-nodule-stacks.npz: planted into the generated scans.")],
    out: Annotated[Path, typer.Argument(help="Folder for the evidence of each scan, coefficients and card.")],
    stage: Annotated[
        Path | None, typer.Option(help="Card of the false-positive stage; default: the shipped one.")
    ] = None,
    candidates: Annotated[Path | None, typer.Option(help="Card of the candidate network; default: none.")] = None,
    scans: Annotated[int, typer.Option(min=2, max=len(CALIBRATION_SEEDS))] = 30,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """Fit how blobs, networks and shape rules are joined into one probability; writes weights, card and report."""
    cards = [stage or shipped_card(STAGE), *([candidates] if candidates else [])]
    detector = unjoined(cards[0], candidates, device_of(device))
    names = WITHOUT_NETWORK if candidates is None else WITH_NETWORK
    stages = [_identity(card) for card in cards]
    hold(out / "evidence.json", {"stages": stages, "stacks": sha256_of(stacks)})
    gathered = list(gathered_scans(held_apart(load_stacks(stacks), benchmark=False), detector, scans, out))
    fitted, judged = join(gathered, names)
    source = (
        f"python -m training detector --scans {scans}, on {device}, with {' and '.join(stages)}, "
        f"stacks sha256 {sha256_of(stacks)[:12]}"
    )
    card = write(fitted, judged, source, out)
    report(card, judged, fitted, out / "report.html")
    for figure in card.figures:
        Console(stderr=True).print(f"{figure.name}: {figure.value}, {figure.data}", highlight=False)


def unjoined(stage: Path, candidates: Path | None, device: torch.device) -> NetworkDetector:
    """Load the witnesses; what joins them is still missing."""
    network: CandidateNetwork | None = None
    if candidates is not None:
        network = candidate_network(*load_tensors(candidates), device)
    fitted = false_positive_stage(*load_tensors(stage), device)
    return NetworkDetector(fitted, Calibration({}, 0.0, 0.5), device, network)


def gathered_scans(stacks: Stacks, detector: NetworkDetector, scans: int, folder: Path) -> Iterator[Gathered]:
    """Make the calibration scans and ask the witnesses; what a folder holds already is read from it."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in islice(CALIBRATION_SEEDS, scans):
        path = folder / f"evidence-{seed}{'-network' if detector.candidates else ''}.npz"
        if not path.exists():
            found = gather(detector, made_scan(seed, stacks, with_mass=True, device=str(detector.device)))
            _save(found, path)
        with np.load(path) as file:
            yield Gathered(file["rows"], file["nodule"], int(file["nodules"]), file["crops"])


def join(scans: Sequence[Gathered], names: Sequence[str]) -> tuple[Calibration, Judged]:
    """Fit on all scans; choose the threshold and measure with one scan left out at a time.

    Raises
    ------
    TrainingError
        No place lies in a nodule, or all do.
    """
    everywhere = np.concatenate([scan.nodule for scan in scans])
    if not (everywhere >= 0).any() or not (everywhere == -1).any():
        raise TrainingError("the scans hold no nodule that was found, or nothing else; make more scans")
    apart = [_probabilities(_fitted([*scans[:n], *scans[n + 1 :]], names), scan) for n, scan in enumerate(scans)]
    judged = Judged(scans, apart)
    threshold = next((t for t in THRESHOLDS if judged.false_places(t) <= MOST_FALSE), THRESHOLDS[-1])
    return replace(_fitted(scans, names), threshold=round(float(threshold), 2)), judged


def write(chosen: Calibration, judged: Judged, source: str, folder: Path) -> Card:
    """Write coefficients and card."""
    scans = len(judged.scans)
    data = f"{scans} generated scans with planted real nodules, one left out at a time; places before one mark a place"
    card = Card(
        name=NAME,
        version=VERSION,
        file=f"{NAME}.safetensors",
        sha256="",
        architecture="models.detector.Calibration",
        input_contract="logits of the stages and the log of the diameter in mm, see models.detector.Evidence",
        training_data=f"{scans} generated chests; half of their nodules are real, of held-out LIDC-IDRI patients",
        licence="Apache-2.0; nodules from LIDC-IDRI (CC BY 3.0)",
        source=source,
        settings={
            "evidence": list(chosen.weights),
            "threshold": chosen.threshold,
            "candidate_network": "network" in chosen.weights,
        },
        figures=judged.figures(chosen.threshold, data),
    )
    weights = torch.tensor(list(chosen.weights.values()), dtype=torch.float64)
    intercept = torch.tensor(chosen.intercept, dtype=torch.float64)
    return save_weights({"weights": weights, "intercept": intercept}, card, folder)


def _fitted(scans: Sequence[Gathered], names: Sequence[str]) -> Calibration:
    rows, nodule = np.concatenate([s.rows for s in scans]), np.concatenate([s.nodule for s in scans])
    columns, counts = [NAMES.index(name) for name in names], nodule > -2
    weights, intercept = fit_logistic(rows[counts][:, columns], (nodule[counts] >= 0).astype(float), ridge=RIDGE)
    return Calibration(dict(zip(names, map(float, weights), strict=True)), intercept, 0.5)


def _probabilities(fitted: Calibration, scan: Gathered) -> npt.NDArray[np.float64]:
    columns = [NAMES.index(name) for name in fitted.weights]
    logits = scan.rows[:, columns] @ np.array(list(fitted.weights.values())) + fitted.intercept
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))


def _identity(path: Path) -> str:
    card = read_card(path)
    return f"{card.name} {card.sha256[:12]}"


def _save(found: Gathered, path: Path) -> None:
    """Write the evidence of a scan aside and move it into place."""
    aside = path.with_name(f".{path.stem}.part.npz")
    np.savez(aside, rows=found.rows, nodule=found.nodule, nodules=found.nodules, crops=found.crops)
    aside.replace(path)
