"""Real nodules planted into other lungs: where asked, as large as asked, and never of a held-out patient."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.findings import LungLabel, Side
from models.volume import Volume
from training.errors import TrainingError
from training.phantom_nodules import Setting
from training.phantom_small import small_phantom
from training.phantom_truth import Phantom, PlantedNodule
from training.planting import PlantingOptions, Split, Stacks, load_stacks, patients_of_split, planted

LUNG_GREY, SOLID_GREY = 20, 120  # 8.5 HU per level: -860 and -10 HU


def ball(slices: int, radius_px: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Grey levels and mask of a ball as the stacks hold it: its box and 6 pixels in the plane."""
    side = np.arange(-int(radius_px) - 6, int(radius_px) + 7)
    height = np.linspace(-1, 1, slices + 2)[1:-1] * radius_px
    mask = np.sqrt(height[:, None, None] ** 2 + side[:, None] ** 2 + side**2) <= radius_px
    return np.where(mask, SOLID_GREY, LUNG_GREY).astype(np.uint8), mask


@pytest.fixture(scope="module")
def stacks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty made-up nodules of twenty patients in the layout of the real file."""
    balls = [ball(3 + n % 5, 3.0 + n / 3) for n in range(40)]
    path = tmp_path_factory.mktemp("stacks") / "stacks.npz"
    np.savez(
        path,
        voxels=np.concatenate([grey.reshape(-1) for grey, _ in balls]),
        masks=np.packbits(np.concatenate([mask.reshape(-1) for _, mask in balls])),
        shapes=np.array([grey.shape for grey, _ in balls], np.int16),
        patient=np.array([f"P-{n // 2}" for n in range(40)]),
    )
    return path


@pytest.fixture(scope="module")
def stacks(stacks_file: Path) -> Stacks:
    return load_stacks(stacks_file)


@pytest.fixture(scope="module")
def lungs() -> Phantom:
    return small_phantom((), spacing_kji_mm=(3.0, 2.0, 2.0), shape=(90, 175, 175), noise_sd_hu=0.0)


def planted_in(
    lungs: Phantom, stacks: Stacks, count: int, options: PlantingOptions | None = None, seed: int = 1
) -> tuple[Volume, tuple[PlantedNodule, ...]]:
    return planted(lungs.volume, lungs.lung_labels, stacks, np.random.default_rng(seed), count, options)


def test_the_same_generator_plants_the_same_nodules(lungs: Phantom, stacks: Stacks) -> None:
    first, again, other = (planted_in(lungs, stacks, 5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0].hu, again[0].hu)
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_the_volume_given_stays_as_it_was(lungs: Phantom, stacks: Stacks) -> None:
    before = lungs.volume.hu.copy()
    planted_in(lungs, stacks, 3)
    assert np.array_equal(lungs.volume.hu, before)


@pytest.mark.parametrize("diameter", [3.0, 6.0, 12.0, 25.0])
@pytest.mark.parametrize("slice_mm", [0.6, 2.5, 5.0])
def test_a_nodule_is_as_large_as_asked_at_any_slice_distance(stacks: Stacks, diameter: float, slice_mm: float) -> None:
    shape = (round(120 / slice_mm), 260, 260)
    lungs = small_phantom((), shape=shape, spacing_kji_mm=(slice_mm, 1.3, 1.3), noise_sd_hu=0.0)
    options = PlantingOptions((diameter, diameter), (Setting.ISOLATED,))
    after, (nodule,) = planted_in(lungs, stacks, 1, options)
    added = (after.hu.astype(float) - lungs.volume.hu) / 850
    assert nodule.diameter_mm == pytest.approx(diameter, rel=0.03)
    # The nodule fades out over about a millimetre: its voxels hold a little more than its volume.
    volume_mm3 = added.sum() * lungs.volume.voxel_volume_mm3
    assert np.pi / 6 * diameter**3 < volume_mm3 < np.pi / 6 * (diameter + 1.6) ** 3
    center = (np.argwhere(added > 0) * added[added > 0][:, None]).sum(axis=0) / added.sum()
    assert lungs.volume.to_patient(center) == pytest.approx(nodule.center_lps_mm, abs=0.4)


def test_nodules_never_overlap_nor_lie_on_those_to_avoid(lungs: Phantom, stacks: Stacks) -> None:
    options = PlantingOptions((5.0, 20.0))
    volume, first = planted_in(lungs, stacks, 8, options)
    _, second = planted(
        volume, lungs.lung_labels, stacks, np.random.default_rng(5), 8, PlantingOptions((5.0, 20.0), avoid=first)
    )
    everyone = first + second
    for n, one in enumerate(everyone):
        for other in everyone[n + 1 :]:
            apart = np.linalg.norm(np.subtract(one.center_lps_mm, other.center_lps_mm))
            assert apart > (one.diameter_mm + other.diameter_mm) / 2


def test_a_free_nodule_lies_wholly_in_the_lung_of_its_side(lungs: Phantom, stacks: Stacks) -> None:
    after, nodules = planted_in(lungs, stacks, 6, PlantingOptions((4.0, 20.0), (Setting.ISOLATED,)))
    changed = after.hu != lungs.volume.hu
    assert (lungs.lung_labels[changed] > 0).all()
    for nodule in nodules:
        k, j, i = np.rint(after.to_index(nodule.center_lps_mm)).astype(int)
        assert lungs.lung_labels[k, j, i] == (LungLabel.LEFT if nodule.side is Side.LEFT else LungLabel.RIGHT)


def test_a_juxtapleural_nodule_touches_the_wall(lungs: Phantom, stacks: Stacks) -> None:
    after, (nodule,) = planted_in(lungs, stacks, 1, PlantingOptions((14.0, 14.0), (Setting.JUXTAPLEURAL,)))
    outside = after.to_patient(np.argwhere(lungs.lung_labels == 0))
    assert np.linalg.norm(outside - nodule.center_lps_mm, axis=1).min() < 7.0
    assert nodule.diameter_mm < 14.0  # the wall cuts it


def test_what_is_denser_than_the_nodule_stays(lungs: Phantom, stacks: Stacks) -> None:
    full = small_phantom(spacing_kji_mm=(3.0, 2.0, 2.0), shape=(90, 175, 175), noise_sd_hu=0.0)
    bright = full.volume.hu > 300
    after, _ = planted(
        full.volume, full.lung_labels, stacks, np.random.default_rng(3), 20, PlantingOptions((8.0, 20.0))
    )
    assert bright.any()
    assert np.array_equal(after.hu[bright], full.volume.hu[bright])


def test_no_room_is_said_in_one_line(stacks: Stacks) -> None:
    lungs = small_phantom((), shape=(20, 80, 80), spacing_kji_mm=(5.0, 4.4, 4.4))
    with pytest.raises(TrainingError, match=r"no room for a nodule of 30 to 30 mm"):
        planted_in(lungs, stacks, 200, PlantingOptions((30.0, 30.0), (Setting.ISOLATED,)))


def test_diameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="diameter_mm"):
        PlantingOptions((2.0, 30.0))


def test_held_out_patients_are_never_trained_on(stacks: Stacks) -> None:
    train, held_out = (patients_of_split(stacks.patients, split) for split in Split)
    assert set(train) | set(held_out) == set(stacks.patients)
    assert not set(train) & set(held_out)
    chosen = stacks.of(train)
    assert 0 < len(chosen) < len(stacks)
    assert not {chosen.nodule(n).patient for n in range(len(chosen))} & set(held_out)


def test_the_split_depends_on_the_patient_alone() -> None:
    names = [f"LIDC-IDRI-{n:04d}" for n in range(1000)]
    held_out = patients_of_split(names, Split.HELD_OUT)
    assert patients_of_split(reversed(names[:500]), Split.HELD_OUT) == tuple(n for n in held_out if n in names[:500])
    assert 150 < len(held_out) < 250


def test_stacks_that_do_not_fit_together_are_refused(stacks_file: Path, tmp_path: Path) -> None:
    with np.load(stacks_file) as stored:
        arrays = dict(stored)
    arrays["shapes"] = arrays["shapes"][:-1]
    np.savez(tmp_path / "short.npz", **arrays)
    with pytest.raises(TrainingError, match=r"short\.npz: voxels, masks"):
        load_stacks(tmp_path / "short.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.npz").write_bytes(content)
    with pytest.raises(TrainingError, match=r"broken\.npz: cannot be read"):
        load_stacks(tmp_path / "broken.npz")


def test_real_nodules_look_like_soft_tissue_in_lung(shared_data: Path) -> None:
    real = load_stacks(shared_data / "lidc-nodule-stacks.npz")
    some = [real.nodule(n) for n in range(0, len(real), 40)]
    dense = np.median([np.percentile(nodule.hu[nodule.mask], 90) for nodule in some])
    around = np.median([np.median(nodule.hu[~nodule.mask]) for nodule in some])
    assert len(real) > 1500
    assert -150 < dense < 150
    assert -870 < around < -750
    sizes = np.percentile(real.diameters_mm, [5, 50, 99])
    assert all(low < high for low, high in pairwise(sizes))
    assert 3 < sizes[0] < sizes[1] < 9 < sizes[2] < 35


def test_real_nodules_keep_the_size_asked(shared_data: Path, lungs: Phantom) -> None:
    real = load_stacks(shared_data / "lidc-nodule-stacks.npz")
    for seed in range(6):
        _, (nodule,) = planted_in(lungs, real, 1, PlantingOptions((10.0, 10.0), (Setting.ISOLATED,)), seed)
        assert nodule.diameter_mm == pytest.approx(10.0, rel=0.04)
