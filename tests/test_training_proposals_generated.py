"""Generated scans for the candidate network: made and real nodules together, real ones of the set's own patients."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from training.phantom_small import small_phantom
from training.phantom_truth import Phantom
from training.planting import Stacks
from training.proposals import generated, sources
from training.proposals.generated import truth_of, with_real_nodules, worked_phantom
from training.proposals.scan import WorkedScan
from training.proposals.sources import SetName, Sources, prepared, set_of

PATIENTS = 40


@pytest.fixture(scope="module")
def stacks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One made-up ball for each of many patients, in the layout of lidc-nodule-stacks.npz."""
    k, j, i = np.ogrid[-3:4, -11:12, -11:12]
    masks = [(k * 1.7) ** 2 + j**2 + i**2 < (3 + n % 4) ** 2 for n in range(PATIENTS)]
    path = tmp_path_factory.mktemp("stacks") / "stacks.npz"
    np.savez(
        path,
        voxels=np.concatenate([np.where(mask, 120, 20).astype(np.uint8).ravel() for mask in masks]),
        masks=np.packbits(np.concatenate([mask.ravel() for mask in masks])),
        shapes=np.array([mask.shape for mask in masks], np.int16),
        patient=np.array([f"P-{n}" for n in range(PATIENTS)]),
    )
    return path


@pytest.fixture(scope="module")
def both(stacks_file: Path) -> Phantom:
    made = small_phantom(shape=(90, 175, 175), spacing_kji_mm=(3.0, 2.0, 2.0))
    volume, nodules = with_real_nodules(made, sources.load_stacks(stacks_file), np.random.default_rng(1))
    return Phantom(volume, made.lung_labels, nodules)


def test_real_nodules_join_the_made_ones_and_none_lies_on_another(both: Phantom) -> None:
    assert len(both.nodules) > 5
    places = truth_of(both.nodules)
    for first, second in combinations(places, 2):
        assert np.linalg.norm(first[:3] - second[:3]) > (first[3] + second[3]) / 2


def test_every_nodule_of_a_generated_scan_is_dense_where_it_is_said_to_be(both: Phantom) -> None:
    scan = worked_phantom("both", both)
    assert len(scan.nodules) == len(both.nodules)
    large = scan.nodules[[n for n, nodule in enumerate(both.nodules) if nodule.diameter_mm > 6]]
    k, j, i = np.rint(large[:, :3]).astype(int).T
    assert (scan.grey[k, j, i] > np.median(scan.grey[scan.inside]) + 15).all()


def test_each_set_is_planted_with_nodules_of_its_own_patients(
    stacks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[int, set[str]] = {}

    def recorded(seed: int, stacks: Stacks, device: str) -> WorkedScan:
        assert device == "cpu"
        used[seed] = {str(patient) for patient in stacks.patients[stacks.chosen]}
        empty = np.zeros((2, 2, 2), np.uint8)
        return WorkedScan(
            f"generated-{seed}", empty, empty > 0, np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        )

    monkeypatch.setattr(sources, "generated_scan", recorded)
    sets = prepared(Sources(stacks=stacks_file, generated=(2, 1, 1)), tmp_path)
    assert [len(part) for part in sets] == [2, 1, 1]
    by_set = [{set_of(patient) for patient in used[seed]} for seed in (1000, 1001, 5000, 9000)]
    assert by_set == [{SetName.TRAIN}, {SetName.TRAIN}, {SetName.CHOOSE}, {SetName.HELD_OUT}]


def test_prepared_scans_are_not_made_twice(stacks_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(seed: int, _stacks: Stacks, _device: str) -> WorkedScan:
        made.append(seed)
        empty = np.zeros((2, 2, 2), np.uint8)
        return WorkedScan(
            f"generated-{seed}", empty, empty > 0, np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        )

    monkeypatch.setattr(sources, "generated_scan", counted)
    for _ in range(2):
        prepared(Sources(stacks=stacks_file, generated=(2, 0, 0)), tmp_path)
    assert made == [1000, 1001]


def test_the_nodules_of_a_seed_are_always_the_same() -> None:
    first, again = (generated._nodule_spec(np.random.default_rng(3)) for _ in range(2))
    assert first == again
