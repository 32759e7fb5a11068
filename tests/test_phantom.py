"""The phantoms: what they say of themselves is what lies in their voxels and in their files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from math import pi
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from models.findings import Attenuation, LungLabel, Side
from models.volume import AIR_HU
from training.__main__ import app
from training.phantom import STORED_PADDING, PhantomSpec, make_phantom, truth, write_phantom
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_nodule_shape import NoduleShape, filled_fraction
from training.phantom_raster import Grid
from training.phantom_small import SPHERES, small_phantom, sphere
from training.phantom_truth import Phantom, PlantedNodule

REPOSITORY = Path(__file__).resolve().parents[1]
QUICK = PhantomSpec(slice_spacing_mm=5.0, matrix=160, vessel_leaves=60)
SILENT = replace(QUICK, noise_sd_hu=0.0)
SEED = 4


@pytest.fixture(scope="module")
def quick() -> Phantom:
    return make_phantom(QUICK, SEED)


@pytest.fixture(scope="module")
def silent() -> Phantom:
    return make_phantom(SILENT, SEED)


@pytest.fixture(scope="module")
def silent_without_nodules() -> Phantom:
    return make_phantom(replace(SILENT, nodules=()), SEED)


def lung_ml(phantom: Phantom, label: LungLabel) -> float:
    return float((phantom.lung_labels == label).sum()) * phantom.volume.voxel_volume_mm3 / 1000


def around(phantom: Phantom, nodule: PlantedNodule) -> tuple[slice, slice, slice]:
    """The box of a nodule with room for its bumps and the blur."""
    center = phantom.volume.to_index(nodule.center_lps_mm)
    reach = (0.75 * nodule.diameter_mm + 3) / np.asarray(phantom.volume.spacing_kji_mm) + 1
    low, high = np.maximum(np.floor(center - reach), 0).astype(int), np.ceil(center + reach).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def test_the_same_seed_gives_the_same_phantom(quick: Phantom) -> None:
    again = make_phantom(QUICK, SEED)
    assert np.array_equal(again.volume.hu, quick.volume.hu)
    assert np.array_equal(again.lung_labels, quick.lung_labels)
    assert again.nodules == quick.nodules


def test_another_seed_gives_other_nodules(quick: Phantom) -> None:
    other = make_phantom(QUICK, SEED + 1)
    assert all(a.center_lps_mm != b.center_lps_mm for a, b in zip(quick.nodules, other.nodules, strict=True))


def test_nodules_do_not_depend_on_how_the_phantom_is_scanned(quick: Phantom, silent: Phantom) -> None:
    thicker = make_phantom(replace(QUICK, slice_spacing_mm=4.0, matrix=128), SEED)
    assert thicker.nodules == quick.nodules == silent.nodules


def test_six_nodules_of_every_type_lie_in_both_lungs(quick: Phantom) -> None:
    assert len(quick.nodules) == 6
    assert {nodule.attenuation for nodule in quick.nodules} == set(Attenuation)
    assert {nodule.side for nodule in quick.nodules} == set(Side)
    assert all(5 <= nodule.diameter_mm <= 25 for nodule in quick.nodules)


@pytest.mark.parametrize("seed", range(3))
def test_nodules_lie_inside_the_lung_of_their_side(seed: int) -> None:
    phantom = make_phantom(SILENT, seed)
    for nodule in phantom.nodules:
        k, j, i = np.rint(phantom.volume.to_index(nodule.center_lps_mm)).astype(int)
        expected = LungLabel.RIGHT if nodule.side is Side.RIGHT else LungLabel.LEFT
        assert phantom.lung_labels[k, j, i] == expected
        assert (nodule.center_lps_mm[0] > 0) == (nodule.side is Side.LEFT)


def test_nodules_keep_apart(quick: Phantom) -> None:
    centers = np.array([nodule.center_lps_mm for nodule in quick.nodules])
    distances = np.linalg.norm(centers[:, None] - centers, axis=2)
    assert distances[~np.eye(len(centers), dtype=bool)].min() > 40


@pytest.mark.parametrize("spacing", [0.7, 2.5, 5.0])
def test_a_nodule_fills_its_true_volume_of_voxels(spacing: float) -> None:
    waves = np.array([[1.5, -2.0, 0.5, 1.0, 0.06], [-1.0, 1.0, 2.5, 4.0, 0.07], [0.3, 2.0, -1.0, 2.0, 0.05]])
    shape = NoduleShape(np.array([1.3, -0.7, 2.1]), 6.0, waves, None)
    grid = Grid((64, 64, 64), (spacing, 0.7, 0.7), (-22.0, -22.0, -32 * spacing))
    center, volume = shape.measured()
    box, fraction = filled_fraction(grid, shape)
    assert fraction.sum() * spacing * 0.7**2 == pytest.approx(volume, rel=0.01)
    k, j, i = np.meshgrid(*(np.arange(side.start, side.stop) for side in box), indexing="ij")
    places = np.stack([k, j, i, np.ones_like(k)], axis=-1) @ grid.affine.T
    found = (places[..., :3] * fraction[..., None]).sum(axis=(0, 1, 2)) / fraction.sum()
    assert found == pytest.approx(center, abs=0.1)


def added_share(full: Phantom, empty: Phantom, nodule: PlantedNodule) -> tuple[np.ndarray, np.ndarray]:
    """How much of each voxel of a homogeneous nodule's box it fills, as the HU tell, and which voxels are lung."""
    box = around(full, nodule)
    before = empty.volume.hu[box].astype(float)
    room = nodule.mean_hu - before
    share = np.where(room > 50, (full.volume.hu[box] - before) / np.maximum(room, 50), 0.0)
    return share, full.lung_labels[box] > 0


