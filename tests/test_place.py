"""Where a nodule lies: side, third, lobe and distance to the pleura."""

from __future__ import annotations

import numpy as np
import pytest

from models.findings import Attenuation, Caliper, Lobe, LungLabel, Lungs, NoduleMeasurement, Side, Third
from models.place import PLEURA_REACH_MM, lobe_of, pleura_distance_mm, side_of, third_of
from models.volume import Volume


def two_lungs(superior_k: bool) -> tuple[Volume, Lungs]:
    """30 slices; columns 0-9 the right lung, 20-29 the left; the head at high k or at low k."""
    sign = 1 if superior_k else -1
    affine = np.array([[0, 0, 5.0, -75], [0, 5.0, 0, -75], [5.0 * sign, 0, 0, 0], [0, 0, 0, 1]])
    labels = np.zeros((30, 10, 30), dtype=np.uint8)
    labels[3:27, :, :10], labels[3:27, :, 20:] = LungLabel.RIGHT, LungLabel.LEFT
    return Volume(np.full(labels.shape, -850, dtype=np.int16), affine), Lungs(labels, 1.0, 1.0)


@pytest.mark.parametrize(("superior_k", "top"), [(True, 25.0), (False, 4.0)], ids=["head_last", "head_first"])
def test_thirds_run_along_the_patient(superior_k: bool, top: float) -> None:
    volume, lungs = two_lungs(superior_k)
    assert third_of((top, 5, 5), lungs, volume) is Third.UPPER
    assert third_of((29 - top, 5, 5), lungs, volume) is Third.LOWER
    assert third_of((14.5, 5, 25), lungs, volume) is Third.MIDDLE


def test_side_is_that_of_the_lung_or_of_the_nearer_one() -> None:
    volume, lungs = two_lungs(True)
    assert side_of((10, 5, 5), lungs, volume) is Side.RIGHT
    assert side_of((10, 5, 25), lungs, volume) is Side.LEFT
    assert side_of((10, 5, 12), lungs, volume) is Side.RIGHT
    assert side_of((10, 5, 17), lungs, volume) is Side.LEFT


def test_a_side_needs_a_lung() -> None:
    volume, lungs = two_lungs(True)
    with pytest.raises(ValueError, match="needs a lung"):
        side_of((10, 5, 5), Lungs(np.zeros_like(lungs.labels), 0, 0), volume)


def block(center: tuple[int, int, int], half: int) -> NoduleMeasurement:
    """A cube of (2 half + 1) voxels a side."""
    line = Caliper(center, center, 1.0)
    return NoduleMeasurement(
        mask=np.ones((2 * half + 1,) * 3, dtype=bool),
        mask_offset_kji=(center[0] - half, center[1] - half, center[2] - half),
        center_kji=center,
        long_axis=line,
        short_axis=line,
        mean_diameter_mm=1.0,
        volume_mm3=1.0,
        mean_hu=0.0,
        sd_hu=0.0,
        attenuation=Attenuation.SOLID,
    )


def cube_lung(side: int = 80) -> tuple[Volume, Lungs]:
    """A right lung that is a cube of ``side`` mm, 10 mm from every end of a 1 mm grid; columns run to the left."""
    labels = np.zeros((side + 20,) * 3, dtype=np.uint8)
    labels[10:-10, 10:-10, 10:-10] = LungLabel.RIGHT
    return Volume(np.full(labels.shape, -850, dtype=np.int16), np.fliplr(np.eye(4)[:, [3, 0, 1, 2]])), Lungs(
        labels, 1, 0
    )


def test_distance_to_the_pleura_is_from_surface_to_surface() -> None:
    volume, lungs = cube_lung()
    # centre 20 mm inside the lung's first column, 3 voxels on each side: 16 voxels of lung between
    assert pleura_distance_mm(block((50, 50, 30), 3), lungs, volume) == pytest.approx(17, abs=1.5)


@pytest.mark.parametrize("column", [12, 10])
def test_a_nodule_on_the_pleura_is_at_0_mm(column: int) -> None:
    volume, lungs = cube_lung()
    assert pleura_distance_mm(block((50, 50, column), 2), lungs, volume) == 0.0


def test_the_other_lung_is_no_part_of_ones_own() -> None:
    volume, lungs = cube_lung()
    lungs.labels[:, :, 60:] = LungLabel.LEFT
    assert pleura_distance_mm(block((50, 50, 50), 2), lungs, volume) == pytest.approx(7, abs=1.5)


def test_a_nodule_far_from_any_pleura_is_given_the_reach() -> None:
    volume, lungs = cube_lung()
    lungs.labels[:] = LungLabel.RIGHT
    assert pleura_distance_mm(block((50, 50, 50), 1), lungs, volume) == PLEURA_REACH_MM


def test_a_nodule_smaller_than_the_grid_of_the_distance_is_not_lost() -> None:
    volume, lungs = cube_lung()
    thin = Volume(volume.hu, volume.affine * np.array([0.3, 0.3, 0.3, 1.0]))
    assert pleura_distance_mm(block((51, 51, 31), 0), lungs, thin) == pytest.approx(0.3 * 21, abs=1.5)


def test_the_lobe_is_that_of_most_voxels_and_none_without_lobes() -> None:
    _, lungs = cube_lung()
    lobes = np.zeros_like(lungs.labels)
    lobes[:50], lobes[50:] = 5, 3
    assert lobe_of(block((52, 50, 50), 2), lungs) is None
    assert lobe_of(block((52, 50, 50), 2), Lungs(lungs.labels, 1, 0, lobes=lobes)) is Lobe.RIGHT_UPPER
    assert lobe_of(block((48, 50, 50), 3), Lungs(lungs.labels, 1, 0, lobes=lobes)) is Lobe.RIGHT_LOWER
    assert lobe_of(block((52, 50, 50), 2), Lungs(lungs.labels, 1, 0, lobes=np.zeros_like(lobes))) is None
