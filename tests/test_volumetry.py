"""Digital nodules of exactly known size: what measuring makes of them, and how sure it says it is."""

from __future__ import annotations

import numpy as np
import pytest

from models.findings import Candidate, Lungs, NoduleMeasurement
from models.measurement import measure_nodule
from models.uncertainty import uncertainty_of
from training.digital_nodules import DigitalNodule, Place, Scene, Shape, scanned

SOLID_ISOLATED = [
    (shape, diameter_mm, slice_mm, noise)
    for shape in Shape
    for diameter_mm, slice_mm, noise in [(6, 0.6, 10), (6, 1.25, 45), (8, 1.25, 25), (12, 0.6, 45), (20, 1.25, 10)]
]


def scene_of(nodule: DigitalNodule, slice_mm: float, noise: float, seed: int = 5) -> Scene:
    return scanned(nodule, (slice_mm, 0.7, 0.7), noise, np.random.default_rng(seed))


def measured(scene: Scene, diameter_mm: float) -> NoduleMeasurement:
    k, j, i = scene.center_kji
    mark = Candidate((k + 0.3, j - 0.4, i + 0.5), 0.9, 1.1 * diameter_mm)
    return measure_nodule(scene.volume, Lungs(scene.labels, 0, 1), mark)


def test_solid_isolated_nodules_from_6_mm_have_their_volume_and_diameter() -> None:
    """At most 1.25 mm slices: bias within 5 %, 95 % limits within 15 %, diameters within 0.7 mm."""
    shares, apart_mm = [], []
    for shape, diameter_mm, slice_mm, noise in SOLID_ISOLATED:
        scene = scene_of(DigitalNodule(shape, Place.ISOLATED, diameter_mm), slice_mm, noise)
        nodule = measured(scene, diameter_mm)
        shares.append(nodule.volume_mm3 / scene.volume_mm3 - 1)
        apart_mm.append(nodule.mean_diameter_mm - scene.mean_diameter_mm)
    assert abs(np.mean(shares)) <= 0.05
    assert np.abs(np.mean(shares) + 1.96 * np.std(shares) * np.array([-1, 1])).max() <= 0.15
    assert np.abs(apart_mm).max() <= 0.7


@pytest.mark.parametrize("place", [Place.JUXTAPLEURAL, Place.JUXTAVASCULAR])
def test_wall_and_vessel_are_parted_from_a_nodule(place: Place) -> None:
    scene = scene_of(DigitalNodule(Shape.SPHERE, place, 12), 1.25, 25)
    nodule = measured(scene, 12)
    assert nodule.volume_mm3 == pytest.approx(scene.volume_mm3, rel=0.1)


def test_a_sphere_of_the_scene_has_the_volume_and_diameter_of_a_sphere() -> None:
    scene = scene_of(DigitalNodule(Shape.SPHERE, Place.ISOLATED, 10), 1.25, 10)
    assert scene.volume_mm3 == pytest.approx(523.60, rel=0.01)
    assert scene.mean_diameter_mm == pytest.approx(10, abs=0.2)


def test_the_wall_cuts_the_true_volume_and_is_no_lung() -> None:
    scene = scene_of(DigitalNodule(Shape.SPHERE, Place.JUXTAPLEURAL, 10), 1.25, 10)
    assert 0.75 * 523.6 < scene.volume_mm3 < 0.97 * 523.6
    assert (scene.labels == 0).any()


def test_noise_has_the_wanted_size() -> None:
    scene = scene_of(DigitalNodule(Shape.SPHERE, Place.ISOLATED, 3), 1.25, 30)
    assert scene.volume.hu[:4].std() == pytest.approx(30, rel=0.1)


def test_thicker_slices_and_smaller_nodules_are_less_sure() -> None:
    assert (
        uncertainty_of(6, 2.5).volume_share > uncertainty_of(6, 0.6).volume_share > uncertainty_of(20, 0.6).volume_share
    )
    assert uncertainty_of(6, 2.5).diameter_mm > uncertainty_of(6, 0.6).diameter_mm


def test_a_measurement_says_how_sure_it_is() -> None:
    scene = scene_of(DigitalNodule(Shape.LOBULATED, Place.ISOLATED, 8), 2.5, 25)
    nodule = measured(scene, 8)
    assert nodule.uncertainty == uncertainty_of(nodule.mean_diameter_mm, 2.5)
    assert abs(nodule.mean_diameter_mm - scene.mean_diameter_mm) <= nodule.uncertainty.diameter_mm
