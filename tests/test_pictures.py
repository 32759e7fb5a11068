"""What is drawn lies where it was found, the right way round, and tells nobody who the patient is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import node.results.drawing
import node.results.pictures
import node.results.rendering
import node.results.summary_page
import node.results.summary_table
import node.results.views
from models.findings import Caliper, Findings, Nodule
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER
from node.results.drawing import colour_of, letters_of, windowed
from node.results.picture_files import write_pictures
from node.results.pictures import (
    SliceFrame,
    edge_letters,
    key_slices,
    measuring_slice,
    nodule_picture,
    slice_grey,
    slice_overlay,
    slice_picture,
)
from node.results.summary_page import PAGE_SIZE, summary_page
from node.results.wording import NO_NODULE
from tests.result_examples import (
    SHAPE,
    SPACING_MM,
    as_enhanced,
    with_headers,
)
from training.phantom_small import small_phantom


def ink(nodule: Nodule, overlay: np.ndarray) -> np.ndarray:
    """(N, 2) x, y of the pixels drawn in the nodule's own colour, from the outer corner."""
    same = (overlay[..., :3] == colour_of(nodule.id)).all(axis=-1) & (overlay[..., 3] > 200)
    return np.argwhere(same)[:, ::-1] + 0.5


def from_centre(nodule: Nodule, points_xy: np.ndarray, frame: SliceFrame) -> np.ndarray:
    """Distance of picture points from the nodule's centre in mm."""
    offset = (points_xy - frame.xy([nodule.measurement.center_kji[1:]])[0]) / frame.scale
    return np.hypot(offset[:, 0] * SPACING_MM[2], offset[:, 1] * SPACING_MM[1])


def written(monkeypatch: pytest.MonkeyPatch, *modules: object) -> list[str]:
    """Collect every line of text that the modules write."""
    texts: list[str] = []
    for module in modules:
        monkeypatch.setattr(module, "write", lambda _canvas, _at, text, *_args, **_more: texts.append(text))
    return texts


# Which slices


def test_key_slices_are_the_measuring_slices_and_their_neighbours(findings: Findings) -> None:
    middles = {measuring_slice(nodule) for nodule in findings.nodules}
    assert key_slices(findings, 0) == tuple(sorted(middles))
    assert set(key_slices(findings)) == {k + step for k in middles for step in (-1, 0, 1)}
    assert list(key_slices(findings)) == sorted(set(key_slices(findings)))


def test_key_slices_stay_inside_the_volume(findings: Findings) -> None:
    first = findings.nodules[0]
    axis = Caliper((0.0, 1.0, 1.0), (0.0, 1.0, 3.0), 5.0)
    at_the_edge = replace(first, measurement=replace(first.measurement, long_axis=axis))
    assert key_slices(replace(findings, nodules=(at_the_edge,)), 2) == (0, 1, 2)


def test_without_nodules_there_is_no_key_slice(findings: Findings) -> None:
    assert key_slices(replace(findings, nodules=())) == ()


# One slice


