"""The phantom drawn at random: every nodule is what its truth says, and every setting does what it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from typer.testing import CliRunner

from models.findings import Attenuation, LungLabel, Side
from models.volume import AIR_HU
from training.__main__ import app
from training.datasets_images import find_series, read_series
from training.phantom import Arms, Patient, PhantomSpec, Scanner, make_phantom
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_nodule_shape import NoduleShape
from training.phantom_nodules import NoduleSpec, Setting
from training.phantom_random import random_spec
from training.phantom_scanner import reconstruct
from training.phantom_small import small_phantom
from training.phantom_truth import Phantom

PLAIN = PhantomSpec(slice_spacing_mm=5.0, matrix=128, vessel_leaves=40, noise_sd_hu=0.0, nodules=())
SEED = 3


def phantom_of(patient: Patient | None = None, scanner: Scanner | None = None) -> Phantom:
    return make_phantom(replace(PLAIN, patient=patient or Patient(), scanner=scanner or Scanner()), SEED)


@pytest.fixture(scope="module")
def plain() -> Phantom:
    return phantom_of()


def lung_hu(phantom: Phantom) -> npt.NDArray[np.int16]:
    return phantom.volume.hu[phantom.lung_labels > 0]


# --- the draw


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    assert random_spec(5) == random_spec(5)
    assert random_spec(5) != random_spec(6)


def test_the_same_random_seed_gives_the_same_voxels() -> None:
    spec = replace(random_spec(2, nodules=3, matrix=64, slice_spacing_mm=5.0), vessel_leaves=40)
    first, again = make_phantom(spec, 2), make_phantom(spec, 2)
    assert np.array_equal(first.volume.hu, again.volume.hu)
    assert np.array_equal(first.lung_labels, again.lung_labels)
    assert first.nodules == again.nodules


def test_many_seeds_draw_every_kind_of_nodule_patient_and_scanner() -> None:
    specs = [random_spec(seed) for seed in range(60)]
    nodules = [nodule for spec in specs for nodule in spec.nodules]
    assert {nodule.attenuation for nodule in nodules} == set(Attenuation)
    assert {nodule.setting for nodule in nodules} == set(Setting)
    assert {nodule.side for nodule in nodules} == set(Side)
    assert any(nodule.spicules for nodule in nodules)
    assert {spec.patient.arms for spec in specs} == set(Arms)
    assert {spec.scanner.stored_padding for spec in specs} == {-2000, 0, -3024, None}
    assert min(spec.slice_spacing_mm for spec in specs) == 0.6
    assert max(spec.slice_spacing_mm for spec in specs) == 5.0
    for disease in ("emphysema", "dependent_hu", "scars", "consolidations", "plaques", "nodes", "contrast_hu"):
        assert {bool(getattr(spec.patient, disease)) for spec in specs} == {True, False}


def test_any_number_of_nodules_lies_apart_in_the_lungs() -> None:
    spec = replace(random_spec(1, nodules=20, matrix=64, slice_spacing_mm=5.0), vessel_leaves=300)
    phantom = make_phantom(spec, 1)
    assert len(phantom.nodules) == 20
    for n, one in enumerate(phantom.nodules):
        assert 3 <= one.diameter_mm <= 30
        k, j, i = np.rint(phantom.volume.to_index(one.center_lps_mm)).astype(int)
        assert phantom.lung_labels[k, j, i] == (LungLabel.LEFT if one.side is Side.LEFT else LungLabel.RIGHT)
        for other in phantom.nodules[n + 1 :]:
            apart = np.linalg.norm(np.subtract(one.center_lps_mm, other.center_lps_mm))
            assert apart > (one.diameter_mm + other.diameter_mm) / 2


# --- nodules

KINDS = [
    NoduleSpec(10.0, Attenuation.SOLID, Setting.ISOLATED, Side.RIGHT, (-40, 40), hu=20.0),
    NoduleSpec(14.0, Attenuation.SOLID, Setting.ISOLATED, Side.LEFT, (-60, 40), hu=60.0, spicules=12),
    NoduleSpec(12.0, Attenuation.GROUND_GLASS, Setting.ISOLATED, Side.RIGHT, (-40, 40), hu=-600.0, soft_mm=1.2),
    NoduleSpec(8.0, Attenuation.CALCIFIED, Setting.ISOLATED, Side.LEFT, (-60, 40), hu=700.0, roughness=2.0),
    NoduleSpec(16.0, Attenuation.PART_SOLID, Setting.ISOLATED, Side.RIGHT, (-60, 40), 8.0, hu=-550.0),
    NoduleSpec(9.0, Attenuation.SOLID, Setting.JUXTAVASCULAR, Side.LEFT, (-60, 40), hu=30.0),
]
STRETCHED = Patient(scale_xyz=(1.1, 0.9, 1.05))


@pytest.fixture(scope="module", params=[Patient(), STRETCHED], ids=["standard", "stretched"])
def with_and_without(request: pytest.FixtureRequest) -> tuple[Phantom, Phantom]:
    spec = replace(PLAIN, slice_spacing_mm=2.5, matrix=200, patient=request.param, nodule_gap_mm=12.0)
    return make_phantom(replace(spec, nodules=tuple(KINDS)), SEED), make_phantom(spec, SEED)


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_the_voxels_of_every_kind_hold_its_volume_place_and_hu(
    with_and_without: tuple[Phantom, Phantom], number: int
) -> None:
    full, empty = with_and_without
    nodule, kind = full.nodules[number], KINDS[number]
    risen = np.argwhere(full.volume.hu > empty.volume.hu)
    away = np.linalg.norm(full.volume.to_patient(risen) - nodule.center_lps_mm, axis=1)
    own = risen[away < nodule.diameter_mm + 3]
    before = empty.volume.hu[tuple(own.T)].astype(float)
    added = full.volume.hu[tuple(own.T)] - before
    assert nodule.volume_mm3 == pytest.approx(np.pi / 6 * nodule.diameter_mm**3)
    assert nodule.diameter_mm == pytest.approx(kind.diameter_mm, rel=0.13)  # the spread from seed to seed
    expected = nodule.volume_mm3 * (nodule.mean_hu - np.median(before))
    assert added.sum() * full.volume.voxel_volume_mm3 == pytest.approx(expected, rel=0.08)
    center = full.volume.to_patient((own * added[:, None]).sum(axis=0) / added.sum())
    assert center == pytest.approx(nodule.center_lps_mm, abs=0.6)


def test_a_juxtapleural_nodule_reaches_the_chest_wall_of_a_stretched_patient() -> None:
    kind = NoduleSpec(14.0, Attenuation.SOLID, Setting.JUXTAPLEURAL, Side.RIGHT, (-40, 20))
    (nodule,) = (full := make_phantom(replace(PLAIN, patient=STRETCHED, nodules=(kind,)), SEED)).nodules
    outside = full.volume.to_patient(np.argwhere(full.lung_labels == 0))
    assert (
        np.linalg.norm(outside - nodule.center_lps_mm, axis=1).min() < nodule.diameter_mm / 2 + 1
    )  # counted in voxels of 2.8 mm


def test_spicules_stand_out_of_the_surface() -> None:
    spicule = np.array([[0.0, 0.0, 1.0, 0.8, 0.12]])
    shape = NoduleShape(np.zeros(3), 5.0, np.zeros((0, 5)), None, spicule)
    along, across = shape.radii_mm(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert (along, across) == pytest.approx((9.0, 5.0), abs=1e-6)
    assert shape.reach_mm >= along


# --- patients


def test_a_larger_patient_has_larger_lungs(plain: Phantom) -> None:
    large = phantom_of(Patient(scale_xyz=(1.1, 1.1, 1.1)))
    ml = [(phantom.lung_labels > 0).sum() * phantom.volume.voxel_volume_mm3 for phantom in (plain, large)]
    assert ml[1] == pytest.approx(1.1**3 * ml[0], rel=0.02)


def test_emphysema_darkens_its_share_of_the_lung(plain: Phantom) -> None:
    ill = phantom_of(Patient(emphysema=0.3))
    before, after = ((lung_hu(phantom) < -940).mean() for phantom in (plain, ill))
    assert before < 0.05
    assert after - before == pytest.approx(0.25, abs=0.08)


def test_dependent_density_lies_at_the_back(plain: Phantom) -> None:
    ill = phantom_of(Patient(dependent_hu=400.0))
    risen = np.argwhere(ill.volume.hu > plain.volume.hu + 100)
    assert len(risen) > 50
    assert (plain.volume.to_patient(risen)[:, 1] > 0).all()


def test_contrast_brightens_the_aorta_and_not_the_muscle(plain: Phantom) -> None:
    bright = phantom_of(Patient(contrast_hu=200.0))
    change = bright.volume.hu.astype(int) - plain.volume.hu
    k, j, i = np.rint(plain.volume.to_index((24.0, -36.0, -76.0))).astype(int)
    assert change[k, j, i] == pytest.approx(200, abs=2)
    assert np.median(change) == 0


@pytest.mark.parametrize(
    "patient",
    [Patient(scars=8), Patient(consolidations=2), Patient(plaques=5)],
    ids=["scars", "consolidations", "plaques"],
)
def test_disease_raises_the_density_of_the_lung_and_leaves_its_outline(plain: Phantom, patient: Patient) -> None:
    ill = phantom_of(patient)
    assert (lung_hu(ill) > lung_hu(plain) + 100).sum() > 5
    assert (ill.volume.hu >= plain.volume.hu).all()
    assert np.array_equal(ill.lung_labels, plain.lung_labels)


def test_lymph_nodes_leave_the_airways_open(plain: Phantom) -> None:
    ill = phantom_of(Patient(nodes=40))
    middle = np.abs(plain.volume.to_patient(np.argwhere(plain.volume.hu < -900))[:, 0]) < 9
    trachea = plain.volume.hu < -900
    assert middle.any()
    assert (ill.volume.hu != plain.volume.hu).sum() > 50
    assert (ill.volume.hu[trachea & (plain.lung_labels == 0)] < -850).all()


def test_arms_at_the_side_fill_the_corners_of_the_field(plain: Phantom) -> None:
    down = phantom_of(Patient(arms=Arms.DOWN))
    risen = down.volume.to_patient(np.argwhere(down.volume.hu > plain.volume.hu + 500))
    assert len(risen) > 1000
    assert (np.abs(risen[:, 0]) > 120).all()


def test_a_setting_of_patient_or_scanner_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="emphysema must lie between"):
        Patient(emphysema=0.9)
    with pytest.raises(ValueError, match="scale_xyz"):
        Patient(scale_xyz=(2.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="sharpness"):
        Scanner(sharpness=2.0)


# --- scanners


@pytest.mark.parametrize(("sharpness", "sharper"), [(-1.0, False), (1.0, True)])
def test_a_kernel_changes_edges_and_keeps_the_mean(sharpness: float, sharper: bool) -> None:
    hu = np.full((1, 64, 64), -860, np.int16)
    hu[:, :, 32:] = 40
    before = int(np.diff(hu[0, 32]).max())
    reconstruct(hu, 0.7, sharpness)
    assert hu.mean() == pytest.approx(-410, abs=2)
    assert (np.ptp(hu[0, 32].astype(int)) > 900) == sharper
    assert np.diff(hu[0, 32, 4:-4]).max() < before or sharper


def test_a_sharp_kernel_has_finer_noise() -> None:
    def correlation(sharpness: float) -> float:
        spec = replace(PLAIN, noise_sd_hu=40.0, scanner=Scanner(sharpness=sharpness))
        quiet = make_phantom(replace(spec, noise_sd_hu=0.0), SEED).volume.hu
        noise = make_phantom(spec, SEED).volume.hu[30].astype(float) - quiet[30]
        return float(np.corrcoef(noise[40:90, 40:89].ravel(), noise[40:90, 41:90].ravel())[0, 1])

    assert correlation(-1.0) > correlation(1.0) + 0.05


def test_without_a_round_field_there_is_no_padding(plain: Phantom) -> None:
    assert (plain.volume.hu == AIR_HU).any()
    assert not (phantom_of(scanner=Scanner(round_field=False)).volume.hu == AIR_HU).any()


# --- the tasks


def test_a_random_phantom_is_written_with_the_padding_drawn(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["phantom", str(tmp_path / "out"), "--random", "--seed", "4", "--matrix", "64", "--slice-spacing", "5",
              "--nodules", "2"],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    padding = random_spec(4).scanner.stored_padding
    written = pydicom.dcmread(sorted((tmp_path / "out").glob("*.dcm"))[0])
    assert written.get("PixelPaddingValue") == padding


def test_an_unknown_device_is_said_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), "--matrix", "64", "--device", "abacus"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_nodules_are_planted_into_a_series_of_ones_own(shared_data: Path, tmp_path: Path) -> None:
    volume = small_phantom((), shape=(60, 128, 128), spacing_kji_mm=(5.0, 2.8, 2.8)).volume
    write_series(ct_datasets(volume, PatientName="SOMEBODY^ELSE"), tmp_path / "mine")
    stacks = shared_data / "lidc-nodule-stacks.npz"
    done = CliRunner().invoke(
        app,
        ["plant", str(tmp_path / "mine"), str(tmp_path / "out"), "--stacks", str(stacks), "--count", "3",
         "--smallest", "8", "--largest", "16"],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    (series,) = find_series(tmp_path / "out")
    changed = read_series(series).hu != volume.hu
    assert 100 < changed.sum() < 5000
    assert series.series_instance_uid != find_series(tmp_path / "mine")[0].series_instance_uid
    assert b"SOMEBODY" not in series.files[0].read_bytes()


def test_the_contact_sheet_shows_chests_and_nodules(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = CliRunner().invoke(app, ["contact-sheet", str(out), "--chests", "1", "--nodules", "2", "--matrix", "64"])
    assert done.exit_code == 0, done.stderr
    picture = np.asarray(Image.open(out))
    assert picture.shape == (300 + 100, 1200)
    assert picture[:300, :300].std() > 20