def test_the_voxels_hold_the_volume_that_the_truth_tells(silent: Phantom, silent_without_nodules: Phantom) -> None:
    isolated, juxtavascular, _, _, ground_glass, calcified = silent.nodules
    for nodule in (isolated, juxtavascular, ground_glass, calcified):
        share, in_lung = added_share(silent, silent_without_nodules, nodule)
        assert share[~in_lung].sum() == 0
        assert share.sum() * silent.volume.voxel_volume_mm3 == pytest.approx(nodule.volume_mm3, rel=0.03)


def test_a_juxtapleural_nodule_counts_up_to_the_pleura(silent: Phantom, silent_without_nodules: Phantom) -> None:
    nodule = silent.nodules[2]
    share, in_lung = added_share(silent, silent_without_nodules, nodule)
    assert share[~in_lung].sum() < 0.1 * share.sum()
    assert share.sum() * silent.volume.voxel_volume_mm3 == pytest.approx(nodule.volume_mm3, rel=0.1)


def test_nothing_but_the_nodules_differs_without_them(silent: Phantom, silent_without_nodules: Phantom) -> None:
    same = silent.volume.hu == silent_without_nodules.volume.hu
    for nodule in silent.nodules:
        same[around(silent, nodule)] = True
    assert same.all()
    assert np.array_equal(silent.lung_labels, silent_without_nodules.lung_labels)


def test_lungs_have_the_size_and_density_of_lungs(silent_without_nodules: Phantom) -> None:
    right, left = (lung_ml(silent_without_nodules, label) for label in (LungLabel.RIGHT, LungLabel.LEFT))
    assert 2500 < right + left < 7000
    assert right > left
    lungs = silent_without_nodules.volume.hu[silent_without_nodules.lung_labels > 0]
    assert -900 < np.median(lungs) < -820


def test_lungs_are_in_one_piece_each_and_do_not_touch_the_outside(quick: Phantom) -> None:
    edges = [quick.lung_labels[0], quick.lung_labels[-1], quick.lung_labels[:, 0], quick.lung_labels[:, :, 0]]
    assert not any(edge.any() for edge in edges)
    for label, sign in ((LungLabel.RIGHT, -1), (LungLabel.LEFT, 1)):
        lung = quick.lung_labels == label
        assert ndimage.label(lung)[1] == 1
        assert (quick.volume.to_patient(np.argwhere(lung))[:, 0] * sign > 0).all()


