"""Crops, targets, losses, mining and sources of the candidate network's training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch

from models.candidate_network import ANCHORS_MM, VALUES
from models.proposals import decoded
from training.datasets import Layout
from training.datasets_split import JUDGES
from training.errors import TrainingError
from training.phantom_small import small_phantom
from training.proposals.crops import Places, Shares, first_places, random_crop
from training.proposals.losses import loss_terms
from training.proposals.mining import hard_places
from training.proposals.scan import WorkedScan, load_scan, save_scan, worked
from training.proposals.sources import SetName, Sources, prepared, set_of
from training.proposals.targets import Targets, targets_of

AROUND_NODULES = Shares(nodule=1.0, mined=0.0)


def ball_scan(center: tuple[float, float, float] = (30.0, 22.0, 35.0)) -> WorkedScan:
    """Dark lung with a bright ball of 9 mm."""
    grid = np.moveaxis(np.indices((60, 50, 64)), 0, -1)
    grey = np.where(np.linalg.norm(grid - center, axis=-1) < 4.5, 200, 50).astype(np.uint8)
    nodules = np.array([(*center, 9.0)], np.float32)
    return WorkedScan("ball", grey, np.ones(grey.shape, bool), nodules, np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("seed", range(12))
def test_a_nodule_lies_where_the_crop_says_however_it_was_turned(seed: int) -> None:
    scan = ball_scan()
    crop = random_crop(scan, first_places(scan), AROUND_NODULES, 32, np.random.default_rng(seed))
    assert crop.image.shape == (2, 32, 32, 32)
    bright = torch.nonzero(crop.image[0] > 0.0).double()
    if len(crop.nodules) == 0 or not ((crop.nodules[0, :3] > 6) & (crop.nodules[0, :3] < 25)).all():
        return  # cut by the border: its bright part has another centre
    center, diameter = crop.nodules[0, :3].double(), float(crop.nodules[0, 3])
    near = bright[(bright - center).norm(dim=1) < diameter]
    assert (near.mean(dim=0) - center).norm() < 0.7
    assert (6 / np.pi * len(near)) ** (1 / 3) == pytest.approx(diameter, rel=0.15)


def test_the_same_numbers_give_the_same_crop() -> None:
    scan = ball_scan()
    first, second = (
        random_crop(scan, first_places(scan), AROUND_NODULES, 32, np.random.default_rng(5)) for _ in range(2)
    )
    assert torch.equal(first.image, second.image)


def test_mined_places_are_where_crops_are_cut() -> None:
    scan = ball_scan()
    places = Places(np.ones(1), np.array([[8.0, 8.0, 8.0]]), np.ones(1))
    crop = random_crop(scan, places, Shares(nodule=0.0, mined=1.0), 16, np.random.default_rng(1))
    assert len(crop.nodules) == 0


@pytest.mark.parametrize("diameter", [3.0, 6.0, 11.0, 25.0, 45.0])
def test_what_is_wanted_of_the_network_decodes_to_the_nodule(diameter: float) -> None:
    nodule = torch.tensor([[30.3, 33.9, 27.1, diameter]])
    targets = targets_of(nodule, 64)
    output = torch.cat((torch.full((len(ANCHORS_MM), 1, 16, 16, 16), -9.0), targets.boxes), dim=1)
    output[:, 0][targets.weight > 0] = 9.0
    marks = decoded(output)
    wanted = marks[marks[:, 0] > 0.5]
    assert len(wanted)
    assert torch.allclose(wanted[:, 1:], nodule.expand(len(wanted), 4), atol=1e-3)
    assert targets.weight.sum() == pytest.approx(1.0)


def test_around_a_nodule_nothing_is_negative_and_far_away_all_is() -> None:
    targets = targets_of(torch.tensor([[32.0, 32.0, 32.0, 20.0]]), 64)
    assert not targets.negative[:, 7:9, 7:9, 7:9].any()
    assert targets.negative[:, 0, 0, 0].all()


def test_a_nodule_whose_centre_lies_outside_is_neither_right_nor_wrong() -> None:
    targets = targets_of(torch.tensor([[-3.0, 16.0, 16.0, 16.0]]), 32)
    assert not (targets.weight > 0).any()
    assert not targets.negative[:, 0, 4, 4].any()


def batched(targets: Targets) -> Targets:
    return Targets(*(part[None] for part in targets))


def test_the_right_answer_costs_nothing_and_each_error_its_own_term() -> None:
    targets = batched(targets_of(torch.tensor([[16.0, 16.0, 16.0, 10.0]]), 32))
    right = torch.cat((torch.full((1, len(ANCHORS_MM), 1, 8, 8, 8), -20.0), targets.boxes), dim=2)
    right[:, :, 0][targets.weight > 0] = 20.0
    assert float(loss_terms(right, targets, 0.0).total) < 1e-6
    missed = right.clone()
    missed[:, :, 0] = -20.0
    negative, positive, box = (float(term) for term in loss_terms(missed, targets, 0.0))
    assert (negative, box) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert positive == pytest.approx(20.0, rel=1e-3)
    shifted = right.clone()
    shifted[:, :, 1] += 1.0
    assert float(loss_terms(shifted, targets, 0.0).box) > 0.2


def test_focus_weighs_what_is_wrong_more_than_what_is_nearly_right() -> None:
    targets = batched(targets_of(torch.zeros((0, 4)), 32))
    output = torch.full((1, len(ANCHORS_MM), VALUES, 8, 8, 8), -3.0)
    output[0, 0, 0, 0, 0, 0] = 3.0
    assert loss_terms(output, targets, 2.0).negative > 3 * loss_terms(output, targets, 0.0).negative


def test_mining_keeps_false_marks_and_shows_missed_nodules_most() -> None:
    scan = ball_scan()
    two = WorkedScan(
        scan.name,
        scan.grey,
        scan.inside,
        np.array([[30, 22, 35, 9], [10, 10, 10, 6]], np.float32),
        np.array([[50, 40, 50, 8]], np.float32),
    )
    marks = np.array([
        [0.95, 31, 22, 35, 9], [0.9, 20, 40, 20, 6], [0.8, 50, 40, 51, 6], [0.4, 40, 10, 10, 5],
    ], float)  # fmt: skip
    places = hard_places(two, marks)
    assert places.negatives.tolist() == [[20, 40, 20], [40, 10, 10]]
    assert places.negative_weights.tolist() == [0.9, 0.4]
    assert places.nodules.tolist() == [pytest.approx(0.2), 1.0]


def test_a_scan_read_back_is_the_scan_written(tmp_path: Path) -> None:
    scan = ball_scan()
    again = load_scan(save_scan(scan, tmp_path))
    assert (again.grey == scan.grey).all()
    assert (again.inside == scan.inside).all()
    assert (again.nodules == scan.nodules).all()


def test_a_damaged_prepared_scan_is_named(tmp_path: Path) -> None:
    path = save_scan(ball_scan(), tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match=r"ball\.npz"):
        load_scan(path)


def test_nodules_of_a_volume_come_to_the_grid_of_the_network() -> None:
    phantom = small_phantom(shape=(50, 120, 120), spacing_kji_mm=(5.0, 3.0, 3.0))
    known = np.array([(*nodule.center_lps_mm, nodule.diameter_mm) for nodule in phantom.nodules])
    scan = worked("small", phantom.volume, phantom.lung_labels, known, np.zeros((0, 4)))
    solid = [n for n, nodule in enumerate(phantom.nodules) if nodule.mean_hu > 0]
    k, j, i = np.rint(scan.nodules[solid, :3]).astype(int).T
    assert (scan.grey[k, j, i] > 120).all()
    assert scan.nodules[:, 3].tolist() == pytest.approx(known[:, 3].tolist())


def luna16(folder: Path, annotations: bool = True) -> Path:
    """One small chest as MetaImage with its annotations."""
    phantom = small_phantom(shape=(50, 120, 120), spacing_kji_mm=(5.0, 3.0, 3.0))
    image = SimpleITK.GetImageFromArray(phantom.volume.hu)
    image.SetSpacing((3.0, 3.0, 5.0))
    image.SetOrigin([float(x) for x in phantom.volume.affine[:3, 3]])
    (folder / "subset0").mkdir(parents=True)
    SimpleITK.WriteImage(image, str(folder / "subset0" / "scan-1.mhd"))
    rows = [f"scan-1,{','.join(map(str, n.center_lps_mm))},{n.diameter_mm}" for n in phantom.nodules]
    if annotations:
        (folder / "annotations.csv").write_text("\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm", *rows]))
    return folder


def test_a_folder_in_the_layout_of_luna16_becomes_scans(tmp_path: Path) -> None:
    sets = prepared(Sources(luna16(tmp_path / "data")), tmp_path / "scans")
    scans = [scan for part in sets for scan in part]
    assert [scan.name for scan in scans] == ["scan-1"]
    assert len(scans[0].nodules) == 5
    k, j, i = np.rint(scans[0].nodules[0, :3]).astype(int)
    assert scans[0].grey[k, j, i] > 120


def test_missing_annotations_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"annotations\.csv"):
        prepared(Sources(luna16(tmp_path / "data", annotations=False)), tmp_path / "scans")


def test_a_broken_image_is_named_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    folder = luna16(tmp_path / "data")
    raw = next((folder / "subset0").glob("*.*raw"))
    raw.write_bytes(raw.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="scan-1"):
        prepared(Sources(folder), tmp_path / "scans")
    assert not list((tmp_path / "scans").rglob("*.npz"))


def test_no_source_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--data"):
        prepared(Sources(), tmp_path)


def test_generated_scans_need_real_nodules(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--stacks"):
        prepared(Sources(generated=(1, 1, 1)), tmp_path)


def test_scans_of_other_sources_are_not_mixed_in(tmp_path: Path) -> None:
    folder = luna16(tmp_path / "data")
    prepared(Sources(folder), tmp_path / "scans")
    with pytest.raises(TrainingError, match="other sources"):
        prepared(Sources(folder, Layout.TIANCHI), tmp_path / "scans")


def test_scans_planted_with_other_nodules_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setattr("training.proposals.sources._run", lambda *_: None)
    monkeypatch.setattr("training.proposals.sources.load_scan", made.append)
    stacks = tmp_path / "stacks.npz"
    stacks.write_bytes(b"some nodules")
    prepared(Sources(stacks=stacks, generated=(1, 1, 1)), tmp_path / "scans")
    stacks.write_bytes(b"other nodules")
    with pytest.raises(TrainingError, match="other sources"):
        prepared(Sources(stacks=stacks, generated=(1, 1, 1)), tmp_path / "scans")
    assert len(made) == 3


def test_those_who_judge_are_never_trained_on_and_every_patient_has_one_set() -> None:
    assert {set_of(judge) for judge in JUDGES} == {SetName.HELD_OUT}
    sets = [set_of(f"LIDC-IDRI-{n:04d}") for n in range(4, 504)]
    assert 330 < sets.count(SetName.TRAIN) < 390
    assert sets.count(SetName.CHOOSE) > 20
