"""Measuring digital spheres of known size, on grids that cut them at odd places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.calipers import axes_of, outline_of
from models.findings import Attenuation, Candidate, LungLabel, Lungs, NoduleMeasurement
from models.measurement import measure_nodule
from models.volume import Volume

LUNG_HU = -850.0
OFF_GRID = (0.3, 0.2, 0.4)  # voxels between the sphere's centre and the nearest voxel's centre
SUB = (5, 3, 3)  # points per voxel that are averaged: partial volume


class Scene:
    """Spheres and tubes in lung, averaged over each voxel."""

    def __init__(self, spacing: tuple[float, float, float], half_mm: float) -> None:
        self.spacing = spacing
        self.shape = tuple(int(2 * half_mm / s) + 1 for s in spacing)
        axes = [
            ((np.arange(n * q) + 0.5) / q - 0.5 - n // 2 - o) * s
            for n, s, o, q in zip(self.shape, spacing, OFF_GRID, SUB, strict=True)
        ]
        self.z, self.y, self.x = np.meshgrid(*axes, indexing="ij", sparse=True)
        self.hu = np.full(np.broadcast_shapes(self.z.shape, self.y.shape, self.x.shape), LUNG_HU, dtype=np.float32)

    @property
    def center(self) -> tuple[float, float, float]:
        k, j, i = (n // 2 + o for n, o in zip(self.shape, OFF_GRID, strict=True))
        return k, j, i

    def ball(self, diameter_mm: float, hu: float, axes: tuple[float, float, float] = (1, 1, 1)) -> Scene:
        """An ellipsoid; ``axes`` scale it along z, y, x."""
        r2 = (self.z / axes[0]) ** 2 + (self.y / axes[1]) ** 2 + (self.x / axes[2]) ** 2
        self.hu[r2 < (diameter_mm / 2) ** 2] = hu
        return self

    def vessel(self, diameter_mm: float) -> Scene:
        """A tube along x through the centre."""
        self.hu[np.broadcast_to(self.z**2 + self.y**2 < (diameter_mm / 2) ** 2, self.hu.shape)] = 40
        return self

    def wall(self, x_mm: float) -> Scene:
        self.hu[np.broadcast_to(self.x > x_mm, self.hu.shape)] = 40
        return self

    def volume(self, noise_hu: float = 15) -> Volume:
        k, j, i = self.shape
        mean = self.hu.reshape(k, SUB[0], j, SUB[1], i, SUB[2]).mean(axis=(1, 3, 5))
        noise = np.random.default_rng(1).normal(0, noise_hu, self.shape)
        affine = np.array(
            [[0, 0, self.spacing[2], -90], [0, self.spacing[1], 0, 20], [self.spacing[0], 0, 0, -300], [0, 0, 0, 1.0]]
        )
        return Volume(np.rint(mean + noise).astype(np.int16), affine)


def all_lung(volume: Volume) -> Lungs:
    return Lungs(np.full(volume.shape, LungLabel.LEFT, dtype=np.uint8), 0.0, 1.0)


def measured(scene: Scene, diameter_mm: float, off: float = 0.5) -> NoduleMeasurement:
    volume = scene.volume()
    k, j, i = scene.center
    return measure_nodule(volume, all_lung(volume), Candidate((k + off, j - off, i + off), 0.9, 1.15 * diameter_mm))


def ball_mm3(diameter_mm: float) -> float:
    return np.pi / 6 * diameter_mm**3


@pytest.mark.parametrize("spacing", [(1.25, 0.7, 0.7), (0.8, 0.9, 0.9)], ids=["1.25mm", "0.8mm"])
@pytest.mark.parametrize("diameter_mm", [6.0, 8.0, 12.0, 20.0, 30.0])
@pytest.mark.parametrize("hu", [30.0, -600.0], ids=["solid", "ground_glass"])
def test_a_sphere_has_its_diameter_and_volume(
    diameter_mm: float, spacing: tuple[float, float, float], hu: float
) -> None:
    nodule = measured(Scene(spacing, diameter_mm / 2 + 14).ball(diameter_mm, hu), diameter_mm)
    assert nodule.mean_diameter_mm == pytest.approx(diameter_mm, abs=0.7)
    assert nodule.long_axis.length_mm == pytest.approx(diameter_mm, abs=0.9)
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(diameter_mm), rel=0.10)


def test_a_small_nodule_on_thick_slices_keeps_its_diameter() -> None:
    nodule = measured(Scene((2.5, 0.75, 0.75), 18).ball(6, 30), 6)
    assert nodule.mean_diameter_mm == pytest.approx(6, abs=0.7)
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(6), rel=0.15)


def test_the_center_is_found_from_a_mark_beside_it() -> None:
    scene = Scene((1.25, 0.7, 0.7), 20).ball(10, 30)
    nodule = measured(scene, 10, off=2.0)
    apart = (np.asarray(nodule.center_kji) - scene.center) * scene.spacing
    assert np.linalg.norm(apart) < 0.4


def test_an_oval_nodule_has_a_long_and_a_short_axis() -> None:
    nodule = measured(Scene((1.25, 0.7, 0.7), 24).ball(10, 30, axes=(1, 0.8, 1.6)), 10)
    assert nodule.long_axis.length_mm == pytest.approx(16, abs=0.7)
    assert nodule.short_axis.length_mm == pytest.approx(8, abs=0.7)
    assert nodule.mean_diameter_mm == (nodule.long_axis.length_mm + nodule.short_axis.length_mm) / 2


def test_both_axes_are_perpendicular_and_lie_on_one_slice_of_the_volume() -> None:
    scene = Scene((1.25, 0.7, 0.7), 24).ball(10, 30, axes=(1, 0.8, 1.6))
    nodule = measured(scene, 10)
    lines = [np.subtract(c.end_kji, c.start_kji) * scene.spacing for c in (nodule.long_axis, nodule.short_axis)]
    assert abs(float(np.dot(*lines))) < 1e-6
    planes = {p[0] for c in (nodule.long_axis, nodule.short_axis) for p in (c.start_kji, c.end_kji)}
    assert len(planes) == 1
    assert planes.pop() == pytest.approx(scene.center[0], abs=1)
    assert np.linalg.norm(lines[0]) == pytest.approx(nodule.long_axis.length_mm)


def test_a_vessel_through_a_nodule_is_cut_off() -> None:
    nodule = measured(Scene((1.25, 0.7, 0.7), 22).ball(12, 30).vessel(3.5), 12)
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(12), rel=0.2)
    assert nodule.long_axis.length_mm < 16


def test_the_chest_wall_is_cut_off_by_the_lung() -> None:
    scene = Scene((1.25, 0.7, 0.7), 24).ball(12, 30).wall(4)
    volume = scene.volume()
    labels = np.full(volume.shape, LungLabel.LEFT, dtype=np.uint8)
    edge = scene.center[2] + 4 / scene.spacing[2]
    labels[:, :, round(edge) :] = 0
    nodule = measure_nodule(volume, Lungs(labels, 0, 1), Candidate(scene.center, 0.9, 12))
    whole, cap_mm = ball_mm3(12), 2.0
    cut = whole - np.pi * cap_mm**2 * (6 - cap_mm / 3)
    assert nodule.volume_mm3 == pytest.approx(cut, rel=0.15)


@pytest.mark.parametrize(
    ("hu", "expected"),
    [(30.0, Attenuation.SOLID), (-600.0, Attenuation.GROUND_GLASS), (450.0, Attenuation.CALCIFIED)],
)
def test_attenuation_follows_the_hu(hu: float, expected: Attenuation) -> None:
    nodule = measured(Scene((1.25, 0.7, 0.7), 20).ball(10, hu), 10)
    assert nodule.attenuation is expected
    assert nodule.solid_diameter_mm is None


@pytest.mark.parametrize("spacing", [(1.25, 0.7, 0.7), (2.5, 0.75, 0.75)], ids=["1.25mm", "2.5mm"])
def test_a_part_solid_nodule_has_a_whole_and_a_solid_diameter(spacing: tuple[float, float, float]) -> None:
    nodule = measured(Scene(spacing, 28).ball(18, -600).ball(9, 20), 18)
    assert nodule.attenuation is Attenuation.PART_SOLID
    assert nodule.mean_diameter_mm == pytest.approx(18, abs=1.0)
    assert nodule.solid_diameter_mm == pytest.approx(9, abs=2.0)
    assert nodule.solid_volume_mm3 == pytest.approx(ball_mm3(9), rel=0.35)


def test_the_mask_lies_where_it_says() -> None:
    scene = Scene((1.25, 0.7, 0.7), 20).ball(10, 30)
    nodule = measured(scene, 10)
    whole = np.zeros(scene.shape, dtype=bool)
    k, j, i = nodule.mask_offset_kji
    a, b, c = nodule.mask.shape
    whole[k : k + a, j : j + b, i : i + c] = nodule.mask
    distance = np.linalg.norm((np.argwhere(whole) - scene.center) * scene.spacing, axis=1)
    assert distance.max() < 5.8
    assert whole.sum() * np.prod(scene.spacing) == pytest.approx(ball_mm3(10), rel=0.1)


def test_mean_hu_is_that_of_the_nodules_voxels() -> None:
    nodule = measured(Scene((0.8, 0.7, 0.7), 28).ball(24, 30), 24)
    assert nodule.mean_hu == pytest.approx(30, abs=60)
    assert nodule.sd_hu > 0


def test_a_mark_on_nothing_still_has_a_voxel_and_axes() -> None:
    scene = Scene((2.0, 1.0, 1.0), 15)
    nodule = measured(scene, 4)
    assert nodule.mask.any()
    assert nodule.volume_mm3 > 0
    assert nodule.long_axis.length_mm >= 1.0
    assert nodule.short_axis.length_mm >= 1.0


@pytest.mark.parametrize("center", [(0, 0, 0), (14, 30, 30), (99, -5, 12)])
def test_a_mark_at_the_corner_of_the_volume_is_measured(center: tuple[float, float, float]) -> None:
    volume = Scene((2.0, 1.0, 1.0), 15).volume()
    nodule = measure_nodule(volume, all_lung(volume), Candidate(center, 0.5, 5.0))
    assert nodule.mask.any()


def test_calipers_of_a_rectangle_are_its_diagonal_and_the_chord_across() -> None:
    corners: npt.NDArray[np.float64] = np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0], [3.0, 0.0]])
    long_mm, short_mm = axes_of(corners, least_mm=0.1).lengths_mm
    assert long_mm == pytest.approx(5.0)
    assert short_mm == pytest.approx(3.0 / 0.8)  # from one corner across the diagonal to the far side


def test_an_outline_lies_between_pixels() -> None:
    field = np.zeros((7, 7), dtype=np.float32)
    field[2:5, 2:5] = 100
    outline = outline_of(field, 50.0, (2.0, 1.0))
    assert outline.min(axis=0) == pytest.approx([3.0, 1.5])
    assert outline.max(axis=0) == pytest.approx([9.0, 4.5])


def test_a_field_that_never_reaches_the_level_has_no_outline() -> None:
    assert outline_of(np.zeros((5, 5), dtype=np.float32), 50.0, (1.0, 1.0)).shape == (0, 2)