def test_no_bone_reaches_into_the_lungs(silent_without_nodules: Phantom) -> None:
    lungs = silent_without_nodules.volume.hu[silent_without_nodules.lung_labels > 0]
    assert lungs.max() < 100


def test_there_is_padding_outside_the_round_field_and_nowhere_else(quick: Phantom) -> None:
    rows, columns = quick.volume.shape[1:]
    j, i = np.meshgrid(np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2, indexing="ij")
    outside = np.hypot(j, i) > rows / 2
    assert np.array_equal(quick.volume.hu == AIR_HU, np.broadcast_to(outside, quick.volume.shape))


def test_noise_in_the_liver_has_the_strength_asked_for(quick: Phantom, silent: Phantom) -> None:
    k, j, i = np.rint(quick.volume.to_index((-60, -10, -170))).astype(int)
    box = (slice(k - 2, k + 3), slice(j - 12, j + 13), slice(i - 12, i + 13))
    noise = quick.volume.hu[box].astype(float) - silent.volume.hu[box]
    assert noise.std() == pytest.approx(QUICK.noise_sd_hu, rel=0.15)


def test_a_setting_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"slice_spacing_mm must lie between 0\.6 and 5\.0, found 9\.0"):
        PhantomSpec(slice_spacing_mm=9.0)


def test_a_written_phantom_is_read_back_with_its_geometry_and_truth(quick: Phantom, tmp_path: Path) -> None:
    paths = write_phantom(quick, tmp_path, SEED)
    datasets = [pydicom.dcmread(path) for path in paths]
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == quick.volume.shape[0]
    for k in (0, 30, len(datasets) - 1):
        assert list(datasets[k].ImagePositionPatient) == pytest.approx(quick.volume.to_patient((k, 0, 0)), abs=1e-4)
        stored = datasets[k].pixel_array.astype(int)
        padded = stored == datasets[k].PixelPaddingValue
        assert np.array_equal(padded, quick.volume.hu[k] == AIR_HU)
        hu = stored * int(datasets[k].RescaleSlope) + int(datasets[k].RescaleIntercept)
        assert np.array_equal(hu[~padded], quick.volume.hu[k][~padded])
    assert datasets[0].PixelPaddingValue == STORED_PADDING
    assert json.loads((tmp_path / "truth.json").read_text()) == truth(quick, SEED)


def test_truth_tells_lungs_and_nodules(quick: Phantom) -> None:
    told = truth(quick, SEED)
    assert told["seed"] == SEED
    assert told["lungs"]["left_ml"] == pytest.approx(lung_ml(quick, LungLabel.LEFT), abs=0.1)
    first = told["nodules"][0]
    assert {"center_lps_mm", "diameter_mm", "volume_mm3", "attenuation", "side"} <= set(first)
    assert first["volume_mm3"] == pytest.approx(pi / 6 * first["diameter_mm"] ** 3, rel=0.01)


def test_small_phantom_has_its_spheres_where_it_says() -> None:
    full, empty = small_phantom(noise_sd_hu=0.0), small_phantom((), noise_sd_hu=0.0)
    for nodule in SPHERES:
        box = around(full, nodule)
        added = (full.volume.hu[box].astype(float) - empty.volume.hu[box]) / (nodule.mean_hu + 860)
        assert added.sum() * full.volume.voxel_volume_mm3 == pytest.approx(nodule.volume_mm3, rel=0.02)


