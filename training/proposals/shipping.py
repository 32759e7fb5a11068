"""From a run of three levels to files: weights with a card for each level, and the table of the levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from models.proposals import HU_RANGE
from models.weights import Card, Figure, save_weights
from training.proposals.levels import CONTROL, LEVELS, PUBLISHED_GAIN, LevelResult

NAME, VERSION = "candidates", "1"
TABLE_FILE = "levels.json"
_INPUT = (
    f"cubic voxels of 1 mm, two channels: HU {HU_RANGE[0]:.0f} to {HU_RANGE[1]:.0f} as -1 to 1, soft tissue painted "
    "away from the lungs; the lungs' mask. (N, 2, slices, rows, columns), sides multiples of 16"
)
_LICENCE = "Apache-2.0; planted nodules from LIDC-IDRI (CC BY 3.0)"


def ship(
    results: Sequence[LevelResult],
    training_data: str,
    held_out: str,
    source: str,
    folder: Path,
    channels: Sequence[int],
) -> Card:
    """Write the weights of the last level as ``candidates``, those of the others beside them.

    Parameters
    ----------
    training_data, held_out
        What was trained on and what the figures were measured on, in words.
    source
        The command and the fingerprint of the data.

    Returns
    -------
    The card of the last level.
    """
    rows = [result.row() for result in results]
    cards = []
    for result, row in zip(results, rows, strict=True):
        name = NAME if result.number == LEVELS else f"{NAME}-level-{result.number}"
        card = Card(
            name=name,
            version=VERSION,
            file=f"{name}.safetensors",
            sha256="",
            architecture="models.candidate_network.CandidateNetwork",
            input_contract=_INPUT,
            training_data=training_data,
            licence=_LICENCE,
            source=source,
            settings={"channels": list(channels)},
            figures=_figures(row, held_out),
        )
        cards.append(save_weights(_halved(result.trained.weights), card, folder))
    return cards[-1]


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put the levels beside the published gains, as Markdown."""
    head, *lines = (f"| {' | '.join(cells)} |" for cells in table_rows(rows))
    return [head, "|---|---|---|---|---|", *lines]


def table_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Put the levels beside the published gains: the head, a row for each level, and one for the control, if any."""
    cells: list[tuple[str, ...]] = [
        ("level", "CPM (95 %)", "gain", "published gain", "sensitivity at 8 false marks a scan")
    ]
    before: float | None = None
    for row in rows:
        control = row["level"] == CONTROL
        gain = "" if before is None or control else f"{row['cpm'] - before:+.3f}"
        published = f"{PUBLISHED_GAIN[row['level']]:+.2f}" if row["level"] in PUBLISHED_GAIN else ""
        cpm = f"{row['cpm']:.3f} ({row['cpm_low']:.3f} to {row['cpm_high']:.3f})"
        name = "1, trained on as long without mining" if control else str(row["level"])
        cells.append((name, cpm, gain, published, f"{row['sensitivity_8']:.3f}"))
        before = row["cpm"]
    return cells


def _figures(row: Mapping[str, Any], held_out: str) -> tuple[Figure, ...]:
    return (
        Figure("CPM", round(row["cpm"], 4), held_out, round(row["cpm_low"], 4), round(row["cpm_high"], 4)),
        Figure("sensitivity at 8 false marks a scan", round(row["sensitivity_8"], 4), held_out),
    )


def _halved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keep 16 bits of every float: the network computes in no more."""
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
