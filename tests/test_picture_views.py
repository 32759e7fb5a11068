"""Planes, projections and the turning lungs show the patient the right way round, however the source lay."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from models.findings import Findings, LungLabel, Lungs, Nodule
from models.volume import Volume
from node.assembly.assembled import AssembledSeries
from node.results.drawing import BACKGROUND, colour_of
from node.results.labels import Mark, place_labels
from node.results.location_map import location_view
from node.results.rendering import render_lungs
from node.results.views import Plane, planes_of, projection_view, section, upright
from tests.result_examples import SHAPE, SPACING_MM, example_findings, sphere_nodule
from training.phantom_small import SPHERES, small_phantom, sphere

FLIPS = list(product((False, True), repeat=3))


def seen_from(flip_kji: tuple[bool, bool, bool]) -> tuple[Volume, Findings]:
    """The same patient on a grid whose axes run another way."""
    phantom = small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM, flip_kji=flip_kji, noise_sd_hu=0)
    nodules = tuple(sphere_nodule(phantom.volume, sphere, n) for n, sphere in enumerate(SPHERES, start=1))
    findings = example_findings(phantom.volume, nodules=nodules)
    return phantom.volume, replace(findings, lungs=Lungs(phantom.lung_labels, 2400.0, 2400.0))


@pytest.mark.parametrize("flip", FLIPS)
def test_views_of_a_patient_do_not_depend_on_the_source_axes(flip: tuple[bool, bool, bool]) -> None:
    plain, turned = (seen_from(f) for f in (FLIPS[0], flip))
    first, second = (planes_of(upright(v, f.lungs), f, 200) for v, f in (plain, turned))
    for name, picture in first.items():
        assert picture.shape == second[name].shape
        assert np.abs(picture.astype(int) - second[name]).mean() < 1


@pytest.mark.parametrize("flip", FLIPS)
def test_the_left_lung_is_on_the_right_and_the_head_is_up(flip: tuple[bool, bool, bool]) -> None:
    volume, findings = seen_from(flip)
    view = upright(volume, findings.lungs)
    flat = section(view, Plane.CORONAL, tuple(view.volume.to_index((-75.0, 10.0, 45.0))), 300)
    for planted in SPHERES:
        x, y = flat.xy(view.volume.to_index(planted.center_lps_mm))
        height = flat.grey.shape[0] * flat.spacing_mm[0] * flat.pixels_per_mm
        assert (x > 150) == (planted.center_lps_mm[0] > 0)
        assert (y < height / 2) == (planted.center_lps_mm[2] > 0)
    x, y = flat.xy(view.volume.to_index((-75.0, 10.0, 45.0)))
    row, column = int(y / flat.pixels_per_mm / flat.spacing_mm[0]), int(x / flat.pixels_per_mm / flat.spacing_mm[1])
    assert flat.grey[row, column] > 200  # the solid sphere itself


def test_planes_are_isotropic(findings: Findings) -> None:
    volume, _ = seen_from(FLIPS[0])
    view = upright(volume, findings.lungs)
    flat = section(view, Plane.CORONAL, (20.0, 50.0, 60.0), 300)
    (x0, y0), (x1, y1) = (flat.xy(view.volume.to_index(point)) for point in ((0, 0, 0), (30, 0, -30)))
    assert x1 - x0 == pytest.approx(y1 - y0)


def test_ribs_do_not_show_through_the_projection_of_the_lungs() -> None:
    volume, findings = seen_from(FLIPS[0])
    picture = projection_view(upright(volume, findings.lungs), Plane.CORONAL, (), 300)
    assert np.median(picture) == 0  # chest wall and mediastinum are black
    assert picture.max() == 255  # a solid nodule is not


def test_the_map_shows_each_nodule_in_its_place_and_third() -> None:
    volume, findings = seen_from(FLIPS[0])
    view = upright(volume, findings.lungs)
    picture = location_view(view, findings.nodules, 300, 11).astype(int)
    flat = section(view, Plane.CORONAL, (0.0, 0.0, 0.0), 300)
    for nodule in findings.nodules:
        x, y = (int(value) for value in flat.xy(view.volume.to_index(nodule.center_lps_mm)))
        assert np.abs(picture[y, x] - colour_of(nodule.id)).max() < 10
    lines = (picture.min(axis=-1) > 120).mean(axis=1)  # rows that are mostly line
    assert (lines > 0.2).sum() >= 2


def test_the_map_of_an_empty_chest_is_drawn() -> None:
    volume, findings = seen_from(FLIPS[0])
    empty = Lungs(np.zeros_like(findings.lungs.labels), 0.0, 0.0)
    assert location_view(upright(volume, empty), (), 200, 11).shape[1] == 200


# In three dimensions


def moved_ink(volume: Volume, findings: Findings, nodule: Nodule, azimuth_deg: float) -> np.ndarray:
    """Mean x, y, from -1 to 1 (right, down), of what one nodule changes in the rendering."""
    one, none = (render_lungs(findings.lungs, volume, n, azimuth_deg, 160).astype(int) for n in ((nodule,), ()))
    changed = np.argwhere(np.abs(one - none).sum(axis=-1) > 60)
    return changed.mean(axis=0)[::-1] / 80 - 1


@pytest.mark.parametrize("flip", [(False, False, False), (True, True, False), (False, True, True)])
def test_the_rendering_turns_around_the_patient(flip: tuple[bool, bool, bool]) -> None:
    volume, findings = seen_from(flip)
    left_front = findings.nodules[1]  # (80, -20, 20): left, towards the front, above the middle
    from_front, from_left, from_behind = (moved_ink(volume, findings, left_front, a) for a in (0, 90, 180))
    assert from_front[0] > 0.2
    assert from_behind[0] < -0.2
    assert -0.5 < from_left[0] < 0  # the front is on the left when seen from the patient's left
    assert max(from_front[1], from_left[1], from_behind[1]) < 0


def lit(picture: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(picture.astype(int) - BACKGROUND).sum(axis=-1) > 30)


@pytest.mark.parametrize("azimuth_deg", range(0, 360, 45))
def test_nodules_stay_inside_the_lungs_from_every_side(series: AssembledSeries, azimuth_deg: int) -> None:
    """Two balls of lung, each around one nodule: whichever way they turn, the nodules turn too."""
    volume = series.volume
    nodules = [sphere_nodule(volume, SPHERES[n], n + 1) for n in (0, 1)]
    voxels = volume.to_patient(np.moveaxis(np.indices(volume.shape), 0, -1))
    reach = [np.linalg.norm(voxels - nodule.center_lps_mm, axis=-1) for nodule in nodules]
    lungs = Lungs((np.minimum(*reach) < 24).astype(np.uint8), 50.0, 50.0)
    glass, *both = (render_lungs(lungs, volume, shown, azimuth_deg, 160) for shown in ([], nodules[:1], nodules[1:]))
    for picture in both:
        changed = np.abs(picture.astype(int) - glass).sum(axis=-1) > 60
        row, column = np.argwhere(changed).mean(axis=0).astype(int)
        assert lit(glass)[row - 6 : row + 7, column - 6 : column + 7].all()


@pytest.mark.parametrize(("azimuth_deg", "nearer"), [(0.0, 1), (180.0, 2)])
def test_the_nearer_nodule_hides_the_farther_one(
    series: AssembledSeries, findings: Findings, azimuth_deg: float, nearer: int
) -> None:
    front, back = (sphere((75.0, y, 0.0), 20.0, 40.0) for y in (-30.0, 50.0))
    nodules = [sphere_nodule(series.volume, planted, n) for n, planted in ((1, front), (2, back))]
    both, alone = (
        render_lungs(findings.lungs, series.volume, shown, azimuth_deg, 160).astype(int)
        for shown in (nodules, nodules[nearer - 1 : nearer])
    )
    at = np.abs(alone - render_lungs(findings.lungs, series.volume, (), azimuth_deg, 160)).sum(axis=-1) > 120
    row, column = np.argwhere(at).mean(axis=0).astype(int)
    assert np.abs(both - alone)[row - 2 : row + 3, column - 2 : column + 3].max() < 30  # its own colour


def test_without_lungs_the_rendering_is_empty_and_not_an_error(series: AssembledSeries) -> None:
    nothing = Lungs(np.zeros(series.volume.shape, np.uint8), 0.0, 0.0)
    picture = render_lungs(nothing, series.volume, (), 0, 64)
    assert picture.shape == (64, 64, 3)
    assert (picture[22:42, 24:40] == BACKGROUND).all()  # clear of the letters at the edges


def test_each_lung_is_seen_on_its_side(series: AssembledSeries, findings: Findings) -> None:
    right = np.where(findings.lungs.labels == LungLabel.RIGHT, findings.lungs.labels, 0).astype(np.uint8)
    both, one = (
        render_lungs(replace(findings.lungs, labels=labels), series.volume, (), 0, 120).astype(int).sum(axis=-1)
        for labels in (findings.lungs.labels, right)
    )
    sky = sum(BACKGROUND)
    assert min(both[60, 35], both[60, 85]) > both[60, 60] + 100  # the mediastinum between two lungs
    assert both[60, 60] == sky
    assert one[60, 60] > sky + 100  # a lone lung stands in the middle


# Labels


def test_labels_cover_neither_nodules_nor_each_other() -> None:
    marks = [Mark((100.0 + 14 * n, 100.0 + 5 * (n % 2)), 6.0, 60.0, 14.0) for n in range(5)]
    boxes = [placed.box for placed in place_labels(marks, (300, 300), [(0, 0, 300, 40)])]
    for a, b in [*combinations(boxes, 2), *product(boxes, [mark.box for mark in marks])]:
        assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


def test_a_leader_line_ends_before_the_nodule() -> None:
    (placed,) = place_labels([Mark((50.0, 50.0), 8.0, 40.0, 12.0)], (200, 200))
    assert np.hypot(placed.leader[1][0] - 50, placed.leader[1][1] - 50) == pytest.approx(8.0)


def test_a_label_at_the_edge_stays_in_the_picture() -> None:
    (placed,) = place_labels([Mark((198.0, 3.0), 5.0, 50.0, 12.0)], (200, 200))
    assert placed.box[0] >= 0
    assert placed.box[1] >= 0
    assert placed.box[2] <= 200
