"""The malignancy model measured anew: ``python -m benchmarks.malignancy lidc-nodule-triplets.npz [--json FILE]``.

The shipped networks were trained without a pair of folds each and stand in the file in the order of the pairs, so that
every nodule can be scored by networks that saw no nodule of its patient; LightGBM and kernel are fitted again without
the fold that they score. Prints the card's figures, with the AUC of each fold and by readers.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import torch

from models.malignancy import MalignancyModel
from models.weights import read_card, shipped_card
from training.evaluation.scores import auc
from training.malignancy.command import Known, measured
from training.malignancy.networks import joined, strangers_scores
from training.malignancy.scorer import measurements_of
from training.malignancy.triplets import folds_of, read_triplets

FOLDS, SEED = 5, 0  # of the run that made the shipped weights


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("triplets", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    triplets = read_triplets(arguments.triplets)
    folds = folds_of(triplets.patients, FOLDS, SEED)
    card = shipped_card("malignancy")
    members = MalignancyModel.from_card(card, torch.device("cpu")).network.members
    width = read_card(card).settings["width"]
    pairs = combinations(range(FOLDS), 2)
    networks = {pair: joined([member.state_dict()], width) for pair, member in zip(pairs, members, strict=True)}
    known = Known(triplets, folds, measurements_of(triplets), strangers_scores(networks, triplets, folds))
    logits, figures = measured(known)
    for figure in figures:
        print(f"{figure.name}: {figure.value} ({figure.low} to {figure.high})")
    parts = {f"fold {fold}": folds == fold for fold in range(FOLDS)}
    parts |= {f"marked by {count} of 4 readers": triplets.readers == count for count in range(1, 5)}
    for name, part in parts.items():
        some = triplets.decided & part
        print(f"{name}: {some.sum()} nodules, AUC {auc(triplets.suspicious[some], logits[some]):.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