@pytest.mark.parametrize("flip", [(True, False, False), (False, True, False), (False, False, True), (True, True, True)])
def test_a_flipped_grid_sees_the_same_patient(flip: tuple[bool, bool, bool]) -> None:
    axes = [axis for axis, flipped in enumerate(flip) if flipped]
    plain, turned = small_phantom(noise_sd_hu=0.0), small_phantom(flip_kji=flip, noise_sd_hu=0.0)
    assert np.abs(np.flip(turned.volume.hu, axes).astype(int) - plain.volume.hu).max() <= 1
    assert np.sign(np.diag(turned.volume.affine[[2, 1, 0]])).tolist() == [-1 if f else 1 for f in flip]


def test_small_phantom_has_lungs_of_real_size() -> None:
    phantom = small_phantom()
    assert 2000 < lung_ml(phantom, LungLabel.RIGHT) < 3000
    assert 2000 < lung_ml(phantom, LungLabel.LEFT) < 3000


def test_a_sphere_that_leaves_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves the grid"):
        small_phantom((sphere((170.0, 0.0, 0.0), 30.0, 40.0),))


def test_unsigned_and_signed_series_hold_the_same_hu() -> None:
    volume = small_phantom((), shape=(4, 40, 40), spacing_kji_mm=(50.0, 9.0, 9.0)).volume
    signed, unsigned = (ct_datasets(volume, signed=is_signed)[1].pixel_array for is_signed in (True, False))
    assert np.array_equal(signed.astype(int), unsigned.astype(int))
    assert signed.dtype != unsigned.dtype


def test_negative_padding_does_not_fit_unsigned_pixels() -> None:
    phantom = make_phantom(replace(SILENT, matrix=64, nodules=(), vessel_leaves=2), 0)
    with pytest.raises(ValueError, match="do not fit"):
        ct_datasets(phantom.volume, signed=False, padding_stored=STORED_PADDING)


def test_overrides_reach_every_instance_and_none_removes() -> None:
    volume = small_phantom((), shape=(3, 16, 16), spacing_kji_mm=(80.0, 22.0, 22.0)).volume
    datasets = ct_datasets(volume, PatientName="OTHER^ONE", KVP=None)
    assert {str(dataset.PatientName) for dataset in datasets} == {"OTHER^ONE"}
    assert not any("KVP" in dataset for dataset in datasets)
    with pytest.raises(ValueError, match="NoSuchThing"):
        ct_datasets(volume, NoSuchThing=1)


def test_the_same_seed_gives_the_same_uids_and_another_gives_others() -> None:
    volume = small_phantom((), shape=(3, 16, 16), spacing_kji_mm=(80.0, 22.0, 22.0)).volume
    first, again, other = (ct_datasets(volume, seed=seed)[0] for seed in (1, 1, 2))
    assert first.SOPInstanceUID == again.SOPInstanceUID
    assert first.SOPInstanceUID != other.SOPInstanceUID
    assert first.StudyInstanceUID != other.StudyInstanceUID


def test_a_written_series_needs_no_force_to_be_read(tmp_path: Path) -> None:
    volume = small_phantom((), shape=(3, 16, 16), spacing_kji_mm=(80.0, 22.0, 22.0)).volume
    paths = write_series(ct_datasets(volume), tmp_path / "new")
    assert [pydicom.dcmread(path).InstanceNumber for path in paths] == [1, 2, 3]


def run_task(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_writes_a_series_and_its_truth(tmp_path: Path) -> None:
    done = run_task("phantom", str(tmp_path / "out"), "--seed", "3", "--matrix", "64", "--slice-spacing", "5")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "truth.json").read_text())["seed"] == 3
    assert len(list((tmp_path / "out").glob("*.dcm"))) == PhantomSpec(slice_spacing_mm=5.0).grid.shape[0]


def test_the_command_refuses_a_folder_in_use_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    done = CliRunner().invoke(app, ["phantom", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "not an empty folder" in done.stderr


def test_the_command_names_a_setting_out_of_range(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), "--matrix", "32"])
    assert done.exit_code == 2
    assert done.stderr == "phantom: matrix must lie between 64 and 1024, found 32\n"
    assert not (tmp_path / "out").exists()