def test_the_lung_window_is_the_usual_one() -> None:
    assert windowed(np.array([-2000, -1350, -600, 150, 3000])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("scale", [1, 2])
def test_a_picture_has_the_size_of_its_source_image(series: AssembledSeries, findings: Findings, scale: int) -> None:
    picture = slice_picture(series, findings, 5, scale)
    assert picture.shape == (SHAPE[1] * scale, SHAPE[2] * scale, 3)
    assert picture.dtype == np.uint8


def test_the_centre_of_a_voxel_is_the_middle_of_its_pixels(series: AssembledSeries) -> None:
    assert SliceFrame(series, 0, 2).xy([(0, 0), (3, 1)]).tolist() == [[1, 1], [3, 7]]


def test_frames_of_one_instance_are_drawn_like_single_images(series: AssembledSeries, findings: Findings) -> None:
    k = measuring_slice(findings.nodules[0])
    assert slice_picture(as_enhanced(series), findings, k).shape == slice_picture(series, findings, k).shape


def test_the_contour_runs_along_the_edge_of_the_nodule(series: AssembledSeries, findings: Findings) -> None:
    nodule = findings.nodules[1]
    frame = SliceFrame(series, measuring_slice(nodule), 4)
    distance = from_centre(nodule, ink(nodule, slice_overlay(series, findings, frame.k, 4)), frame)
    radius = nodule.measurement.mean_diameter_mm / 2
    contour = distance[distance < radius + SPACING_MM[1]]
    assert len(contour) > 50
    assert contour.min() > radius - SPACING_MM[1]


def test_nothing_covers_a_nodule_beside_its_measuring_slice(series: AssembledSeries, findings: Findings) -> None:
    nodule = findings.nodules[1]
    frame = SliceFrame(series, measuring_slice(nodule) + 1, 4)
    overlay = slice_overlay(series, findings, frame.k, 4)
    x, y = (int(value) for value in frame.xy([nodule.measurement.center_kji[1:]])[0])
    assert overlay[y - 6 : y + 6, x - 6 : x + 6, 3].max() == 0


def test_axes_are_drawn_on_the_measuring_slice_only(series: AssembledSeries, findings: Findings) -> None:
    nodule = findings.nodules[1]
    x, y = SliceFrame(series, 0, 4).xy([nodule.measurement.center_kji[1:]])[0].astype(int)
    alpha = [slice_overlay(series, findings, measuring_slice(nodule) + step, 4)[y, x, 3] for step in (0, 1)]
    assert alpha[0] > 100
    assert alpha[1] == 0


def test_a_slice_without_a_nodule_has_no_mark(series: AssembledSeries, findings: Findings) -> None:
    overlay = slice_overlay(series, findings, 0, 1)
    assert all(len(ink(nodule, overlay)) == 0 for nodule in findings.nodules)


def test_a_corrected_tilt_is_undone_so_that_the_picture_lies_over_its_source(
    series: AssembledSeries, findings: Findings
) -> None:
    nodule = findings.nodules[1]
    k = measuring_slice(nodule)
    shifts = np.zeros_like(series.shifts_ji_px)
    shifts[k] = (7, -5)
    tilted = replace(series, shifts_ji_px=shifts)
    assert np.array_equal(slice_grey(tilted, k)[7:, :-5], slice_grey(series, k)[:-7, 5:])
    apart = SliceFrame(tilted, k, 2).xy([(10, 10)])[0] - SliceFrame(series, k, 2).xy([(10, 10)])[0]
    assert apart.tolist() == [-10, 14]
    straight, moved = (slice_overlay(s, findings, k, 2) for s in (series, tilted))
    x, y = SliceFrame(tilted, k, 2).xy([nodule.measurement.center_kji[1:]])[0]
    near = np.hypot(*(ink(nodule, moved) - (x, y)).T) < 10
    assert near.sum() == (np.hypot(*(ink(nodule, straight) - (x + 10, y - 14)).T) < 10).sum() > 10


def test_a_close_up_shows_the_nodule_in_its_middle(series: AssembledSeries, findings: Findings) -> None:
    picture = nodule_picture(series, findings.nodules[1], 200)
    assert picture.shape == (200, 200, 3)
    assert picture[90:96, 90:96].min() > picture[2:20, 90:110].max()  # soft tissue in the lung


# Which way round


def test_letters_name_the_direction_in_the_patient() -> None:
    """PS3.3 C.7.6.1.1.1: the letters of the largest shares, in falling order."""
    assert letters_of(np.array([-1.0, 0.0, 0.0])) == "R"
    assert letters_of(np.array([0.0, 0.0, 1.0])) == "H"
    assert letters_of(np.array([0.5, -0.8, 0.3])) == "ALH"
    assert letters_of(np.array([0.1, 0.99, 0.0])) == "P"


@pytest.mark.parametrize(
    ("flip_j", "flip_i", "letters"),
    [(False, False, "RLAP"), (True, True, "LRPA"), (False, True, "LRAP"), (True, False, "RLPA")],
    ids=["head first supine", "prone, turned in the plane", "feet first supine", "feet first prone"],
)
def test_edge_letters_follow_how_the_patient_lay(flip_j: bool, flip_i: bool, letters: str) -> None:
    volume = small_phantom((), (8, 20, 20), (9.0, 9.0, 9.0), (False, flip_j, flip_i)).volume
    assert "".join(edge_letters(volume)) == letters


# What is said, and what is not


def test_every_slice_says_what_it_is(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written(monkeypatch, node.results.pictures)
    nodule = findings.nodules[0]
    k = measuring_slice(nodule)
    slice_overlay(series, findings, k, 4)
    said = " ".join(texts)
    assert DISCLAIMER in said
    assert all(f"{model.name} {model.version}" in said for model in findings.models)
    assert f"z = {series.volume.to_patient((k, 0, 0))[2]:.1f} mm" in texts
    assert f"1   {nodule.measurement.mean_diameter_mm:.1f} mm" in texts
    assert {"R", "L", "A", "P", "5 cm"} <= set(texts)


def test_pictures_do_not_tell_who_the_patient_is(series: AssembledSeries, findings: Findings) -> None:
    somebody = with_headers(series, PatientName="Somebody^Else", PatientID="4711", AccessionNumber="A1")
    k = measuring_slice(findings.nodules[0])
    assert np.array_equal(slice_picture(series, findings, k), slice_picture(somebody, findings, k))
    assert np.array_equal(summary_page(series, findings), summary_page(somebody, findings))


def test_the_summary_says_what_was_found(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written(monkeypatch, node.results.summary_page, node.results.summary_table)
    page = summary_page(series, findings)
    said = " ".join(texts)
    assert page.shape == (PAGE_SIZE[1], PAGE_SIZE[0], 3)
    assert {DISCLAIMER, "4B", "3", "12.0", "20.0 × 20.0", "1.2 to 3.5 %", "4A"} <= set(texts)
    assert all(warning in said for warning in (*findings.warnings, *findings.lungs.warnings, "touches the pleura"))


def test_a_summary_without_nodules_does_not_say_that_there_are_none(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written(monkeypatch, node.results.summary_page)
    summary_page(series, replace(findings, nodules=()))
    assert NO_NODULE in texts
    assert "does not mean that there is none" in NO_NODULE


def test_a_summary_that_cannot_show_all_says_so(
    series: AssembledSeries, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written(monkeypatch, node.results.summary_page, node.results.summary_table)
    many = tuple(replace(findings.nodules[n % 3], id=n + 1) for n in range(14))
    warnings = tuple(f"warning {n} " + "that needs some room " * 6 for n in range(20))
    summary_page(series, replace(findings, nodules=many, warnings=warnings))
    assert "and 4 more in the structured report" in texts
    assert "More warnings stand in the structured report." in texts


# Files


def test_written_pictures_speak_the_language_of_the_report(
    series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    one = replace(findings, nodules=findings.nodules[:1])
    for language in ("en", "de"):
        write_pictures(series, one, tmp_path / language, language)
    names = ("summary.png", f"slice-{key_slices(one)[0] + 1:04d}.png")
    assert all((tmp_path / "en" / name).read_bytes() != (tmp_path / "de" / name).read_bytes() for name in names)


def test_pictures_are_written_whole_and_nothing_else_is_left(
    series: AssembledSeries, findings: Findings, tmp_path: Path
) -> None:
    one = replace(findings, nodules=findings.nodules[:1])
    paths = write_pictures(series, one, tmp_path / "pictures")
    assert sorted(paths) == sorted((tmp_path / "pictures").iterdir())
    slices = [f"slice-{k + 1:04d}.png" for k in key_slices(one)]
    assert {"summary.png", "axial.png", "lungs-3d-front.png", *slices} <= {path.name for path in paths}
    for path in paths:
        with Image.open(path) as image:
            image.verify()
